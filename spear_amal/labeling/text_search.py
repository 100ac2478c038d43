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

from spear_amal.labeling.byte_search import WordSearch, bits_of_any_case, count_within
from spear_amal.labeling.letter_cases import (
    ENDS_IN_A_MARK,
    SIGMAS,
    as_upper_case,
    odd_letters,
)
from spear_amal.labeling.required_literals import RequiredLiterals, holds_any
from spear_amal.labeling.text_chunks import TextChunk

_UTF8 = ("utf-8", "surrogatepass")
# What it takes to find so many places of words is as much as to search a text by `re`; and to
# search one after its words were found is as much as so many more.
PLACES_OF_A_TEST = 5
PLACES_OF_AN_OPEN_ROW = 8


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


def too_frequent(need: RequiredLiterals, texts: Sequence[str]) -> bool:
    """Return whether a test of every text takes less than to find all the words in them.

    Parameters
    ----------
    need : RequiredLiterals
    texts : sequence of str
        Some of the column, by which it is judged.

    Examples
    --------
    >>> texts = ["a banana and a fox"]
    >>> [too_frequent(RequiredLiterals((word,), proof=True), texts) for word in "ax"]
    [True, False]
    """
    if need.lowered or any(need.alone):  # to compare these takes `re` far longer
        return False
    cost = sum(map("\0".join(texts).count, need.words))
    if not need.proof:
        cost += PLACES_OF_AN_OPEN_ROW * sum(holds_any(text, need.words) for text in texts)
    return cost > PLACES_OF_A_TEST * len(texts)


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
        words = [_Word.of(word, k, need) for k, need in enumerate(needs) for word in need.words]
        self._words = _OwnedWords([word for word in words if word is not None])
        lowered = {word for need in needs if need.lowered for word in need.words}
        self._odd = odd_letters("".join(lowered))
        if any(need.lowered and need.alone[0] for need in needs):
            self._odd += ENDS_IN_A_MARK
        self._lowered = [need.lowered for need in needs]
        # The lower case of a sigma depends on where in a text it stands: it is no proof.
        self._proofs = [
            need.proof and not (need.lowered and any(map(_holds_sigma, need.words)))
            for need in needs
        ]

    def scan(self, chunk: TextChunk) -> list[Candidates]:
        """Return the candidates of each LF among the texts of a chunk; as many as `needs`."""
        pairs = _distinct(self._words.find(chunk))
        odd = _rows_with(self._odd, chunk)
        cuts = np.searchsorted(pairs, np.arange(len(self._proofs) + 1) * len(chunk))
        candidates = []
        for k, proof in enumerate(self._proofs):
            rows = pairs[cuts[k] : cuts[k + 1]] - k * len(chunk)
            further = odd[~np.isin(odd, rows)] if len(odd) and self._lowered[k] else _NO_ROWS
            if proof:
                candidates.append(Candidates(rows, further))
            elif len(further):
                candidates.append(Candidates(_NO_ROWS, _distinct(np.concatenate([rows, further]))))
            else:
                candidates.append(Candidates(_NO_ROWS, rows))
        return candidates


