"""Check the keys of a pickle without loading it, for the unpickler in C, which hashes whatever a file says.

Tuples of tuples that share their parts take 2 to the power of their depth steps to hash, and deep ones end the process.
The file's program is followed on a stack that holds, for each object, whether it is a tuple.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools

from isegm.utils.checked_pickle import FLAT, opcodes

OTHER, FLAT_TUPLE, DEEP_TUPLE = 1, 2, 3  # kinds of objects on the stack and in the memo


def check_keys(content: bytes | mmap.mmap) -> None:
    """Check that keys of dicts and items of sets are no tuples of tuples, and none longer than ``FLAT``; and lengths.

    Keys of what functions make, such as ``OrderedDict(pairs)``, are left to these functions.

    Raises:
        pickle.UnpicklingError: a key is; or see ``check_opcodes``.
    """
    followed = _Followed(content)
    stack, memo = followed.stack, followed.memo
    puts = memorised = 0
    for code, at in opcodes(content):
        effect = _EFFECTS[code]
        if effect == _PUSH:
            stack.append(OTHER)
        elif effect == _PUT:
            if not stack or stack[-1] != OTHER:
                followed.memorise(memorised if code == _MEMOIZE else followed.number(code, at))
            if code == _MEMOIZE:
                memorised += 1
            else:
                puts += 1
        elif effect == _GET:
            place = content[at] if code == _BINGET else followed.number(code, at)
            stack.append(memo[place] or OTHER if place < len(memo) else OTHER)
        elif effect != _NOTHING:
            followed.follow(code, effect)
    if puts and memorised:  # the next free place is then another one than the next
        raise pickle.UnpicklingError("it numbers its memo in two ways")


class _Followed:
    """The stack and the memo of an unpickler, of kinds in place of objects.

    A place in the memo that has held a tuple counts as one for good, whatever else is put there.
    """

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content = content
        self.stack, self._marks = bytearray(), [0]
        self.memo = bytearray()

    def follow(self, code: int, effect: int) -> None:
        """Do what an opcode other than PUT and GET does to the stack: ``effect`` as in ``_EFFECTS``."""
        stack = self.stack
        if effect == _TUPLE:
            stack.append(_kind_of_tuple(self._taken(code - _TUPLE1 + 1)))
        elif code == _MARK:
            self._marks.append(len(stack))
        elif code == _TUPLE_OF_MARK:
            stack.append(_kind_of_tuple(self._taken_to_mark()))
        elif effect == _TO_MARK:
            parts = self._taken_to_mark()
            if code in _WITH_KEYS:
                _check(parts[:: _WITH_KEYS[code]])
            if code not in _IN_PLACE:
                stack.append(OTHER)
        elif code == _DUP:
            stack.append(self._top())
        elif code == _POP and len(self._marks) > 1 and self._marks[-1] == len(stack):
            self._marks.pop()
        else:
            parts = self._taken(-effect)
            if code == _SETITEM:
                _check(parts[:1])
            if code in _MAKING:
                stack.append(OTHER)

    def number(self, code: int, at: int) -> int:
        """Return the place in the memo that PUT or GET names."""
        if code in _AS_TEXT:
            number = int(self._content[at : self._content.find(b"\n", at)])
        else:
            number = int.from_bytes(self._content[at : at + (4 if code in _OF_FOUR_BYTES else 1)], "little")
        if not 0 <= number <= len(self._content):
            raise pickle.UnpicklingError("it has a place in the memo that there is not")
        return number

    def memorise(self, place: int) -> None:
        """Put the top of the stack there."""
        if place >= len(self.memo):
            self.memo.extend(bytes(place + 1 - len(self.memo)))
        self.memo[place] = max(self.memo[place], self._top())

    def _top(self) -> int:
        if len(self.stack) <= self._marks[-1]:
            raise pickle.UnpicklingError(_EMPTY)
        return self.stack[-1]

    def _taken(self, count: int) -> bytearray:
        first = len(self.stack) - count
        if first < self._marks[-1]:
            raise pickle.UnpicklingError(_EMPTY)
        return self._cut(first)

    def _taken_to_mark(self) -> bytearray:
        if len(self._marks) == 1:
            raise pickle.UnpicklingError(_EMPTY)
        return self._cut(self._marks.pop())

    def _cut(self, first: int) -> bytearray:
        parts = self.stack[first:]
        del self.stack[first:]
        return parts


def _kind_of_tuple(parts: bytearray) -> int:
    return DEEP_TUPLE if len(parts) > FLAT or FLAT_TUPLE in parts or DEEP_TUPLE in parts else FLAT_TUPLE


def _check(keys: bytearray) -> None:
    if DEEP_TUPLE in keys:
        raise pickle.UnpicklingError("it has a tuple of parts as a key")


_EMPTY = "it takes more from its stack than is there"
_MARK, _DUP, _POP, _SETITEM = pickle.MARK[0], pickle.DUP[0], pickle.POP[0], pickle.SETITEM[0]
_MEMOIZE, _BINGET, _TUPLE1, _TUPLE_OF_MARK = pickle.MEMOIZE[0], pickle.BINGET[0], pickle.TUPLE1[0], pickle.TUPLE[0]
_AS_TEXT = (pickle.PUT[0], pickle.GET[0])
_OF_FOUR_BYTES = (pickle.LONG_BINPUT[0], pickle.LONG_BINGET[0])
# What takes all to the mark and holds keys, each so many places after the one before.
_WITH_KEYS = {pickle.SETITEMS[0]: 2, pickle.DICT[0]: 2, pickle.ADDITEMS[0]: 1, pickle.FROZENSET[0]: 1}
_IN_PLACE = tuple(code[0] for code in (pickle.SETITEMS, pickle.ADDITEMS, pickle.APPENDS, pickle.POP_MARK))
_MAKING = tuple(code[0] for code in (pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.BINPERSID))
# Effects of opcodes on the stack; others are less than 0: minus the number of objects that are taken.
_NOTHING, _PUSH, _PUT, _GET, _TUPLE, _TO_MARK, _SPECIAL = range(7)
_EFFECTS = [_NOTHING] * 256
for _opcode in pickletools.opcodes:
    _code = ord(_opcode.code)
    if pickletools.markobject in _opcode.stack_before:
        _EFFECTS[_code] = _TO_MARK
    elif "PUT" in _opcode.name or _opcode.name == "MEMOIZE":
        _EFFECTS[_code] = _PUT
    elif "GET" in _opcode.name:
        _EFFECTS[_code] = _GET
    elif _opcode.name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        _EFFECTS[_code] = _TUPLE
    elif _opcode.name in ("MARK", "DUP"):
        _EFFECTS[_code] = _SPECIAL
    elif not _opcode.stack_before:
        _EFFECTS[_code] = _PUSH if _opcode.stack_after else _NOTHING
    else:  # what is changed in place stays where it is
        _EFFECTS[_code] = -len(_opcode.stack_before) + (_code not in _MAKING and bool(_opcode.stack_after))
