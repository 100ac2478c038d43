"""Search for the words of many labelling functions in a column of texts, in one pass.

Most LFs fire on few texts, and a text can only match if it holds one of some words that the LF
needs (:mod:`spear_amal.labeling.text_search`). So the texts are joined, all words of all LFs are
looked for in the joined text at once, and an LF's own test runs on those texts only that hold one
of its words. The votes are those of the tests: a word found too often costs a test, never a vote.

A quick look for words before a regular expression is searched; it changes no result.

``word in text`` is much faster than ``pattern.search(text)``, and most patterns of
labelling functions hold a word that most texts do not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.labeling.cell_values import is_missing

AhoCorasick: Any
try:
    from ahocorasick_rs import AhoCorasick
except ImportError:  # the extra `fast`
    AhoCorasick = None

# Half of a pair of code units that stands alone, as "surrogateescape" makes: UTF-8 has none.
_SURROGATE = re.compile("[\ud800-\udfff]")
# What may stand between joined texts: control characters, which change the case of no neighbour.
SEPARATORS = "\x00\x01\x02\x03\x1c\x1d\x1e\x1f"
# Up to so many words a search for each of them is as fast as one for all.
FEW_WORDS = 6
# Without the extra, LFs of more words are tested text by text.
MANY_WORDS = 30
# Letters of texts joined at a time; bounds memory whatever the number of rows.
LETTERS = 1 << 24


class MultiPatternSearch:
    """Finds the texts on which each of several LFs can fire.

    Parameters
    ----------
    needs : sequence of RequiredLiterals

    Examples
    --------
    >>> search = MultiPatternSearch(
    ...     [RequiredLiterals(("won",), lowered=True), RequiredLiterals(("Prize",))]
    ... )
    >>> [rows.tolist() for rows in search.candidates(["You WON", "a Prize", "prize won"])]
    [[0, 2], [1]]
    """

    def __init__(self, needs: Sequence[RequiredLiterals]) -> None:
        self._needs = needs
        words = {letter for need in needs for word in need.words for letter in word}
        # No word may hold the separator either: it would be found where two texts meet.
        self._separators = [letter for letter in SEPARATORS if letter not in words]
        # Without a separator texts are not joined, and nothing is searched.
        unused = "".join(self._separators[:1])
        self._matchers = {
            lowered: _Matcher([(k, n) for k, n in enumerate(needs) if n.lowered == lowered], unused)
            for lowered in {need.lowered for need in needs}
        }

    def candidates(self, texts: Sequence[str]) -> list[np.ndarray] | None:
        """Numbers of the texts that each LF may fire on, in order; a list as long as `needs`.

        An LF with a proof fires on them. None if the texts cannot be joined.
        """
        rows_of: list[list[np.ndarray]] = [[np.empty(0, np.int64)] for _ in self._needs]
        for start, stop in _spans(texts):
            hits = self._span(texts[start:stop])
            if hits is None:
                return None
            for k, rows in enumerate(hits):
                rows_of[k].append(rows + start)
        return [np.concatenate(parts) for parts in rows_of]

    def _span(self, texts: Sequence[str]) -> list[np.ndarray] | None:
        separator, joined = _join(texts, self._separators)
        if not separator:
            return None
        hits: list[np.ndarray] = [np.empty(0, np.int64)] * len(self._needs)
        for lowered, matcher in self._matchers.items():
            haystack, starts = _haystack(joined, texts, separator, lowered)
            for k, places in matcher.find(haystack).items():
                # The texts in order, each once: unique() would sort again.
                rows = np.searchsorted(starts, np.sort(places), side="right") - 1
                hits[k] = rows[np.diff(rows, prepend=-1) > 0]
        if joined.isascii():
            return hits
        beyond = np.flatnonzero(np.fromiter((not t.isascii() for t in texts), bool, len(texts)))
        return [
            np.union1d(rows, beyond) if need.ascii_only else rows
            for rows, need in zip(hits, self._needs, strict=True)
        ]


class _Matcher:
    """Finds the words of some LFs in one text; `unused` is a character that no word holds."""

    def __init__(self, needs: Sequence[tuple[int, RequiredLiterals]], unused: str) -> None:
        owners: dict[str, list[tuple[int, bool]]] = {}
        for k, need in needs:
            for word in need.words:
                owners.setdefault(word, []).append((k, need.proof == "word"))
        self._words, self._owners = list(owners), list(owners.values())
        self._alone = any(alone for pairs in self._owners for _, alone in pairs)
        self._unused = unused
        many = AhoCorasick is not None and len(owners) > FEW_WORDS
        encoded = not any(map(_SURROGATE.search, self._words))
        self._automaton: Any = AhoCorasick(self._words) if many and encoded else None

    def find(self, haystack: str) -> dict[int, np.ndarray]:
        """Places where a word of each LF begins, unordered."""
        places = self._by_automaton(haystack) if self._automaton else self._one_by_one(haystack)
        letters = _letters(haystack) if self._alone else np.empty(0, np.uint32)
        parts: dict[int, list[np.ndarray]] = {}
        for word, owners, starts in zip(self._words, self._owners, places, strict=True):
            for k, alone in owners:
                whole = starts[_stands_alone(letters, starts, len(word))] if alone else starts
                parts.setdefault(k, []).append(whole)
        return {k: np.concatenate(starts) for k, starts in parts.items()}

    def _by_automaton(self, haystack: str) -> list[np.ndarray]:
        try:
            matches = self._automaton.find_matches_as_indexes(haystack, overlapping=True)
        except UnicodeEncodeError:
            haystack = _SURROGATE.sub(self._unused, haystack)  # no letter moves
            matches = self._automaton.find_matches_as_indexes(haystack, overlapping=True)
        flat = np.fromiter(itertools.chain.from_iterable(matches), np.int64, 3 * len(matches))
        words, starts = flat.reshape(-1, 3)[:, 0], flat.reshape(-1, 3)[:, 1]
        order = np.argsort(words, kind="stable")
        cuts = np.searchsorted(words[order], np.arange(1, len(self._words)))
        return np.split(starts[order], cuts)

    def _one_by_one(self, haystack: str) -> list[np.ndarray]:
        return [np.array(list(_places(haystack, word)), dtype=np.int64) for word in self._words]


def _letters(haystack: str) -> np.ndarray:
    """Code points, with one more at each end that is part of no word."""
    return np.frombuffer(f" {haystack} ".encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _stands_alone(letters: np.ndarray, places: np.ndarray, length: int) -> np.ndarray:
    r"""Return where no character of the class ``\w`` touches a word of some length, (places,)."""
    touching, which = np.unique(
        np.concatenate([letters[places], letters[places + length + 1]]), return_inverse=True
    )
    word = np.array([chr(c).isalnum() or chr(c) == "_" for c in touching.tolist()], dtype=bool)
    before, after = word[which].reshape(2, -1)
    return ~(before | after)


def _places(haystack: str, word: str) -> Iterable[int]:
    place = haystack.find(word)
    while place >= 0:
        yield place
        place = haystack.find(word, place + 1)


def _haystack(
    joined: str, texts: Sequence[str], separator: str, lowered: bool
) -> tuple[str, np.ndarray]:
    """Text to search, and where each of the texts begins in it."""
    if not lowered:
        return joined, _starts(texts)
    lower = joined.lower()
    # Lower case never is shorter, so that an equal length means letter by letter.
    return lower, _starts(texts if len(lower) == len(joined) else lower.split(separator))


def _starts(texts: Sequence[str]) -> np.ndarray:
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    return np.cumsum(lengths) - lengths


def _join(texts: Sequence[str], separators: Iterable[str]) -> tuple[str, str]:
    """Return a character that no text holds, and the texts joined by it; "" if each one occurs."""
    for separator in separators:
        joined = separator.join(texts)
        if joined.count(separator) == len(texts) - 1:
            return separator, joined
    return "", ""


def _spans(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Spans of texts of a bounded number of letters, at least one text each."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = 0
    while start < len(texts):
        base = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, base + LETTERS, side="right")), start + 1)
        yield start, stop
        start = stop


def as_texts(values: list[Any]) -> list[str] | None:
    """Return texts, missing values as empty ones; None if something else is among them."""
    if set(map(type, values)) <= {str}:
        return values
    texts = ["" if is_missing(value) else value for value in values]
    return texts if all(isinstance(text, str) for text in texts) else None


def can_join(need: RequiredLiterals | None) -> bool:
    """Return whether a search for the words of an LF in the joined texts is worth it."""
    return need is not None and (AhoCorasick is not None or len(need.words) <= MANY_WORDS)


try:
    # The parser of `re` has no public name; without it patterns are searched as they are.
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    parser = None

# Shorter literals are in most texts; more alternatives cost as much as the pattern.
SHORTEST = 2
MOST_ALTERNATIVES = 16
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


def needed_by(pattern: re.Pattern[str]) -> RequiredLiterals | None:
    r"""Return the words that a text must hold to match; None if nothing of use is known.

    Examples
    --------
    >>> needed_by(re.compile(r"(won|win)ner.*prize", re.IGNORECASE))
    RequiredLiterals(words=('prize',), lowered=True, ascii_only=True, proof='')
    """
    words = tuple(needed_words(pattern))
    if not words:
        return None
    if not pattern.flags & re.IGNORECASE:
        return RequiredLiterals(words)
    # Beyond ASCII, letters that match without case need not be equal in lower case.
    return RequiredLiterals(tuple(word.lower() for word in words), lowered=True, ascii_only=True)


def searcher(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Make a test that equals ``pattern.search(text) is not None``.

    Examples
    --------
    >>> test = searcher(re.compile(r"(won|win)ner.*prize"))
    >>> test("a winner of a prize"), test("no prize")
    (True, False)
    """
    return search_test(pattern, needed_by(pattern))


def search_test(pattern: re.Pattern[str], need: RequiredLiterals | None) -> Callable[[str], bool]:
    """Make the test of :func:`searcher`, given the words that a text must hold to match."""
    search = pattern.search
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
    if parser is None or len(pattern.pattern) > LONGEST_PATTERN:
        return []
    try:
        words = _needed(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))
    except RecursionError:  # deeper than can be looked into, if not than can be searched
        return []
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
