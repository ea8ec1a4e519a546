"""Of a TIFF file of several pages the first is read, and a warning says so."""

import numpy as np
import pytest
from PIL import Image

from isegm.utils.images import read_image
from isegm.utils.masks import read_mask

PAGES = [Image.fromarray(np.full((5, 7), level, np.uint8)) for level in (1, 2, 3)]


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_pages_that_are_not_read_are_told_once(tmp_path, caplog, read):
    path = tmp_path / "stack.tif"
    PAGES[0].save(path, save_all=True, append_images=PAGES[1:])
    assert (read(path) == 1).all() and (read(path) == 1).all()
    assert [record.message for record in caplog.records] == [
        f"{path} has several pages, of which the first is read: save each page as a file of its own"
    ]


def test_one_page_and_its_thumbnail_are_no_several_pages(tmp_path, caplog):
    PAGES[0].save(tmp_path / "one.tif")
    thumbnail = PAGES[1].resize((3, 2))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    PAGES[0].save(tmp_path / "two.tif", save_all=True, append_images=[thumbnail])
    assert (read_image(tmp_path / "one.tif") == 1).all() and (read_image(tmp_path / "two.tif") == 1).all()
    assert not caplog.records
