"""Training samples: a reader's images, augmented, with a target mask and the clicks to start from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from isegm.data.datasets.base import RandomReader, read_sample
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.transforms import Transform
from isegm.utils.errors import InputError

Sample = dict[str, np.ndarray]
TRIES = 50  # views in a row that may show no object before another image is tried, or the sample given up


class Reader(Protocol):
    """What every data set offers: images with objects."""

    name: str

    def __len__(self) -> int: ...

    def get_sample(self, index: int) -> DSample: ...


class SampleTransform(Protocol):
    """Changes a finished sample, or passes it over by returning None, so that another view is tried.

    A step that passes samples over has ``refusal``, which follows their number: what it finds wrong with them and, in
    brackets, what to do.

    A sample's arrays: images (H, W, 3) uint8 RGB, points (2N, 3) float32, instances (1, H, W) float32 in {0, 1, -1},
    and what steps add: uint8 arrays are images likewise, others become tensors as they are.
    """

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample | None: ...


class ComposeDataset(RandomReader):
    """Several readers as one; with ``ratios`` a random image's reader is drawn by ratio."""

    def __init__(self, readers: Sequence[Reader], ratios: Sequence[float] | None = None) -> None:
        if any(len(reader) == 0 for reader in readers):
            names = [reader.name for reader in readers if len(reader) == 0]
            raise InputError(f"{', '.join(names)} has too few images for a training and a validation part: add images.")
        if ratios is not None and len(ratios) != len(readers):
            raise ValueError(f"{len(ratios)} ratios for {len(readers)} readers")
        self.name = "+".join(reader.name for reader in readers)
        self.readers = readers
        self.ratios = None if ratios is None else np.asarray(ratios, dtype=np.float64) / sum(ratios)
        self.ends = np.cumsum([len(reader) for reader in readers])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def draw_sample(self, index: int, rng: np.random.Generator) -> DSample:
        """The image at ``index`` of all, counted through."""
        reader = int(np.searchsorted(self.ends, index, side="right"))
        start = 0 if reader == 0 else int(self.ends[reader - 1])
        return read_sample(self.readers[reader], index - start, rng)

    def draw(self, rng: np.random.Generator) -> int:
        """A random index, by ratio where there are ratios."""
        if self.ratios is None:
            return int(rng.integers(len(self)))
        reader = int(rng.choice(len(self.readers), p=self.ratios))
        return int(self.ends[reader] - 1 - rng.integers(len(self.readers[reader])))


@dataclass(frozen=True)
class CopyPaste:
    """Put an object of another image into this one: as the new target, or in front of what is there.

    Args:
        p: how often.
        as_target: how often the pasted object becomes the image's only object; else it hides what it covers.
        scale: side of the pasted object's box as a share of the image's.
    """

    p: float = 0.3
    as_target: float = 0.6
    scale: tuple[float, float] = (0.25, 0.8)

    def __call__(self, sample: DSample, other: DSample, rng: np.random.Generator) -> DSample:
        if not other.objects:
            return sample
        object_id = other.objects_ids[int(rng.integers(len(other.objects)))]
        pixels = other.pixels(object_id).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(pixels)
        if width < 8 or height < 8:
            return sample
        rows, columns = sample.image.shape[:2]
        factor = rng.uniform(*self.scale) * min(rows / height, columns / width)
        size = (max(8, round(width * factor)), max(8, round(height * factor)))
        patch = cv2.resize(other.image[y : y + height, x : x + width], size, interpolation=cv2.INTER_LINEAR)
        alpha = cv2.resize(
            pixels[y : y + height, x : x + width].astype(np.float32), size, interpolation=cv2.INTER_LINEAR
        )
        if rng.random() < 0.5:
            patch, alpha = patch[:, ::-1], alpha[:, ::-1]
        top = int(rng.integers(rows - size[1] + 1))
        left = int(rng.integers(columns - size[0] + 1))
        window = (slice(top, top + size[1]), slice(left, left + size[0]))
        image = sample.image.copy()
        image[window] = (alpha[..., None] * patch + (1 - alpha[..., None]) * image[window] + 0.5).astype(np.uint8)
        masks = sample.encoded_masks.copy()
        covered = alpha > 0.5
        masks[window][covered] = 0
        if rng.random() >= self.as_target:
            return replace(sample, image=image, encoded_masks=masks)
        ignored = sample.ignored_pixels
        masks[... if ignored is None else ~ignored] = 0
        masks[window][covered, 0] = 1
        return DSample.flat(image, masks, [(0, 1)], sample.ignored, sample.sample_id)


