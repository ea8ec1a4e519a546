"""HRNet backbone (Wang et al. 2020, "Deep High-Resolution Representation Learning for Visual Recognition").

Branches at strides 4, 8, 16 and 32 run in parallel and exchange features after every module. Upsampling is bilinear
with aligned corners, as in RITM. Parameters have the names of the published classification and click weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.filling import usable
from isegm.model.layers import conv_bn, conv_bn_relu, resize
from isegm.model.pretrained import read_weights
from isegm.utils.errors import InputError

_BACKBONE = ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")  # how its parameters' names start


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_bn(channels, channels)
        self.conv2, self.bn2 = conv_bn(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out += x
        return F.relu(out, inplace=True)  # (B, channels, H, W)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions to four times ``planes`` channels, added to the projected input.

    Args:
        inputs: channels of the input, projected where they differ from those of the output.
        planes: a quarter of the channels of the output.
    """

    expansion = 4

    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1, self.bn1 = conv_bn(inputs, planes, kernel=1)
        self.conv2, self.bn2 = conv_bn(planes, planes)
        self.conv3, self.bn3 = conv_bn(planes, outputs, kernel=1)
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(*conv_bn(inputs, outputs, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return F.relu(out, inplace=True)  # (B, 4 * planes, H, W)


class HighResolutionModule(nn.Module):
    """Residual blocks on every branch; then each branch gets the sum of all, resized to its size and channels.

    Args:
        channels: channels of the branches, highest resolution first; each has half the size of the previous one.
        blocks: residual blocks per branch.
    """

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width) for _ in range(blocks))) for width in channels)
        count = len(channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._exchange(channels, source, target) for source in range(count))
            for target in range(count)
        )

    @staticmethod
    def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
        """Layers from one branch to another; from a coarser branch, ``forward`` then upsamples to the target's size."""
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(*conv_bn(channels[source], channels[target], kernel=1))
        width = channels[source]
        halvings = [conv_bn_relu(width, width, stride=2) for _ in range(target - source - 1)]
        return nn.Sequential(*halvings, nn.Sequential(*conv_bn(width, channels[target], stride=2)))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, layers in enumerate(self.fuse_layers):
            size = maps[target].shape[2:]
            pairs = enumerate(zip(layers.children(), maps, strict=True))
            parts = (resize(layer(x), size) if source > target else layer(x) for source, (layer, x) in pairs)
            fused.append(F.relu(reduce(torch.add, parts), inplace=True))
        return fused


class HRNet(nn.Module):
    """Backbone from an image at stride 1 to maps at strides 4, 8, 16 and 32.

    Args:
        width: channels of the branch at stride 4; each further branch has twice as many.
        small: the "small v2" variant, with fewer modules and two blocks instead of four.

    Attributes:
        channels: of ``aggregate``.
        timm_name: name of the same network in timm.
    """

    def __init__(self, width: int, small: bool = False) -> None:
        super().__init__()
        self.timm_name = f"hrnet_w{width}{'_small_v2' if small else ''}"
        blocks = 2 if small else 4
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.channels = sum(widths)
        self.conv1, self.bn1 = conv_bn(3, 64, stride=2)
        self.conv2, self.bn2 = conv_bn(64, 64, stride=2)
        stem = 64 * Bottleneck.expansion
        self.layer1 = nn.Sequential(Bottleneck(64, 64), *(Bottleneck(stem, 64) for _ in range(blocks - 1)))

        self.transition1 = nn.ModuleList(
            [conv_bn_relu(stem, widths[0]), nn.Sequential(conv_bn_relu(stem, widths[1], stride=2))]
        )
        self.stage2 = self._stage(1, widths[:2], blocks)
        self.transition2 = self._transition(widths[:3])
        self.stage3 = self._stage(3 if small else 4, widths[:3], blocks)
        self.transition3 = self._transition(widths)
        self.stage4 = self._stage(2 if small else 3, widths, blocks)

    @staticmethod
    def _stage(modules: int, channels: Sequence[int], blocks: int) -> nn.Sequential:
        return nn.Sequential(*(HighResolutionModule(channels, blocks) for _ in range(modules)))

    @staticmethod
    def _transition(channels: Sequence[int]) -> nn.ModuleList:
        """Keep all branches and add one of half the size, computed from the last."""
        kept = [nn.Identity() for _ in channels[:-1]]
        return nn.ModuleList([*kept, nn.Sequential(conv_bn_relu(channels[-2], channels[-1], stride=2))])

    def forward_maps(self, image: Tensor, side: Tensor | None = None) -> list[Tensor]:
        """Return maps at strides 4, 8, 16 and 32.

        Args:
            image: float (B, 3, H, W), normalised.
            side: click features (B, 64, H/2, W/2), added after the first convolution; None for none.
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)  # (B, 64, H/2, W/2)
        if side is not None:
            x = x + side
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)  # (B, 64, H/4, W/4)
        x = self.layer1(x)  # (B, 256, H/4, W/4)
        maps = self.stage2([layer(x) for layer in self.transition1])
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        return self.stage4([*maps, self.transition3[-1](maps[-1])])  # (B, width * 2^i, H / 2^(i+2), W / 2^(i+2))

    @staticmethod
    def aggregate(maps: Sequence[Tensor]) -> Tensor:
        """Resize all maps to the size of the first and concatenate them: (B, channels, H/4, W/4)."""
        size = maps[0].shape[2:]
        return torch.cat([maps[0], *(resize(x, size) for x in maps[1:])], dim=1)

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load weights of an official HRNet release, from a file or from timm by name.

        Files may be of classification or of segmentation (with ``model.`` in their names). Entries that this network
        lacks, such as the classifier, are left out. Every weight of the backbone must be there; a head without an entry
        keeps its values.

        Raises:
            InputError: the weights cannot be read, or are not of an HRNet of this width and depth.
        """
        own = self.state_dict()
        matching = {}
        for key, value in read_weights(source, self.timm_name).items():
            name = own_key(key)
            if name in own and own[name].shape == value.shape:
                matching[name] = value
        backbone = [key for key in own if key.startswith(_BACKBONE) and not key.endswith("num_batches_tracked")]
        wrong = [key for key in backbone if key not in matching]
        if wrong:
            raise InputError(
                f"{source} fits {len(backbone) - len(wrong)} of the {len(backbone)} entries of this HRNet backbone "
                f"({wrong[0]} is missing or of another shape): give the weights of the same width and depth."
            )
        filled = {key: usable(key, value, own[key], source) for key, value in matching.items()}
        self.load_state_dict({**own, **filled})


def own_key(key: str) -> str:
    """Return the name here of an entry of an official file or of timm's ``hrnet_*``, whose backbones agree."""
    return key.replace("model.", "").replace("last_layer", "aux_head")
