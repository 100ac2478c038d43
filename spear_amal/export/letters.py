"""What Python says of single characters, as tables and classes that other programs can go by."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

#: The capital sigma, whose small form depends on its neighbours.
SIGMA, FINAL_SIGMA = "\N{GREEK CAPITAL LETTER SIGMA}", "\N{GREEK SMALL LETTER FINAL SIGMA}"
CASED, IGNORABLE = 1, 2
_SURROGATES = range(0xD800, 0xE000)  # halves of characters, which no UTF-8 holds


@cache
def characters() -> tuple[str, ...]:
    """Return every character that UTF-8 can hold."""
    return tuple(chr(code) for code in range(sys.maxunicode + 1) if code not in _SURROGATES)


@cache
def assigned_characters() -> tuple[str, ...]:
    """Return the characters that Unicode says something of."""
    return tuple(one for one in characters() if unicodedata.category(one) not in ("Cn", "Co"))


def changed_by(function: Callable[[str], str]) -> dict[str, str]:
    """Return what a function makes of single assigned characters, where it changes them.

    Examples
    --------
    >>> changed_by(str.lower)["A"], changed_by(str.lower)["É"]
    ('a', 'é')
    """
    return {one: made for one in assigned_characters() if (made := function(one)) != one}


def class_of(letters: Iterable[str]) -> str:
    r"""Return characters as a class for RE2.

    Examples
    --------
    >>> print(class_of("cab_"))
    [\x{5f}\x{61}-\x{63}]
    """
    ranges: list[list[int]] = []
    for code in sorted(map(ord, letters)):
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    parts = (f"\\x{{{a:x}}}" if a == b else f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in ranges)
    return f"[{''.join(parts)}]"


@cache
def word_class() -> str:
    r"""Return the characters of words, as Python's ``\w`` has them, as a class for RE2."""
    return class_of(re.findall(r"\w", "".join(characters())))


@cache
def space_class() -> str:
    """Return the characters that ``str.strip`` takes away, as a class for RE2."""
    return class_of(one for one in characters() if one.isspace())


@cache
def case_kinds() -> dict[str, int]:
    """Return which characters decide on the form of a sigma (CASED), or are passed over."""
    kinds = {}
    for one in assigned_characters():
        if f"A{SIGMA}{one}".lower()[1] != FINAL_SIGMA:
            kinds[one] = CASED
        elif f"A{SIGMA}{one}A".lower()[1] != FINAL_SIGMA:
            kinds[one] = IGNORABLE
    return kinds
