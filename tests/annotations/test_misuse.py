"""Arguments of another kind are refused where an object, its mask or an image's annotations are made."""

import json

import numpy as np
import pytest
import torch

from isegm import InputError
from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.formats import FORMATS

MASK = np.zeros((20, 30), bool)
MASK[5:10, 5:15] = True
REGION = Region.of(MASK)


@pytest.mark.parametrize(
    "values",
    [
        *({"number": number} for number in ("x", None, 1.5, True, float("nan"), 0, 70000)),
        *({"region": region} for region in (None, MASK)),
        *({"name": name} for name in (None, 3)),
        *({"category": category} for category in (None, 3, "")),
        *({"color": color} for color in (None, 3, "red", (1, 2), (300, 0, 0), (1.5, 2, 3), (True, 2, 3))),
        *({"protected": protected} for protected in ("x", None)),
    ],
    ids=str,
)
def test_an_object_of_other_kinds_is_refused(values):
    with pytest.raises(InputError):
        AnnotatedObject(**{"number": 1, "region": REGION, **values})


@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_of_numpy_are_written_like_others(kind, tmp_path):
    item = AnnotatedObject(np.int64(3), REGION, color=np.array([1, 2, 3]))
    path = tmp_path / f"objects{FORMATS[kind].ending}"
    FORMATS[kind].write(path, Annotations("a.png", (20, 30), (item,)), np.zeros((20, 30, 3), np.uint8))
    assert path.stat().st_size
    if FORMATS[kind].ending == ".json":
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "arguments",
    [
        (None, (20, 30)),
        ("a.png", None),
        ("a.png", (20.5, 30)),
        ("a.png", (-1, 30)),
        ("a.png", (20, 30), None),
        ("a.png", (20, 30), (1,)),
        ("a.png", (20, 30), AnnotatedObject(1, REGION)),
        ("a.png", (30, 20), (AnnotatedObject(1, REGION),)),
        ("a.png", (20, 30), (AnnotatedObject(1, REGION), AnnotatedObject(1, REGION))),
    ],
)
def test_annotations_of_other_kinds_are_refused(arguments):
    with pytest.raises(InputError):
        Annotations(*arguments)


@pytest.mark.parametrize(
    "mask",
    [
        None,
        "x",
        MASK[0],
        MASK[None],
        MASK * 0.3 + 0.1,
        np.where(MASK, np.nan, 0),
        MASK.astype(complex),
        MASK.astype(object),
    ],
    ids=["None", "text", "1d", "3d", "probabilities", "NaN", "complex", "objects"],
)
def test_what_is_no_mask_makes_no_region(mask):
    with pytest.raises(InputError, match="the mask of a region"):
        Region.of(mask)


@pytest.mark.parametrize("make", [np.asfortranarray, torch.from_numpy, np.ndarray.tolist, lambda mask: mask * 255.0])
def test_a_region_is_the_same_from_any_mask(make):
    assert Region.of(make(MASK)).same(REGION)


@pytest.mark.parametrize(("top", "left"), [(-6, 0), (0, -6), (11, 0), (0, 16)])
def test_a_region_lies_in_its_image(top, left):
    with pytest.raises(InputError, match="beyond its image"):
        Region.within((20, 30), top, left, MASK)
