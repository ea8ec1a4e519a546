"""isegm pack: one file of several folders, and the commands that read it."""

import re
import shutil

import numpy as np
import pytest

from isegm.cli import main
from isegm.data import FolderDataset, PackedDataset
from isegm.data.datasets.packed_file import PackedFile
from isegm.utils.files import read_image
from tests.drawn import draw_folder

SCRIPT = """
from isegm.recipes import Recipe, light, train

RECIPE = Recipe(
    data=light.folders(epoch_len=8), crop=(32, 32), sampler=light.SAMPLER,
    batch_size=4, lr=1e-3, epochs=1, clicks=1, losses=light.losses(aux=0.4),
)

def main(cfg):
    train(light.mobilenetv2(cfg), cfg, RECIPE)
"""


def call(capsys, *words):
    """Exit code, stdout and stderr of ``isegm pack`` with these words."""
    with pytest.raises(SystemExit) as end:
        main(["pack", *words])
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The working directory, with two folders of 6 and 3 images of 96 x 72 pixels."""
    draw_folder(tmp_path / "cells", 6)
    draw_folder(tmp_path / "leaves", 3, seed=1)
    (tmp_path / "leaves" / "LICENSE").write_text("CC BY 4.0\x1b[31m\nmore", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_packing_says_what_is_in_the_file(folders, capsys):
    code, out, err = call(capsys, "cells=1", "leaves=0.5", "--side", "48", "--out", "both.pack")
    assert (code, err) == (0, "")
    assert re.sub(r"\d+ kB", "N kB", out) == (
        "both.pack: 9 images of at most 48 pixels a side, N kB\n"
        "  cells: 6 images, share 1; no terms of use are noted\n"
        "  leaves: 3 images, share 0.5; CC BY 4.0\\x1b[31m\n"
    )
    assert call(capsys, "both.pack") == (0, out, "")
    assert PackedDataset("both.pack").get_sample(0).image.shape == (36, 48, 3)


def test_without_folders_those_of_the_configuration(folders, capsys):
    (folders / "config.yml").write_text("TRAIN_FOLDERS: {cells: 2, leaves: 1}\n")
    assert call(capsys, "--out=both.pack")[0] == 0
    assert [(f.name, f.share) for f in PackedFile("both.pack").folders] == [("cells", 2), ("leaves", 1)]
    (folders / "other.yml").write_text("TRAIN_FOLDERS: [both.pack]\n")
    assert call(capsys, "--out=again.pack", "--config-path=other.yml")[0] == 0
    assert [f.name for f in PackedFile("again.pack").folders] == ["cells", "leaves"]


def test_a_name_with_an_equals_sign_is_taken_as_it_is(folders, capsys):
    shutil.move("cells", "size=3")
    assert call(capsys, "size=3", "--out=a.pack")[0] == 0
    assert call(capsys, "size=3=0.5", "--out=b.pack")[0] == 0
    assert [PackedFile(path).folders[0].share for path in ("a.pack", "b.pack")] == [None, 0.5]


def test_quality_decides_the_size(folders, capsys):
    for quality in ("10", "95"):
        assert call(capsys, "cells", f"--quality={quality}", f"--out={quality}.pack")[0] == 0
    sizes = [(folders / f"{quality}.pack").stat().st_size for quality in ("10", "95")]
    assert sizes[0] * 2 < sizes[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--out is missing"),
        (["cells"], "--out is missing"),
        (["cells", "leaves"], "--out is missing"),
        (["absent.pack"], "there is no packed file absent.pack"),
        (["--out=a.pack"], "there is nothing to pack: name folders with images/ and masks/, or set TRAIN_FOLDERS"),
        (["cells", "--out=a.zip"], "a.zip does not end in .pack"),
        (["cells", "cells", "--out=a.pack"], "cells is given twice"),
        (["cells", "./cells", "--out=a.pack"], "is given twice"),
        (["cells=1", "leaves", "--out=a.pack"], "give one to each, or to none"),
        (["cells=0", "--out=a.pack"], "cells=0 has no share that is a finite number above 0"),
        (["cells=nan", "--out=a.pack"], "cells=nan has no share"),
        (["cells=1e300", "--out=a.pack"], "cells=1e300 has no share"),
        (["=1", "--out=a.pack"], "=1 has no share"),
        (["cells", "--side=8", "--out=a.pack"], "--side: '8' is not a whole number from 16 to 8192"),
        (["cells", "--quality=101", "--out=a.pack"], "--quality: '101' is not a whole number from 1 to 100"),
        (["", "--out=a.pack"], "'' is not a path"),
        (["cells/images", "--out=a.pack"], "there is no folder cells/images/images"),
        (["cells/images/00.png", "--out=a.pack"], "there is no data folder cells/images/00.png"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_packed_is_a_sentence(words, sentence, folders, capsys):
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and sentence in err and err.count("\n") == 1
    assert sorted(path.name for path in folders.iterdir()) == ["cells", "leaves"]


def test_a_file_that_is_no_packed_file(folders, capsys):
    (folders / "bad.pack").write_bytes(b"no archive")
    for words in (["bad.pack"], ["bad.pack", "--out=new.pack"]):
        code, out, err = call(capsys, *words)
        assert (code, out) == (2, "") and "bad.pack is no packed file, or is cut off" in err


def test_training_and_evaluating_and_initial_masks(folders, configure, capsys):
    call(capsys, "cells=1", "leaves=1", "--out=both.pack")
    (folders / "models").mkdir()
    (folders / "models" / "tiny.py").write_text(SCRIPT)
    module, cfg = configure(folders / "models" / "tiny.py", "--data", "both.pack", "--exp-name", "x")
    module.main(cfg)
    checkpoint = cfg.CHECKPOINTS_PATH / "last_checkpoint.pth"
    assert checkpoint.is_file()
    for words in (
        f"evaluate NoBRS --checkpoint={checkpoint} --datasets=folder:both.pack:val --cpu --n-clicks=1 --no-overlays",
        "initial-masks --dataset=folder:both.pack --out=initial --max-objects=2",
    ):
        with pytest.raises(SystemExit) as end:
            main(words.split())
        assert end.value.code == 0
    said = capsys.readouterr().out
    assert "both_val" in said and "initial: 2 initial masks" in said
    assert len(list((folders / "initial").glob("*.png"))) == 2


def test_a_pack_of_a_pack_that_was_unpacked(folders, capsys):
    """Unpacked, changed by hand and packed again, objects are the same."""
    call(capsys, "leaves", "--out=leaves.pack")
    shutil.unpack_archive("leaves.pack", "by_hand", "zip")
    call(capsys, "by_hand/leaves", "--out=again.pack", "--quality=100")
    first, again, folder = PackedDataset("leaves.pack"), PackedDataset("again.pack"), FolderDataset("leaves")
    for index in range(3):
        assert np.array_equal(first.get_sample(index).gt_mask, again.get_sample(index).gt_mask)
        assert np.array_equal(first.get_sample(index).gt_mask, folder.get_sample(index).gt_mask)
    assert PackedFile("again.pack").folders[0].terms == PackedFile("leaves.pack").folders[0].terms
    assert read_image("by_hand/leaves/images/00.webp").shape == (72, 96, 3)
