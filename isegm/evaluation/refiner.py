"""What a network's second look is worth: both answers to the same clicks, at the border of the object and overall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from isegm.evaluation.loop import EvaluationDataset
from isegm.inference.mask_metrics import boundary_error, boundary_iou, get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.simulation import NEVER_STOP, ClickSimulation, EvalSettings
from isegm.utils.errors import InputError

WIDTHS = (2, 5, 10)  # pixels on either side of the border
JUDGED = 1  # place of the width by which objects are called better or worse


@dataclass(frozen=True)
class Quality:
    """How well a mask agrees with the ground truth.

    Attributes:
        iou, boundary_iou: see ``isegm.inference.mask_metrics``.
        errors: share of wrong pixels within each of ``WIDTHS`` pixels of the object's border.
    """

    iou: float
    boundary_iou: float
    errors: tuple[float, ...]

    @classmethod
    def of(cls, gt_mask: np.ndarray, mask: np.ndarray) -> Quality:
        """That of a bool (H, W) mask."""
        errors = tuple(boundary_error(gt_mask, mask, width) for width in WIDTHS)
        return cls(get_iou(gt_mask, mask), boundary_iou(gt_mask, mask), errors)

    @property
    def values(self) -> np.ndarray:
        """All numbers in order, float64 (2 + len(WIDTHS),)."""
        return np.array([self.iou, self.boundary_iou, *self.errors])


@dataclass(frozen=True)
class Pair:
    """Both answers to a click of an object.

    Attributes:
        clicks: how many there were.
        first: of the network's first answer.
        refined: of what became of it.
    """

    clicks: int
    first: Quality
    refined: Quality


def compare_answers(
    dataset: EvaluationDataset, predictor: Predictor, clicks: int, max_objects: int | None = None
) -> Iterator[Pair]:
    """Click every object so many times; the simulated user corrects the refined answer.

    At each click the first answer has seen the same image, clicks and previous mask as the refined one, which it is the
    start of.

    Args:
        dataset: samples with their objects.
        predictor: its settings have a ``finish``.
        clicks: for each object.
        max_objects: stop after so many objects.

    Raises:
        InputError: the settings have no ``finish``.
    """
    if predictor.settings.postprocess is None:
        raise InputError(
            f"{type(predictor.model).__name__} shows its answer as it is: there is nothing to compare it with; take a "
            "network of FocalClick or CDNet."
        )
    settings = EvalSettings(NEVER_STOP, clicks, threshold=predictor.threshold)
    plain = Predictor(
        predictor.model,
        predictor.device,
        settings=replace(predictor.settings, postprocess=None),
        threshold=predictor.threshold,
    )
    seen = 0
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        for object_id in sample.objects_ids:
            if seen == max_objects:
                return
            seen += 1
            gt_mask = sample.get_object_mask(object_id)
            session = predictor.start(sample.image, sample.init_mask)
            simulation = ClickSimulation(gt_mask, settings, session.mask(predictor.threshold))
            while not simulation.finished:
                click = simulation.next_click()
                (first,) = plain.step([session], [click])
                (session,) = predictor.step([session], [click])
                mask = session.mask(predictor.threshold)
                simulation.update(mask)
                yield Pair(
                    len(simulation.ious),
                    Quality.of(gt_mask, first.mask(predictor.threshold)),
                    Quality.of(gt_mask, mask),
                )


def table(pairs: Sequence[Pair], clicks: Sequence[int]) -> str:
    """Means over the objects, in percent, after some numbers of clicks."""
    names = ["IoU", "boundary IoU", *(f"wrong within {width} px" for width in WIDTHS)]
    lines = [f"{'clicks':>6}  {'answer':8}" + "".join(f"  {name:>18}" for name in names)]
    for number in clicks:
        chosen = [pair for pair in pairs if pair.clicks == number]
        for name, kind in (("first", "first"), ("refined", "refined")):
            means = 100 * np.mean([getattr(pair, kind).values for pair in chosen], axis=0)
            lines.append(f"{number:>6}  {name:8}" + "".join(f"  {mean:17.2f}%" for mean in means))
        changes = np.array([pair.refined.errors[JUDGED] - pair.first.errors[JUDGED] for pair in chosen])
        lines.append(
            f"{'':6}  {(changes < 0).sum()} of {len(chosen)} objects have fewer wrong pixels within "
            f"{WIDTHS[JUDGED]} px, {(changes > 0).sum()} have more"
        )
    return "\n".join(lines)
