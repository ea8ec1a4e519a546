"""Object-contextual representations (Yuan et al. 2020) for one object, and HRNet with this head."""

import torch
from torch import Tensor, nn

from isegm.model.backbones.hrnet import HRNet


def spatial_gather(features: Tensor, logits: Tensor) -> Tensor:
    """Mean of ``features`` (B, C, H, W) under the softmax over pixels of ``logits`` (B, 1, H, W): (B, C, 1, 1)."""
    attention = logits.flatten(2).softmax(dim=2)  # (B, 1, H*W)
    context = features.flatten(2) @ attention.transpose(1, 2)  # (B, C, 1)
    return context.unsqueeze(3)


def _layers(inputs: int, *outputs: int) -> nn.Sequential:
    """1x1 convolutions, each followed by batch norm and ReLU."""
    layers: list[nn.Module] = []
    for output in outputs:
        layers += [nn.Conv2d(inputs, output, 1, bias=False), _bn_relu(output)]
        inputs = output
    return nn.Sequential(*layers)


def _bn_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class ObjectAttention(nn.Module):
    """Attention of every pixel to the objects, of which there is one.

    The softmax over a single object is 1 whatever the query and the key are, so these neither change the result nor
    receive a gradient other than zero. Their weights are part of published files, and in training their batch norms see
    data; in evaluation they are not computed.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = _layers(channels, key_channels, key_channels)
        self.f_object = _layers(channels, key_channels, key_channels)
        self.f_down = _layers(channels, key_channels)
        self.f_up = _layers(key_channels, channels)

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """``features`` (B, C, H, W), ``context`` (B, C, 1, 1) -> (B, C, H, W), the same at every pixel."""
        value = self.f_down(context)  # (B, key, 1, 1)
        if not self.training:
            return self.f_up(value).expand_as(features)
        query, key = self.f_pixel(features), self.f_object(context)  # (B, key, H, W), (B, key, 1, 1)
        similarity = (query * key).sum(dim=1, keepdim=True) * key.shape[1] ** -0.5  # (B, 1, H, W)
        return self.f_up(similarity.softmax(dim=1) * value)


class SpatialOCR(nn.Module):
    """Joins features with what ``ObjectAttention`` returns for them."""

    def __init__(self, channels: int, key_channels: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.object_context_block = ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), _bn_relu(channels), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """``features`` (B, C, H, W), ``context`` (B, C, 1, 1) -> (B, C, H, W)."""
        return self.conv_bn_dropout(torch.cat((self.object_context_block(features, context), features), dim=1))


class HRNetOCR(HRNet):
    """HRNet with an OCR head for one object, at stride 4.

    Args:
        width, small: see ``HRNet``.
        ocr_width: half the channels of the head's features; 0 for a plain head without auxiliary output.
    """

    def __init__(self, width: int = 48, ocr_width: int = 256, small: bool = False) -> None:
        super().__init__(width, small)
        self.ocr_width = ocr_width
        if ocr_width == 0:
            self.cls_head = self._plain_head(kernel=3)
            return
        features = 2 * ocr_width
        self.conv3x3_ocr = nn.Sequential(nn.Conv2d(self.channels, features, 3, padding=1), *_bn_relu(features))
        self.ocr_distri_head = SpatialOCR(features, ocr_width)
        self.cls_head = nn.Conv2d(features, 1, 1)
        self.aux_head = self._plain_head(kernel=1)

    def _plain_head(self, kernel: int) -> nn.Sequential:
        convolution = nn.Conv2d(self.channels, self.channels, kernel, padding=kernel // 2)
        return nn.Sequential(convolution, *_bn_relu(self.channels), nn.Conv2d(self.channels, 1, 1))

    def forward_features(self, aggregated: Tensor) -> tuple[Tensor, Tensor | None]:
        """From ``aggregate`` to what ``cls_head`` reads, (B, 2 * ocr_width, H/4, W/4), and the auxiliary logits."""
        if self.ocr_width == 0:
            return aggregated, None
        aux = self.aux_head(aggregated)  # (B, 1, H/4, W/4)
        features = self.conv3x3_ocr(aggregated)  # (B, 2 * ocr_width, H/4, W/4)
        return self.ocr_distri_head(features, spatial_gather(features, aux)), aux

    def forward(self, image: Tensor, side: Tensor | None = None) -> tuple[Tensor, Tensor | None, Tensor]:
        """Logits and auxiliary logits (None with ``ocr_width`` 0), each (B, 1, H/4, W/4), and what ``cls_head`` reads.

        Args:
            image: float (B, 3, H, W), normalised.
            side: (B, 64, H/2, W/2) what is added behind the first convolution (click maps); None for nothing.
        """
        features, aux = self.forward_features(self.aggregate(self.forward_maps(image, side)))
        return self.cls_head(features), aux, features
