"""What networks read while simulated clicks run on images: to check ONNX files with, and to calibrate 8-bit ones."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from isegm.data import EvaluationDataset
from isegm.inference.protocols import InferenceSettings, usual_settings
from isegm.inference.session_engine import SessionEngine
from isegm.inference.simulation import NEVER_STOP, ClickSimulation, EvalSettings
from isegm.model.click_model import ClickModel
from isegm.model.inference_form import in_inference_form


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of a network.

    Attributes:
        inputs: ``image`` (B, 3, H, W), ``points`` (B, 2N, 3) and, where the network reads it, ``prev_mask``
            (B, 1, H, W), all float32, as an ONNX file reads them.
        logits: (B, 1, H, W), the network's output.
    """

    inputs: Mapping[str, Tensor]
    logits: Tensor


def settings_at(network: ClickModel, size: tuple[int, int] | None) -> InferenceSettings:
    """Return the settings of a network's protocol, with all inputs of ``size`` (H, W) where it is given."""
    settings = usual_settings(network.protocol)
    if size is None or settings.input_size == size:
        return settings
    crops = settings.zoom_in
    return replace(settings, resize=size, zoom_in=None if crops is None else replace(crops, target_size=None))


def clicked(
    network: ClickModel, objects: Iterable[tuple[np.ndarray, np.ndarray]], clicks: int, size: tuple[int, int] | None
) -> Iterator[Pass]:
    """Yield the passes of a network while a simulated user clicks on objects, ``clicks`` times on each.

    Args:
        network: on the CPU.
        objects: images (H, W, 3) uint8 RGB, and masks (H, W) of integers, 1 on the object, -1 where nothing counts.
        clicks: on each object, however good its mask is.
        size: see ``settings_at``.
    """
    passes: list[Pass] = []
    engine = SessionEngine(_recorded(network, passes), settings=settings_at(network, size))
    user = EvalSettings(target_iou=NEVER_STOP, max_clicks=clicks, threshold=engine.threshold)
    for image, gt_mask in objects:
        session, simulation = engine.start(image), ClickSimulation(gt_mask, user)
        while not simulation.finished:
            (session,) = engine.step([session], [simulation.next_click()])
            simulation.update(session.mask(engine.threshold))
            yield from passes
            passes.clear()


def _recorded(network: ClickModel, passes: list[Pass]) -> ClickModel:
    """Return a network that appends its passes to a list."""
    plain = in_inference_form(network.eval())
    recorder = copy.copy(plain)
    images: list[Tensor] = []  # of the pass that has been encoded, and not decoded yet

    def encode(image: Tensor) -> Mapping[str, Tensor]:
        images[:] = [image]
        return plain.encode(image)

    def decode(
        features: Mapping[str, Tensor], points: Tensor, prev_mask: Tensor | None = None, cache: Any = None
    ) -> dict[str, Any]:
        outputs = plain.decode(features, points, prev_mask, cache)
        inputs = {"image": images[0], "points": points}
        passes.append(Pass(inputs if prev_mask is None else {**inputs, "prev_mask": prev_mask}, outputs["instances"]))
        return outputs

    for name, function in (("encode", encode), ("decode", decode)):
        setattr(recorder, name, function)
    return recorder


def objects_of(dataset: EvaluationDataset, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images and masks of at most ``most`` objects, one of each image, of images at equal distances."""
    count = min(most, len(dataset))
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist():
        sample = dataset.get_sample(index)
        if sample.objects_ids:
            number = sample.objects_ids[index % len(sample.objects_ids)]
            yield sample.image, sample.get_object_mask(number)
