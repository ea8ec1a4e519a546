import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm.data.sample import DSample
from isegm.evaluation.loop import evaluate_dataset, replay, replay_each, usual_batch_size
from isegm.inference.cascade import Cascade
from isegm.inference.clicker import Clicker
from isegm.inference.mask_metrics import get_iou
from isegm.inference.merge import guarded_merge
from isegm.inference.predictor import Predictor
from isegm.inference.protocols import settings_for
from isegm.inference.simulation import NEVER_STOP, ClickSimulation, EvalSettings
from isegm.utils.errors import InputError
from tests.analytic import BlobModel
from tests.evaluation.fakes import HEIGHT, WIDTH, DrawnDataset, blob_predictor, ellipse
from tests.golden import golden_json
from tests.inference.test_golden_pipelines import CASES, analytic_case

SETTINGS = EvalSettings(target_iou=0.7, max_clicks=6)


def evaluate(dataset=None, settings=SETTINGS, predictor=None, **options):
    return list(evaluate_dataset(dataset or DrawnDataset(), predictor or blob_predictor(), settings, **options))


def without_time(records):
    return [replace(record, seconds=0.0, first_seconds=0.0) for record in records]


def one_by_one(dataset, predictor, settings):
    """The evaluation as the specification words it: (clicks, IoUs) of each object."""
    for index in range(len(dataset)):
        sample = dataset.get_sample(index)
        for object_id in sample.objects_ids:
            gt = sample.get_object_mask(object_id)
            clicker, session, ious = Clicker(gt), predictor.start(sample.image, sample.init_mask), []
            mask = session.probs > settings.threshold
            for made in range(1, settings.max_clicks + 1):
                (session,) = predictor.step([session], [clicker.make_next_click(mask)])
                mask = session.probs > settings.threshold
                ious.append(get_iou(gt, mask))
                if ious[-1] >= settings.target_iou and made >= settings.min_clicks:
                    break
            yield [(int(c.coords[1]), int(c.coords[0]), int(c.is_positive)) for c in clicker.clicks_list], ious


@pytest.mark.parametrize("protocol", ["ritm", "clickseg"])
@pytest.mark.parametrize("min_clicks", [1, 4])
def test_the_loop_does_what_the_specification_says(protocol, min_clicks):
    settings = replace(SETTINGS, min_clicks=min_clicks)
    records = evaluate(settings=settings, predictor=blob_predictor(protocol))
    expected = list(one_by_one(DrawnDataset(), blob_predictor(protocol), settings))
    assert [list(record.clicks) for record in records] == [clicks for clicks, _ in expected]
    assert [record.ious for record in records] == [tuple(np.float32(ious).tolist()) for _, ious in expected]
    lengths = {len(record.clicks) for record in records}
    assert len(lengths) > 1  # some stop before others
    assert min(lengths) >= min_clicks


class PublishedCases:
    """The images and masks of golden/README section 5."""

    name = "Published"

    def __len__(self):
        return len(CASES)

    def get_sample(self, index):
        image, gt = analytic_case(CASES[index])
        return DSample.flat(image, gt, [1], [-1], sample_id=CASES[index])


def test_clicks_and_ious_follow_the_published_evaluation():
    sequences = golden_json("pipelines_analytic/clickseg_baseline384.json")["sequences"]
    predictor = Predictor(BlobModel(), settings=settings_for("clickseg"))
    records = evaluate(PublishedCases(), EvalSettings(NEVER_STOP, 12), predictor, batch_size=3)
    assert [record.name for record in records] == list(CASES)
    for record in records:
        log = sequences[record.name]
        assert list(record.clicks) == [(click["x"], click["y"], click["positive"]) for click in log]
        np.testing.assert_allclose(record.ious, [click["iou"] for click in log], atol=1e-4)


@pytest.mark.parametrize("protocol", ["ritm", "clickseg"])
@pytest.mark.parametrize("batch_size", [2, 3, 100])
def test_batches_change_neither_clicks_nor_ious_nor_order(protocol, batch_size):
    expected = evaluate(predictor=blob_predictor(protocol))
    records = evaluate(predictor=blob_predictor(protocol), batch_size=batch_size)
    assert without_time(records) == without_time(expected)
    assert [(record.index, record.object_id) for record in records] == [
        (0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0)
    ]  # fmt: skip


def test_batches_take_fewer_network_passes():
    one, three = blob_predictor(), blob_predictor()
    evaluate(predictor=one)
    evaluate(predictor=three, batch_size=3)
    assert three.model.calls < one.model.calls


@pytest.mark.parametrize("protocol", ["ritm", "clickseg"])
def test_a_network_pass_is_bounded_however_many_objects_are_clicked_together(protocol, monkeypatch):
    expected = evaluate(predictor=blob_predictor(protocol))
    monkeypatch.setattr("isegm.inference.network_pass.CPU_PIXELS", 3 * 64 * 64)
    predictor, rows = blob_predictor(protocol), []
    decode = predictor.model.decode
    predictor.model.decode = lambda *arguments: rows.append(len(arguments[1])) or decode(*arguments)
    assert without_time(evaluate(predictor=predictor, batch_size=100)) == without_time(expected)
    assert 2 <= max(rows) <= 4  # RITM sees the flipped images too


