r"""Patterns of Python's ``re`` as patterns of RE2, which takes linear time for any of them.

A translation says whether rows that match it are exactly those that match the pattern. Where RE2
lacks something (lookarounds, backreferences, atomic groups) it is left out, so that more rows match
and never fewer: those that ``re`` has to look at.

What characters a part of a pattern matches is not written here once more: ``re`` itself is asked.

Rows are searched behind one another with a newline between them; a newline within a row is then
written as another character that no row has (see :class:`spear_amal.workbench.text_index.Group`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from spear_amal.labeling.letter_cases import LAST_CASED
from spear_amal.labeling.required_literals import LONGEST_PATTERN, parser

try:  # parts of a parsed pattern are compiled by what has no public name either
    from re import _compiler as compiler  # type: ignore[attr-defined]
except ImportError:
    compiler = None

# First and last character of each range, in order, with gaps between them.
Ranges = tuple[tuple[int, int], ...]
# Letters in order, and their codes.
Alphabet = tuple[str, np.ndarray]

MOST_REPEATS = 1000  # of RE2
_TYPES = re.ASCII | re.LOCALE | re.UNICODE
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class Translation:
    """A pattern of RE2.

    Attributes
    ----------
    pattern : str
    beyond : tuple of str
        What of the pattern RE2 cannot say, in words; empty if the same rows match.
    """

    pattern: str
    beyond: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the same rows match, and not only those among others."""
        return not self.beyond


def translated(
    pattern: re.Pattern[str], newline: str | None = None, is_plain: bool = False
) -> Translation | None:
    r"""Return a pattern of RE2 for rows that are searched behind one another.

    Parameters
    ----------
    pattern : compiled pattern
    newline : str, optional
        The character that stands for a newline within a row; None if no row has one.
    is_plain : bool
        All letters and digits of the rows are of ASCII.

    Returns
    -------
    Translation or None
        None where the pattern cannot be read.

    Examples
    --------
    >>> translated(re.compile(r"^wins?$"))
    Translation(pattern='(?m:^)win(?:s){0,1}(?m:$)', beyond=())
    >>> translated(re.compile(r"win(?!d)"))
    Translation(pattern='win', beyond=('a lookaround',))
    """
    if parser is None or compiler is None or len(pattern.pattern) > LONGEST_PATTERN:
        return None
    writer = _Writer(newline, is_plain)
    try:
        items = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
        text = writer.sequence(items, pattern.flags, is_last=True)
    except (RecursionError, _UnknownError):
        return None
    return Translation(text, tuple(sorted(writer.beyond)))


def share_no_character(one: Any, other: Any, flags: int) -> bool:
    """Return whether no character is matched by both of two parts of a parsed pattern.

    Parameters
    ----------
    one, other : (operator, argument)
        Of the parser of ``re``. Parts that match more or less than a character share some.
    flags : int
    """
    kinds = ("LITERAL", "NOT_LITERAL", "IN", "ANY")
    if not {str(one[0]), str(other[0])} <= set(kinds):
        return False
    first, second = (_characters(str(name), part, flags, False) for name, part in (one, other))
    return _difference(first, second) == first


class _UnknownError(Exception):
    """A part of a pattern that is not known here: of a later Python."""


