"""The interface that every click network implements, so that other code need not know the method."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isegm.click_maps import DistMaps, GroupedDistMaps
from isegm.model.layers import resize
from isegm.utils.errors import InputError
from isegm.utils.inputs import require
from isegm.utils.schema import Flag, Number, Row

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MEAN_AND_STD = Row(Row(*[Number()] * 3), Row(*[Number(above=0)] * 3))


def where_given(strokes: Tensor | None) -> dict[str, Tensor]:
    """Return ``strokes`` as an argument of ``decode`` and ``coord_features``, where there are some.

    Networks that read none may define both methods without it.
    """
    return {} if strokes is None else {"strokes": strokes}


class ClickModel(nn.Module, ABC):
    """Base class of networks that read an image, clicks and, where ``with_prev_mask`` says so, the previous mask.

    A subclass implements ``decode`` and, if part of its work depends on the image alone, ``encode``.

    Args:
        with_prev_mask, with_aux_output: see the attributes.
        binary_prev_mask: the previous mask is read as 0 and 1 instead of probabilities.
        norm_mean_std: mean and standard deviation of RGB in 0..1, by which ``encode`` normalises the image.

    Raises:
        InputError: an argument is of another kind, or a standard deviation not above 0.

    Attributes:
        with_prev_mask: the network reads the previous mask.
        with_aux_output: ``decode`` also returns ``instances_aux``.
        protocol: name of the published inference protocol (see ``isegm.inference.protocols``) it is evaluated with.
        input_multiple: sides of the input are multiples of this number of pixels; sizes that nobody gave exactly are
            rounded to it.
        encodes_once: ``encode`` does work that need not be repeated at the next click.
        encoded_size: (height, width) in pixels to which ``encode`` resizes images of any size; None where it does not.
        corrects_masks: ``decode`` corrects the mask of the click before, whose logits and features ``cache`` keeps: all
            clicks of an object must be made on one view of its image.
        has_refiner: the network has ``refine``, which refines its prediction in a crop.
        reads_strokes: ``decode`` takes ``strokes``, prompts drawn into click maps, see ``isegm.prompts.draw_strokes``;
            ``stroke_radius`` is that of their lines in pixels of the maps; see ``stroke_size``.
        has_diffusion: the network has ``diffuse``, which diffuses its prediction along the colours of the image.
        imagenet_part: name of the submodule that starts from ImageNet weights, by its own ``load_imagenet_weights``; ""
            where there is none.
        inference_form: it cannot be trained or saved, see ``isegm.model.inference_form``.
        runs_in_torch: PyTorch computes it, so that it has parameters and gradients, and can be compiled; see
            ``isegm.model.onnx_network`` for the other kind.
        config: {"model": registered name, "params": constructor arguments}, plain data; set by ``build_model``.
    """

    protocol = "ritm"
    input_multiple = 1
    encodes_once = False
    encoded_size: tuple[int, int] | None = None
    corrects_masks = False
    has_refiner = False
    has_diffusion = False
    reads_strokes = False
    stroke_radius = 5.0
    imagenet_part = ""
    inference_form = False
    runs_in_torch = True
    config: dict[str, Any] | None = None
    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        *,
        with_prev_mask: bool = True,
        with_aux_output: bool = False,
        binary_prev_mask: bool = False,
        norm_mean_std: Sequence[Sequence[float]] = (IMAGENET_MEAN, IMAGENET_STD),
    ) -> None:
        super().__init__()
        for name, value in (
            ("with_prev_mask", with_prev_mask),
            ("with_aux_output", with_aux_output),
            ("binary_prev_mask", binary_prev_mask),
        ):
            require(value, Flag(), f"{name} of {type(self).__name__}")
        require(norm_mean_std, MEAN_AND_STD, f"norm_mean_std of {type(self).__name__}")
        self.with_prev_mask = with_prev_mask
        self.with_aux_output = with_aux_output
        self.binary_prev_mask = binary_prev_mask
        mean, std = norm_mean_std
        self.register_buffer("_mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def feature_levels(self) -> dict[str, int]:
        """Feature levels at which f-BRS may insert its parameters, with their numbers of channels.

        "A", "B" and "C" are those of f-BRS (Sofiiuk et al. 2020, section 4), from the backbone to the last layer; empty
        for networks that offer none. See ``EarlyFusionModel.features_at``.
        """
        return {}

    @classmethod
    def argument_names(cls) -> list[str]:
        """List the names of all constructor arguments, those of the base classes included."""
        names: dict[str, None] = {}
        for owner in cls.__mro__:
            if owner is nn.Module:
                break
            if "__init__" not in vars(owner):
                continue
            for parameter in inspect.signature(vars(owner)["__init__"]).parameters.values():
                if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                    names[parameter.name] = None
        return list(names)

    def lr_multipliers(self) -> dict[str, float]:
        """Return learning-rate multipliers by parameter name, where they are not 1; see ``rates_of``."""
        return {}

    def rates_of(self, part: str, rate: float) -> dict[str, float]:
        """Return ``rate`` by the name of each parameter of ``part``, a submodule, for ``lr_multipliers``."""
        return {name: rate for name, _ in self.get_submodule(part).named_parameters(prefix=part)}

    def layer_numbers(self) -> dict[str, int]:
        """Return the layer, from 0, of each parameter of a plain vision transformer by name, for layer-wise decay.

        What lies behind the transformer is left out; other networks return nothing.
        """
        return {}

    def at_input_size(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return weights of the same network, trained at another input size, so that they fit this one.

        Most networks have the same weights at every size, and return ``state``.
        """
        return state

    def load_imagenet_weights(self, source: str | Path) -> None:
        """Load ImageNet weights into the backbone, ``imagenet_part``, which says what files it takes.

        Args:
            source: path of a file; "timm" for timm's weights of this backbone, or "timm:<name>" for others of timm
                (see ``isegm.model.pretrained``).

        Raises:
            InputError: the weights cannot be read, do not fit, or the network has no backbone to load them into.
        """
        if not self.imagenet_part:
            raise InputError(f"{type(self).__name__} takes no ImageNet weights: leave {source} out.")
        backbone: Any = self.get_submodule(self.imagenet_part)
        backbone.load_imagenet_weights(source)

    def stroke_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of the maps into which strokes are drawn for an input of ``size``: that of the clicks' disks."""
        return size

    def check_size(self, size: Sequence[int]) -> None:
        """Check that the network can read inputs of ``size`` (H, W) in pixels; most networks read any.

        Raises:
            InputError: it cannot.
        """

    def normalize(self, image: Tensor) -> Tensor:
        """Normalise RGB in 0..1, (B, 3, H, W), by the statistics of ImageNet."""
        return (image - self._mean) / self._std

    def encode(self, image: Tensor) -> Mapping[str, Tensor]:
        """Compute features that depend on the image alone.

        Args:
            image: float (B, 3, H, W) RGB in 0..1.

        Returns:
            a mapping for ``decode``; here only ``image``, normalised.
        """
        return {"image": self.normalize(image)}

    @abstractmethod
    def decode(
        self,
        features: Mapping[str, Tensor],
        points: Tensor,
        prev_mask: Tensor | None = None,
        cache: Any = None,
        *,
        strokes: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict logits from features, clicks and the previous mask.

        Args:
            features: output of ``encode``.
            points: float (B, 2N, 3), see ``isegm.clicks``.
            prev_mask: float (B, 1, H, W) probabilities of the previous mask; None where the network takes none.
            cache: ``outputs["cache"]`` of the previous click of the same image, for methods that have one.
            strokes: float (B, 2, h, w) in {0, 1}, positive first, of ``stroke_size``; None for none. Networks without
                ``reads_strokes`` are given none.

        Returns:
            a dict with ``instances``, logits (B, 1, H, W), and further outputs of the method (``instances_aux``,
            ``cache``).
        """

    def coarse(self) -> ClickModel | None:
        """Return a network with the same weights whose ``instances`` are those before any refinement in ``decode``.

        None where ``decode`` refines nothing.
        """
        return None

    def refine(
        self, image: Tensor, points: Tensor, features: Tensor, logits: Tensor, boxes: Tensor
    ) -> dict[str, Tensor]:
        """Refine the coarse prediction in crops of the network's input (where ``has_refiner``).

        Args:
            image: float (N, 3, h, w) RGB in 0..1, the crops at any size.
            points: float (N, 2M, 3) clicks in pixels of the crops; they may lie outside.
            features: ``outputs["feature"]`` of ``decode``, (B, C, ...).
            logits: ``outputs["instances"]``, (B, 1, H, W).
            boxes: float (N, 5), the part of ``logits`` that each crop shows: index in the batch, x1, y1, x2, y2, the
                ends excluded.

        Returns:
            ``instances_refined``, ``trimap`` and ``instances_coarse``, logits (N, 1, h, w): the refined prediction,
            where it replaces the coarse one, and the coarse one in the crop.

        Raises:
            InputError: the network is of a method without a refiner.
        """
        raise InputError(f"{type(self).__name__} has no refiner: take a network of FocalClick.")

    def diffuse(self, image: Tensor, logits: Tensor, points: Tensor) -> Tensor:
        """Diffuse a prediction along the colours of the image (where ``has_diffusion``).

        Args:
            image: float (B, 3, H, W) RGB in 0..1.
            logits: (B, 1, H, W).
            points: float (B, 2N, 3), see ``isegm.clicks``.

        Returns:
            logits (B, 1, H, W).

        Raises:
            InputError: the network is of a method without pixel diffusion.
        """
        raise InputError(f"{type(self).__name__} has no pixel diffusion: take a network of CDNet.")

    def forward(self, image: Tensor, points: Tensor, strokes: Tensor | None = None) -> dict[str, Any]:
        """Encode and decode in one call, as published scripts do.

        Args:
            image: float (B, 3, H, W) RGB in 0..1, or (B, 4, H, W) with the previous mask's probabilities as the last
                channel.
            points: float (B, 2N, 3), see ``isegm.clicks``.
            strokes: see ``decode``.
        """
        prev_mask = image[:, 3:] if self.with_prev_mask else None
        if prev_mask is not None and prev_mask.shape[1] != 1:
            raise ValueError(f"{type(self).__name__} reads RGB and a previous mask: 4 channels, got {image.shape[1]}")
        return self.decode(self.encode(image[:, :3]), points, prev_mask, **where_given(strokes))


class DrawnClicksModel(ClickModel):
    """Base class of networks that read clicks as maps: [previous mask, positive disks, negative disks].

    Args:
        norm_radius, use_disks: how clicks are drawn, see ``isegm.click_maps.DistMaps``.
        strokes: whether it also reads boxes and scribbles, drawn into the maps of its clicks (``reads_strokes``). It
            has the same weights then, and should be trained with them.
        kwargs: see ``ClickModel``.

    Raises:
        InputError: ``strokes`` for a network that cannot read them, such as one without disks.

    Attributes:
        takes_strokes: whether networks of the class can read strokes.
    """

    takes_strokes = True

    dist_maps: DistMaps | GroupedDistMaps

    def __init__(self, *, norm_radius: float = 5, use_disks: bool = True, strokes: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dist_maps = DistMaps(norm_radius, use_disks)
        self.reads_strokes = require(strokes, Flag(), f"strokes of {type(self).__name__}")
        self.stroke_radius = float(norm_radius)
        if strokes and not (self.takes_strokes and use_disks):
            raise self._no_strokes()

    @property
    def coord_channels(self) -> int:
        """Number of channels of ``coord_features``."""
        return self.dist_maps.channels + (1 if self.with_prev_mask else 0)

    def _no_strokes(self) -> InputError:
        return InputError(
            f"{type(self).__name__} cannot read strokes: leave strokes out, so that boxes and scribbles become clicks, "
            "or take a network that draws all clicks as disks into one pair of maps."
        )

    def coord_features(
        self, points: Tensor, prev_mask: Tensor | None, size: tuple[int, int], *, strokes: Tensor | None = None
    ) -> Tensor:
        """Concatenate the previous mask (if the network reads one) and click maps: (B, ``coord_channels``, H, W).

        Args:
            points, prev_mask: see ``decode``.
            size: (H, W) of the maps.
            strokes: float (B, 2, H, W), see ``decode``; the maps have 1 where a disk or a stroke is.
        """
        maps = self.dist_maps(points, size)
        if strokes is not None:
            maps = torch.maximum(maps, strokes)
        if not self.with_prev_mask:
            return maps
        if prev_mask is None:
            raise ValueError(f"{type(self).__name__} needs prev_mask: zeros (B, 1, H, W) when there is none")
        if self.binary_prev_mask:
            prev_mask = (prev_mask > 0.5).float()
        return torch.cat((prev_mask, maps), dim=1)


class EarlyFusionModel(DrawnClicksModel):
    """Base class of networks that add click maps to the first stage of the backbone.

    ``coord_features`` returns [previous mask, positive disks, negative disks]; a subclass's ``backbone_forward`` takes
    the normalised image and these, and returns low-resolution logits, which ``decode`` resizes to the input.

    Args:
        kwargs: see ``DrawnClicksModel`` and ``ClickModel``.

    Attributes:
        resized_outputs: names of the outputs that are resized, where ``backbone_forward`` returns them.
    """

    resized_outputs: tuple[str, ...] = ("instances", "instances_aux")

    @abstractmethod
    def backbone_forward(self, image: Tensor, coord_features: Tensor) -> dict[str, Tensor]:
        """Return logits at the network's own resolution, by name."""

    def features_at(
        self, level: str, image: Tensor, coord_features: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...] | None]:
        """The features at one of ``feature_levels``; ``logits_from`` continues from there.

        Args:
            level: a key of ``feature_levels``.
            image: (B, 3, H, W), normalised.
            coord_features: (B, ``coord_channels``, H, W).

        Returns:
            features: (B, C, h, w), C as ``feature_levels`` says.
            rest: what else the rest of the network reads, or None.

        Raises:
            ValueError: the network has no such level.
        """
        raise self._no_level(level)

    def logits_from(self, level: str, features: Tensor, rest: tuple[Tensor, ...] | None) -> Tensor:
        """Low-resolution logits (B, 1, h, w) from what ``features_at`` returned for the same level.

        In eval mode, and with the features unchanged, these are ``instances`` of ``backbone_forward`` bit for bit.

        Raises:
            ValueError: the network has no such level.
        """
        raise self._no_level(level)

    def _no_level(self, level: str) -> ValueError:
        levels = ", ".join(self.feature_levels) or "none"
        return ValueError(f"{type(self).__name__} has no features at level {level!r}: it offers {levels}")

    def _require_level(self, level: str) -> None:
        if level not in self.feature_levels:
            raise self._no_level(level)

    def decode(
        self,
        features: Mapping[str, Tensor],
        points: Tensor,
        prev_mask: Tensor | None = None,
        cache: Any = None,
        *,
        strokes: Tensor | None = None,
    ) -> dict[str, Any]:
        """Predict logits; see ``ClickModel``."""
        image = features["image"]
        size = (image.shape[2], image.shape[3])
        coord_features = self.coord_features(points, prev_mask, size, **where_given(strokes))
        outputs = self.backbone_forward(image, coord_features)
        for name in self.resized_outputs:
            if name in outputs:
                outputs[name] = resize(outputs[name], size)
        return outputs
