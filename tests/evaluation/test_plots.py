from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from isegm.clicks import Click
from isegm.evaluation import plots
from isegm.evaluation.loop import ClickEvent
from isegm.evaluation.panels import SamplePanels
from isegm.inference.predictor import Predictor
from isegm.utils.boxes import Box
from isegm.utils.files import read_image
from tests.analytic import BlobModel
from tests.evaluation.fakes import HEIGHT, WIDTH, DrawnDataset, ellipse, record


def case(index):
    sample = DrawnDataset().get_sample(index)
    mask = ellipse(24, 32, 10, 10)
    return plots.Case(record([0.2, 0.6], index), sample.image, sample.get_object_mask(0), mask)


def curve(figure):
    return figure.axes[0].lines[0].get_ydata()


def test_mean_iou_per_click_in_percent():
    figure = plots.miou_figure([record([0.2, 0.4]), record([0.4, 0.8], 1)], "title")
    np.testing.assert_allclose(curve(figure), [30, 60], atol=1e-5)
    assert "keep" not in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_the_plot_says_so_when_objects_stopped_early():
    figure = plots.miou_figure([record([0.9]), record([0.1, 0.8], 1)], "title")
    np.testing.assert_allclose(curve(figure), [50, 85], atol=1e-5)
    assert "keep their last IoU" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_ranking_by_clicks_then_final_iou():
    lists = [[0.1, 0.92], [0.95], [0.1] * 5, [0.1] * 4 + [0.9], [0.1, 0.96], [0.2] * 5]
    records = [record(ious, index) for index, ious in enumerate(lists)]
    assert [one.index for one in plots.rank_records(records, 0.9, 5)] == [1, 4, 0, 3, 5, 2]
    assert [one.index for one in plots.rank_records(records, 1.01, 5)] == [1, 4, 0, 3, 5, 2]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_contact_sheets_show_every_case(tmp_path, count):
    figure = plots.contact_sheet([case(index) for index in range(count)], "best")
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if title] == [f"image{i}, object 0: 2 clicks, IoU 0.600" for i in range(count)]
    plots.save_figure(figure, tmp_path / "sheet.png")
    assert read_image(tmp_path / "sheet.png").std() > 10


@pytest.mark.parametrize(
    ("there", "asked", "chosen"), [(9, 3, [1, 4, 7]), (5, 2, [1, 3]), (4, 1, [2]), (3, 3, [0, 1, 2]), (2, 24, [0, 1])]
)
def test_objects_of_a_click_sheet_are_spread_evenly_in_the_order_of_the_data_set(there, asked, chosen):
    records = [record([0.5], index) for index in reversed(range(there))]
    assert [one.index for one in plots.spread_records(records, asked)] == chosen


@pytest.mark.parametrize(
    ("ious", "lengths"), [([0.1, 0.2, 0.3, 0.4, 0.9], [1, 2, 4]), ([0.1, 0.2, 0.9], [1, 2, 3]), ([0.9], [1, 1, 1])]
)
def test_stages_are_after_one_two_and_four_clicks_or_the_last(ious, lengths):
    whole = record(ious)
    for stage, length in zip(plots.click_stages(whole), lengths, strict=True):
        assert (stage.clicks, stage.ious) == (whole.clicks[:length], whole.ious[:length])


@pytest.mark.parametrize(
    ("objects", "shape"), [(1, (211, 656)), (14, (919, 1968)), pytest.param(24, (1450, 1968), marks=pytest.mark.long)]
)
def test_a_click_sheet_shows_three_panels_of_each_object_on_a_landscape_picture(tmp_path, objects, shape):
    shown = case(0)
    stages = [replace(shown, record=one) for one in plots.click_stages(record([0.2, 0.6, 0.95]))]
    figure = plots.click_sheet(iter([stages] * objects), objects, "click by click")
    titles = ["1 click, IoU 0.200", "2 clicks, IoU 0.600", "3 clicks, IoU 0.950"]
    assert [axes.get_title() for axes in figure.axes] == titles * objects
    plots.save_figure(figure, tmp_path / "sheet.png")
    sheet = read_image(tmp_path / "sheet.png")
    assert sheet.shape[:2] == shape and sheet.std() > 10


def test_panels_of_a_click_sheet_do_not_cover_each_other():
    stages = [replace(case(0), record=one) for one in plots.click_stages(record([0.2, 0.6]))]
    places = [axes.get_position() for axes in plots.click_sheet([stages] * 5, 5, "click by click").axes]
    assert all(place.x0 >= 0 and place.y0 >= 0 and place.x1 <= 1 and place.y1 <= 1 for place in places)
    assert not any(one.overlaps(other) for number, one in enumerate(places) for other in places[:number])


DOLLARS = "cost_$1_$2"  # Matplotlib cannot parse what stands between the two


