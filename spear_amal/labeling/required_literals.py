"""What a text must hold for a labelling function to fire: words, read out of its pattern.

Most LFs fire on few texts, and a text can only match if it holds one of some words that the LF
needs. Words are looked for much faster than patterns (:mod:`spear_amal.labeling.text_search`), and
of some patterns a word is all that there is to find.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

try:
    # The parser of `re` has no public name; without it patterns are searched as they are.
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    parser = None

# Shorter literals are in most texts; more alternatives cost as much as the pattern.
SHORTEST = 2
MOST_ALTERNATIVES = 16
# Strings that a pattern may stand for and still be looked for as words, and repeats among them.
MOST_STRINGS = 64
MOST_REPEATS = 4
# A longer pattern takes longer to read than its words can save.
LONGEST_PATTERN = 10_000


@dataclass(frozen=True)
class RequiredLiterals:
    """What a text must hold for an LF to fire.

    Attributes
    ----------
    words : tuple of str
        One of them at least.
    lowered : bool
        In the lower-cased text. A text with letters that only some ways of comparing without case
        take for letters of ASCII (:func:`.letter_cases.odd_letters`) may match
        without a word.
    proof : bool
        Whether a word is all that it takes, and every text that holds one matches.
    alone : pair of bool
        With a proof: whether a letter, digit or underscore before the word, and one behind it,
        disprove it.
    """

    words: tuple[str, ...]
    lowered: bool = False
    proof: bool = False
    alone: tuple[bool, bool] = (False, False)


def needed_by(pattern: re.Pattern[str]) -> RequiredLiterals | None:
    r"""Return the words that a text must hold to match; None if nothing of use is known.

    Examples
    --------
    >>> needed_by(re.compile(r"(won|win)ner.*prize", re.IGNORECASE))
    RequiredLiterals(words=('prize',), lowered=True, proof=False, alone=(False, False))
    >>> needed_by(re.compile(r"\bprizes?\b"))
    RequiredLiterals(words=('prize', 'prizes'), lowered=False, proof=True, alone=(True, True))
    """
    need = _proof(pattern) or RequiredLiterals(tuple(needed_words(pattern)))
    if not need.words or not pattern.flags & re.IGNORECASE:
        return need if need.words else None
    if not "".join(need.words).isascii():  # other letters match without case in their own ways
        return None
    return replace(need, words=tuple(word.lower() for word in need.words), lowered=True)


def searcher(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Make a test that equals ``pattern.search(text) is not None``.

    Examples
    --------
    >>> test = searcher(re.compile(r"(won|win)ner.*prize"))
    >>> test("a winner of a prize"), test("no prize")
    (True, False)
    """
    search, words = pattern.search, needed_words(pattern)
    if not words:
        return lambda text: search(text) is not None
    if pattern.flags & re.IGNORECASE:
        words = [word.lower() for word in words]

        def test_any_case(text: str) -> bool:
            # Beyond ASCII, letters that match without case need not be equal in lower case.
            if text.isascii() and not holds_any(text.lower(), words):
                return False
            return search(text) is not None

        return test_any_case

    return lambda text: holds_any(text, words) and search(text) is not None


def holds_any(text: str, words: Iterable[str]) -> bool:
    """Return whether one of the words is part of the text."""
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
    words = _needed(_parsed(pattern))
    usable = words and min(map(len, words)) >= SHORTEST and len(words) <= MOST_ALTERNATIVES
    ignores_case = bool(pattern.flags & re.IGNORECASE)
    return words if usable and (not ignores_case or "".join(words).isascii()) else []


def _parsed(pattern: re.Pattern[str]) -> list[Any]:
    """Return what a pattern is a sequence of; nothing if that is not known."""
    if parser is None or len(pattern.pattern) > LONGEST_PATTERN:
        return []
    try:
        return list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    except RecursionError:  # deeper than can be looked into, if not than can be searched
        return []


def _needed(sequence: Any) -> list[str]:
    """Best set of alternatives among the parts of a sequence: all parts must match."""
    options = []
    for is_literal, run in itertools.groupby(sequence, lambda item: item[0] is parser.LITERAL):
        if is_literal:
            options.append(["".join(chr(code) for _, code in run)])
        else:
            options += [_needed_of(operator, argument) for operator, argument in run]
    usable = [words for words in options if words]
    return max(usable, key=lambda words: (min(map(len, words)), -len(words)), default=[])


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


