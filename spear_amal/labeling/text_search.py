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

from spear_amal.labeling.byte_search import WordSearch, count_within
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
        found, odd = [self._words.find(chunk)], _NO_ROWS
        if any(need.lowered for need in self._needs) and not _is_ascii(chunk):
            odd = _rows_with_odd_letters(chunk)
            if self._lowered_words is not None:
                found.append(_find_in_lower_case(self._lowered_words, chunk))
        pairs = _distinct(np.concatenate(found))
        cuts = np.searchsorted(pairs, np.arange(len(self._needs) + 1) * len(chunk))
        return [
            _candidates(need, pairs[cuts[k] : cuts[k + 1]] - k * len(chunk), odd)
            for k, need in enumerate(self._needs)
        ]


_NO_ROWS = np.empty(0, np.int64)


def _candidates(need: RequiredLiterals, rows: np.ndarray, odd: np.ndarray) -> Candidates:
    """Candidates of one LF, given the rows with its words and those with odd letters."""
    further = odd if need.lowered else _NO_ROWS
    if need.proof:
        return Candidates(rows, further[~np.isin(further, rows)] if len(further) else further)
    return Candidates(
        _NO_ROWS, _distinct(np.concatenate([rows, further])) if len(further) else rows
    )


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """Return numbers from 0 on in order, each once; faster than ``np.unique``."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


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
        ends, stops = starts + self._lengths[words], chunk.offsets[rows + 1]
        counts = (ends <= stops) * self._counts[words]
        if chunk.missing is not None:
            counts *= ~chunk.missing[rows]
        match = np.repeat(np.arange(len(words)), counts)
        owner = self._firsts[words[match]] + count_within(counts)
        starts, ends, rows, stops = starts[match], ends[match], rows[match], stops[match]
        before = self._before[owner] & (starts > chunk.offsets[rows])
        behind = self._behind[owner] & (ends < stops)
        fits = ~_is_word_letter(chunk.data, starts - 1, before)
        fits &= ~_is_word_letter(chunk.data, ends, behind)
        return self._needs[owner[fits]] * len(chunk) + rows[fits]


def _is_word_letter(data: np.ndarray, places: np.ndarray, asked: np.ndarray) -> np.ndarray:
    r"""Return where the letter with the byte at a place is of the class ``\w``, (places,).

    False where it is not asked for; `places` may then lie outside the data.
    """
    byte = data.take(places, mode="clip")
    of_class = _ASCII_WORD_LETTERS[byte] & asked
    beyond = np.flatnonzero((byte >= 0x80) & asked)
    if len(beyond):
        first = places[beyond]
        for _ in range(3):  # back to the first byte of the letter
            first = first - (data[first] & 0xC0 == 0x80)
        codes, which = np.unique(_code_points(data, first), return_inverse=True)
        of_class[beyond] = np.array([chr(code).isalnum() for code in codes.tolist()])[which]
    return of_class


_ASCII_WORD_LETTERS = np.array(
    [chr(c).isalnum() or c == ord("_") for c in range(128)] + [False] * 128
)


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
    return _distinct(_ODD_WORDS.find(chunk))


_ODD_WORDS = _OwnedWords([_Word(c.encode(), False, 0, (False, False)) for c in ODD_LETTERS])


def _find_in_lower_case(words: _OwnedWords, chunk: TextChunk) -> np.ndarray:
    """Return LFs and rows as :meth:`_OwnedWords.find` does, of the texts in lower case.

    The words are not of ASCII, so that texts of ASCII hold none of them.
    """
    first, last = chunk.offsets[[0, -1]]
    beyond = np.flatnonzero(chunk.data[first:last] & 0x80) + first
    beyond = beyond.astype(chunk.offsets.dtype, copy=False)
    rows = _distinct(np.searchsorted(chunk.offsets, beyond, side="right") - 1)
    if chunk.missing is not None:
        rows = rows[~chunk.missing[rows]]
    found, start = [np.empty(0, np.int64)], 0
    for lowered in chunks_of_texts([chunk.text(row).lower() for row in rows.tolist()]):
        need, place = np.divmod(words.find(lowered), len(lowered))
        found.append(need * len(chunk) + rows[start + place])
        start += len(lowered)
    return np.concatenate(found)
