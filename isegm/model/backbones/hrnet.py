"""HRNet backbone (Wang et al. 2020, "Deep High-Resolution Representation Learning for Visual Recognition").

Branches at strides 4, 8, 16 and 32 run side by side and exchange what they know after every module. Upsampling is
bilinear with aligned corners, as in RITM. Parameters have the names of the published classification and click weights.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.model.backbones.blocks import BasicBlock, Bottleneck, conv_bn, conv_bn_relu, resize
from isegm.model.pretrained import read_weights
from isegm.utils.errors import InputError

_BACKBONE = ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")  # how its parameters' names start


class HighResolutionModule(nn.Module):
    """Residual blocks on every branch, then each branch receives the sum of all, brought to its size and channels.

    Args:
        channels: channels of the branches, highest resolution first; each has half the size of the one before it.
        blocks: residual blocks per branch.
    """

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(blocks))) for width in channels
        )
        count = len(channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._exchange(channels, source, target) for source in range(count))
            for target in range(count)
        )

    @staticmethod
    def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
        """What a branch passes through on its way to another; ``forward`` then upsamples to the target's size."""
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
            total = None
            for source, (layer, x) in enumerate(zip(layers, maps, strict=True)):
                part = layer(x)
                if source > target:
                    part = resize(part, maps[target].shape[2:])
                total = part if total is None else total + part
            fused.append(F.relu(total, inplace=True))
        return fused


class HRNet(nn.Module):
    """Backbone from an image at stride 1 to maps at strides 4, 8, 16 and 32.

    Args:
        width: channels of the branch at stride 4; each further branch has twice as many.
        small: the "small v2" variant, with fewer modules and two blocks instead of four.
    """

    def __init__(self, width: int, small: bool = False) -> None:
        super().__init__()
        blocks = 2 if small else 4
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.channels = sum(widths)  # of ``aggregate``
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
        """Keeps all branches and grows the last of ``channels`` out of the one before it."""
        kept = [nn.Identity() for _ in channels[:-1]]
        return nn.ModuleList([*kept, nn.Sequential(conv_bn_relu(channels[-2], channels[-1], stride=2))])

    def forward_maps(self, image: Tensor, side: Tensor | None = None) -> list[Tensor]:
        """Maps at strides 4, 8, 16 and 32.

        Args:
            image: float (B, 3, H, W), normalised.
            side: (B, 64, H/2, W/2) what is added behind the first convolution (click maps); None for nothing.
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
        """All maps at the size of the first one, behind each other: (B, channels, H/4, W/4)."""
        size = maps[0].shape[2:]
        return torch.cat([maps[0], *(resize(x, size) for x in maps[1:])], dim=1)

    def load_imagenet_weights(self, path: str | Path) -> None:
        """Load a file of the official HRNet releases (classification, or segmentation with ``model.`` in its names).

        Entries that this network has no place for (the classifier) are left out. Every weight of the backbone must be
        there; the head keeps its values where the file has none for it.

        Raises:
            InputError: the file cannot be read, or is not of an HRNet of this width and depth.
        """
        own = self.state_dict()
        matching = {}
        for key, value in read_weights(path).items():
            name = key.replace("model.", "").replace("last_layer", "aux_head")
            if name in own and own[name].shape == value.shape:
                matching[name] = value
        backbone = [key for key in own if key.startswith(_BACKBONE) and not key.endswith("num_batches_tracked")]
        wrong = [key for key in backbone if key not in matching]
        if wrong:
            raise InputError(
                f"{path} fits {len(backbone) - len(wrong)} of the {len(backbone)} entries of this HRNet backbone "
                f"({wrong[0]} is missing or of another shape): give the weights of the same width and depth."
            )
        self.load_state_dict({**own, **matching})