def test_objects_on_large_images_are_clicked_fewer_at_a_time(monkeypatch):
    monkeypatch.setattr("isegm.evaluation.loop.MOST_PIXELS", 3 * HEIGHT * WIDTH - 1)
    predictor, together = blob_predictor(), []
    step = predictor.step
    predictor.step = lambda sessions, clicks: together.append(len(sessions)) or step(sessions, clicks)
    assert without_time(evaluate(predictor=predictor, batch_size=100)) == without_time(evaluate())
    assert max(together) == 2
    monkeypatch.setattr("isegm.evaluation.loop.MOST_PIXELS", 1)
    assert len(evaluate(batch_size=100)) == 7  # one at a time


def test_each_sample_is_read_once():
    dataset = DrawnDataset()
    evaluate(dataset, batch_size=2)
    assert dataset.reads == len(dataset)


class Noting(DrawnDataset):
    """Notes which samples are read, and for which the evaluation waits."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def get_sample(self, index):
        self.noted.append(index)
        return super().get_sample(index)


def test_the_next_sample_is_read_meanwhile_unless_indices_are_handed_out():
    for indices, ahead in ((None, 2), (iter(range(4)), 1)):
        dataset = Noting()
        stream = evaluate_dataset(dataset, blob_predictor(), SETTINGS, indices=indices)
        next(stream)
        stream.close()
        assert dataset.noted == list(range(ahead))


def test_users_of_several_objects_think_in_threads(monkeypatch):
    threads, next_click = set(), ClickSimulation.next_click

    def noted(simulation):
        threads.add(threading.current_thread().name)
        return next_click(simulation)

    monkeypatch.setattr(ClickSimulation, "next_click", noted)
    for batch_size, named in ((1, {"MainThread"}), (3, {"user"})):
        threads.clear()
        evaluate(batch_size=batch_size)
        assert {name.split("_")[0] for name in threads} - {"MainThread"} == named - {"MainThread"}


def test_how_many_objects_are_clicked_side_by_side(monkeypatch):
    assert usual_batch_size(torch.device("cpu")) == 1
    assert usual_batch_size(torch.device("mps")) > 1
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 << 30, 8 << 30))
    assert usual_batch_size(torch.device("cuda")) == 5
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (70 << 30, 80 << 30))
    assert usual_batch_size(torch.device("cuda")) == 64


def test_clicks_go_on_after_a_target_that_no_iou_reaches():
    records = evaluate(settings=replace(SETTINGS, target_iou=NEVER_STOP))
    assert {len(record.clicks) for record in records} == {SETTINGS.max_clicks}


def test_what_is_done_is_passed_over():
    everything = evaluate()
    done = {record.key for record in everything[:2]}
    rest = evaluate(done=done, batch_size=2)
    assert without_time(rest) == without_time(everything[2:])
    assert evaluate(done={record.key for record in everything}) == []


def test_max_objects_counts_those_that_are_done():
    everything = evaluate()
    assert without_time(evaluate(max_objects=3)) == without_time(everything[:3])
    done = {record.key for record in everything[:2]}
    assert without_time(evaluate(max_objects=3, done=done)) == without_time(everything[2:3])


def test_records_stream_while_others_are_still_being_clicked():
    stream = evaluate_dataset(DrawnDataset(3), blob_predictor(), SETTINGS, batch_size=2)
    assert next(stream).key == (0, 0)


def test_an_object_without_pixels_is_named():
    with pytest.raises(InputError, match="object 1 of image0 in Drawn has no pixels"):
        evaluate(DrawnDataset(1, empty=0))


def test_predictions_are_merged_into_an_initial_mask():
    init = ellipse(24, 32, 6, 6).astype(np.float32)
    predictor, mask, events = blob_predictor(), init > 0.5, []
    evaluate(DrawnDataset(1, init_mask=init), predictor=predictor, on_click=events.append)
    assert len(events) > 1
    for event in events:
        mask = guarded_merge(mask, event.session.probs > 0.49, event.clicks[-1])
        np.testing.assert_array_equal(event.mask, mask)


def test_an_initial_mask_decides_the_first_click():
    init = ellipse(24, 32, 6, 6).astype(np.float32)
    with_mask = evaluate(DrawnDataset(1, init_mask=init))[0]
    assert with_mask.clicks[0] != evaluate(DrawnDataset(1))[0].clicks[0]
    gt = DrawnDataset(1).get_sample(0).get_object_mask(0)
    first = Clicker(gt).make_next_click(init > 0.49)
    assert with_mask.clicks[0] == (first.coords[1], first.coords[0], first.is_positive)


@pytest.mark.parametrize(("cascade", "passes"), [(None, (1, 1)), (Cascade(3), (4, 1)), (Cascade(2, clicks=9), (3, 3))])
def test_records_count_the_passes_of_first_and_later_clicks(cascade, passes):
    predictor = blob_predictor()
    predictor = Predictor(BlobModel(), "cpu", settings=replace(predictor.settings, cascade=cascade))
    records = evaluate(predictor=predictor, batch_size=2)
    assert {len(record.clicks) for record in records} > {1}
    for record in records:
        assert record.passes == passes[0] + passes[1] * (len(record.clicks) - 1)


def test_replaying_a_record_gives_its_last_mask():
    dataset = DrawnDataset()
    for record in evaluate(dataset, batch_size=3):
        sample = dataset.get_sample(record.index)
        probs = replay(record, sample, blob_predictor()).probs
        assert probs.shape == (HEIGHT, WIDTH)
        iou = get_iou(sample.get_object_mask(record.object_id), probs > SETTINGS.threshold)
        assert np.float32(iou) == np.float32(record.ious[-1])


def test_replaying_click_by_click_gives_the_mask_of_each_iou():
    dataset = DrawnDataset()
    for record in evaluate(dataset, batch_size=3):
        sample = dataset.get_sample(record.index)
        gt = sample.get_object_mask(record.object_id)
        sessions = replay_each(record, sample, blob_predictor())
        assert [np.float32(get_iou(gt, one.mask(SETTINGS.threshold))) for one in sessions] == list(record.ious)


def test_callbacks_see_every_click():
    events = []
    records = evaluate(on_click=events.append, batch_size=2)
    assert len(events) == sum(len(record.clicks) for record in records)
    for record in records:
        own = [event for event in events if (event.index, event.object_id) == record.key]
        assert [len(event.clicks) for event in own] == list(range(1, len(record.clicks) + 1))
        assert [np.float32(event.iou) for event in own] == [np.float32(iou) for iou in record.ious]
        assert [event.finished for event in own] == [False] * (len(own) - 1) + [True]
        assert all(np.array_equal(after.previous, before.mask) for before, after in itertools.pairwise(own))
        assert np.array_equal(own[-1].mask, own[-1].session.probs > SETTINGS.threshold)


def test_times_are_shares_of_the_wall_time(monkeypatch):
    """By a clock that goes on only while a sample is read (2 s), the network answers (6 s) or a callback draws."""
    now = [0.0]

    def taking(seconds, work):
        def slow(*arguments):
            now[0] += seconds
            return work(*arguments)

        return slow

    dataset, predictor = DrawnDataset(), blob_predictor()
    monkeypatch.setattr("isegm.evaluation.loop.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(dataset, "get_sample", taking(2, dataset.get_sample))
    monkeypatch.setattr(predictor, "step", taking(6, predictor.step))
    drawn = []
    records = evaluate(dataset, predictor=predictor, batch_size=3, on_click=taking(100, drawn.append))
    wall = now[0] - 100 * len(drawn)
    assert sum(record.seconds for record in records) == pytest.approx(wall, abs=1e-4)
    assert all(record.seconds >= 2 * len(record.clicks) - 1e-4 for record in records)  # a third of a step for a click


def test_skipped_objects_take_no_time_from_others(monkeypatch):
    """By a clock that goes on only while a sample is read, 2 s for each."""
    now, dataset = [0.0], DrawnDataset()
    samples = [dataset.get_sample(index) for index in range(len(dataset))]

    def read(index):
        now[0] += 2
        return samples[index]

    monkeypatch.setattr("isegm.evaluation.loop.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(dataset, "get_sample", read)
    everything = [(index, object_id) for index, sample in enumerate(samples) for object_id in sample.objects_ids]
    done = {key for key in everything if key[0] == 1}
    records = evaluate(dataset, indices=[0, 1], done=done, batch_size=len(everything))
    assert sum(record.seconds for record in records) == pytest.approx(2)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_without_objects_is_refused(batch_size):
    with pytest.raises(InputError, match=f"batch_size is {batch_size}"):
        evaluate(batch_size=batch_size)


@pytest.mark.parametrize(
    "wrong", [{"max_clicks": 0}, {"min_clicks": 0}, {"target_iou": 90}, {"threshold": 0}, {"threshold": 49}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError):
        EvalSettings(**wrong)


def test_random_clicks_depend_on_the_seed_and_on_the_object_alone():
    settings = replace(SETTINGS, clicker="random", seed=1)
    one = without_time(evaluate(settings=settings))
    assert one == without_time(evaluate(settings=settings, batch_size=3))
    done = {(record.index, record.object_id) for record in one[:2]}
    assert without_time(evaluate(settings=settings, done=done)) == one[2:]
    other = without_time(evaluate(settings=replace(settings, seed=2)))
    centre = without_time(evaluate())
    assert len({tuple(record.clicks[0] for record in records) for records in (one, other, centre)}) == 3
    with pytest.raises(InputError, match=r"clicker of EvalSettings must be centre or random, not 'edge'"):
        EvalSettings(clicker="edge")
