"""scripts/plot_ious_analysis.py: curves from published pickles and from records, chosen as the published options do."""

import pickle

import numpy as np
import pytest

from isegm.evaluation.iou_curves import IouCurve, curves_figure, next_free, read_curve, select_files
from isegm.evaluation.records import RecordWriter
from isegm.utils.errors import InputError
from isegm.utils.files import read_image
from tests.cli.loading import load, run_main
from tests.evaluation.fakes import record

IOUS = [[0.2, 0.4, 0.9], [0.4, 0.8, 0.9]]


def dump(path, ious=IOUS, dataset="GrabCut", model="h18_NoBRS"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [np.array(one, np.float32) for one in ious]
    path.write_bytes(pickle.dumps({"dataset_name": dataset, "model_name": model, "all_ious": rows}))
    return path


@pytest.fixture
def call(monkeypatch, tmp_path):
    config = tmp_path / "config.yml"
    config.write_text(f"EXPS_PATH: {tmp_path / 'exps'}\n")
    script = load("plot_ious_analysis")
    return lambda *arguments: run_main(monkeypatch, script, "--config-path", config, *arguments)


def test_all_clicks_count_by_default_the_last_included(tmp_path):
    curve = read_curve(dump(tmp_path / "GrabCut_cvpr_NoBRS_3.pickle"))
    np.testing.assert_allclose(curve.values, [0.3, 0.6, 0.9], atol=1e-6)
    assert curve.summary() == "h18_NoBRS on GrabCut, 2 objects: mIoU@1=30.00%; mIoU@3=90.00%"
    assert len(read_curve(tmp_path / "GrabCut_cvpr_NoBRS_3.pickle", n_clicks=2).values) == 2


def test_objects_that_stopped_earlier_keep_their_last_iou_and_the_line_says_so(tmp_path):
    curve = read_curve(dump(tmp_path / "GrabCut.pickle", [[0.5], [0.1, 0.2, 0.3]]))
    np.testing.assert_allclose(curve.values, [0.3, 0.35, 0.4], atol=1e-6)
    assert curve.measured == 1 and curve.summary().endswith(
        "mIoU@3=40.00% (objects that stopped earlier keep their last IoU)"
    )
    assert read_curve(tmp_path / "GrabCut.pickle", n_clicks=1).summary().endswith("mIoU@1=30.00%")


def test_the_plot_of_a_usual_run_is_not_empty(call, tmp_path, capsys):
    for name, ious in (("a", [[0.95], [0.2, 0.92]]), ("b", [[0.91], [0.93]])):
        with RecordWriter(tmp_path / name / "records_Samples.jsonl", {"dataset": "Samples"}) as writer:
            for index, one in enumerate(ious):
                writer.write(record(one, index, dataset="Samples"))
    files = [tmp_path / name / "records_Samples.jsonl" for name in "ab"]
    curves = [read_curve(path) for path in files]
    axes = curves_figure(curves).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [57.5, 93.5], atol=1e-4)
    assert {line.get_marker() for line in axes.lines} == {"o"}  # a single value is a point that one sees
    assert axes.get_legend().get_texts()[0].get_text().endswith("objects that stopped earlier keep their last IoU")
    assert call("--files", *files, "--plots-path", tmp_path / "plots") == 0
    drawn = read_image(tmp_path / "plots" / "Samples_000.png").astype(int)
    assert (np.ptp(drawn[60:-60, 100:-60], axis=2) > 60).sum() > 200  # coloured pixels inside the axes


def test_records_give_the_same_curve_as_the_pickle(tmp_path):
    path = tmp_path / "h18" / "cvpr_NoBRS_3" / "records_GrabCut.jsonl"
    with RecordWriter(path, {"dataset": "GrabCut"}) as writer:
        for index, ious in enumerate(IOUS):
            writer.write(record(ious, index, dataset="GrabCut"))
    ours, published = read_curve(path), read_curve(dump(tmp_path / "GrabCut.pickle"))
    np.testing.assert_allclose(ours.values, published.values, atol=1e-7)
    assert (ours.dataset, ours.model) == ("GrabCut", "h18/cvpr_NoBRS_3")
    assert select_files([path], ["NoBRS"], ["GrabCut"]) == [path]


def test_a_folder_stands_for_the_records_below_it_and_every_mode_can_be_chosen(call, tmp_path, capsys):
    for mode in ("NoBRS", "FocalClick"):
        path = tmp_path / "run" / "h18" / f"cvpr_{mode}_3" / "records_GrabCut.jsonl"
        with RecordWriter(path, {"dataset": "GrabCut"}) as writer:
            writer.write(record(IOUS[0], dataset="GrabCut"))
    assert call("--files", tmp_path / "run", "--plots-path", tmp_path / "plots") == 0
    assert capsys.readouterr().out.count("on GrabCut, 1 objects") == 2
    assert call("--files", tmp_path / "run", "--mode", "FocalClick", "--plots-path", tmp_path / "plots") == 0
    assert "h18/cvpr_FocalClick_3 on GrabCut" in (said := capsys.readouterr().out) and "NoBRS" not in said
    (tmp_path / "empty").mkdir()
    assert call("--files", tmp_path / "empty") == 2
    assert "there are no records_<dataset>.jsonl below" in capsys.readouterr().err


