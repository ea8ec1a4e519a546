"""Sampling weights from published sample scores, to draw hard samples more often."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.data.datasets.base import read_pickle, wrong_format
from isegm.utils.errors import InputError
from isegm.utils.text_values import as_path


def sample_weights(path: str | Path, count: int, gamma: float = 1.0) -> np.ndarray:
    """Compute sampling weights in proportion to (1 - score) ** gamma; 0 for samples without a score.

    As in published code, samples are identified by their index in the file, never by their name: the scores of SBD
    belong to the order of its train.txt (docs/fidelity.md#scores-by-index).

    Args:
        path: a pickle of (index, name, score) rows, such as ``assets/sbd_samples_weights.pkl``; scores in 0..1.
        count: number of samples of the data set.
        gamma: larger values prefer hard samples more.

    Returns:
        (count,) float64 that adds up to 1.

    Raises:
        InputError: the file is missing, holds something else, or belongs to a larger data set.
    """
    path = as_path(path, "the path of sample weights")
    wanted = "rows of (index, name, score) with scores from 0 to 1"
    try:
        rows = [(int(index), float(score)) for index, _, score in read_pickle(path)]
    except (ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise wrong_format(path, wanted) from error
    if not rows or any(index < 0 or not 0 <= score <= 1 for index, score in rows):
        raise wrong_format(path, wanted)
    last = max(index for index, _ in rows)
    if last >= count:
        raise InputError(
            f"{path} scores {last + 1} samples, the data set has {count}: give the scores of this very data set."
        )
    weights = np.zeros(count)
    for index, score in rows:
        weights[index] += (1 - score) ** gamma
    if not weights.any():
        raise InputError(f"{path} scores every sample with 1, so that none would be drawn: compute the scores anew.")
    return weights / weights.sum()
