"""Any timm backbone as the backbone of a click network.

The click features enter through timm's first convolution, so that the whole backbone sees them: as a convolution is
linear, adding click features to its output equals a first convolution of the image and click features together. timm's
weights of the image's part stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isegm.model.backbones.two_scale import TwoScaleBackbone
from isegm.model.filling import usable, with_weights
from isegm.model.initializer import xavier_gluon
from isegm.model.layers import resize
from isegm.model.pretrained import check_timm_name, is_timm_source, read_file, timm_network
from isegm.utils.errors import InputError

FINE, COARSE = 4, 16  # wanted strides of the two features
MULTIPLES = (32, 64)  # of the input's sides, tried after 1 and the largest stride
PROBES = ((75, 53), (96, 160))  # (H, W) of inputs that a backbone of any input size must take
# Errors of timm's networks on an input whose size they do not take: assertions, and shapes that do not fit.
REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)
# Arguments of timm.create_model for features; unlike timm's default, the getter drops the layers after the last stage.
FEATURES: dict[str, Any] = {"features_only": True, "feature_cls": "getter"}
# Arguments with which timm's transformers take inputs of any size, tried one after the other.
ANY_SIZE: tuple[dict[str, Any], ...] = ({}, {"dynamic_img_size": True}, {"strict_img_size": False})


@dataclass(frozen=True)
class Traits:
    """Arguments that build a timm backbone, and the input sizes it takes.

    Attributes:
        options: further arguments of ``timm.create_model``.
        out_indices: timm's indices of the fine and the coarse features.
        channels: of these features.
        multiple: sides of the input are rounded up to multiples of it.
        size: (H, W) to which every input is resized; None for inputs of any size.
        unused: names of parameters that the features do not depend on; they are not trained.
    """

    options: Mapping[str, Any]
    out_indices: tuple[int, int]
    channels: tuple[int, int]
    multiple: int = 1
    size: tuple[int, int] | None = None
    unused: frozenset[str] = frozenset()

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the (H, W) to which an input of ``size`` is resized."""
        if self.size is not None:
            return self.size
        height, width = (-(-side // self.multiple) * self.multiple for side in size)
        return height, width


@functools.cache
def traits_of(name: str) -> Traits:
    """Find out how a timm backbone is built and fed, from its feature information and from runs without memory.

    Raises:
        InputError: timm has no such network (the nearest is suggested), or it cannot be used; the message says why.
    """
    import timm  # takes seconds to import, and most networks do without it

    check_timm_name(name)
    stages = _stages(name)
    indices = choose_stages([stage["reduction"] for stage in stages])
    if indices is None:
        raise InputError(f"the backbone {name} returns features of a single stage: take one with two or more.")
    channels = (stages[indices[0]]["num_chs"], stages[indices[1]]["num_chs"])
    multiples = (1, max(stage["reduction"] for stage in stages), *MULTIPLES)
    wanted = [[Traits(options, indices, channels, multiple) for multiple in multiples] for options in ANY_SIZE]
    fixed = timm.get_pretrained_cfg_value(name, "input_size")
    if fixed is not None:
        wanted.append([Traits({}, indices, channels, size=(fixed[1], fixed[2]))])
    reason: Exception | None = None
    for group in wanted:
        try:
            with torch.device("meta"):
                network = timm.create_model(name, **FEATURES, out_indices=indices, **group[0].options).eval()
        except TypeError as error:  # an argument that this network does not take
            reason = error
            continue
        for traits in group:
            try:
                unused = [_unused(network, traits.input_size(size)) for size in PROBES]
            except REFUSALS as error:
                reason = error
            else:
                return replace(traits, unused=unused[0])
    raise InputError(
        f"the backbone {name} runs on no size of input that was tried (timm: {_first_line(reason)}): take another."
    ) from reason


def _stages(name: str) -> list[dict[str, Any]]:
    """Return timm's facts about all stages of a backbone: stride ("reduction") and channels ("num_chs") of each."""
    import timm  # takes seconds to import, and most networks do without it

    try:
        with torch.device("meta"):
            information = timm.create_model(name, **FEATURES).feature_info
    except Exception as error:  # timm raises many types where a network returns no features
        raise InputError(
            f"the backbone {name} cannot return features of its stages (timm: {_first_line(error)}): take one for "
            "which timm.create_model(name, features_only=True, feature_cls='getter') works."
        ) from error
    assert isinstance(information, timm.models.FeatureInfo)
    return information.info


def choose_stages(strides: list[int]) -> tuple[int, int] | None:
    """Choose the stages of fine and coarse features: strides 4 and 16, or the nearest; None where there is one stage.

    Where all strides are equal, as in plain transformers, an early and the last stage are taken.
    """
    fine = min((stride for stride in strides if stride >= FINE), default=max(strides))
    coarser = [stride for stride in strides if stride > fine]
    early = [index for index, stride in enumerate(strides) if stride == fine]
    if not coarser or (len(early) > 1 and min(coarser) > COARSE):
        return (early[(len(early) - 1) // 3], early[-1]) if len(early) > 1 else None
    coarse = max((stride for stride in coarser if stride <= COARSE), default=min(coarser))
    return early[-1], max(index for index, stride in enumerate(strides) if stride == coarse)


def _first_line(error: Exception | None) -> str:
    """Return the first line of a message, or the type of an error without one."""
    return str(error).partition("\n")[0] or type(error).__name__


def _unused(network: nn.Module, size: tuple[int, int]) -> frozenset[str]:
    """Return the names of parameters that the features of an input do not depend on.

    Args:
        network: a backbone on the meta device.
        size: (H, W) of the input in pixels.

    Raises:
        one of ``REFUSALS``: the network does not run on inputs of this size.
    """
    network.zero_grad()
    network.train().eval()  # forgets what some transformers keep of an earlier pass in eval mode, its graph included
    with torch.inference_mode(False), torch.enable_grad():
        features: list[Tensor] = network(torch.zeros(1, 3, *size, device="meta"))
        torch.autograd.backward([x.sum() for x in features])
    return frozenset(name for name, parameter in network.named_parameters() if parameter.grad is None)


class ClickConv(nn.Module):
    """timm's convolution of the image, with a convolution of click features of the same stride added to its output."""

    def __init__(self, image: nn.Conv2d, side_channels: int) -> None:
        super().__init__()
        kernel, stride = image.kernel_size[0], image.stride[0]
        padding = kernel // 2 if kernel > stride else 0
        self.image = image
        self.side = nn.Conv2d(side_channels, image.out_channels, kernel, stride, padding, bias=False)
        xavier_gluon(self.side)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w) from image and click features (B, 3 + side_channels, H, W)."""
        image, side = self.image(x[:, :3]), self.side(x[:, 3:])
        return image + (side if side.shape == image.shape else resize(side, image.shape[2:]))


class TimmBackbone(TwoScaleBackbone):
    """A timm backbone that returns features at strides 4 and 16, or the nearest that it has.

    An input of a size that the backbone does not take is resized to the next one that it does.

    Args:
        name: of the network in timm, with or without the tag of its weights.
        side_channels: channels of the click features.

    Attributes:
        first: names of the convolutions that read the image; more than one where branches start from it.

    Raises:
        InputError: see ``traits_of``; or the network does not read the image by a convolution.
    """

    def __init__(self, name: str, side_channels: int) -> None:
        import timm  # takes seconds to import, and most networks do without it

        super().__init__()
        self.name, self.side_channels = name, side_channels
        self.traits = traits_of(name)
        self.channels = self.traits.channels
        self.arguments = {**FEATURES, "out_indices": self.traits.out_indices, **self.traits.options}
        with with_weights():
            self.network = timm.create_model(name, **self.arguments)
        for path in self.traits.unused:
            self.network.get_parameter(path).requires_grad_(False)
        convolutions = {
            path: module
            for path, module in self.network.named_modules()
            if isinstance(module, nn.Conv2d) and module.in_channels == 3 and module.groups == 1
        }
        if not convolutions:
            raise InputError(f"the backbone {name} does not read the image by a convolution: take another.")
        for path, convolution in convolutions.items():
            parent, _, child = path.rpartition(".")
            setattr(self.network.get_submodule(parent), child, ClickConv(convolution, side_channels))
        self.first = tuple(convolutions)

    def forward(self, image: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
        """Return fine and coarse features of a normalised image (B, 3, H, W) and click features (B, C, H, W)."""
        x = torch.cat((image, side), dim=1)  # (B, 3 + side_channels, H, W)
        size = self.traits.input_size((x.shape[2], x.shape[3]))
        if size != tuple(x.shape[2:]):
            x = resize(x, size)
        low, high = self.network(x)  # (B, channels[0], H/4, W/4), (B, channels[1], H/16, W/16) in most backbones
        return low, high

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load timm's weights by name, or a file with the parameter names of timm's classification network.

        Raises:
            InputError: the weights cannot be read or fetched, or are not of this backbone.
        """
        if is_timm_source(source):
            network = timm_network(str(source).partition(":")[2] or self.name, **self.arguments)
        else:
            state = self._checked_file(source)
            network = timm_network(self.name, pretrained_cfg_overlay={"state_dict": state}, **self.arguments)
        own = self.network.state_dict()
        loaded = {self._own_key(key): value for key, value in network.state_dict().items()}
        wrong = [key for key, value in loaded.items() if key not in own or own[key].shape != value.shape]
        kept = {key for key in own if key not in loaded}
        if wrong or kept != {f"{path}.side.weight" for path in self.first}:
            raise InputError(f"{source} does not fit the backbone {self.name}: give the weights of that network.")
        self.network.load_state_dict({**own, **loaded})

    def _own_key(self, key: str) -> str:
        """Return the name here of a parameter of timm's backbone: those of the first convolutions lie one deeper."""
        path, _, name = key.rpartition(".")
        return f"{path}.image.{name}" if path in self.first else key

    def _checked_file(self, path: str | Path) -> Mapping[str, Tensor]:
        """Read a file and check that it has all weights of timm's network but for the classifier's."""
        import timm  # takes seconds to import, and most networks do without it

        state = read_file(path)
        with torch.device("meta"):
            whole = timm.create_model(self.name).state_dict()
        classifier = timm.get_pretrained_cfg_value(self.name, "classifier") or ()
        heads = tuple(f"{name}." for name in ([classifier] if isinstance(classifier, str) else classifier))
        wrong = [
            key
            for key, value in whole.items()
            if not key.startswith(heads) and (key not in state or state[key].shape != value.shape)
        ]
        if wrong:
            raise InputError(
                f"{path} does not fit the backbone {self.name}: {len(wrong)} of {len(whole)} entries are missing or of "
                f"another shape, first {', '.join(wrong[:3])}: give the weights of that network by timm's names."
            )
        return {key: usable(key, value, whole[key], path) if key in whole else value for key, value in state.items()}