class _Writer:
    """Writes parsed patterns in the syntax of RE2."""

    def __init__(self, newline: str | None, is_plain: bool) -> None:
        self._newline = newline
        self._is_plain = is_plain
        self.beyond: set[str] = set()

    def sequence(self, items: Iterable[Any], flags: int, is_last: bool) -> str:
        """Return a sequence; `is_last` if nothing of the pattern stands behind it."""
        listed = list(items)
        last = len(listed) - 1
        return "".join(
            self._item(str(operator), argument, flags, is_last and k == last)
            for k, (operator, argument) in enumerate(listed)
        )

    def _item(self, name: str, argument: Any, flags: int, is_last: bool) -> str:
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            return self._character(name, argument, flags)
        if name == "AT":
            return self._position(str(argument), flags, is_last)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(name, argument, flags)
        if name == "BRANCH":
            branches = (self.sequence(branch, flags, is_last) for branch in argument[1])
            return f"(?:{'|'.join(branches)})"
        if name == "SUBPATTERN":
            _, added, removed, inner = argument
            kept = flags & ~_TYPES if added & _TYPES else flags
            if added & _TYPES:  # where such a part comes first, `re` passes over some matches
                self.beyond.add("a part with another meaning of letters")
            return f"(?:{self.sequence(inner, (kept | added) & ~removed, is_last)})"
        return self._beyond_re2(name, argument, flags)

    def _beyond_re2(self, name: str, argument: Any, flags: int) -> str:
        """Return what matches wherever something matches that RE2 does not know."""
        if name == "FAILURE":
            return _class(())
        if name in ("ASSERT", "ASSERT_NOT"):
            self.beyond.add("a lookaround")
            return ""
        if name == "ATOMIC_GROUP":
            self.beyond.add("an atomic group")
            return f"(?:{self.sequence(argument, flags, is_last=False)})"
        if name == "GROUPREF":
            self.beyond.add("a backreference")
            return _class(_complement(((_NEWLINE, _NEWLINE),))) + "*"
        if name == "GROUPREF_EXISTS":
            self.beyond.add("a condition")
            branches = (self.sequence(part or (), flags, is_last=False) for part in argument[1:])
            return f"(?:{'|'.join(branches)})"
        raise _UnknownError(name)

    def _repeat(self, name: str, argument: Any, flags: int) -> str:
        least, most, inner = argument
        unbounded = most == parser.MAXREPEAT
        body = self.sequence(inner, flags, is_last=False)
        if name == "POSSESSIVE_REPEAT":
            self.beyond.add("a possessive repeat")
        if most > 1 and inner.getwidth()[0] == 0:
            # `re` ends loops over nothing by rules of its own.
            self.beyond.add("a repeat of what may be empty")
        if least > MOST_REPEATS or (most > MOST_REPEATS and not unbounded):
            self.beyond.add(f"more than {MOST_REPEATS} repeats")
            least, unbounded = min(least, MOST_REPEATS), True
        return f"(?:{body}){{{least},{'' if unbounded else most}}}"

    def _position(self, name: str, flags: int, is_last: bool) -> str:
        if name in ("AT_BOUNDARY", "AT_NON_BOUNDARY"):
            if self._is_plain or flags & re.ASCII:
                return r"\b" if name == "AT_BOUNDARY" else r"\B"
            self.beyond.add(r"\b beside letters beyond ASCII")
            return ""
        if name == "AT_BEGINNING_STRING" or (name == "AT_BEGINNING" and not self._lines(flags)):
            return "(?m:^)"
        if name == "AT_END_STRING" or (name == "AT_END" and self._newline is None):
            return "(?m:$)"
        if name == "AT_END" and is_last:  # what stands behind it does not count
            newline = _class(_one(self._newline))
            return f"(?:{newline}|(?m:$))" if flags & re.MULTILINE else f"{newline}?(?m:$)"
        if name not in ("AT_BEGINNING", "AT_END"):
            raise _UnknownError(name)
        self.beyond.add("^ or $ in texts of several lines")
        return ""

    def _lines(self, flags: int) -> bool:
        """Return whether ^ may match within a row."""
        return bool(flags & re.MULTILINE) and self._newline is not None

    def _character(self, name: str, argument: Any, flags: int) -> str:
        ranges = _characters(name, argument, flags, self._is_plain)
        has_newline = any(first <= _NEWLINE <= last for first, last in ranges)
        ranges = _without(ranges, _NEWLINE)
        if self._newline is not None:  # the character itself is in no row
            ranges = _without(ranges, ord(self._newline))
            ranges = _union([ranges, _one(self._newline)]) if has_newline else ranges
        return _class(ranges)


# -- characters that a part of a pattern matches --------------------------------------------------


