"""Compare coarse and refined predictions for the same clicks, on the whole image and near the object's border."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from isegm.data import EvaluationDataset
from isegm.evaluation.loop import ClickEvent, evaluate_dataset
from isegm.inference.mask_metrics import boundary_error, boundary_iou, get_iou
from isegm.inference.predictor import Predictor
from isegm.inference.simulation import NEVER_STOP, EvalSettings
from isegm.utils.errors import InputError

WIDTHS = (2, 5, 10)  # pixels on either side of the border
COMPARED_WIDTH = 1  # index of the width by which an object is better or worse


@dataclass(frozen=True)
class MaskQuality:
    """Agreement of a mask with the ground truth.

    Attributes:
        iou, boundary_iou: see ``isegm.inference.mask_metrics``.
        errors: share of wrong pixels within each of ``WIDTHS`` pixels of the object's border.
    """

    iou: float
    boundary_iou: float
    errors: tuple[float, ...]

    @classmethod
    def of(cls, gt_mask: np.ndarray, mask: np.ndarray) -> MaskQuality:
        """Measure a mask.

        Args:
            gt_mask: (H, W) int32, 1 on the object, 0 elsewhere, -1 ignored.
            mask: (H, W) bool.
        """
        errors = tuple(boundary_error(gt_mask, mask, width) for width in WIDTHS)
        return cls(get_iou(gt_mask, mask), boundary_iou(gt_mask, mask), errors)

    @property
    def values(self) -> np.ndarray:
        """IoU, boundary IoU and errors, float64 (2 + len(WIDTHS),)."""
        return np.array([self.iou, self.boundary_iou, *self.errors])


@dataclass(frozen=True)
class CoarseAndRefined:
    """Quality of both predictions after a click on an object.

    Attributes:
        clicks: number of clicks so far.
        coarse: of the coarse prediction.
        refined: of the refined prediction.
    """

    clicks: int
    coarse: MaskQuality
    refined: MaskQuality


def compare_predictions(
    dataset: EvaluationDataset, predictor: Predictor, clicks: int, max_objects: int | None = None
) -> Iterator[CoarseAndRefined]:
    """Click every object and measure the coarse and the refined prediction after each click.

    The simulated user corrects the refined prediction. Both come from the same image, clicks and previous mask; the
    coarse one of EMC-Click is that of its first pass.

    Args:
        dataset: the data set.
        predictor: its settings have a ``postprocess`` that refines, or its network refines, see ``ClickModel.coarse``.
        clicks: number of clicks per object.
        max_objects: stop after so many objects; None for all.

    Raises:
        InputError: nothing refines, or as ``evaluate_dataset``.
    """
    coarse_model = predictor.model.coarse()
    if predictor.settings.postprocess is None and coarse_model is None:
        raise InputError(
            f"{type(predictor.model).__name__} does not refine its prediction: there is nothing to compare it with; "
            "take a network of FocalClick, CDNet or EMC-Click."
        )
    settings = EvalSettings(NEVER_STOP, clicks, threshold=predictor.threshold)
    coarse_predictor = Predictor(
        coarse_model or predictor.model,
        predictor.device,
        settings=replace(predictor.settings, postprocess=None),
        threshold=predictor.threshold,
    )
    pairs: list[CoarseAndRefined] = []  # of the object that is being clicked

    def compare(event: ClickEvent) -> None:
        (coarse,) = coarse_predictor.step([event.before], [event.clicks[-1]])
        pairs.append(
            CoarseAndRefined(
                clicks=len(event.clicks),
                coarse=MaskQuality.of(event.gt_mask, coarse.mask(predictor.threshold)),
                refined=MaskQuality.of(event.gt_mask, event.mask),
            )
        )

    for _ in evaluate_dataset(dataset, predictor, settings, max_objects=max_objects, on_click=compare):
        yield from pairs
        pairs.clear()


def table(pairs: Sequence[CoarseAndRefined], clicks: Sequence[int]) -> str:
    """Format the means over the objects, in percent.

    Args:
        pairs: of all objects and clicks.
        clicks: the numbers of clicks to report on.
    """
    names = ["IoU", "boundary IoU", *(f"wrong within {width} px" for width in WIDTHS)]
    lines = [f"{'clicks':>6}  {'output':8}" + "".join(f"  {name:>18}" for name in names)]
    for number in clicks:
        chosen = [pair for pair in pairs if pair.clicks == number]
        for name, qualities in (
            ("coarse", [pair.coarse for pair in chosen]),
            ("refined", [pair.refined for pair in chosen]),
        ):
            means = 100 * np.mean([quality.values for quality in qualities], axis=0)
            lines.append(f"{number:>6}  {name:8}" + "".join(f"  {mean:17.2f}%" for mean in means))
        changes = np.array(
            [pair.refined.errors[COMPARED_WIDTH] - pair.coarse.errors[COMPARED_WIDTH] for pair in chosen]
        )
        lines.append(
            f"{'':6}  {(changes < 0).sum()} of {len(chosen)} objects have fewer wrong pixels within "
            f"{WIDTHS[COMPARED_WIDTH]} px, {(changes > 0).sum()} have more"
        )
    return "\n".join(lines)
