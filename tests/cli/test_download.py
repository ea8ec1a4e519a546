"""scripts/download.py: files of the tables go where the configuration looks for them."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

import pytest
from torchvision.datasets import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from isegm.data.download.sources import SOURCES
from isegm.model import weights_table
from isegm.utils import download as downloading
from tests.cli.loading import load, run_main
from tests.utils.serving import serving

WEIGHTS = b"weights of a network"


def grabcut():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("GrabCut/data_GT/a.jpg", b"image")
        file.writestr("GrabCut/boundary_GT/a.bmp", b"mask")
    return packed.getvalue()


def cocolvis():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for part in ("train", "val"):
            for name in (f"{part}/hannotation.pickle", f"{part}/masks/1.pickle"):
                file.addfile(tarfile.TarInfo(f"cocolvis_annotation/{name}"))
    return packed.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.0)
    with serving() as server:
        server.files = {"GrabCut.zip": grabcut(), "cocolvis_annotation.tar.gz": cocolvis()}
        server.files["coco_lvis_h18_itermask.pth"] = WEIGHTS

        def served(row):
            if row.url is None:
                return row
            return replace(row, url=server.url(row.url.rpartition("/")[2]))

        for name, source in SOURCES.items():
            if source.archive:
                monkeypatch.setitem(SOURCES, name, replace(source, archive=served(source.archive)))
        monkeypatch.setattr(weights_table, "WEIGHTS", tuple(map(served, weights_table.WEIGHTS)))
        yield server


@pytest.fixture
def call(monkeypatch, tmp_path):
    config = tmp_path / "config.yml"
    keys = {"GRABCUT_PATH": "data/cut", "LVIS_v1_PATH": "data/lvis", "INTERACTIVE_MODELS_PATH": "models"}
    keys |= dict.fromkeys(("BERKELEY_PATH", "COCO_MVAL_PATH", "SBD_PATH", "PASCALVOC_PATH"), "elsewhere")
    config.write_text("".join(f"{key}: {tmp_path / folder}\n" for key, folder in keys.items()))
    script = load("download")
    return lambda *arguments: run_main(monkeypatch, script, *arguments, "--config-path", config)


def test_a_data_set_lies_where_its_reader_looks_and_is_fetched_once(server, call, tmp_path, capsys):
    assert call("datasets", "GrabCut", "COCO_LVIS") == 0
    found = {str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert found == {"cut/data_GT/a.jpg", "cut/boundary_GT/a.bmp"} | {
        f"lvis/{part}/{name}" for part in ("train", "val") for name in ("hannotation.pickle", "masks/1.pickle")
    }
    assert "GrabCut: no checksum of" in capsys.readouterr().out
    assert call("datasets", "GrabCut") == 0
    assert "is there already" in capsys.readouterr().out
    assert len(server.asked) == 2


def test_an_archive_that_was_fetched_by_hand_is_kept(server, call, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "GrabCut.zip").write_bytes(grabcut())
    assert call("datasets", "GrabCut") == 0 and not server.asked
    assert (tmp_path / "data" / "GrabCut.zip").is_file() and (tmp_path / "data" / "cut" / "data_GT" / "a.jpg").is_file()


def test_addresses_and_checksums_are_those_of_torchvision():
    voc, sbd = SOURCES["PascalVOC"].archive, SOURCES["SBD"].archive
    assert (voc.url, voc.md5) == (DATASET_YEAR_DICT["2012"]["url"], DATASET_YEAR_DICT["2012"]["md5"])
    assert (sbd.url, sbd.md5) == (SBDataset.url, SBDataset.md5)


@pytest.mark.parametrize(
    "name, file", [("PascalVOC", "VOCtrainval_11-May-2012.tar"), ("SBD", "benchmark.tgz")], ids=["voc", "sbd"]
)
def test_the_checksums_of_torchvision_are_compared(server, call, tmp_path, capsys, name, file):
    server.files[file] = b"another file"
    assert call("datasets", name) == 2
    shown = capsys.readouterr()
    assert "brought a file with the checksum" in shown.err and "no checksum of" not in shown.out
    assert not list(tmp_path.glob(f"{file}*"))


def test_weights_go_to_the_folder_of_models_and_a_known_checksum_is_compared(
    server, call, monkeypatch, tmp_path, capsys
):
    assert call("weights", "coco_lvis_h18_itermask") == 0
    assert (tmp_path / "models" / "coco_lvis_h18_itermask.pth").read_bytes() == WEIGHTS
    shown = capsys.readouterr().out
    assert "no checksum of" in shown and "network ritm_hrnet18; licence: MIT" in shown
    digest = hashlib.sha256(b"other").hexdigest()
    monkeypatch.setattr(weights_table, "WEIGHTS", tuple(replace(r, sha256=digest) for r in weights_table.WEIGHTS))
    assert call("weights", "coco_lvis_h18_itermask") == 2
    assert "is there already and has the checksum" in capsys.readouterr().err


def test_weights_of_segnext_are_asked_for_by_their_number_on_google_drive(server, call, tmp_path, capsys):
    """Names of files behind a # tell people what an address brings, and are not sent."""
    numbers = {
        "vitb_sa1_cocolvis_epoch_90": "1G_m9_sVYVD2MBDf5ulrAUz-iSvi8bQfZ",
        "vitb_sa2_cocolvis_epoch_90": "1uHEcvwA2spsLQqDJiYKqv1pf3vgLAG7-",
        "vitb_sa2_cocolvis_hq44k_epoch_0": "1qkXIvxnlY3Z4xLYGWJcoAHBUNyDmvwPS",
    }
    for name, number in numbers.items():
        server.files[f"download?id={number}&export=download&confirm=t"] = WEIGHTS
        assert call("weights", name) == 0
        assert (tmp_path / "models" / f"{name}.pth").read_bytes() == WEIGHTS
    assert "network segnext_vitb_sax2; licence: MIT" in capsys.readouterr().out


