"""A quick look for words before a regular expression is searched; it changes no result.

``word in text`` is much faster than ``pattern.search(text)``, and most patterns of
labelling functions hold a word that most texts do not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

try:
    # The parser of `re` has no public name; without it patterns are searched as they are.
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    parser = None

# Shorter literals are in most texts; more alternatives cost as much as the pattern.
SHORTEST = 2
MOST_ALTERNATIVES = 16


@dataclass(frozen=True)
class Needed:
    """What a text must hold for an LF to fire.

    Attributes
    ----------
    words : tuple of str
        One of them at least.
    lowered : bool
        In the lower-cased text.
    ascii_only : bool
        True of ASCII texts only; any other text may match without them.
    proof : {"", "part", "word"}
        Whether a word found is all that it takes: not at all, anywhere in the text, or where no
        letter, digit or underscore touches it.
    """

    words: tuple[str, ...]
    lowered: bool = False
    ascii_only: bool = False
    proof: str = ""


def needed_by(pattern: re.Pattern[str]) -> Needed | None:
    r"""Say what a text must hold to match; None if nothing of use is known.

    Examples
    --------
    >>> needed_by(re.compile(r"(won|win)ner.*prize", re.IGNORECASE))
    Needed(words=('prize',), lowered=True, ascii_only=True, proof='')
    """
    words = tuple(needed_words(pattern))
    if not words:
        return None
    if not pattern.flags & re.IGNORECASE:
        return Needed(words)
    # Beyond ASCII, letters that match without case need not be equal in lower case.
    return Needed(tuple(word.lower() for word in words), lowered=True, ascii_only=True)


def searcher(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Make a test that equals ``pattern.search(text) is not None``.

    Examples
    --------
    >>> test = searcher(re.compile(r"(won|win)ner.*prize"))
    >>> test("a winner of a prize"), test("no prize")
    (True, False)
    """
    search, need = pattern.search, needed_by(pattern)
    if need is None:
        return lambda text: search(text) is not None
    words = need.words
    if need.lowered:

        def test_any_case(text: str) -> bool:
            if text.isascii() and not holds_any(text.lower(), words):
                return False
            return search(text) is not None

        return test_any_case

    return lambda text: holds_any(text, words) and search(text) is not None


def holds_any(text: str, words: Iterable[str]) -> bool:
    """Tell whether one of the words is part of the text."""
    for word in words:
        if word in text:
            return True
    return False


def needed_words(pattern: re.Pattern[str]) -> list[str]:
    r"""Return words of which every text that matches holds at least one; empty if there are none.

    Examples
    --------
    >>> needed_words(re.compile(r"( |^)(call|ring)s? \w+ free"))
    [' free']
    """
    if parser is None:
        return []
    words = _needed(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    usable = words and min(map(len, words)) >= SHORTEST and len(words) <= MOST_ALTERNATIVES
    ignores_case = bool(pattern.flags & re.IGNORECASE)
    return words if usable and (not ignores_case or "".join(words).isascii()) else []


def _needed(sequence: Any) -> list[str]:
    """Best set of alternatives among the parts of a sequence: all parts must match."""
    options = []
    for is_literal, run in itertools.groupby(sequence, lambda item: item[0] is parser.LITERAL):
        if is_literal:
            options.append(["".join(chr(code) for _, code in run)])
        else:
            options += [_needed_of(operator, argument) for operator, argument in run]
    found = [words for words in options if words]
    return max(found, key=lambda words: (min(map(len, words)), -len(words)), default=[])


def _needed_of(operator: Any, argument: Any) -> list[str]:
    name = str(operator)
    if name == "SUBPATTERN":
        _, added_flags, removed_flags, inner = argument
        return [] if added_flags or removed_flags else _needed(inner)
    if name == "ATOMIC_GROUP":
        return _needed(argument)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, inner = argument
        return _needed(inner) if least else []
    if name == "BRANCH":
        branches = [_needed(branch) for branch in argument[1]]
        return sorted(set(itertools.chain(*branches))) if all(branches) else []
    return []


def any_of(words: Iterable[str]) -> str:
    r"""Return a pattern of any of the words, the longest possible first.

    Common beginnings are written once, so that the time to search does not grow with the number
    of words.

    Examples
    --------
    >>> any_of(["new", "new york", "newark"])
    '(?:new(?:\\ york|ark)?)'
    """
    ordered = sorted(set(words))
    branches = []
    for _, group in itertools.groupby((word for word in ordered if word), lambda word: word[0]):
        same = list(group)
        start = _common_start(same[0], same[-1])
        rest = any_of(word[len(start) :] for word in same) if len(same) > 1 else ""
        branches.append(re.escape(start) + rest)
    return f"(?:{'|'.join(branches)})" + ("?" if "" in ordered[:1] else "")


def _common_start(first: str, last: str) -> str:
    """Beginning that two words, and all words sorted between them, have in common."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in pairs)