@pytest.mark.parametrize(
    "draw",
    [
        lambda plain: plots.contact_sheet([replace(plain, record=replace(plain.record, name=DOLLARS))], "best"),
        lambda plain: plots.contact_sheet([plain], DOLLARS),
        lambda plain: plots.click_sheet([[replace(plain, record=replace(plain.record, name=DOLLARS))]], 1, DOLLARS),
        lambda plain: plots.miou_figure([plain.record], DOLLARS),
    ],
    ids=["image", "title of a sheet", "click sheet", "title of a plot"],
)
def test_dollars_in_names_are_no_formula(tmp_path, draw):
    plots.save_figure(draw(case(0)), tmp_path / "dollars.png")
    assert read_image(tmp_path / "dollars.png").std() > 10


def test_an_image_of_any_size_fits_on_a_sheet(tmp_path):
    gt = np.zeros((3, 2000), dtype=np.int32)
    gt[1, 5] = 1
    wide = plots.Case(record([0.5]), np.zeros((3, 2000, 3), np.uint8), gt, gt == 1)
    plots.save_figure(plots.contact_sheet([wide], "worst"), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0


def event(sample_index, probs, finished=True, focus=None, init_mask=None):
    sample = DrawnDataset(init_mask=init_mask).get_sample(sample_index)
    clicks = (Click(True, (20, 30), 0), Click(False, (5, 5), 1))
    gt = sample.get_object_mask(0)
    before = Predictor(BlobModel()).start(sample.image, init_mask)
    session = replace(before, prev_probs=torch.from_numpy(probs)[None, None], focus=focus, clicks=clicks)
    return ClickEvent(
        sample_index, 0, sample, gt, before, session, probs > 0.49, before.mask(0.49), clicks, 0.5, finished
    )


@pytest.mark.parametrize(
    ("sample_id", "expected"),
    [
        ("21077", "21077_0"),
        ("", "0"),
        ("写真 1", "写真 1_0"),
        ("../a/b\\c:d\n", "_a_b_c_d__0"),
        ("x" * 255, "x" * 60 + "_0"),
        (" . ", "0"),
    ],
)
def test_files_are_named_by_the_sample(sample_id, expected):
    one = event(0, np.zeros((HEIGHT, WIDTH), np.float32))
    assert replace(one, sample=replace(one.sample, sample_id=sample_id)).file_name == expected


def test_the_panels_of_an_object_are_written_at_its_end(tmp_path):
    (tmp_path / "mine.png").write_bytes(b"somebody else's")
    draw, probs = SamplePanels(tmp_path), np.full((HEIGHT, WIDTH), 0.3, dtype=np.float32)
    probs[10:30, 20:40] = 0.9
    draw(event(0, probs, finished=False))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]
    initial = np.zeros((HEIGHT, WIDTH), np.float32)
    initial[5:9, 5:9] = 1
    draw(event(0, probs, init_mask=initial))
    draw(event(1, probs, focus=Box(8, 32, 18, 42)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "image0_0.png",
        "image1_1_0.png",
        "image1_1_0_focus.png",
        "mine.png",
    ]
    row = read_image(tmp_path / "image0_0.png")
    assert row.shape == (40 + HEIGHT, 5 * WIDTH, 3)
    assert (row[0] == 255).all()  # the strips above
    np.testing.assert_array_equal(row[40:, WIDTH : 2 * WIDTH, 0] == 255, initial == 1)
    np.testing.assert_array_equal(row[40:, 4 * WIDTH :, 0] == 255, initial == 1)
    sample = DrawnDataset().get_sample(0)
    truth = sample.get_object_mask(0)
    np.testing.assert_array_equal(
        row[40:, 3 * WIDTH : 4 * WIDTH, 0], np.select([truth == 1, truth == -1], [255, 128], 0)
    )
    focus = read_image(tmp_path / "image1_1_0_focus.png")
    assert focus.shape == (40 + 512, WIDTH + 2 * 512, 3)
    assert tuple(focus[40 + 8, 18]) == (255, 0, 255)  # the focus crop's corner
    before, after = focus[40:, WIDTH:-512].astype(int), focus[40:, -512:].astype(int)
    assert np.abs(before - after)[256, 256].max() > 20  # inside the mask that the click has made


def test_click_images_have_the_image_left_and_heat_in_its_right_colours_right(tmp_path):
    probs = np.full((HEIGHT, WIDTH), 0.3, dtype=np.float32)  # COLORMAP_HOT at 0.3 is red
    plots.ClickImages(tmp_path / "vis")(event(0, probs))
    assert [path.name for path in (tmp_path / "vis").iterdir()] == ["image0_0_1.jpg"]
    written = cv2.imread(str(tmp_path / "vis" / "image0_0_1.jpg"))[..., ::-1].astype(int)
    assert written.shape == (HEIGHT, 2 * WIDTH, 3)
    red, green, blue = written[:, WIDTH + 8 :].mean(axis=(0, 1))
    assert red > 150
    assert max(green, blue) < 60
    assert written[20, 30, 1] > written[20, 30, 0] + 50  # the positive click is green
    assert written[5, 5, 0] > written[5, 5, 1] + 50  # the negative one red


def test_objects_of_one_image_do_not_overwrite_each_other(tmp_path):
    plots.ClickImages(tmp_path)(event(1, np.zeros((HEIGHT, WIDTH), dtype=np.float32)))
    assert [path.name for path in tmp_path.iterdir()] == ["image1_1_0_1.jpg"]