def test_the_list_says_what_is_there_and_what_was_published(server, call, capsys):
    assert call("datasets", "GrabCut") == 0
    capsys.readouterr()
    assert call("--list") == 0
    shown = capsys.readouterr().out
    assert "nowhere yet: the path of DAVIS is not set: add DAVIS_PATH to config.yml" in shown
    assert "about 119 MB" in shown
    assert "cut (is there)" in shown and "lvis (not there yet)" in shown
    assert "coco_lvis_h32_itermask: RITM HRNet32 IT-M trained on COCO+LVIS" in shown
    assert "published on GrabCut: NoC@85 1.46, NoC@90 1.56" in shown
    assert call("weights", "--list") == 0
    listed = capsys.readouterr().out
    assert "GrabCut.zip" not in listed
    assert "sbd_vit_huge: SimpleClick ViT-H trained on SBD, network simpleclick_vith, about 2649 MB, by hand" in listed
    assert (
        "vitb_sa2_cocolvis_hq44k_epoch_0: SegNext sax2 trained on COCO+LVIS, HQSeg44K, network segnext_vitb_sax2, "
        "about 455 MB, " in listed
    )
    assert "published on DAVIS: mIoU@5 91.87, NoC@90 4.43, NoC@95 10.73, NoF@95 123" in listed
    assert "mae_pretrain_vit_huge: backbone, by hand from" in listed and "CC BY-NC 4.0" in listed
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["datasets", "Grabcut"], "there is no data set named Grabcut: did you mean GrabCut?"),
        (["datasets", "COCO"], "COCO cannot be fetched from here: get it from train2017.zip"),
        (["weights", "yolo"], "there are no published weights named yolo: known are sbd_h18_itermask"),
        (["weights"], "nothing to fetch was named"),
        (["datasets", "Berkeley"], "404 Not Found): fetch it by hand and put it at"),
        (["datasets", "GrabCut", "Atlantis"], "there is no data set named Atlantis"),
        (
            ["weights", "cocolvis_vit_huge"],
            "cocolvis_vit_huge cannot be fetched from here: get it from the folder on Google Drive that the README of "
            "https://github.com/uncbiag/SimpleClick links, and put cocolvis_vit_huge.pth at ",
        ),
        (
            ["weights", "cocolvis_icl_vit_huge"],
            "unpack them with 7z x and the name of the first, which ends in .7z.001",
        ),
        (
            ["weights", "cocolvis_icl_vit_huge.pth"],
            "licence: CC BY-NC 4.0 (that of the repository): not for commercial",
        ),
        (
            ["weights", "mae_pretrain_vit_base.pth"],
            "README of https://github.com/facebookresearch/mae, and give its path as "
            "IMAGENET_PRETRAINED_MODELS.MAE_BASE in config.yml; licence: CC BY-NC 4.0: not for commercial use.",
        ),
    ],
)
def test_bad_requests_are_one_sentence_and_fetch_nothing(server, call, tmp_path, capsys, arguments, sentence):
    assert call(*arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["GrabCut", "Berkeley", "DAVIS", "PascalVOC", "SBD", "COCO_MVal"])
def test_evaluation_sets_of_simpleclicks_commands_can_be_fetched(name):
    assert SOURCES[name].archive is not None


@pytest.mark.parametrize("name", ["ssTEM", "BraTS", "OAIZIB", "HARD"])
def test_evaluation_sets_that_no_program_can_fetch_say_where_they_are(server, call, capsys, name):
    assert call("datasets", name) == 2
    sentence = f"error: {name} cannot be fetched from here: get it from the links in the README of "
    assert capsys.readouterr().err.startswith(f"{sentence}https://github.com/uncbiag/SimpleClick") and not server.asked


def test_what_is_larger_than_the_data_set_or_the_weights_need_is_refused(server, call, monkeypatch, tmp_path, capsys):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number in range(1001):
            file.writestr(f"GrabCut/data_GT/{number}.jpg", b"")
    server.files["GrabCut.zip"] = packed.getvalue()
    assert call("datasets", "GrabCut") == 2
    assert "holds more than 1000 files and folders" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "data" / "cut").rglob("*") if path.is_file()]
    rows = tuple(replace(row, megabytes=len(WEIGHTS) / 8e6) for row in weights_table.WEIGHTS)
    monkeypatch.setattr(weights_table, "WEIGHTS", rows)
    assert call("weights", "coco_lvis_h18_itermask") == 2
    assert "is larger (20 bytes) than expected (10)" in capsys.readouterr().err