def _characters(name: str, argument: Any, flags: int, is_plain: bool) -> Ranges:
    """Return the characters of a part that matches one character."""
    if name == "ANY":
        return _ALL if flags & re.DOTALL else _without(_ALL, _NEWLINE)
    if name == "IN":
        elements = [(str(kind), value) for kind, value in argument]
    else:
        elements = [("LITERAL", argument)]
    negated = name == "NOT_LITERAL" or elements[0][0] == "NEGATE"
    flags &= re.IGNORECASE | _TYPES
    parts = [
        _element(kind, _frozen(value), flags, is_plain)
        for kind, value in elements
        if kind != "NEGATE"
    ]
    ranges = _union(parts)
    return _complement(ranges) if negated else ranges


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=2048)
def _element(kind: str, value: Any, flags: int, is_plain: bool) -> Ranges:
    """Return the characters of one element of a set."""
    if kind == "CATEGORY":
        return _by_re((parser.CATEGORY, value), flags, _alphabet(is_plain), parser.MAXREPEAT)
    if kind not in ("LITERAL", "RANGE"):
        raise _UnknownError(kind)
    first, last = value if kind == "RANGE" else (value, value)
    if not flags & re.IGNORECASE:
        return ((first, last),)
    # Letters without cases match themselves; which of the others do is for `re` to say.
    cased = _by_re((getattr(parser, kind), value), flags, _cased(), 1)
    return _union([cased, _difference(((first, last),), _cased_ranges())])


def _by_re(item: Any, flags: int, alphabet: Alphabet, most: int) -> Ranges:
    """Return which letters an element of a set matches, as `re` says.

    Of at most `most` that follow each other a range is made: nothing between them must count.
    """
    letters, codes = alphabet
    state = parser.State()
    state.flags = flags
    sets = parser.SubPattern(state, [(parser.IN, [item])])
    repeat = (parser.MAX_REPEAT, (1, most, sets))
    pattern = compiler.compile(parser.SubPattern(state, [repeat]), flags)
    spans = [match.span() for match in pattern.finditer(letters)]
    return _union([((int(codes[first]), int(codes[stop - 1])),) for first, stop in spans])


@cache
def _alphabet(is_plain: bool) -> Alphabet:
    """Return all letters that rows may have.

    Those of plain rows lack letters and digits beyond ASCII: since none occurs, they may count as
    part of a range or not.
    """
    codes = np.arange(sys.maxunicode + 1, dtype="<u4")
    codes = codes[(codes < 0xD800) | (codes > 0xDFFF)]
    letters = codes.tobytes().decode("utf-32-le")
    return _with_codes(re.sub(r"[^\W\x00-\x7f]+", "", letters) if is_plain else letters)


@cache
def _cased() -> Alphabet:
    """Return all letters that have another case."""
    cases = (str.lower, str.upper, str.title, str.casefold)
    cased = [c for c in map(chr, range(LAST_CASED)) if any(case(c) != c for case in cases)]
    return _with_codes("".join(cased))


@cache
def _cased_ranges() -> Ranges:
    return _union([((code, code),) for code in _cased()[1].tolist()])


def _with_codes(letters: str) -> Alphabet:
    return letters, np.frombuffer(letters.encode("utf-32-le"), "<u4")


_ALL: Ranges = ((0, sys.maxunicode),)


def _one(letter: str | None) -> Ranges:
    return () if letter is None else ((ord(letter), ord(letter)),)


def _union(parts: Sequence[Ranges]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(pair for part in parts for pair in part):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    edges = [-1, *(edge for pair in ranges for edge in pair), sys.maxunicode + 1]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return tuple((before + 1, after - 1) for before, after in gaps if before + 1 <= after - 1)


def _difference(ranges: Ranges, others: Ranges) -> Ranges:
    return _complement(_union([_complement(ranges), others]))


def _without(ranges: Ranges, code: int) -> Ranges:
    return _difference(ranges, ((code, code),))


def _class(ranges: Ranges) -> str:
    """Return a set of characters in the syntax of RE2."""
    if not ranges:
        return rf"[^\x00-\x{{{sys.maxunicode:x}}}]"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _code(ranges[0][0])
    return "[" + "".join(f"{_code(first)}-{_code(last)}" for first, last in ranges) + "]"


def _code(code: int) -> str:
    letter = chr(code)
    return letter if letter.isascii() and letter.isalnum() else rf"\x{{{code:x}}}"
