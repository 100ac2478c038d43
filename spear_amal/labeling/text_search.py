"""Search for the words of many labelling functions in a column of texts, in one pass.

Most LFs fire on few texts, and a text can only match if it holds one of some words that the LF
needs (:mod:`spear_amal.labeling.required_literals`). So all words of all LFs are looked for in the
bytes of the column at once. Where a word is all that an LF asks for, that is its vote; else the
LF's own test runs on those texts that hold one of its words. The votes are those of the tests: a
word found too often costs a test, never a vote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spear_amal.labeling.byte_search import WordSearch
from spear_amal.labeling.required_literals import RequiredLiterals
from spear_amal.labeling.text_chunks import TextChunk, chunks_of_texts

# Letters beyond ASCII that lower case, or ``re.IGNORECASE``, takes for "i", "k" or "s".
ODD_LETTERS = "\u0130\u0131\u017f\u212a"
_UTF8 = ("utf-8", "surrogatepass")


class Candidates(NamedTuple):
    """Rows on which an LF can fire, in order; all others hold none of its words.

    Attributes
    ----------
    sure : array of int of shape (s,)
        It fires on them.
    open : array of int of shape (o,)
        Its own test has to say.
    """

    sure: np.ndarray
    open: np.ndarray


class TextScanner:
    """Finds the texts on which each of several LFs can fire.

    Parameters
    ----------
    needs : sequence of RequiredLiterals

    Examples
    --------
    >>> from spear_amal.labeling.text_chunks import text_chunks
    >>> scanner = TextScanner(
    ...     [RequiredLiterals(("won",), lowered=True, proof=True), RequiredLiterals(("Prize",))]
    ... )
    >>> (chunk,) = text_chunks(["You WON", "a Prize", "prize won"])
    >>> [(rows.sure.tolist(), rows.open.tolist()) for rows in scanner.scan(chunk)]
    [([0, 2], []), ([], [1])]
    """

    def __init__(self, needs: Sequence[RequiredLiterals]) -> None:
        self._needs = needs
        as_they_are, in_lower_case = [], []
        for k, need in enumerate(needs):
            for word in need.words:
                if need.lowered and not word.isascii():
                    in_lower_case.append(_Word(word.encode(*_UTF8), False, k, need.alone))
                elif not need.lowered or word == word.lower():  # else no text can hold it
                    as_they_are.append(_Word(word.encode(*_UTF8), need.lowered, k, need.alone))
        self._words = _OwnedWords(as_they_are)
        self._lowered_words = _OwnedWords(in_lower_case) if in_lower_case else None

    def scan(self, chunk: TextChunk) -> list[Candidates]:
        """Return the candidates of each LF among the texts of a chunk; as many as `needs`."""
        numbers = [self._words.find(chunk)]
        odd = np.empty(0, np.int64)
        if any(need.lowered for need in self._needs) and not _is_ascii(chunk):
            odd = _rows_with_odd_letters(chunk)
            if self._lowered_words is not None:
                numbers.append(_find_in_lower_case(self._lowered_words, chunk))
        found = np.sort(np.concatenate(numbers))
        found = found[np.diff(found, prepend=-1) > 0]
        cuts = np.searchsorted(found, np.arange(len(self._needs) + 1) * len(chunk))
        none = np.empty(0, np.int64)
        candidates = []
        for k, need in enumerate(self._needs):
            rows = found[cuts[k] : cuts[k + 1]] - k * len(chunk)
            further = odd if need.lowered else none
            if need.proof:
                candidates.append(Candidates(rows, np.setdiff1d(further, rows)))
            else:
                candidates.append(Candidates(none, np.union1d(rows, further)))
        return candidates


class _Word(NamedTuple):
    """A word of one LF: its bytes, whether case counts, and what must not touch it."""

    letters: bytes
    folded: bool
    need: int
    alone: tuple[bool, bool]


class _OwnedWords:
    """The words of several LFs, each looked for once."""

    def __init__(self, words: Sequence[_Word]) -> None:
        numbers: dict[tuple[bytes, bool], int] = {}
        of = [numbers.setdefault((word.letters, word.folded), len(numbers)) for word in words]
        order = np.argsort(np.array(of, np.int64), kind="stable")
        self._search = WordSearch([w for w, _ in numbers], [folded for _, folded in numbers])
        self._lengths = np.array([len(w) for w, _ in numbers], np.int64)
        self._needs = np.array([word.need for word in words], np.int64)[order]
        alone = np.array([word.alone for word in words], bool).reshape(-1, 2)[order]
        self._before, self._behind = alone[:, 0], alone[:, 1]
        self._counts = np.bincount(np.array(of, np.int64), minlength=len(numbers))
        self._firsts = np.cumsum(self._counts) - self._counts

    def find(self, chunk: TextChunk) -> np.ndarray:
        """Return LFs and rows with a word that counts, as numbers LF * n + row, in no order."""
        first, last = chunk.offsets[[0, -1]]
        starts, words = self._search.find(chunk.data[first:last])
        starts = (starts + first).astype(chunk.offsets.dtype, copy=False)
        rows = np.searchsorted(chunk.offsets, starts, side="right") - 1
        ends = starts + self._lengths[words]
        within = ends <= chunk.offsets[rows + 1]
        if chunk.missing is not None:
            within &= ~chunk.missing[rows]
        match = np.flatnonzero(within)
        counts = self._counts[words[match]]
        match = np.repeat(match, counts)
        place = np.arange(len(match)) - np.repeat(np.cumsum(counts) - counts, counts)
        owner = self._firsts[words[match]] + place
        fits = np.ones(len(match), bool)
        if self._before.any():
            asked = np.flatnonzero(self._before[owner])
            fits[asked] = ~_letter_before(chunk, starts[match[asked]], rows[match[asked]])
        if self._behind.any():
            asked = np.flatnonzero(self._behind[owner] & fits)
            fits[asked] = ~_letter_behind(chunk, ends[match[asked]], rows[match[asked]])
        return self._needs[owner[fits]] * len(chunk) + rows[match[fits]]


def _letter_before(chunk: TextChunk, starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return whether a letter, digit or underscore stands before a place in its text, (places,)."""
    inner = np.flatnonzero(starts > chunk.offsets[rows])
    touched = np.zeros(len(starts), bool)
    places = starts[inner] - 1
    for _ in range(3):  # to the first byte of the letter
        continued = np.flatnonzero(chunk.data[places] & 0xC0 == 0x80)
        if not len(continued):
            break
        places[continued] -= 1
    touched[inner] = _in_word(chunk.data, places)
    return touched