class TrainSet(Dataset):
    """Samples for training: images (3, H, W) float32 RGB in 0..1, points (2N, 3), instances (1, H, W) in {0, 1, -1}.

    Steps may add more: see ``SampleTransform``.

    What a sample is depends on (seed, epoch, index) alone, so that it is the same for any number of workers and after a
    resumed run.

    Args:
        reader: images with objects; a ``ComposeDataset`` with ratios decides which image each sample shows.
        augment: makes every image the same size; or (from epoch, augmentation) pairs, such as views that grow.
        sampler: chooses the target and its first clicks.
        epoch_len: samples per epoch, drawn at random; None goes through all images once. A view without an object is
            replaced by one of a random image.
        min_object_area: objects with fewer pixels after augmentation are dropped.
        keep_background_prob: how often a view without any object is kept, with an empty target.
        allow_background: keep one with an empty target rather than give up after many views without an object.
        retry_image: as published: a view without an object is replaced by another one of the same image, and only then
            objects are dropped for their size. A view that shows small objects alone becomes an empty target, as does,
            where ``keep_background_prob`` is above 0, one of an image that has no objects.
        copy_paste: pasting of foreign objects before augmentation; None for none.
        weights: how often to draw each of the reader's samples, such as ``score_weights`` gives them; None: as above.
            Every sample is then drawn at random, with replacement, whatever ``epoch_len`` is.
        steps: what a method does with a sample once its target and clicks are chosen.
    """

    def __init__(
        self,
        reader: Reader,
        augment: Transform | Sequence[tuple[int, Transform]],
        sampler: MultiPointSampler,
        *,
        epoch_len: int | None = None,
        min_object_area: int = 0,
        keep_background_prob: float = 0.0,
        allow_background: bool = False,
        retry_image: bool = False,
        copy_paste: CopyPaste | None = None,
        weights: np.ndarray | None = None,
        steps: Sequence[SampleTransform] = (),
        seed: int = 0,
    ) -> None:
        self.reader = reader
        self.augment = augment if isinstance(augment, Sequence) else [(0, augment)]
        self.sampler = sampler
        self.epoch_len = epoch_len
        self.min_object_area = max(1, min_object_area)
        self.keep_background_prob = keep_background_prob
        self.allow_background = allow_background
        self.retry_image = retry_image
        self.copy_paste = copy_paste
        if weights is not None and len(weights) != len(reader):
            raise ValueError(f"{len(weights)} weights for {len(reader)} samples")
        self.shares = None if weights is None else np.cumsum(weights) / np.cumsum(weights)[-1]
        self.steps = steps
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.epoch_len or len(self.reader)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        augment = next(step for start, step in reversed(self.augment) if start <= self.epoch)
        refusals: Counter[str] = Counter()
        for attempt in range(TRIES):
            as_asked = attempt == 0 and not self.epoch_len and self.shares is None
            source = self._read(index if as_asked else self._draw(rng), rng)
            view = self._view(source, augment, rng, self.allow_background and attempt == TRIES - 1)
            if view is None:
                refusals[
                    f"showed no object of {self.min_object_area} pixels or more (lower min_object_area in the "
                    "experiment script, or leave images of small objects out)"
                ] += 1
                continue
            sample = self._sample(view, rng)
            if not isinstance(sample, str):
                return {name: _tensor(array) for name, array in sample.items()}
            refusals[sample] += 1
        wrong = " and ".join(f"{count} {refusal}" for refusal, count in refusals.most_common())
        raise InputError(f"{TRIES} views of training images in a row gave no sample: {wrong}.")

    def _sample(self, view: DSample, rng: np.random.Generator) -> Sample | str:
        """A view's arrays, with a target and its first clicks; or why a step passes it over."""
        mask, points = self.sampler.sample(view, rng)
        sample: Sample = {"images": view.image, "points": points, "instances": mask[None]}
        for step in self.steps:
            changed = step(sample, rng)
            if changed is None:
                return step.refusal
            sample = changed
        return sample

    def _view(self, source: DSample, augment: Transform, rng: np.random.Generator, keep_any: bool) -> DSample | None:
        """An augmented view of an image; None where it shows no object and is not kept either."""
        for _ in range(TRIES if self.retry_image else 1):
            view = source.augmented(lambda image, masks: augment(image, masks, rng))
            large = view.without_small_objects(self.min_object_area)
            shows_object = bool((view if self.retry_image else large).objects)
            if shows_object or keep_any or rng.random() < self.keep_background_prob:
                return large
            if not source.objects:
                return large if self.retry_image and self.keep_background_prob > 0 else None
        return None

    def _draw(self, rng: np.random.Generator) -> int:
        if self.shares is not None:
            return int(np.searchsorted(self.shares, rng.random(), side="right"))
        return self.reader.draw(rng) if isinstance(self.reader, ComposeDataset) else int(rng.integers(len(self.reader)))

    def _read(self, index: int, rng: np.random.Generator) -> DSample:
        sample = read_sample(self.reader, index, rng)
        if self.copy_paste is not None and rng.random() < self.copy_paste.p:
            sample = self.copy_paste(sample, read_sample(self.reader, self._draw(rng), rng), rng)
        return sample


def _tensor(array: np.ndarray) -> Tensor:
    """Images (H, W, 3) uint8 as (3, H, W) float32 in 0..1, other arrays as they are."""
    if array.dtype != np.uint8:
        return torch.from_numpy(array)
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))).float().div_(255)
