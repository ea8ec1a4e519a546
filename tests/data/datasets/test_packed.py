"""Packed folders: what is written, that it reads as the folders do, and what damaged files say."""

import errno
import json
import os
import pickle
import shutil
import sys
import unicodedata
import zipfile

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from isegm import InputError
from isegm.data import FolderDataset, PackedDataset, get_dataset
from isegm.data.datasets.packed import is_packed, open_each_folder, open_folder, scaled_down
from isegm.data.datasets.packed_file import INDEX, PackedFile
from isegm.data.packing import write_pack
from isegm.recipes.folder_data import open_folders
from isegm.utils import files
from isegm.utils.files import write_image
from tests.drawn import draw_folder


def write_pair(root, name, mask, image=None):
    write_image(root / "images" / f"{name}.png", np.full((*mask.shape, 3), 90, np.uint8) if image is None else image)
    write_image(root / "masks" / f"{name}.png", mask)


def stripes(count, dtype=np.uint8, height=4):
    """A mask of vertical stripes with the ids 1 to ``count``."""
    return np.tile(np.arange(1, count + 1, dtype=dtype), (height, 1))


def same(sample, other):
    """Whether two samples show the same: image, objects in order, ignored pixels, name."""
    return (
        np.array_equal(sample.image, other.image)
        and len(sample.objects) == len(other.objects)
        and all(
            np.array_equal(sample.pixels(i), other.pixels(j))
            for i, j in zip(sample.objects, other.objects, strict=True)
        )
        and np.array_equal(ignored_of(sample), ignored_of(other))
        and sample.sample_id == other.sample_id
    )


