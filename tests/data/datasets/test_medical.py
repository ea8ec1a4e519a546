"""Medical evaluation sets: every object of an image on its own."""

import shutil

import numpy as np
import pytest

from isegm import InputError
from isegm.data import get_dataset
from isegm.utils.files import write_image

MASK = np.array([[0, 3, 0, 0], [0, 3, 0, 7], [9, 0, 0, 7]], np.uint8)
SETS = {  # folders, key of config.yml, and how many pixels each object of MASK has
    "BraTS": ("image", "annotation", "BraTS_PATH", [5]),
    "ssTEM": ("raw", "mitochondria", "ssTEM_PATH", [2, 2, 1]),  # the 9 touches the 3 at a corner alone
    "OAIZIB": ("test/image", "test/annotations", "OAIZIB_PATH", [2, 2, 1]),
}


@pytest.fixture(params=SETS)
def medical(request, tmp_path):
    """A set of two slices, the second without an object: its name, folders, configuration and expected sizes."""
    images, masks, key, sizes = SETS[request.param]
    ending = ".tif" if request.param == "ssTEM" else ".png"
    for number, mask in enumerate((MASK, np.zeros_like(MASK))):
        write_image(tmp_path / images / f"{number:02d}{ending}", np.full((3, 4, 3), 40 * number, np.uint8))
        write_image(tmp_path / masks / f"{number:02d}.png", mask)
    return request.param, tmp_path / masks, {key: str(tmp_path)}, sizes


def test_every_object_is_one_and_slices_without_any_are_read_too(medical):
    name, _, cfg, sizes = medical
    dataset = get_dataset(name, cfg)
    assert (dataset.name, len(dataset)) == (name, 2)
    dataset.check()
    sample = dataset.get_sample(0)
    found = [int((sample.get_object_mask(one) == 1).sum()) for one in sample.objects_ids]
    assert sorted(found, reverse=True) == sizes
    assert not dataset.get_sample(1).objects


def test_a_set_without_its_folders_is_named(medical, tmp_path):
    name, _, cfg, _ = medical
    images, _, key, _ = SETS[name]
    shutil.rmtree(tmp_path / images)
    with pytest.raises(InputError, match=f"there is no folder .*{images}: it should hold files ending in"):
        get_dataset(name, cfg)
    (tmp_path / images).mkdir()
    with pytest.raises(InputError, match=f"{images} .*no|no .*{images}"):
        get_dataset(name, cfg)
    with pytest.raises(InputError, match=rf"there is no data folder .*absent \({key} in config\.yml\)"):
        get_dataset(name, {key: str(tmp_path / "absent")})


def test_masks_of_another_size_or_none_are_named(medical):
    name, masks, cfg, _ = medical
    write_image(masks / "01.png", np.ones((3, 5), np.uint8))
    with pytest.raises(InputError, match=r"01\.png is 5x3 pixels, its image 01\.(png|tif) 4x3: make them equal"):
        get_dataset(name, cfg).get_sample(1)
    (masks / "00.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images in .* have no mask of the same name"):
        get_dataset(name, cfg)