def test_the_figure_has_a_line_for_each_model_in_percent():
    curves = [IouCurve.of("DAVIS", "a$b$", IOUS), IouCurve.of("DAVIS", "other", IOUS[:1])]
    axes = curves_figure(curves).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [30, 60, 90])
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [20, 40, 90])
    assert list(axes.get_xticks()) == [1, 2, 3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a$b$", "other"]


def test_curves_of_one_name_are_told_apart_by_their_folders(call, tmp_path, capsys):
    for folder in ("first", "second"):
        path = tmp_path / folder / "h18" / "cvpr_NoBRS_3" / "records_GrabCut.jsonl"
        with RecordWriter(path, {}) as writer:
            writer.write(record(IOUS[0], dataset="GrabCut"))
    files = [tmp_path / folder / "h18" / "cvpr_NoBRS_3" / "records_GrabCut.jsonl" for folder in ("first", "second")]
    assert call("--files", *files, "--plots-path", tmp_path) == 0
    shown = capsys.readouterr().out
    for path in files:
        assert f"h18/cvpr_NoBRS_3 in {path.parent} on GrabCut" in shown


def test_figures_are_numbered_behind_those_that_are_there(tmp_path):
    for name in ("SBD_000.png", "SBD_004.png", "SBD_Train_007.png"):
        (tmp_path / name).touch()
    assert next_free(tmp_path, "SBD").name == "SBD_005.png"
    assert next_free(tmp_path, "DAVIS").name == "DAVIS_000.png"


def test_a_folder_filtered_by_mode_and_data_set(call, tmp_path, capsys):
    folder, plots = tmp_path / "pickles", tmp_path / "plots"
    dump(folder / "GrabCut_cvpr_NoBRS_20.pickle")
    dump(folder / "GrabCut_cvpr_f-BRS-B_20.pickle", model="h18_f-BRS-B")
    dump(folder / "Berkeley_cvpr_NoBRS_20.pickle", dataset="Berkeley")
    assert call("--folder", folder, "--mode", "NoBRS", "--datasets", "GrabCut", "--plots-path", plots) == 0
    shown = capsys.readouterr().out
    assert "h18_NoBRS on GrabCut" in shown and "f-BRS-B" not in shown and "Berkeley" not in shown
    assert [path.name for path in plots.iterdir()] == ["GrabCut_000.png"]
    assert read_image(plots / "GrabCut_000.png").shape == (700, 1200, 3)
    assert call("--folder", folder, "--plots-path", plots) == 0
    assert sorted(path.name for path in plots.iterdir()) == ["Berkeley_000.png", "GrabCut_000.png", "GrabCut_001.png"]


def test_model_dirs_and_experiments_with_prefixes(call, tmp_path, capsys):
    logs = tmp_path / "exps" / "evaluation_logs"
    dump(logs / "ritm" / "first" / "plots" / "049_GrabCut_cvpr_NoBRS_20.pickle", model="first 49")
    dump(logs / "ritm" / "first" / "plots" / "054_GrabCut_cvpr_NoBRS_20.pickle", model="first 54")
    assert call("--exp-models", "ritm/first:054") == 0
    shown = capsys.readouterr().out
    assert "first 54 on GrabCut" in shown and "first 49" not in shown
    assert (logs / "iou_analysis" / "GrabCut_000.png").is_file()
    assert call("--model-dirs", logs / "ritm" / "first") == 0
    assert "first 49" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--folder", "absent"], "there is no folder absent: evaluate with --iou-analysis first"),
        (["--files", "GrabCut.pickle", "--n-clicks", "0"], "--n-clicks is 0: give a number of at least 1"),
        (["--files", "GrabCut.pickle", "--datasets", "HARD"], "none of 1 files is of the data sets HARD"),
        (["--files", "absent_GrabCut.pickle"], "there is no file absent_GrabCut.pickle"),
    ],
)
def test_bad_options_are_one_sentence(call, capsys, arguments, sentence):
    assert call(*arguments) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, sentence",
    [
        ([1, 2], "the content must be a mapping"),
        ({"dataset_name": "a"}, "the content must have the key model_name"),
        ({"dataset_name": 3, "model_name": "b", "all_ious": [[0.5]]}, "dataset_name must be text, not 3"),
        ({"dataset_name": "a", "model_name": [], "all_ious": [[0.5]]}, "model_name must be text"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": []}, "all_ious must be a list of at least 1"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [[]]}, r"all_ious\[0\] must be"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [["x"]]}, r"all_ious\[0\]\[0\] must be"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": 3}, "all_ious must be a list"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [[10**400]]}, "more than 64 bits"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [[float("inf")]]}, "from 0 to 1, not inf"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [[1j]]}, r"all_ious\[0\]\[0\] must be"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [np.array([0.5, np.nan])]}, "an array of IoUs from 0"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": np.array([0.5, 0.6])}, r"all_ious\[0\] must be"),
        ({"dataset_name": "a", "model_name": "b", "all_ious": [np.array(["a"])]}, "an array of IoUs from 0"),
    ],
)
def test_pickles_of_another_kind_are_named(tmp_path, content, sentence):
    path = tmp_path / "GrabCut.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=sentence):
        read_curve(path)


def test_a_list_that_many_objects_share_is_bounded(tmp_path):
    row = [0.5] * 10_000
    path = tmp_path / "GrabCut.pickle"
    path.write_bytes(pickle.dumps({"dataset_name": "a", "model_name": "b", "all_ious": [row] * 100_000}))
    with pytest.raises(InputError, match=r"GrabCut\.pickle"):
        read_curve(path)


def test_arrays_of_published_pickles_may_be_one_table(tmp_path):
    path = tmp_path / "GrabCut.pickle"
    path.write_bytes(pickle.dumps({"dataset_name": "a", "model_name": "b", "all_ious": np.array(IOUS, np.float32)}))
    np.testing.assert_allclose(read_curve(path).values, [0.3, 0.6, 0.9], atol=1e-6)
