"""Evaluations that begin with a box, a scribble or a mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from isegm import build_model
from isegm.cli import evaluate as evaluate_command
from isegm.evaluation.effective_options import named_settings
from isegm.evaluation.loop import evaluate_dataset, replay, replay_each
from isegm.evaluation.options import EvalOptions
from isegm.evaluation.records import ObjectRecord
from isegm.inference.mask_metrics import get_iou
from isegm.inference.simulation import NEVER_STOP, EvalSettings
from isegm.model.checkpoint import save_checkpoint
from isegm.utils.errors import InputError
from tests.evaluation.fakes import HEIGHT, WIDTH, DrawnDataset, blob_predictor, ellipse, write_folder

SETTINGS = EvalSettings(target_iou=NEVER_STOP, max_clicks=3)
KINDS = ("box", "scribble", "mask")


def evaluate(prompt, dataset=None, on_click=None, batch_size=1, **settings):
    given = replace(SETTINGS, prompt=prompt, **settings)
    return list(
        evaluate_dataset(dataset or DrawnDataset(), blob_predictor(), given, batch_size=batch_size, on_click=on_click)
    )


def without_time(records):
    return [replace(record, seconds=0.0, first_seconds=0.0) for record in records]


@pytest.mark.parametrize("prompt", KINDS)
def test_the_prompt_counts_as_the_first_click(prompt):
    records = evaluate(prompt)
    assert all(len(record.ious) == 3 and len(record.clicks) == 2 for record in records)
    assert all(record.prompt["kind"] == prompt for record in records)


@pytest.mark.parametrize("prompt", KINDS)
def test_records_do_not_depend_on_the_batch_and_lines_are_read_back(prompt):
    records = without_time(evaluate(prompt, batch_size=4))
    alone = without_time(evaluate(prompt))
    for record, other in zip(records, alone, strict=True):
        assert record.clicks == other.clicks and record.prompt == other.prompt
        np.testing.assert_allclose(record.ious, other.ious, atol=1e-5)
        assert ObjectRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize("prompt", KINDS)
def test_a_replay_gives_the_masks_of_the_evaluation(prompt):
    dataset, masks = DrawnDataset(), {}

    def keep(event):
        masks[event.index, event.object_id, event.number] = event.mask

    for record in evaluate(prompt, dataset, keep):
        sample = dataset.get_sample(record.index)
        sessions = list(replay_each(record, sample, blob_predictor()))
        for number, session in enumerate(sessions, start=1):
            np.testing.assert_array_equal(session.mask(0.49), masks[(*record.key, number)])
        assert replay(record, sample, blob_predictor()).interactions == len(record.ious) - (prompt == "mask")


def test_a_mask_is_the_first_answer_itself_and_has_errors():
    ious = [record.ious[0] for record in evaluate("mask")]
    assert min(ious) > 0.2 and max(ious) < 1 and len(set(ious)) > 3
    other = [record.ious[0] for record in evaluate("mask", seed=1)]
    assert other != ious


def test_the_masks_of_a_data_set_come_first_where_it_has_some():
    start = ellipse(24, 32, 12, 12).astype(np.float32)
    records = evaluate("mask", DrawnDataset(init_mask=start))
    assert all(record.prompt == {"kind": "mask"} for record in records)
    sample = DrawnDataset().get_sample(0)
    expected = get_iou(sample.get_object_mask(0), start > 0.5)
    assert records[0].ious[0] == pytest.approx(expected, abs=1e-6)
    boxes = evaluate("box", DrawnDataset(init_mask=start))
    assert without_time(boxes) == without_time(evaluate("box"))  # begins without the mask


def test_boxes_are_tight_or_off_by_the_seed():
    tight = [record.prompt["points"] for record in evaluate("box")]
    sample = DrawnDataset().get_sample(0)
    rows, columns = np.nonzero(sample.get_object_mask(0) == 1)
    assert tight[0] == [[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]
    moved = [record.prompt["points"] for record in evaluate("box", box_jitter=0.3)]
    again = [record.prompt["points"] for record in evaluate("box", box_jitter=0.3, batch_size=3)]
    assert moved == again != tight and moved != [
        record.prompt["points"] for record in evaluate("box", box_jitter=0.3, seed=5)
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for points in moved for x, y in points)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"prompt": {"kind": "star", "points": [[1, 2], [3, 4]]}', "star"),
        ('"prompt": {"kind": "box"}', "without points"),
        ('"prompt": {"kind": "mask", "points": [[1, 2], [3, 4]]}', "with points"),
    ],
)
def test_a_damaged_prompt_of_a_record_is_refused(line, words):
    start = '{"dataset": "d", "index": 0, "object_id": 1, "name": "a", "clicks": [], "ious": [0.5], "seconds": 1, '
    with pytest.raises(ValueError, match=words):
        ObjectRecord.from_json(start + line + "}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompts": "box", "init_masks": "masks"}, "--init-masks"),
        ({"prompts": "box", "box_jitter": -1}, "--box-jitter"),
    ],
)
def test_options_that_contradict_each_other(options, words):
    with pytest.raises(InputError, match=words):
        EvalOptions(**options)


def test_only_other_prompts_than_clicks_are_named():
    assert "prompts" not in named_settings(EvalOptions(), "ritm")
    assert named_settings(EvalOptions(prompts="box", box_jitter=0.1, seed=3), "ritm") == {
        "prompts": "box",
        "box-jitter": "0.1",
        "seed": "3",
    }
    assert "prompt" not in EvalSettings().as_dict() and EvalSettings(prompt="box").as_dict()["prompt"] == "box"


def test_a_run_says_which_prompt_came_first_and_how_the_network_saw_it(tmp_path, monkeypatch):
    torch.manual_seed(0)
    write_folder(tmp_path / "set", 2)
    for name, arguments in (("plain", {}), ("reading", {"strokes": True})):
        save_checkpoint(build_model("clickseg_mobilenetv2", **arguments), tmp_path / f"{name}.pth")
    (tmp_path / "config.yml").write_text("EXPS_PATH: experiments\n")
    monkeypatch.chdir(tmp_path)

    def run(name, *options):
        evaluate_command.main(
            [f"--checkpoint={name}.pth", "--datasets=folder:set", "--n-clicks=2", "--cpu", "--infer-size=64", *options]
        )
        return next(path for path in tmp_path.rglob("*.txt") if "Protocol:" in path.read_text() and name in str(path))

    words = {"plain": "first prompt: box, turned into a click, and the crop", "reading": "first prompt: box, read as a"}
    for name, said in words.items():
        report = run(name, "--prompts=box", "--vis", "--sheet=1")
        assert said in report.read_text()
    assert list(tmp_path.rglob("*sheet*.png")) and "box first" not in said
    before = next(tmp_path.rglob("*.jsonl")).read_text()
    run("plain", "--prompts=box", "--resume")
    assert before in [path.read_text() for path in tmp_path.rglob("*.jsonl")]
    with pytest.raises(InputError, match="--prompts box"):
        run("plain", "--box-jitter=0.2")


def test_a_mask_that_the_network_would_neither_read_nor_change_is_refused(tmp_path, monkeypatch):
    write_folder(tmp_path / "set", 1)
    save_checkpoint(build_model("clickseg_pplcnet", with_prev_mask=False), tmp_path / "net.pth")
    monkeypatch.chdir(tmp_path)
    command = ["--checkpoint=net.pth", "--datasets=folder:set", "--n-clicks=2", "--cpu", "--infer-size=64"]
    with pytest.raises(InputError, match="reads no previous mask, and with --merge none"):
        evaluate_command.main([*command, "--prompts=mask", "--merge=none"])
    evaluate_command.main([*command, "--prompts=mask"])
    (report,) = [path for path in tmp_path.rglob("*.txt") if "Protocol:" in path.read_text()]
    assert "first prompt: mask, not read, predictions are merged into it" in report.read_text()
