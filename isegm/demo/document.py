"""The annotations of one image as immutable values, and their unlimited undo history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Final

from isegm.annotations import AnnotatedObject, Annotations, Region
from isegm.annotations.objects import CATEGORY, MAX_NUMBER, NUMBER_COLOR
from isegm.clicks import Click
from isegm.prompts import Prompt
from isegm.utils.errors import InputError
from isegm.utils.vis import object_color

KEEP: Final = "keep"  # a partial finish
Move = Click | Prompt | str
Color = tuple[int, int, int]
RECENT = 20  # steps of the history whose masks stay unpacked; older ones are unpacked on undo


@dataclass(frozen=True, eq=False)
class Selected:
    """The selection that follows from a prediction.

    Attributes:
        region: pixels of a probability above the threshold.
        threshold: the threshold at that time.
        step: state of the network, see ``isegm.demo.inference_state``; None if it has to be computed again.
    """

    region: Region
    threshold: float
    step: Any = None


@dataclass(frozen=True, eq=False)
class Draft:
    """The object in progress after one action.

    Attributes:
        region: the selected pixels, without regard to protected objects.
        threshold: pixels of a greater probability are selected.
        number: number of the finished object that is open again; None for a new one.
        start: the mask that the object started from; None for none.
        moves: clicks, boxes, scribbles, lassos and partial finishes (``KEEP``) in order.
        thresholds: threshold at each of them.
        kept: the selection at the last partial finish; None before one.
        color: RGB; None for that of the finished object, or of the number that a new one will get.
    """

    region: Region
    threshold: float
    number: int | None = None
    start: Region | None = None
    moves: tuple[Move, ...] = ()
    thresholds: tuple[float, ...] = ()
    kept: Region | None = None
    color: Color | None = None

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks since the last partial finish."""
        return tuple(move for move in self._latest if isinstance(move, Click))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Boxes, scribbles and lassos since the last partial finish."""
        return tuple(move for move in self._latest if isinstance(move, Prompt))

    @property
    def _latest(self) -> tuple[Move, ...]:
        start = max((index for index, move in enumerate(self.moves, start=1) if move == KEEP), default=0)
        return self.moves[start:]

    def after(self, move: Move, selected: Selected) -> Draft:
        """The draft after another move."""
        kept = selected.region if move == KEEP else self.kept
        return replace(
            self,
            region=selected.region,
            threshold=selected.threshold,
            moves=(*self.moves, move),
            thresholds=(*self.thresholds, selected.threshold),
            kept=kept,
        )


@dataclass(frozen=True, eq=False)
class Document:
    """Finished objects and the one in progress.

    Attributes:
        size: (H, W) of the image.
        objects: in the order of finishing, the last one where an object was opened again; later ones cover earlier
            ones. An object that is open again is included in its earlier state.
        draft: the object in progress; None for none.
    """

    size: tuple[int, int]
    objects: tuple[AnnotatedObject, ...] = ()
    draft: Draft | None = None

    @cached_property
    def selection(self) -> Region | None:
        """The selection without the pixels of protected objects; None if no object is in progress."""
        return None if self.draft is None else self._unprotected(self.draft.region)

    @cached_property
    def kept(self) -> Region | None:
        """The part of the selection that partial finishes kept; None if there were none."""
        return None if self.draft is None or self.draft.kept is None else self._unprotected(self.draft.kept)

    @property
    def finished(self) -> tuple[AnnotatedObject, ...]:
        """All objects except the one that is open again."""
        opened = None if self.draft is None else self.draft.number
        return tuple(item for item in self.objects if item.number != opened)

    @property
    def draft_number(self) -> int:
        """Number of the object in progress, or of the next one.

        A new number is the highest plus one, or the lowest free one if that exceeds the limit.

        Raises:
            InputError: there are too many objects.
        """
        if self.draft is not None and self.draft.number is not None:
            return self.draft.number
        return next(_free_numbers({item.number for item in self.objects}))

    @property
    def draft_color(self) -> Color:
        """RGB colour of the object in progress, or of the next one."""
        draft = self.draft
        if draft is not None and draft.color is not None:
            return draft.color
        return self.get(draft.number).color if draft is not None and draft.number else object_color(self.draft_number)

    def get(self, number: int) -> AnnotatedObject:
        """The object of that number.

        Raises:
            InputError: there is none.
        """
        for item in self.objects:
            if item.number == number:
                return item
        raise InputError(f"there is no object {number}: there are {[item.number for item in self.objects]}.")

    def pack(self, nearer: Document) -> None:
        """Pack the masks in memory until they are read again.

        Args:
            nearer: a document whose masks stay unpacked.
        """
        held = {item.region for item in nearer.objects}
        regions = {item.region for item in self.objects} | ({self.draft.region} if self.draft is not None else set())
        for region in regions - held:
            region.pack()
        for computed in ("selection", "kept"):
            self.__dict__.pop(computed, None)

    def unpack(self) -> None:
        """Unpack all visible masks, which is slow on large images."""
        shown = [item.region for item in self.objects] + [self.selection, self.kept]
        for region in shown:
            if region is not None:
                _ = region.pixels

    def moved(self, move: Move, selected: Selected) -> Document:
        """The document after a click or partial finish, which may start a new object."""
        draft = self.draft or Draft(Region.empty(self.size), selected.threshold)
        return replace(self, draft=draft.after(move, selected))

    def with_draft(self, selected: Selected, number: int | None = None) -> Document:
        """The document with an object in progress that starts from a mask, in place of any earlier one."""
        draft = Draft(selected.region, selected.threshold, number=number, start=selected.region)
        return replace(self, draft=draft)

    def reopened(self, number: int, threshold: float) -> Document:
        """The document with a finished object in progress again.

        Raises:
            InputError: there is no such object, or one is in progress.
        """
        if self.draft is not None:
            raise InputError("an object is in progress: finish or reset it before you open another one.")
        return self.with_draft(Selected(self.get(number).region, threshold), number)

    def concluded(
        self, name: str = "", category: str = CATEGORY, protected: bool = False, on_top: bool = True
    ) -> Document:
        """The document with the object in progress finished; without one, the document itself.

        Args:
            name, category, protected: attributes of a new object; one that was open again keeps its own.
            on_top: whether one that was open again covers all others; else it stays below those that were above it.

        Raises:
            InputError: nothing is selected.
        """
        if self.draft is None:
            return self
        if not self.selection:
            raise InputError("nothing is selected: click on the object, or reset the clicks.")
        if self.draft.number is None:
            color = self.draft_color
            added = AnnotatedObject(self.draft_number, self.selection, name, category, color, protected)
            return replace(self, objects=(*self.objects, added), draft=None)
        changed = replace(self.get(self.draft.number), region=self.selection, color=self.draft_color)
        after = replace(self, objects=(*self.finished, changed)) if on_top else self._with(changed)
        return replace(after, draft=None)

    def colored(self, color: Color) -> Document:
        """The document with another colour of the object in progress.

        Raises:
            InputError: there is none, or a part of the colour is not from 0 to 255.
        """
        if self.draft is None:
            raise InputError("no object is in progress: click on one first, or choose a colour in the list.")
        AnnotatedObject(self.draft_number, Region.empty(self.size), color=color)  # checks it
        return replace(self, draft=replace(self.draft, color=color))

    def abandoned(self) -> Document:
        """The document without the object in progress; an object that was open again keeps its earlier state."""
        return self if self.draft is None else replace(self, draft=None)

    def edited(self, number: int, **changes: Any) -> Document:
        """The document with another name, category, colour or protection of an object.

        Raises:
            InputError: there is no such object, or a value is out of its bounds.
        """
        return self._with(replace(self.get(number), **changes))

    def removed(self, number: int) -> Document:
        """The document without an object; if it is open again, without the object in progress too.

        Raises:
            InputError: there is no such object.
        """
        item = self.get(number)
        draft = None if self.draft is not None and self.draft.number == number else self.draft
        return replace(self, objects=tuple(other for other in self.objects if other is not item), draft=draft)

    def imported(self, objects: Sequence[AnnotatedObject]) -> Document:
        """The document with more objects above the others; an object whose number is taken gets a free one.

        The colour that follows from a number changes with it. A new object in progress gets its number when it is
        finished.

        Raises:
            InputError: there are too many objects.
        """
        taken = {item.number for item in self.objects}
        free = _free_numbers(taken)
        added = []
        for item in objects:
            number = item.number if item.number not in taken else next(free)
            taken.add(number)
            color = NUMBER_COLOR if item.color == object_color(item.number) else item.color
            added.append(item if number == item.number else replace(item, number=number, color=color))
        return replace(self, objects=(*self.objects, *added))

    def annotations(self, image: str, with_draft: bool = False, classes: tuple[str, ...] = ()) -> Annotations:
        """The objects for a file.

        Args:
            image: file name of the image.
            with_draft: include the object in progress as if it were finished; else an object that is open again has its
                earlier state.
            classes: see ``Annotations``.

        Raises:
            InputError: ``with_draft``, and nothing is selected.
        """
        objects = self.concluded().objects if with_draft else self.objects
        return Annotations(image, self.size, objects, classes=classes)

    def _unprotected(self, region: Region) -> Region:
        return without_protected(region, self.finished)

    def _with(self, changed: AnnotatedObject) -> Document:
        objects = tuple(changed if item.number == changed.number else item for item in self.objects)
        return replace(self, objects=objects)


def without_protected(region: Region, objects: Sequence[AnnotatedObject]) -> Region:
    """The pixels of a region that belong to no protected object."""
    for item in objects:
        if item.protected:
            region = region.without(item.region)
    return region


class History:
    """A document with its earlier states, for undo and redo.

    An action that was withdrawn before it was carried out can be redone too; it is kept as an action.

    Attributes:
        present: the present document.
    """

    def __init__(self, document: Document) -> None:
        self.present = document
        self._past: list[Document] = []
        self._future: list[Any] = []  # the next one last; Documents, and actions of ``postpone``

    @property
    def had_objects(self) -> bool:
        """Whether there are finished objects now, or were in a document that undo or redo can bring back."""
        others = (document for document in self._future if isinstance(document, Document))
        return any(document.objects for document in (self.present, *self._past, *others))

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    @property
    def next(self) -> Any:
        """The next redo: a Document, or an action of ``postpone``; None for none."""
        return self._future[-1] if self._future else None

    def branch(self) -> None:
        """Drop the redo states, because of a new action."""
        self._future.clear()

    def add(self, document: Document) -> None:
        """Make another document the present one; an unchanged one adds no step."""
        if document is not self.present:
            self._past.append(self.present)
            self.present = document
            _pack_old(self._past)

    def replace(self, document: Document) -> None:
        """Replace the present document without adding a step."""
        self.present = document

    def undo(self) -> None:
        """Go back by one document, if there is an earlier one."""
        if self._past:
            self._future.append(self.present)
            self.present = self._past.pop()
            _pack_old(self._future)

    def redo(self) -> None:
        """Go forward by one document, if there is a later one."""
        if isinstance(self.next, Document):
            self.add(self._future.pop())

    def postpone(self, action: Any) -> None:
        """Keep an action that was withdrawn before it was carried out, for redo."""
        self._future.append(action)

    def resume(self) -> Any:
        """Remove and return the action that is next; the caller carries it out."""
        return self._future.pop()


def _pack_old(documents: list[Any]) -> None:
    """Pack the masks of the document that is no longer recent, except those that the next one still has.

    A mask that was removed never comes back in a later document, so no other recent document has it either.
    """
    if len(documents) > RECENT and isinstance(documents[-RECENT], Document):
        documents[-RECENT].pack(documents[1 - RECENT])  # actions come after all documents


def _free_numbers(taken: set[int]) -> Iterator[int]:
    """Yield free numbers: first those above the highest, then the lowest.

    Raises:
        InputError: there are none left.
    """
    highest = max(taken, default=0)
    for number in chain(range(highest + 1, MAX_NUMBER + 1), range(1, highest)):
        if number not in taken:
            yield number
    raise InputError(f"one image holds {MAX_NUMBER} objects at most: save them and delete some.")
