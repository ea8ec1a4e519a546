"""Object-contextual representations (OCR, Yuan et al. 2020) for one object."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def spatial_gather(features: Tensor, logits: Tensor) -> Tensor:
    """Average ``features`` (B, C, H, W) by the softmax over pixels of ``logits`` (B, 1, H, W): (B, C, 1, 1)."""
    attention = logits.flatten(2).softmax(dim=2)  # (B, 1, H*W)
    context = features.flatten(2) @ attention.transpose(1, 2)  # (B, C, 1)
    return context.unsqueeze(3)


def _layers(inputs: int, *outputs: int) -> nn.Sequential:
    """Chain 1x1 convolutions, each followed by batch norm and ReLU."""
    layers: list[nn.Module] = []
    for output in outputs:
        layers += [nn.Conv2d(inputs, output, 1, bias=False), bn_relu(output)]
        inputs = output
    return nn.Sequential(*layers)


def bn_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class ObjectAttention(nn.Module):
    """Attention of every pixel to the objects, of which there is one (docs/fidelity.md#ocr-of-one-object).

    The softmax over a single object is 1 whatever the query and the key are, so these neither change the result nor
    receive a gradient other than zero. Their weights are part of published files, and in training their batch norms see
    data; ``attended``, for evaluation, leaves them out.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel = _layers(channels, key_channels, key_channels)
        self.f_object = _layers(channels, key_channels, key_channels)
        self.f_down = _layers(channels, key_channels)
        self.f_up = _layers(key_channels, channels)

    def attended(self, context: Tensor) -> Tensor:
        """Return what every pixel gets, (B, C, 1, 1), from ``context`` (B, C, 1, 1)."""
        return self.f_up(self.f_down(context))

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return (B, C, H, W), the same at every pixel, from ``features`` (B, C, H, W) and ``context`` (B, C, 1, 1)."""
        value = self.f_down(context)  # (B, key, 1, 1)
        query, key = self.f_pixel(features), self.f_object(context)  # (B, key, H, W), (B, key, 1, 1)
        similarity = (query * key).sum(dim=1, keepdim=True) * key.shape[1] ** -0.5  # (B, 1, H, W)
        return self.f_up(similarity.softmax(dim=1) * value)


class SpatialOCR(nn.Module):
    """Mix features with the output of ``ObjectAttention`` for them.

    In evaluation that is the same at every pixel, and so is its part of the convolution, which is computed once.
    """

    def __init__(self, channels: int, key_channels: int, dropout: float = 0.05) -> None:
        super().__init__()
        self.object_context_block = ObjectAttention(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), bn_relu(channels), nn.Dropout2d(dropout)
        )

    def forward(self, features: Tensor, context: Tensor) -> Tensor:
        """Return (B, C, H, W) from ``features`` (B, C, H, W) and ``context`` (B, C, 1, 1)."""
        if self.training:
            return self.conv_bn_dropout(torch.cat((self.object_context_block(features, context), features), dim=1))
        conv, following = self.conv_bn_dropout[0], self.conv_bn_dropout[1:]
        assert isinstance(conv, nn.Conv2d)
        of_context, of_features = conv.weight.chunk(2, dim=1)
        mixed = F.conv2d(features, of_features, conv.bias)  # (B, C, H, W)
        mixed += F.conv2d(self.object_context_block.attended(context), of_context)
        return following(mixed)