_NO_ROWS = np.empty(0, np.int64)


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """Return numbers from 0 on in order, each once; faster than ``np.unique``."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


class _Word(NamedTuple):
    """A word of one LF: its bytes, which of their bits count, and what must not touch it."""

    letters: bytes
    bits: bytes
    # Set where other letters have the same bits, so that the lower case must be compared.
    lower: str
    need: int
    alone: tuple[bool, bool]

    @classmethod
    def of(cls, word: str, k: int, need: RequiredLiterals) -> _Word | None:
        """Return a word of the LF with number `k`; None if no text can hold it."""
        letters, lower = word.encode(*_UTF8), ""
        if not need.lowered:
            bits = b"\xff" * len(letters)
        elif word != word.lower():
            return None
        elif word.isascii():
            bits = bits_of_any_case(letters)
        else:
            bits, exact = _bits_of_any_case(word)
            lower = "" if exact else word
        return cls(letters, bits, lower, k, need.alone)


def _bits_of_any_case(word: str) -> tuple[bytes, bool]:
    """Return the bits that all letters of which the word is the lower case share, and if no others.

    Sigma, whose lower case depends on its neighbours, is not compared further.
    """
    bits, exact = [], True
    for letter in word:
        letters = letter.encode(*_UTF8)
        others = [other.encode() for other in as_upper_case(letter)]
        open_bits = [0] * len(letters)
        for other in others:
            open_bits = [b | (x ^ y) for b, x, y in zip(open_bits, letters, other, strict=True)]
        exact &= 2 ** sum(b.bit_count() for b in open_bits) == 1 + len(others)
        bits += [0xFF ^ b for b in open_bits]
    return bytes(bits), exact or _holds_sigma(word)


def _holds_sigma(word: str) -> bool:
    return any(letter in SIGMAS for letter in word)


class _OwnedWords:
    """The words of several LFs, each looked for once."""

    def __init__(self, words: Sequence[_Word]) -> None:
        numbers: dict[tuple[bytes, bytes, str], int] = {}
        of = np.array([numbers.setdefault(word[:3], len(numbers)) for word in words], np.int64)
        order = np.argsort(of, kind="stable")
        self._search = WordSearch([letters for letters, *_ in numbers], [b for _, b, _ in numbers])
        self._lower = {number: lower for (*_, lower), number in numbers.items() if lower}
        self._needs = np.array([word.need for word in words], np.int64)[order]
        alone = np.array([word.alone for word in words], bool).reshape(-1, 2)[order]
        self._before, self._behind = alone[:, 0], alone[:, 1]
        self._counts = np.bincount(of, minlength=len(numbers))
        self._firsts = np.cumsum(self._counts) - self._counts

    def find(self, chunk: TextChunk) -> np.ndarray:
        """Return LFs and rows with a word that counts, as numbers LF * n + row, in no order."""
        first, last = chunk.offsets[[0, -1]]
        starts, words = self._search.find(chunk.data[first:last])
        starts = (starts + first).astype(chunk.offsets.dtype, copy=False)
        rows = np.searchsorted(chunk.offsets, starts, side="right") - 1
        ends, stops = starts + self._search.lengths[words], chunk.offsets[rows + 1]
        counts = (ends <= stops) * self._counts[words]
        if self._lower:
            counts *= self._same_in_lower_case(chunk.data, starts, ends, words)
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

    def _same_in_lower_case(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, words: np.ndarray
    ) -> np.ndarray:
        """Return whether places hold their words, where that is open, and not only their bits."""
        same = np.ones(len(words), bool)
        asked = np.flatnonzero(np.isin(words, list(self._lower)))
        letters = data.data
        spans = zip(starts[asked].tolist(), ends[asked].tolist(), strict=True)
        spelt = [bytes(letters[start:end]) for start, end in spans]
        lowered = {part: part.decode(*_UTF8).lower() for part in set(spelt)}  # few, and many places
        wanted = map(self._lower.__getitem__, words[asked].tolist())
        same[asked] = [lowered[part] == word for part, word in zip(spelt, wanted, strict=True)]
        return same


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


def _rows_with(letters: str, chunk: TextChunk) -> np.ndarray:
    """Return the rows that hold one of some letters beyond ASCII, in order, (rows,)."""
    first, last = chunk.offsets[[0, -1]]
    data = chunk.data[first:last]
    if not letters or data.max(initial=0) < 0x80:
        return _NO_ROWS
    places = []
    for letter in map(str.encode, letters):
        pair = np.uint16(letter[0] | letter[1] << 8)
        for odd in (0, 1):
            pairs = data[odd : len(data) - (len(data) - odd) % 2].view("<u2")
            begins = 2 * np.flatnonzero(pairs == pair) + odd
            for k in range(2, len(letter)):
                begins = begins[data.take(begins + k, mode="clip") == letter[k]]
            places.append(begins)
    begins = (np.concatenate(places) + first).astype(chunk.offsets.dtype, copy=False)
    rows = _distinct(np.searchsorted(chunk.offsets, begins, side="right") - 1)
    return rows if chunk.missing is None else rows[~chunk.missing[rows]]
