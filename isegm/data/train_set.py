"""Training samples: augmented images of a reader, each with a target mask and its first clicks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from isegm.data.compose import ComposeDataset, Reader, read_sample
from isegm.data.points_sampler import MultiPointSampler
from isegm.data.sample import DSample
from isegm.data.suem import SuemCopyPaste
from isegm.data.transforms import Transform
from isegm.utils.errors import InputError
from isegm.utils.inputs import CALLABLE, SHARE, CheckedFields, Range, require, require_epochs
from isegm.utils.schema import Flag, Instance, Items, Kind, Nothing, Row, Whole

Sample = dict[str, np.ndarray]
READER = Instance(
    object,
    "a reader, with get_sample and a length",
    lambda value: hasattr(value, "get_sample") and hasattr(value, "__len__"),
)
MAX_TRIES = 50  # rejected views in a row after which another image is tried, or an error is raised


@dataclass(frozen=True)
class Rejection:
    """A view that gives no training sample.

    Attributes:
        reason: what is wrong with the view and, in brackets, what to do; the error message puts a number before it.
    """

    reason: str


class SampleTransform(Protocol):
    """A step that changes a finished sample, or rejects it so that another view is tried.

    A sample maps names to arrays: images (H, W, 3) uint8 RGB, points (2N, 3) float32, instances (1, H, W) float32 in
    {0, 1, -1}, and what steps add. Added uint8 arrays are images too; other arrays become tensors without conversion.
    """

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample | Rejection: ...


@dataclass(frozen=True)
class CopyPaste(CheckedFields):
    """Paste an object of another image into this one, as the new target or as an occluder.

    Args:
        p: probability of pasting.
        as_target: probability that the pasted object becomes the only object of the image; otherwise it occludes the
            objects below it.
        scale: range of the side of the pasted object's box, relative to the image's, from 0 to 1.
    """

    own_kinds: ClassVar[Mapping[str, Kind]] = {"scale": Range(0, 1)}

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
        if min(rows, columns) < 8:
            return sample
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


class TrainSet(Dataset[dict[str, Tensor]]):
    """Training samples as dicts of tensors.

    The entries are images (3, H, W) float32 RGB in 0..1, points (2N, 3) float32 and instances (1, H, W) float32 in
    {0, 1, -1}. Steps may add more: see ``SampleTransform``.

    A sample depends on (seed, epoch, index) alone, so that it is the same for any number of workers and after a
    resumed run.

    Args:
        reader: images with objects; a ``ComposeDataset`` with ratios decides which image each sample shows.
        augment: one augmentation that makes every image the same size; or (first epoch, augmentation) pairs, such as
            views that grow, in order of epochs and from 0 on.
        sampler: chooses the target and its first clicks.
        epoch_len: samples per epoch, drawn at random; None takes every image once. A view without an object is
            replaced by one of a random image.
        min_object_area: objects with fewer pixels after augmentation are dropped.
        keep_background_prob: probability of keeping a view without any object, with an empty target.
        allow_background: after many views without an object, keep one with an empty target instead of raising.
        retry_image: the published rule: a view without an object is replaced by another one of the same image, and
            objects are dropped for their size only then. A view that shows small objects alone becomes an empty
            target; so does, where ``keep_background_prob`` is above 0, one of an image that has no objects
            (docs/fidelity.md#retry-image).
        copy_paste: pasting of foreign objects before augmentation; None for none.
        suem: combining of augmented views, each with others that are drawn at random; None for none.
        weights: (len(reader),) how often each image is drawn, such as ``sample_weights`` gives them; every sample is
            then drawn at random with replacement, whatever ``epoch_len`` is. None: see ``epoch_len``.
        steps: applied to every sample once its target and clicks are chosen.
        seed: of all draws.

    Raises:
        InputError: an argument is of another kind.
        ValueError: the number of weights is not the number of images.
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
        suem: SuemCopyPaste | None = None,
        weights: np.ndarray | None = None,
        steps: Sequence[SampleTransform] = (),
        seed: int = 0,
    ) -> None:
        require(reader, READER, "the reader of TrainSet")
        require(augment, CALLABLE | Items(Row(Whole(0), CALLABLE), least=1), "augment of TrainSet")
        require(sampler, Instance(MultiPointSampler, "a MultiPointSampler"), "the sampler of TrainSet")
        require(epoch_len, Whole(0) | Nothing(), "epoch_len of TrainSet")
        require(min_object_area, Whole(), "min_object_area of TrainSet")
        require(keep_background_prob, SHARE, "keep_background_prob of TrainSet")
        require(allow_background, Flag(), "allow_background of TrainSet")
        require(retry_image, Flag(), "retry_image of TrainSet")
        require(copy_paste, Instance(CopyPaste, "a CopyPaste") | Nothing(), "copy_paste of TrainSet")
        require(suem, Instance(SuemCopyPaste, "a SuemCopyPaste") | Nothing(), "suem of TrainSet")
        require(steps, Items(CALLABLE), "steps of TrainSet")
        require(seed, Whole(0), "seed of TrainSet")
        self.reader = reader
        self.augment = augment if isinstance(augment, Sequence) else [(0, augment)]
        require_epochs([start for start, _ in self.augment], "augment of TrainSet")
        self.sampler = sampler
        self.epoch_len = epoch_len
        self.min_object_area = max(1, min_object_area)
        self.keep_background_prob = keep_background_prob
        self.allow_background = allow_background
        self.retry_image = retry_image
        self.copy_paste = copy_paste
        self.suem = suem
        if weights is not None and len(weights) != len(reader):
            raise ValueError(f"{len(weights)} weights for {len(reader)} samples")
        self.shares = None if weights is None else np.cumsum(weights) / np.cumsum(weights)[-1]
        self.steps = steps
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.epoch_len or len(self.reader)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: _tensor(array) for name, array in self.arrays(index).items()}

    def arrays(self, index: int) -> Sample:
        """Return the sample at ``index`` before it becomes tensors, see ``SampleTransform``.

        Raises:
            InputError: many views in a row gave no sample.
        """
        require(index, Whole(0), "the index of a training sample")
        rng = np.random.default_rng((self.seed, self.epoch, index))
        augment = next(step for start, step in reversed(self.augment) if start <= self.epoch)
        reasons: Counter[str] = Counter()
        for attempt in range(MAX_TRIES):
            as_asked = attempt == 0 and not self.epoch_len and self.shares is None
            source = self._read(index if as_asked else self._draw_index(rng), rng)
            view = self._view(source, augment, rng, self.allow_background and attempt == MAX_TRIES - 1)
            if self.suem is not None and not isinstance(view, Rejection):
                view = self.suem(view, lambda: self._other_view(augment, rng), self.sampler, rng)
            sample = view if isinstance(view, Rejection) else self._sample(view, rng)
            if not isinstance(sample, Rejection):
                return sample
            reasons[sample.reason] += 1
        wrong = " and ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        raise InputError(f"{MAX_TRIES} views of training images in a row gave no sample: {wrong}.")

    def _sample(self, view: DSample, rng: np.random.Generator) -> Sample | Rejection:
        """Choose the target and first clicks of a view, and apply the steps."""
        mask, points = self.sampler.sample(view, rng)
        sample: Sample = {"images": view.image, "points": points, "instances": mask[None]}
        for step in self.steps:
            changed = step(sample, rng)
            if isinstance(changed, Rejection):
                return changed
            sample = changed
        return sample

    def _view(
        self, source: DSample, augment: Transform, rng: np.random.Generator, keep_any: bool
    ) -> DSample | Rejection:
        """Augment an image; reject the view if it shows no object and is not kept as background."""
        rejection = Rejection(
            f"showed no object of {self.min_object_area} pixels or more (lower min_area of the recipe's data, or leave "
            "images of small objects out)"
            if source.objects
            else "were of images without any object (draw some, or leave these images out)"
        )
        for _ in range(MAX_TRIES if self.retry_image else 1):
            view = source.augmented(lambda image, masks: augment(image, masks, rng))
            large = view.without_small_objects(self.min_object_area)
            shows_object = bool((view if self.retry_image else large).objects)
            if shows_object or keep_any or rng.random() < self.keep_background_prob:
                return large
            if not source.objects:
                return large if self.retry_image and self.keep_background_prob > 0 else rejection
        return rejection

    def _other_view(self, augment: Transform, rng: np.random.Generator) -> DSample:
        """Draw a view of a random image; after many without an object, one without."""
        view: DSample | Rejection = Rejection("")
        for left in reversed(range(MAX_TRIES)):
            view = self._view(self._read(self._draw_index(rng), rng), augment, rng, keep_any=left == 0)
            if isinstance(view, DSample):
                break
        assert isinstance(view, DSample)  # the last one is kept whatever it shows
        return view

    def _draw_index(self, rng: np.random.Generator) -> int:
        if self.shares is not None:
            return int(np.searchsorted(self.shares, rng.random(), side="right"))
        if isinstance(self.reader, ComposeDataset):
            return self.reader.draw_index(rng)
        return int(rng.integers(len(self.reader)))

    def _read(self, index: int, rng: np.random.Generator) -> DSample:
        sample = read_sample(self.reader, index, rng)
        if self.copy_paste is not None and rng.random() < self.copy_paste.p:
            sample = self.copy_paste(sample, read_sample(self.reader, self._draw_index(rng), rng), rng)
        return sample


def _tensor(array: np.ndarray) -> Tensor:
    """Turn an image (H, W, 3) uint8 into (3, H, W) float32 in 0..1; convert other arrays unchanged."""
    if array.dtype != np.uint8:
        return torch.from_numpy(array)
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))).float().div_(255)