def _proof(pattern: re.Pattern[str]) -> RequiredLiterals | None:
    """Return words, one of which is all that a text must hold to match; None if it is not so."""
    items = _without_free_ends(_parsed(pattern))
    before, after = (_bound(items[:1], -1), _bound(items[-1:], 1)) if len(items) > 1 else ("", "")
    inner = items[bool(before) : len(items) - bool(after)]
    if before == after == "":
        inner = _with_fewest_repeats(inner)
    if after == "change" and inner and _is_any_word_end(inner[-1]):
        inner, after = inner[:-1], "rest"
    words = _all_strings(inner) if inner else set()
    if not words or "" in words:
        return None
    if (before or after) and pattern.flags & re.ASCII:  # fewer letters are part of words there
        return None
    if before == "change" and not all(_in_word(word[0]) for word in words):
        return None
    if after in ("change", "rest") and not all(_in_word(word[-1]) for word in words):
        return None
    alone = (bool(before), bool(after) and after != "rest")
    return RequiredLiterals(tuple(sorted(words)), proof=True, alone=alone)


def _without_free_ends(items: list[Any]) -> list[Any]:
    r"""Return a sequence without what may be empty at its ends, such as ``s?`` and ``\w*``."""
    start, stop = 0, len(items)
    while start < stop and _least(items[start]) == 0:
        start += 1
    while start < stop and _least(items[stop - 1]) == 0:
        stop -= 1
    return items[start:stop]


def _with_fewest_repeats(items: list[Any]) -> list[Any]:
    """Return a sequence of which the ends are repeated no more often than they must."""
    for end in (0, -1):
        if items and (least := _least(items[end])):
            operator, (_, _, inner) = items[end]
            items = [*items]
            items[end] = (operator, (least, least, inner))
    return items


def _least(item: Any) -> int | None:
    """Return how often an item is repeated at least; None if it is no repeat that can give way."""
    operator, argument = item
    return argument[0] if str(operator) in ("MAX_REPEAT", "MIN_REPEAT") else None


# How the parser writes one letter, digit or underscore.
_WORD_LETTER = "[(IN, [(CATEGORY, CATEGORY_WORD)])]"


def _is_any_word_end(item: Any) -> bool:
    r"""Return whether an item is ``\w*``."""
    _, argument = item
    return _least(item) == 0 and str(argument) == f"(0, MAXREPEAT, {_WORD_LETTER})"


def _bound(items: list[Any], side: int) -> str:
    r"""Return how an end of a word is asked for: as a "change" (``\b``), as "no letter", or ""."""
    for operator, argument in items:
        if str(operator) == "AT":
            return "change" if str(argument) == "AT_BOUNDARY" else ""
        if str(operator) == "ASSERT_NOT" and str(argument) == f"({side}, {_WORD_LETTER})":
            return "no letter"
    return ""


def _in_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _all_strings(items: Iterable[Any]) -> set[str]:
    """Return all strings that a sequence matches; none if they are many or not known."""
    strings = {""}
    for operator, argument in items:
        options = _strings_of(str(operator), argument)
        if len(strings) * len(options) > MOST_STRINGS:
            return set()
        strings = {start + end for start in strings for end in options}
    return strings


def _strings_of(name: str, argument: Any) -> set[str]:
    if name == "LITERAL":
        return {chr(argument)}
    if name == "IN":
        codes = [_codes(str(kind), value) for kind, value in argument]
        return set(map(chr, itertools.chain(*codes))) if all(codes) else set()
    if name == "SUBPATTERN":
        _, added_flags, removed_flags, inner = argument
        return set() if added_flags or removed_flags else _all_strings(inner)
    if name == "BRANCH":
        branches = [_all_strings(branch) for branch in argument[1]]
        return set().union(*branches) if all(branches) else set()
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        if most > MOST_REPEATS:
            return set()
        repeated = [_all_strings(list(inner) * times) for times in range(least, most + 1)]
        return set().union(*repeated) if all(repeated) else set()
    return set()


def _codes(kind: str, value: Any) -> Iterable[int]:
    """Return the characters of a part of a set, none if they are many or not known."""
    if kind == "LITERAL":
        return [value]
    few = kind == "RANGE" and value[1] - value[0] < MOST_STRINGS
    return range(value[0], value[1] + 1) if few else []


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
