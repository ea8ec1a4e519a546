"""The Samples evaluation set: six images from scikit-image with masks drawn for this project, without a download."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from isegm.data.sample import DSample
from isegm.utils.errors import InputError
from isegm.utils.files import read_image, read_mask, sha256
from isegm.utils.inputs import require_index

MASKS = Path(__file__).parent / "samples_masks"
IGNORED = 255


@dataclass(frozen=True)
class SampleObject:
    """One object: pixels of ``value`` in mask layer ``layer`` (0 is ``<image>.png``, 1 is ``<image>_2.png``)."""

    name: str
    value: int
    layer: int = 0


@dataclass(frozen=True)
class SampleImage:
    """One image of the set.

    Attributes:
        name: stem of the mask files, and the sample's id.
        file: name of the image in scikit-image's data folder.
        objects: in ascending order of their values, which are unique over all layers of the image.
        source: origin of the image, from scikit-image's documentation.
        licence: its terms, quoted from scikit-image's documentation.
    """

    name: str
    file: str
    objects: tuple[SampleObject, ...]
    source: str
    licence: str

    @property
    def layers(self) -> int:
        """Number of mask files."""
        return 1 + max(item.layer for item in self.objects)


IMAGES: tuple[SampleImage, ...] = (
    SampleImage(
        "astronaut",
        "astronaut.png",
        (
            SampleObject("astronaut", 1),
            SampleObject("helmet", 2),
            SampleObject("space shuttle model", 3),
            SampleObject("mission patch", 4, layer=1),
        ),
        source="NASA Great Images database, https://flic.kr/p/r9qvLn",
        licence="No known copyright restrictions, released into the public domain.",
    ),
    SampleImage(
        "camera",
        "camera.png",
        (SampleObject("cameraman", 1), SampleObject("camcorder", 2)),
        source="Lav Varshney",
        licence="No copyright restrictions. CC0 by the photographer (Lav Varshney).",
    ),
    SampleImage(
        "cat",
        "chelsea.png",
        (SampleObject("cat", 1),),
        source="Stefan van der Walt",
        licence="No copyright restrictions. CC0 by the photographer (Stefan van der Walt).",
    ),
    SampleImage(
        "coffee",
        "coffee.png",
        (SampleObject("cup", 1), SampleObject("spoon", 2), SampleObject("saucer", 3)),
        source="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        licence="No copyright restrictions. CC0 by the photographer (Rachel Michetti).",
    ),
    SampleImage(
        "coins",
        "coins.png",
        (
            SampleObject("coin with a standing figure", 1),
            SampleObject("coin with a face from the front", 2),
            SampleObject("coin with a helmeted head", 3),
        ),
        source="Brooklyn Museum Collection, https://www.brooklynmuseum.org/opencollection/archives/image/51611",
        licence="No known copyright restrictions.",
    ),
    SampleImage(
        "rocket",
        "rocket.jpg",
        (SampleObject("rocket", 1),),
        source="SpaceX Photos, https://www.flickr.com/photos/spacexphotos/16511594820/in/photostream/",
        licence="The image was captured by SpaceX and released in the public domain.",
    ),
)


def image_path(entry: SampleImage) -> Path:
    """Path of an image inside the installed scikit-image package; nothing is downloaded.

    Raises:
        InputError: scikit-image is not installed, or its package lacks the image.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise InputError("the images of the Samples set come with scikit-image: pip install scikit-image.")
    path = Path(spec.origin).parent / "data" / entry.file
    if not path.is_file():
        raise InputError(f"scikit-image holds no {path}: install a wheel of scikit-image 0.18 or later.")
    return path


def mask_paths(entry: SampleImage) -> list[Path]:
    """Paths of the mask files of an image, one for each layer."""
    return [MASKS / f"{entry.name}{'' if layer == 0 else f'_{layer + 1}'}.png" for layer in range(entry.layers)]


def sample_names(folder: Path) -> frozenset[str]:
    """File names of the set's images if ``folder`` is scikit-image's data folder, else none."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None or folder.absolute() != Path(spec.origin).absolute().parent / "data":
        return frozenset()
    return frozenset(entry.file for entry in IMAGES)


class SamplesDataset:
    """The six images as an evaluation set, in the order of ``IMAGES``."""

    name = "Samples"

    def __len__(self) -> int:
        return len(IMAGES)

    @property
    def fingerprint(self) -> str:
        """Checksum of the images and masks, and of the list of objects."""
        digest = hashlib.sha256(repr([entry.objects for entry in IMAGES]).encode())
        for entry in IMAGES:
            for path in (image_path(entry), *mask_paths(entry)):
                digest.update(f"\n{path.name}\n{sha256(path)}".encode())
        return digest.hexdigest()[:32]

    def check(self, samples: int | None = None) -> None:
        """Check that the first ``samples`` images exist, None for all.

        Raises:
            InputError: an image is missing.
        """
        for entry in IMAGES[:samples]:
            image_path(entry)

    def get_sample(self, index: int) -> DSample:
        """Read the image at ``index`` with all of its objects, in the order of ``IMAGES``.

        Raises:
            InputError: the image is missing, or is not the one that the masks were drawn on.
        """
        require_index(index, len(self), self.name)
        entry = IMAGES[index]
        image = read_image(image_path(entry))
        masks = np.stack([read_mask(path) for path in mask_paths(entry)], axis=-1)
        if masks.shape[:2] != image.shape[:2]:
            raise InputError(
                f"{image_path(entry)} is {image.shape[1]}x{image.shape[0]} pixels, its masks are "
                f"{masks.shape[1]}x{masks.shape[0]}: install scikit-image 0.18 or later."
            )
        objects = [(item.layer, item.value) for item in entry.objects]
        ignored = [(0, IGNORED)] if (masks[..., 0] == IGNORED).any() else []
        return DSample.flat(image, masks, objects, ignored, sample_id=entry.name)