def ignored_of(sample):
    return np.zeros(sample.image.shape[:2], bool) if sample.ignored_pixels is None else sample.ignored_pixels


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder of drawn images and of unusual masks."""
    root = draw_folder(tmp_path_factory.mktemp("mixed") / "photos", 24, size=(60, 100))
    with_band = np.zeros((40, 50), np.uint8)
    with_band[5:20, 5:20], with_band[25:35, 10:40], with_band[20:25] = 3, 9, 255
    write_pair(root, "band", with_band)
    write_pair(root, "many", stripes(300, np.uint16))
    white = np.zeros((30, 30), np.uint8)
    white[10:20, 10:20] = 255
    write_pair(root, "white", white)
    write_pair(root, "empty", np.zeros((20, 30), np.uint8))
    (root / "terms.txt").write_text("CC BY 4.0, drawn\nby a test", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def pack(mixed, tmp_path_factory):
    """The folder, packed at 80 pixels."""
    path = tmp_path_factory.mktemp("packs") / "shapes.pack"
    write_pack(path, {str(mixed): None}, side=80)
    return path


def test_samples_are_those_of_the_folder_scaled(mixed, pack):
    folder, packed = FolderDataset(mixed, allow_empty=True), PackedDataset(pack, allow_empty=True)
    assert len(packed) == len(folder) == 28
    for index in range(len(folder)):
        wanted, found = folder.get_sample(index), packed.get_sample(index)
        image, ids = scaled_down(wanted.image, wanted.encoded_masks[..., 0], 80)
        assert found.image.shape == image.shape and found.sample_id == wanted.sample_id
        assert max(found.image.shape) == min(80, max(wanted.image.shape))
        there = [node.value for node in wanted.objects.values() if (ids == node.value).any()]
        masks = [found.pixels(number) for number in found.objects_ids]
        assert all(np.array_equal(mask, ids == value) for mask, value in zip(masks, there, strict=True))
        ignored = np.isin(ids, [value for _, value in wanted.ignored])
        assert np.array_equal(ignored_of(found), ignored) and ignored.any() == (found.sample_id == "band")
        assert np.abs(found.image.astype(int) - image).mean() < 12


def test_unpacked_it_is_folders_again(pack, tmp_path):
    shutil.unpack_archive(pack, tmp_path, "zip")
    folder, packed = FolderDataset(tmp_path / "photos", allow_empty=True), PackedDataset(pack, allow_empty=True)
    assert len(folder) == len(packed)
    assert all(same(packed.get_sample(i), folder.get_sample(i)) for i in range(len(folder)))
    assert (tmp_path / "photos" / "terms.txt").read_text(encoding="utf-8") == "CC BY 4.0, drawn\nby a test"


def test_ids_count_from_1_and_more_than_255_take_16_bits(pack):
    packed = PackedDataset(pack, allow_empty=True)
    values = {
        sample.sample_id: [node.value for node in sample.objects.values()]
        for sample in map(packed.get_sample, range(len(packed)))
    }
    assert values["band"] == [1, 2] and values["white"] == [1] and values["empty"] == []
    assert values["many"] == list(range(1, 81))  # of 300 stripes on 300 pixels 80 are left


@pytest.mark.parametrize("count", [254, 255, 256, 300])
def test_many_objects_at_full_size(count, tmp_path):
    write_pair(tmp_path / "set", "a", stripes(count, np.uint16))
    sample = PackedDataset(write_pack(tmp_path / "a.pack", {str(tmp_path / "set"): None})).get_sample(0)
    assert sample.encoded_masks[0, :, 0].tolist() == list(range(1, count + 1)) and not sample.ignored
    assert len(sample.objects) == count


def test_a_large_image(tmp_path):
    mask = np.zeros((3000, 2000), np.uint8)
    cv2.circle(mask, (900, 1700), 600, 7, -1)
    write_pair(tmp_path / "set", "a", mask)
    packed = write_pack(tmp_path / "a.pack", {str(tmp_path / "set"): None})
    sample = packed.read(0)
    assert sample.image.shape == (384, 256, 3) and packed.side == 384
    assert sample.pixels(0).sum() == pytest.approx((mask > 0).sum() * 0.128**2, rel=0.01)


def test_images_with_one_name_in_two_folders_are_told_apart(tmp_path):
    for folder, name in (("cats", "001"), ("cats", "002"), ("dogs", "001")):
        write_pair(tmp_path / folder, name, np.full((20, 30), 1, np.uint8))
    packed = write_pack(tmp_path / "a.pack", {str(tmp_path / folder): None for folder in ("cats", "dogs")})
    assert [packed.read(number).sample_id for number in range(3)] == ["cats_001", "002", "dogs_001"]


def test_objects_smaller_than_a_pixel_are_counted(tmp_path, caplog):
    mask = np.zeros((400, 400), np.uint8)
    mask[100:300, 100:300], mask[11, 11], mask[21, 31] = 1, 2, 3
    write_pair(tmp_path / "set", "a", mask)
    packed = write_pack(tmp_path / "a.pack", {str(tmp_path / "set"): None}, side=40)
    assert len(packed.read(0).objects) == 1
    assert "2 objects left out as smaller than a pixel" in caplog.text


def test_validation_is_that_of_the_folder(mixed, pack):
    for part in ("train", "val"):
        names = [image.stem for image, _ in FolderDataset(mixed, part).pairs]
        packed = PackedDataset(pack, part, allow_empty=True)
        assert [packed.get_sample(index).sample_id for index in range(len(packed))] == names


def test_the_same_folders_make_the_same_file_and_another_choice_another_fingerprint(mixed, pack, tmp_path):
    write_pack(tmp_path / "again.pack", {str(mixed): None}, side=80)
    assert (tmp_path / "again.pack").read_bytes() == pack.read_bytes()
    assert PackedDataset(tmp_path / "again.pack").fingerprint == PackedDataset(pack).fingerprint
    assert PackedDataset(pack, "train").fingerprint != PackedDataset(pack).fingerprint


def test_empty_masks_are_refused_where_folders_refuse_them(pack):
    packed = PackedDataset(pack)
    with pytest.raises(InputError, match=r"the mask of empty in .*shapes\.pack holds no object"):
        packed.check()
    packed.check(5)
    PackedDataset(pack, allow_empty=True).check()
    with pytest.raises(InputError, match="none of index -1"):
        packed.get_sample(-1)
    with pytest.raises(InputError, match="part is 'test'"):
        PackedDataset(pack, "test")
    with pytest.raises(InputError, match="none of index 1"):
        PackedDataset(pack, folder=1)


def test_data_sets_by_name(pack):
    cfg = {"FOLDER_DATASETS": {"shapes": str(pack)}}
    assert get_dataset("shapes", cfg).name == "shapes" and len(get_dataset("shapes", cfg)) == 28
    assert len(get_dataset(f"folder:{pack}", {})) == 28
    held_out = get_dataset(f"folder:{pack}:val", {})
    assert held_out.name == "shapes_val" and 1 <= len(held_out) < 10
    held_out.check()


def test_a_folder_may_be_named_like_a_packed_file(tmp_path):
    root = draw_folder(tmp_path / "photos.pack", 3)
    assert not is_packed(root) and len(open_folder(root)) == 3
    for path, words in (
        (tmp_path / "absent.pack", "there is no packed file"),
        (3, "must be a path"),
        ("", "no file has"),
    ):
        for opener in (open_folder, open_each_folder, PackedDataset):
            with pytest.raises(InputError, match=words):
                opener(path)


class TestShares:
    """How often training draws from the folders in packed files."""

    @pytest.fixture
    def places(self, tmp_path):
        """Two folders of 6 and 3 images, packed with shares and without, and another folder of 4."""
        first, second = (str(draw_folder(tmp_path / name, n, seed=n)) for name, n in (("a", 6), ("b", 3)))
        write_pack(tmp_path / "shared.pack", {first: 1, second: 3})
        write_pack(tmp_path / "plain.pack", {first: None, second: None})
        draw_folder(tmp_path / "c", 4)
        return tmp_path

    @pytest.mark.parametrize(
        ("data", "ratios"),
        [
            ("plain.pack", None),
            ("plain.pack,c", None),
            ("shared.pack", [1 / 4, 3 / 4]),
            ("shared.pack,c", [7 / 4 / 10, 21 / 4 / 10, 3 / 10]),  # 7 and 3 images to train on
            ("c,plain.pack,shared.pack", [3 / 17, 5 / 17, 2 / 17, 7 / 4 / 17, 21 / 4 / 17]),
        ],
    )
    def test_without_ratios_a_file_counts_by_its_images(self, data, ratios, places, monkeypatch):
        monkeypatch.chdir(places)
        training, validation = open_folders({"data": data})
        assert training.ratios is None if ratios is None else training.ratios == pytest.approx(ratios)
        assert len(training) + len(validation) == sum(9 if "pack" in name else 4 for name in data.split(","))

    @pytest.mark.parametrize(
        ("listed", "ratios"),
        [
            ({"shared.pack": 2, "c": 1}, [2 / 3 / 4, 2 / 4, 1 / 3]),
            ({"c": 1, "plain.pack": 1}, [1 / 2, 5 / 14, 2 / 14]),  # 5 and 2 images to train on
        ],
    )
    def test_the_ratio_of_a_file_is_divided_among_its_folders(self, listed, ratios, places, monkeypatch):
        monkeypatch.chdir(places)
        training, _ = open_folders({"TRAIN_FOLDERS": listed})
        assert training.ratios == pytest.approx(ratios)

    def test_packed_again_images_are_copied_and_shares_stay(self, places):
        shared = PackedFile(places / "shared.pack")
        again = write_pack(places / "again.pack", {str(places / "shared.pack"): 1, str(places / "c"): 1})
        assert [folder.share for folder in again.folders] == pytest.approx([1 / 4, 3 / 4, 1])
        assert [folder.name for folder in again.folders] == ["a", "b", "c"]
        assert again.images[:9] == shared.images
        assert all(again.files(number) == shared.files(number) for number in range(9))
        smaller = write_pack(places / "small.pack", {str(places / "shared.pack"): None}, side=32)
        assert smaller.read(4).image.shape == (24, 32, 3) and len(smaller.read(4).objects) == 1

    @pytest.mark.parametrize("shares", [(1, None), (0, 1), (-1, 1), (float("nan"), 1), (1e300, 1), ("1", 1)])
    def test_shares_that_are_none(self, shares, places):
        folders = dict(zip((str(places / "a"), str(places / "c")), shares, strict=True))
        with pytest.raises(InputError, match="share"):
            write_pack(places / "new.pack", folders)
        assert not (places / "new.pack").exists()


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_reading_in_processes(start, pack):
    if start == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    packed = PackedDataset(pack, "train", allow_empty=True)
    wanted = [packed.get_sample(index) for index in range(4)]  # the parent has mapped the file
    loader = DataLoader(Samples(packed), batch_size=None, num_workers=1, multiprocessing_context=start)
    found = list(loader)
    assert len(found) == 4 and all(same(*pair) for pair in zip(found, wanted, strict=True))


class Samples:
    """The first four samples of a reader."""

    def __init__(self, reader):
        self.reader = reader

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index >= 4:
            raise IndexError
        return self.reader.get_sample(index)


def test_pickled_it_is_small_and_notices_another_file(mixed, pack, tmp_path):
    shutil.copy(pack, tmp_path / "a.pack")
    packed = PackedDataset(tmp_path / "a.pack")
    packed.get_sample(0)
    content = pickle.dumps(packed)
    assert len(content) < pack.stat().st_size / 2
    assert same(pickle.loads(content).get_sample(3), packed.get_sample(3))
    write_pack(tmp_path / "a.pack", {str(mixed): None}, side=40)
    with pytest.raises(InputError, match=r"a\.pack has changed since it was opened: start again\."):
        pickle.loads(content).get_sample(3)
    assert packed.get_sample(3).image.shape == (48, 80, 3)  # of the file that it has open


def test_a_file_that_is_cut_while_it_is_open(pack, tmp_path):
    shutil.copy(pack, tmp_path / "a.pack")
    packed = PackedDataset(tmp_path / "a.pack")
    packed.get_sample(0)
    os.truncate(tmp_path / "a.pack", 3000)
    with pytest.raises(InputError, match=r"a\.pack is damaged \(.* is cut off\)"):
        packed.get_sample(len(packed) - 1)


class TestWriting:
    """Names, terms and what cannot be packed."""

    def test_folders_of_one_name_and_names_of_other_systems(self, tmp_path):
        for place in ("x", "y"):
            draw_folder(tmp_path / place / "photos", 2)
        names = ["Cat", "cat", 'a"b', unicodedata.normalize("NFD", "café"), "x" * 240]
        if sys.platform == "linux":
            names.append(os.fsdecode(b"caf\xe9"))
        for name in names:
            write_pair(tmp_path / "x" / "photos", name, np.eye(20, dtype=np.uint8))
        pack = write_pack(tmp_path / "a.pack", {str(tmp_path / "x" / "photos"): None, str(tmp_path / "y/photos"): None})
        assert [folder.name for folder in pack.folders] == ["photos", "photos-2"]
        found = [image["name"] for image in pack.images if image["folder"] == 0]
        assert {"Cat", "cat-2", "a_b", unicodedata.normalize("NFD", "café")} <= set(found)
        assert len({unicodedata.normalize("NFC", name).casefold() for name in found}) == len(found) == 2 + len(names)
        assert max(map(len, found)) < 200
        PackedDataset(pack).check()

    def test_folders_whose_names_differ_by_unicode_form(self, tmp_path):
        roots = [tmp_path / str(n) / unicodedata.normalize(form, "café") for n, form in enumerate(("NFC", "NFD"))]
        pack = write_pack(tmp_path / "a.pack", {str(draw_folder(root, 2)): None for root in roots})
        assert [unicodedata.normalize("NFC", folder.name) for folder in pack.folders] == ["café", "café-2"]

    @pytest.mark.parametrize("name", ["terms.txt", "LICENSE", "LICENCE.txt"])
    def test_terms_of_use_come_along(self, name, tmp_path):
        root = draw_folder(tmp_path / "a", 2)
        (root / name).write_bytes("für Forschung\n".encode() + b"\xff" + b"x" * 20_000)
        pack = write_pack(tmp_path / "a.pack", {str(root): None, str(draw_folder(tmp_path / "b", 2)): None})
        assert pack.folders[0].terms.startswith("für Forschung\n\ufffdxx") and len(pack.folders[0].terms) == 20_015
        assert pack.folders[1].terms == ""
        again = write_pack(tmp_path / "again.pack", {str(tmp_path / "a.pack"): None})
        assert again.folders == pack.folders

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has pipes")
    def test_terms_that_are_no_file_or_endless(self, tmp_path):
        root = draw_folder(tmp_path / "a", 2)
        os.mkfifo(root / "LICENSE")
        assert write_pack(tmp_path / "a.pack", {str(root): None}).folders[0].terms == ""
        (root / "terms.txt").write_bytes(b" " * (1 << 20) + b"x")
        with pytest.raises(InputError, match=r"terms\.txt has 1048577 bytes"):
            write_pack(tmp_path / "a.pack", {str(root): None})

    def test_broken_images_are_named_together_and_nothing_is_written(self, tmp_path):
        root = draw_folder(tmp_path / "a", 5)
        for name in ("01", "03"):
            (root / "images" / f"{name}.png").write_bytes(b"no image")
        with pytest.raises(InputError, match=r"2 of 5 images of new\.pack cannot be used: .*01\.png.*; .*03\.png"):
            write_pack(tmp_path / "new.pack", {str(root): None})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]

    def test_an_interrupt_leaves_the_former_file(self, tmp_path):
        root = str(draw_folder(tmp_path / "a", 3))
        before = write_pack(tmp_path / "a.pack", {root: None}).path.read_bytes()

        def interrupted(items, total):
            yield next(iter(items))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_pack(tmp_path / "a.pack", {root: None}, 32, progress=interrupted)
        assert (tmp_path / "a.pack").read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.pack"]

    def test_a_full_disk(self, tmp_path, monkeypatch):
        class Full:
            def __init__(self, file):
                self.file = file

            def write(self, content):
                if self.file.tell() + len(content) > 3000:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return self.file.write(content)

            def __getattr__(self, name):
                return getattr(self.file, name)

        opened = files._temporary
        root = draw_folder(tmp_path / "a", 5)

        class Temporary:
            def __init__(self, path, mode):
                self.inner = opened(path, mode)

            def __enter__(self):
                return Full(self.inner.__enter__())

            def __exit__(self, *error):
                return self.inner.__exit__(*error)

        monkeypatch.setattr(files, "_temporary", Temporary)
        with pytest.raises(InputError, match=r"new\.pack cannot be written \(No space left on device\)"):
            write_pack(tmp_path / "new.pack", {str(root): None})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]

    def test_what_cannot_be_packed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        draw_folder(tmp_path / "a", 3)
        (tmp_path / "folder.pack").mkdir()
        (tmp_path / "link").symlink_to("a")
        write_pack("a.pack", {"a": None})
        for out, folders, words in (
            ("a.zip", {"a": None}, r"a\.zip does not end in \.pack"),
            ("folder.pack", {"a": None}, r"folder\.pack does not end in \.pack or is a folder"),
            ("new.pack", {}, "nothing to pack"),
            ("new.pack", {"a": None, "link": None}, "is given twice"),
            ("new.pack", {"absent": None}, "there is no data folder absent"),
            ("new.pack", {"absent.pack": None}, r"there is no packed file absent\.pack"),
            ("a.pack", {"a.pack": None}, r"a\.pack is one of the files to pack"),
            ("new.pack", {"a.pack": None, "./a.pack": None}, "is given twice"),
            (3, {"a": None}, "must be a path"),
            ("new.pack", {3: None}, "must be a path, not 3"),
            ("new.pack", {"a\0.pack": None}, "cannot be read or written"),
            ("new.pack", ["a"], "must be a mapping"),
            ("new.pack", "a", "must be a mapping"),
        ):
            with pytest.raises(InputError, match=words):
                write_pack(out, folders)
        for options in ({"side": 15}, {"side": 8193}, {"side": 50.0}, {"quality": 0}, {"quality": 101}):
            with pytest.raises(InputError, match=rf"the {next(iter(options))} of packed images must be"):
                write_pack("new.pack", {"a": None}, **options)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.pack", "folder.pack", "link"]

    def test_into_the_folder_that_is_packed(self, tmp_path):
        root = draw_folder(tmp_path / "a", 3)
        for place in (root, root / "images", root / "masks"):
            write_pack(place / "a.pack", {str(root): None})
            assert len(FolderDataset(root)) == 3 and len(PackedDataset(place / "a.pack")) == 3


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Write an archive anew with the members that ``change`` makes of its own ones, (name, content) pairs."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in change(members):
            archive.writestr(name, content)


def with_index(path, change):
    """Let ``change`` edit the decoded index of a file."""

    def edited(members):
        for name, content in members:
            if name == INDEX:
                index = json.loads(content)
                change(index)
                content = json.dumps(index)
            yield name, content

    rewrite(path, edited)


class TestHostileFiles:
    """Each is one sentence that names the file."""

    @pytest.fixture
    def path(self, tmp_path):
        root = draw_folder(tmp_path / "a", 3)
        return write_pack(tmp_path / "bad.pack", {str(root): None}).path

    def refused(self, path, words):
        with pytest.raises(InputError, match=words) as error:
            PackedDataset(path).check()
        sentence = str(error.value)
        assert "bad.pack" in sentence and sentence.endswith(".") and sentence.isprintable() and len(sentence) < 600

    @pytest.mark.parametrize("content", [b"", b"PK", b"no archive" * 50, b"PK\5\6" + bytes(18)])
    def test_no_archive(self, content, path):
        path.write_bytes(content)
        self.refused(path, "is no packed file")

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
    def test_cut_off(self, kept, path):
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        self.refused(path, "is no packed file, or is cut off")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only Unix has pipes")
    def test_a_pipe_and_a_folder(self, path):
        path.unlink()
        os.mkfifo(path)
        self.refused(path, "a folder, a pipe or a device")

    def test_compressed(self, path):
        rewrite(path, lambda members: members, zipfile.ZIP_DEFLATED)
        self.refused(path, "compressed members")

    def test_without_an_index(self, path):
        rewrite(path, lambda members: members[:-1])
        self.refused(path, r"has no index\.json")

    def test_an_index_that_is_too_large(self, path):
        rewrite(path, lambda members: [*members[:-1], (INDEX, members[-1][1] + b" " * (1 << 26))])
        self.refused(path, r"index\.json has \d+ bytes")

    @pytest.mark.parametrize("content", ["", "[]", "{}", "null", "{", '{"format": 1}', "[" * 100_000, "\udce9"])
    def test_an_index_of_another_kind(self, content, path):
        content = content.encode("utf-8", "surrogateescape")
        rewrite(path, lambda members: [*members[:-1], (INDEX, content)])
        self.refused(path, r"index\.json in")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda index: index.update(format="zip"), "format in"),
            (lambda index: index.update(version=2), "version in"),
            (lambda index: index.update(side=0), "side in"),
            (lambda index: index.update(side=10**9), "side in"),
            (lambda index: index.update(side="384"), "side in"),
            (lambda index: index.update(more=1), "more in"),
            (lambda index: index.update(images=[]), "images in"),
            (lambda index: index.update(images={}), "images in"),
            (lambda index: index.update(folders=[]), "folders in"),
            (lambda index: index["folders"][0].update(share=0), "share in"),
            (lambda index: index["folders"][0].update(share=1e308), "share in"),
            (lambda index: index["folders"][0].update(share=float("nan")), "share in"),
            (lambda index: index["folders"].append({"name": "a", "share": None}), "several folders have one name"),
            (lambda index: index["folders"].append({"name": "b", "share": None}), "b holds no images"),
            (lambda index: index["folders"][0].update(name="b"), "it has no b/images"),
            (lambda index: index["folders"][0].update(name="../a"), "name in"),
            (lambda index: index["folders"][0].update(name=".."), "name in"),
            (lambda index: index["folders"][0].update(name=""), "name in"),
            (lambda index: index["images"][1].update(folder=1), "folder that is not listed"),
            (lambda index: index["images"][1].update(folder=-1), "folder in"),
            (lambda index: index["images"][1].update(folder=10**30), "folder in"),
            (lambda index: index["images"][1].update(folder=True), "folder in"),
            (lambda index: index["images"][1].update(name="../../01"), "name in"),
            (lambda index: index["images"][1].update(name="C:\\01"), "name in"),
            (lambda index: index["images"][1].update(name="\x1b[31m"), "name in"),
            (lambda index: index["images"][1].update(name="x" * 10_000), "name in"),
            (lambda index: index["images"][1].update(name="00"), "is listed twice"),
            (lambda index: index["images"][1].update(name="09"), "it has no a/images/09"),
            (lambda index: index["images"][1].update(validation=0), "validation in"),
            (lambda index: index["images"][1].pop("ignored"), "ignored"),
        ],
    )
    def test_entries_of_the_index(self, change, words, path):
        with_index(path, change)
        self.refused(path, words)

    @pytest.mark.parametrize("member", ["a/images/01.webp", "a/masks/01.png"])
    def test_a_member_that_is_missing_or_there_twice(self, member, path):
        content = path.read_bytes()
        rewrite(path, lambda members: [pair for pair in members if pair[0] != member])
        self.refused(path, f"it has no {member}")
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            rewrite(path, lambda members: [*members, (member, b"")])
        self.refused(path, "several members have one name")

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"\x89PNG\r\n\x1a\n", b"x" * 1000])
    @pytest.mark.parametrize("member", ["a/images/01.webp", "a/masks/01.png"])
    def test_a_member_that_does_not_decode(self, member, content, path):
        rewrite(path, lambda members: [(name, content if name == member else old) for name, old in members])
        self.refused(path, rf"{member} in .*bad\.pack does not decode")

    @pytest.mark.parametrize(
        ("member", "pixels", "words"),
        [
            ("a/masks/01.png", np.zeros((71, 96), np.uint8), "no PNG file of the size"),
            ("a/masks/01.png", np.zeros((72, 96, 3), np.uint8), "does not decode"),
            ("a/masks/01.webp", np.zeros((72, 96), np.uint8), "no PNG file of the size"),
            ("a/images/01.webp", np.zeros((72, 400, 3), np.uint8), "400x72 pixels, more than 384"),
            ("a/images/01.png", np.zeros((72, 96, 3), np.uint16), "does not decode"),
        ],
    )
    def test_a_member_of_another_kind(self, member, pixels, words, path):
        content = cv2.imencode(member[-4:].replace("webp", ".webp"), pixels)[1].tobytes()
        stem = member.rpartition(".")[0]
        rewrite(path, lambda members: [(n, content if n.startswith(stem) else old) for n, old in members])
        self.refused(path, words)

    def test_positions_and_sizes_that_lie(self, path):
        content = path.read_bytes()
        first = content.index(b"PK\1\2")  # of the list of members at the end
        for at, value in ((first + 42, 2**31), (first + 42, 7), (first + 42, path.stat().st_size - 10)):
            path.write_bytes(content[:at] + value.to_bytes(4, "little") + content[at + 4 :])
            self.refused(path, "is cut off")
        for missing in (10, 40):  # bytes at the beginning, before which the first member would lie
            path.write_bytes(content[missing:])
            self.refused(path, "is cut off")
        larger = (2**31).to_bytes(4, "little") * 2
        path.write_bytes(content[: first + 20] + larger + content[first + 28 :])
        self.refused(path, "is cut off")

    @pytest.mark.parametrize("member", ["a/images/01.webp", "a/masks/01.png", INDEX])
    def test_a_byte_that_has_flipped(self, member, path):
        content = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            begin = archive.getinfo(member).header_offset + 30 + len(member)
        content[begin + 60] ^= 1
        path.write_bytes(content)
        self.refused(path, f"{member} has another checksum")

    def test_bytes_that_are_changed_never_end_in_anything_else(self, path):
        content, rng = path.read_bytes(), np.random.default_rng(0)
        start = content.index(b"PK\1\2")
        for _ in range(60):
            damaged = bytearray(content)
            for at in rng.integers(start, len(content), 3):
                damaged[at] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                PackedDataset(path).check()
            except InputError as error:
                assert "bad.pack" in str(error)
