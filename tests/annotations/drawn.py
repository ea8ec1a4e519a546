"""Masks that formats find hard, and annotations made of them."""

import cv2
import numpy as np

from isegm.annotations import AnnotatedObject, Annotations, Region

SIZE = (37, 46)


def hard_masks() -> dict[str, np.ndarray]:
    """Bool masks by name, of different sizes."""
    rng = np.random.default_rng(0)
    full = np.ones(SIZE, bool)
    ring = np.pad(np.pad(np.zeros((9, 11), bool), 6, constant_values=True), 3)
    nested = ring.copy()
    nested[12:15, 12:17] = True
    sieve = full.copy()
    sieve[rng.integers(0, SIZE[0], 60), rng.integers(0, SIZE[1], 60)] = False
    lines = np.zeros(SIZE, np.uint8)
    for ends in rng.integers(0, 36, (6, 2, 2)):
        cv2.line(lines, *(tuple(end) for end in ends.tolist()), 1)
    checks = np.indices(SIZE).sum(axis=0) % 2 == 0
    border = full.copy()
    border[1:-1, 1:-1] = False
    single = np.zeros(SIZE, bool)
    single[36, 45] = True
    column = np.zeros(SIZE, bool)
    column[:, 3:5] = True
    pinched = np.zeros((6, 6), bool)
    pinched[1:5, 1:5] = True
    pinched[2:4, 2:4] = pinched[1, 4] = False  # a ring that closes over a corner
    masks = {
        "full": full,
        "ring": ring,
        "object within a hole": nested,
        "sieve": sieve,
        "lines of one pixel": lines > 0,
        "squares that touch at corners": checks,
        "border of the image": border,
        "one pixel": single,
        "whole columns": column,
        "ring that closes over a corner": pinched,
        "one row": rng.random((1, 30)) < 0.5,
        "one column": rng.random((30, 1)) < 0.5,
    }
    for share in (0.1, 0.4, 0.6, 0.9):
        masks[f"noise {share}"] = rng.random((29, 31)) < share
    for level in (0.46, 0.5, 0.54):
        masks[f"clouds {level}"] = cv2.blur(rng.random((50, 60)), (5, 5)) > level
    return masks


def overlapping() -> Annotations:
    """Three objects, the second under the third, with everything that can be said about an object."""
    masks = hard_masks()
    sieve, lines = masks["sieve"], masks["lines of one pixel"]
    left = sieve.copy()
    left[:, 20:] = False
    return Annotations(
        "Fähre 猫.jpg",
        SIZE,
        (
            AnnotatedObject(7, Region.of(left), "Fähre", "猫", (1, 2, 3), protected=True),
            AnnotatedObject(2, Region.of(masks["border of the image"]), category='Katze, "groß"'),
            AnnotatedObject(4, Region.of(lines), name="2", color=(255, 0, 254)),
        ),
    )


def same_objects(first: Annotations, second: Annotations) -> bool:
    """Whether all is equal, pixels included."""
    return (first.image_name, first.size, len(first.objects)) == (
        second.image_name,
        second.size,
        len(second.objects),
    ) and all(
        one.region.same(other.region)
        and (one.number, one.name, one.category, one.color, one.protected)
        == (other.number, other.name, other.category, other.color, other.protected)
        for one, other in zip(first.objects, second.objects, strict=True)
    )