def _letter_behind(chunk: TextChunk, ends: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return whether a letter, digit or underscore stands behind a place in its text, (places,)."""
    inner = np.flatnonzero(ends < chunk.offsets[rows + 1])
    touched = np.zeros(len(ends), bool)
    touched[inner] = _in_word(chunk.data, ends[inner])
    return touched


def _is_word_letter(code: int) -> bool:
    r"""Return whether a character is of the class ``\w``."""
    return chr(code).isalnum() or code == ord("_")


_ASCII_WORD_LETTERS = np.array([code < 128 and _is_word_letter(code) for code in range(256)])


def _in_word(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    r"""Return whether the letters that begin at some places are of the class ``\w``, (places,)."""
    first = data[places]
    inside = _ASCII_WORD_LETTERS[first]
    beyond = np.flatnonzero(first >= 0x80)
    if len(beyond):
        codes, which = np.unique(_code_points(data, places[beyond]), return_inverse=True)
        inside[beyond] = np.array([_is_word_letter(code) for code in codes.tolist()])[which]
    return inside


def _code_points(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the characters beyond ASCII that begin at some places, (places,)."""
    first = data[places].astype(np.int64)
    length = np.where(first >= 0xF0, 4, np.where(first >= 0xE0, 3, 2))
    codes = first & (0x7F >> length)
    for k in (1, 2, 3):
        more = length > k
        codes[more] = codes[more] << 6 | (data[places[more] + k] & 0x3F)
    return codes


def _is_ascii(chunk: TextChunk) -> bool:
    first, last = chunk.offsets[[0, -1]]
    return bool(chunk.data[first:last].max(initial=0) < 0x80)


def _rows_with_odd_letters(chunk: TextChunk) -> np.ndarray:
    """Return the rows that hold one of the odd letters, in order, (rows,)."""
    return np.unique(_ODD_WORDS.find(chunk))


_ODD_WORDS = _OwnedWords([_Word(c.encode(), False, 0, (False, False)) for c in ODD_LETTERS])


def _find_in_lower_case(words: _OwnedWords, chunk: TextChunk) -> np.ndarray:
    """Return LFs and rows as :meth:`_OwnedWords.find` does, of the texts in lower case.

    The words are not of ASCII, so that texts of ASCII hold none of them.
    """
    first, last = chunk.offsets[[0, -1]]
    beyond = np.flatnonzero(chunk.data[first:last] & 0x80) + first
    beyond = beyond.astype(chunk.offsets.dtype, copy=False)
    rows = np.unique(np.searchsorted(chunk.offsets, beyond, side="right") - 1)
    if chunk.missing is not None:
        rows = rows[~chunk.missing[rows]]
    found, start = [np.empty(0, np.int64)], 0
    for lowered in chunks_of_texts([chunk.text(row).lower() for row in rows.tolist()]):
        need, place = np.divmod(words.find(lowered), len(lowered))
        found.append(need * len(chunk) + rows[start + place])
        start += len(lowered)
    return np.concatenate(found)
