import json
from dataclasses import replace

import numpy as np
import pytest

from isegm.evaluation.scores import (
    miou_carried_forward,
    miou_per_click,
    noc,
    noc_std,
    nof,
    nof_published,
    passes_per_click,
    score,
    seconds_of_first_and_next,
    seconds_per_click,
    seconds_per_object,
    thresholds_up_to,
)
from isegm.inference.mask_metrics import first_click_reaching
from isegm.utils.errors import InputError
from tests.evaluation.fakes import record
from tests.golden import golden

# Appendix A.7 of the RITM specification: the third list reaches 0.85 and 0.90 exactly at the last click
LISTS = [[0.5, 0.8, 0.85, 0.9], [0.1] * 20, [0.1] * 19 + [0.91], [0.95]]


@pytest.fixture
def records():
    return [record(ious, index) for index, ious in enumerate(LISTS)]


@pytest.mark.parametrize(("threshold", "expected"), [(0.80, 10.75), (0.85, 11.0), (0.90, 11.25)])
def test_noc_of_the_specification(records, threshold, expected):
    assert noc(records, threshold, 20) == expected


@pytest.mark.parametrize("threshold", [0.80, 0.85, 0.90])
def test_published_failures_include_objects_that_succeed_at_the_last_click(records, threshold):
    assert nof_published(records, threshold, 20) == 2
    assert nof(records, threshold, 20) == 1


def test_scores_follow_the_golden_vectors():
    for case in json.loads(golden("protocol/noc.json").read_text()):
        records = [record(ious, index) for index, ious in enumerate(case["ious"])]
        for threshold, expected, over in zip(case["thr"], case["noc"], case["nof_at_20"], strict=True):
            assert noc(records, threshold, 20) == pytest.approx(expected, abs=1e-12)
            assert nof_published(records, threshold, 20) == over


@pytest.mark.parametrize("threshold", [0.80, 0.85, 0.90, 0.95])
def test_an_iou_of_exactly_the_threshold_reaches_it(threshold):
    exact = round(threshold * 100) / 100
    for iou in (
        exact,
        np.float32(exact),
        float(np.float32(exact)),
        np.arange(0.8, 0.96, 0.05)[round(threshold * 20) - 16],
    ):
        assert first_click_reaching([0.1, iou], threshold) == 2
    assert first_click_reaching([0.1, np.nextafter(np.float32(exact), np.float32(0))], threshold) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0.80, (0.80,)),
        (0.85, (0.80, 0.85)),
        (0.87, (0.80, 0.85)),
        (0.90, (0.80, 0.85, 0.90)),
        (0.95, (0.80, 0.85, 0.90, 0.95)),
        (1.01, (0.80, 0.85, 0.90, 0.95)),
    ],
)
def test_thresholds_go_up_to_the_target(target, expected):
    assert thresholds_up_to(target) == expected


def test_fewer_clicks_can_be_scored_from_the_same_records(records):
    assert nof(records, 0.90, 3) == 3
    assert noc(records, 0.90, 3) == (3 + 3 + 3 + 1) / 4


def test_mean_iou_goes_as_far_as_every_object_was_clicked():
    records = [record([0.2, 0.4, 0.6]), record([0.4, 0.9], index=1)]
    np.testing.assert_allclose(miou_per_click(records), [0.3, 0.65], atol=1e-7)
    np.testing.assert_allclose(miou_carried_forward(records), [0.3, 0.65, 0.75], atol=1e-7)


def test_times_and_spread():
    records = [
        record([0.2, 0.9], seconds=3.0),
        record([0.9], index=1, seconds=1.0),
        record([0.95], index=2, seconds=2.0),
    ]
    assert seconds_per_click(records) == 1.5
    assert seconds_per_object(records) == 2.0
    assert noc_std(records, 0.9, 20) == pytest.approx(np.std([2, 1, 1]))


def test_all_scores_together(records):
    scores = score(records, "Drawn", 0.87, 20)
    assert (scores.objects, scores.clicks) == (4, 45)
    assert scores.thresholds == (0.80, 0.85, 0.87)
    assert scores.noc[2] == noc(records, 0.87, 20)
    assert scores.nof_published == (2, 2, 2)
    assert scores.nof == (1, 1, 1)
    assert scores.miou == pytest.approx(((0.5 + 0.1 + 0.1 + 0.95) / 4,))
    assert scores.index(0.85) == 1
    assert scores.index(0.90) is None


def test_no_objects_is_an_input_error():
    with pytest.raises(InputError, match="Drawn holds no objects"):
        score([], "Drawn", 0.9, 20)


def test_first_clicks_are_told_from_the_others():
    records = [
        replace(record([0.5, 0.9], 0, seconds=3.0), first_seconds=2.0, passes=2),
        replace(record([0.5, 0.6, 0.9], 1, seconds=5.0), first_seconds=1.0, passes=8),
    ]
    assert seconds_of_first_and_next(records) == (1.5, pytest.approx(5 / 3))
    assert passes_per_click(records) == 2
    of_earlier_version = [*records, record([0.9], 2)]
    assert seconds_of_first_and_next(of_earlier_version) == (None, None)
    assert passes_per_click(of_earlier_version) is None
    assert seconds_of_first_and_next([replace(record([0.9]), first_seconds=1.0)]) == (1.0, None)
