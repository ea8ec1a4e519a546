"""The earlier sessions of an image, packed in memory, for undo."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isegm.annotations import Region
from isegm.inference.painting import Painting
from isegm.inference.session import Session

COMPRESSION = 1  # zlib level
SMALL = 4  # a painting is kept if it holds at most this share (one in SMALL) of the image's pixels, or LITTLE values
LITTLE = 1 << 20


@dataclass(frozen=True, eq=False)
class _Compressed:
    """A map of the image that no painting gives, losslessly compressed."""

    content: bytes
    like: Tensor  # empty, of its dtype and device
    shape: tuple[int, ...]

    @classmethod
    def of(cls, maps: Tensor) -> _Compressed:
        content = zlib.compress(maps.detach().cpu().contiguous().numpy().tobytes(), COMPRESSION)
        return cls(content, maps.new_empty(0), tuple(maps.shape))

    def unpack(self) -> Tensor:
        array = np.frombuffer(bytearray(zlib.decompress(self.content)), np.float32).reshape(self.shape)
        return torch.from_numpy(array).to(self.like)


@dataclass(frozen=True, eq=False)
class _Packed:
    """A session whose maps of the image's size are packed.

    Attributes:
        rest: the session with those of the first session in their place.
        probs: its prediction.
        zoom_probs: what its next crop is chosen from, where neither ``probs`` nor ``merged`` gives it.
        merged: see ``Session``.
        own_zoom: the next crop is chosen from the prediction itself.
        no_zoom: there is nothing yet from which the next crop is chosen.
    """

    rest: Session
    probs: Painting | _Compressed
    zoom_probs: _Compressed | None
    merged: Region | None
    own_zoom: bool
    no_zoom: bool

    @classmethod
    def of(cls, session: Session, first: Session, later: Session) -> _Packed:
        """Pack a session.

        Args:
            session: the session.
            first: the session without clicks of the same image, which stays in memory.
            later: the session after it, whose features stay in memory.
        """
        painting, zoom_probs = session.painting, session.zoom.probs
        probs: Painting | _Compressed
        if painting is not None and painting.probs is session.prev_probs and _is_small(painting, session):
            probs = painting.packed()
        else:
            probs = _Compressed.of(session.prev_probs)
        own_zoom = zoom_probs is session.prev_probs
        found = session.merged is not None or (isinstance(probs, Painting) and probs.binary)
        merged = None if session.merged is None else Region.of(session.merged)
        if merged is not None:
            merged.pack()
        rest = replace(
            session,
            prev_probs=first.prev_probs,
            zoom=replace(session.zoom, probs=None),
            merged=None,
            painting=None,
            features=session.features if session.view == later.view else None,  # computed again where it is needed
        )
        other_zoom = None if zoom_probs is None or own_zoom or found else _Compressed.of(zoom_probs)
        return cls(rest, probs, other_zoom, merged, own_zoom, zoom_probs is None)

    def unpack(self) -> Session:
        """The session as it was."""
        zoom_probs = painting = None
        if isinstance(self.probs, Painting):
            probs, zoom_probs = self.probs.paint()
            painting = replace(self.probs, probs=probs)
        else:
            probs = self.probs.unpack()
        merged = None if self.merged is None else self.merged.mask()
        if self.no_zoom:
            zoom_probs = None
        elif self.own_zoom:
            zoom_probs = probs
        elif merged is not None:
            zoom_probs = self.rest.mask_tensor(merged)
        elif self.zoom_probs is not None:
            zoom_probs = self.zoom_probs.unpack()
        zoom = replace(self.rest.zoom, probs=zoom_probs)
        return replace(self.rest, prev_probs=probs, zoom=zoom, merged=merged, painting=painting)


def _is_small(painting: Painting, session: Session) -> bool:
    height, width = session.image_size
    return painting.size <= max(LITTLE, height * width // SMALL)


class History:
    """The sessions of one image in the order of their clicks; all but the first and the last are packed.

    A packed session takes the network's small output instead of maps of the image's size, and unpacks bit for bit.

    Args:
        first: the session without clicks.

    Attributes:
        present: the last session.
    """

    def __init__(self, first: Session) -> None:
        self.present = self._first = first
        self._past: list[_Packed] = []  # between the first and the present one

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier session."""
        return self.present is not self._first

    def add(self, session: Session) -> None:
        """Make another session the present one."""
        if self.can_undo:
            self._past.append(_Packed.of(self.present, self._first, session))
        self.present = session

    def undo(self) -> None:
        """Go back by one session, if there is an earlier one."""
        self.present = self._past.pop().unpack() if self._past else self._first

    def clear(self) -> None:
        """Go back to the first session."""
        self.present = self._first
        self._past.clear()
