"""Search for many words in bytes, in one pass of array operations.

A table says of four bytes at an even place whether some word has them at its beginning. Each word
stands in it twice, as it is seen when it begins at an even and at an odd place, so that one look
for every second byte is enough. What the table lets through is compared byte by byte.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Sequence

import numpy as np

# Bytes that are searched at a time. The arrays for them take eight times as many.
BLOCK = 1 << 20
# The bit that lower-case letters of ASCII have and upper-case ones have not.
CASE_BIT = 0x20
LETTERS = frozenset(string.ascii_letters.encode())
# Entries of a table for each key that is stored: few other bytes then share a key.
SPARSENESS = 16
# Odd numbers, by which pairs of bytes are mixed.
MIX = 2_654_435_769, 2_246_822_519

# Where words begin (matches,) and which words they are (matches,).
Matches = tuple[np.ndarray, np.ndarray]


class WordSearch:
    """Finds words in bytes.

    Parameters
    ----------
    words : sequence of bytes
        None empty.
    folded : sequence of bool
        Which of them are found in any case of their ASCII letters.

    Attributes
    ----------
    lengths : array of int of shape (words,)

    Examples
    --------
    >>> search = WordSearch([b"won", b"Prize"], [True, False])
    >>> data = np.frombuffer(b"You WON a Prize, won a prize", np.uint8)
    >>> starts, words = search.find(data)
    >>> sorted(zip(starts.tolist(), words.tolist()))
    [(4, 0), (10, 1), (17, 0)]
    """

    def __init__(self, words: Sequence[bytes], folded: Sequence[bool]) -> None:
        self.lengths = np.fromiter(map(len, words), np.int64, len(words))
        self._letters = _WordLetters(words, self.lengths, folded)
        self._reach = int(self.lengths.max(initial=0)) + 8
        short = np.flatnonzero(self.lengths < 3).tolist()
        long = np.flatnonzero(self.lengths >= 3).tolist()
        self._quads = _QuadTable(words, long) if long else None
        self._pairs = _PairTable(words, folded, short) if short else None

    def find(self, data: np.ndarray) -> Matches:
        """Return all places of all words, in no order; those that overlap too.

        Parameters
        ----------
        data : array of uint8 of shape (bytes,)
        """
        none = np.empty(0, np.int64)
        places, words = [none], [none]
        # A copy of a block with zeros behind it: eight bytes can be read at any place.
        room = np.zeros(min(BLOCK, len(data)) + self._reach + 16, np.uint8)
        for start in range(0, len(data), BLOCK):
            part = data[start : start + BLOCK + self._reach]
            room[: len(part)] = part
            room[len(part) :] = 0
            for found, which in self._in_block(room, min(BLOCK, len(data) - start)):
                places.append(found + start)
                words.append(which)
        return np.concatenate(places), np.concatenate(words)

    def _in_block(self, room: np.ndarray, size: int) -> Iterator[Matches]:
        """Return the words that begin in the first `size` bytes."""
        last = 2 * (size // 2 + 1)
        if self._quads is not None:
            seen = self._quads.seen(room[: last + 2])
            yield self._letters.compared(room, size, *seen)
        if self._pairs is not None:
            for odd in (0, 1):
                starts, words = self._pairs.seen(room[odd : odd + last])
                yield self._letters.compared(room, size, starts + odd, words)


class _WordLetters:
    """Compares words with the bytes at a place, eight at a time."""

    def __init__(self, words: Sequence[bytes], lengths: np.ndarray, folded: Sequence[bool]) -> None:
        # Eights of letters of all words behind one another, and which bits of them count.
        self._eights = (lengths + 7) // 8
        self._firsts = np.cumsum(self._eights) - self._eights
        letters, bits = [], []
        for word, fold in zip(words, folded, strict=True):
            size = -(-len(word) // 8) * 8
            counted = word.translate(_BITS) if fold else b"\xff" * len(word)
            letters.append(word.ljust(size, b"\0"))
            bits.append(counted.ljust(size, b"\0"))
        self._letters = np.frombuffer(b"".join(letters), "<u8")
        self._bits = np.frombuffer(b"".join(bits), "<u8")

    def compared(
        self, room: np.ndarray, size: int, starts: np.ndarray, words: np.ndarray
    ) -> Matches:
        """Return those of the places in the first `size` bytes where the word really stands."""
        at = np.ndarray((len(room) - 7,), "<u8", room, 0, (1,))
        equal = np.flatnonzero(self._differ(at[starts], self._firsts[words]) == 0)
        starts, words = starts[equal], words[equal]
        inside = (starts >= 0) & (starts < size)
        if not inside.all():
            starts, words = starts[inside], words[inside]
        depth = 1
        while len(long := np.flatnonzero(self._eights[words] > depth)):
            further = self._differ(at[starts[long] + 8 * depth], self._firsts[words[long]] + depth)
            equal = np.ones(len(starts), bool)
            equal[long] = further == 0
            starts, words = starts[equal], words[equal]
            depth += 1
        return starts, words

    def _differ(self, seen: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the bits in which eights of bytes differ from those of words."""
        seen ^= self._letters[places]
        seen &= self._bits[places]
        return seen


# Bits of a byte that count where case does not.
_BITS = bytes(0xFF ^ CASE_BIT * (byte in LETTERS) for byte in range(256))


class _Table:
    """What may stand where a key is seen: words, and how far behind their beginning.

    Parameters
    ----------
    size : int
        One more than the largest key.
    keys, words, offsets : arrays of int of shape (entries,)
    """

    def __init__(self, size: int, keys: np.ndarray, words: np.ndarray, offsets: np.ndarray) -> None:
        # In the order of keys, and each once: an open byte may lead to one key in several ways.
        packed = np.unique((keys << 40) | (words << 4) | (offsets + 1))
        self._words, self._offsets = (packed >> 4) & 0xFFFFFFFFF, (packed & 0xF) - 1
        self._counts = np.bincount(packed >> 40, minlength=size).astype(np.int32)
        self._firsts = np.cumsum(self._counts, dtype=np.int32) - self._counts
        self._known = self._counts > 0

    def looked_up(self, keys: np.ndarray) -> Matches:
        """Return where words may begin, given a key for every second place from 0 on."""
        hits = np.flatnonzero(self._known.take(keys, mode="clip"))
        keys = keys[hits]
        entries, counts = self._firsts[keys], self._counts[keys]
        several = np.flatnonzero(counts > 1)
        if len(several):
            counts = counts[several] - 1
            before = np.repeat(np.cumsum(counts) - counts, counts)
            further = np.repeat(entries[several] + 1, counts) + np.arange(len(before)) - before
            entries = np.concatenate([entries, further])
            hits = np.concatenate([hits, np.repeat(hits[several], counts)])
        hits *= 2
        hits -= self._offsets[entries]
        return hits, self._words[entries]


class _QuadTable(_Table):
    """Words by four of their bytes, whatever the case."""

    def __init__(self, words: Sequence[bytes], which: Sequence[int]) -> None:
        self._bits = max(16, (2 * SPARSENESS * len(which)).bit_length())
        quads, owners, offsets, gaps = [], [], [], []
        for w in which:
            word = words[w]
            # From an even place on; from an odd one, either the bytes behind the first one, or
            # with the one before a word that is too short.
            odd = 1 if len(word) > 4 else -1
            quads += [word[:4].ljust(4), (b" " + word if odd < 0 else word[1:])[:4]]
            owners += [w, w]
            offsets += [0, odd]
            gaps += [3 if len(word) < 4 else -1, 0 if odd < 0 else -1]
        letters, gap = np.frombuffer(b"".join(quads), np.uint8).reshape(-1, 4), np.array(gaps)
        known = np.flatnonzero(gap < 0)
        filled, entries = [letters[known]], [known]
        for place in (0, 3):
            open_ones = np.flatnonzero(gap == place)
            each = np.repeat(letters[open_ones], 256, axis=0)
            each[:, place] = np.tile(np.arange(256), len(open_ones))
            filled.append(each)
            entries.append(np.repeat(open_ones, 256))
        keys = self._keys(np.concatenate(filled).view("<u2"))[::2].astype(np.int64)
        every = np.concatenate(entries)
        super().__init__(1 << self._bits, keys, np.array(owners)[every], np.array(offsets)[every])

    def seen(self, data: np.ndarray) -> Matches:
        """Return where words may begin, and which, by each four bytes from an even place on."""
        return self.looked_up(self._keys(data.view("<u2")))

    def _keys(self, pairs: np.ndarray) -> np.ndarray:
        """Return a key for each two pairs of bytes that follow each other."""
        pairs = (pairs | np.uint16(CASE_BIT * 0x101)).ravel()
        if self._bits == 16:
            return pairs[:-1] * np.uint16(MIX[0] & 0xFFFF) + pairs[1:] * np.uint16(MIX[1] & 0xFFFF)
        keys = np.multiply(pairs[:-1], MIX[0], dtype=np.uint32)
        keys += np.multiply(pairs[1:], MIX[1], dtype=np.uint32)
        keys >>= np.uint32(32 - self._bits)
        return keys


class _PairTable(_Table):
    """Words of one byte or two; the keys are pairs of bytes as they are."""

    def __init__(
        self, words: Sequence[bytes], folded: Sequence[bool], which: Sequence[int]
    ) -> None:
        keys, owners = [], []
        for w in which:
            cases = [[c, c ^ CASE_BIT * (folded[w] and c in LETTERS)] for c in words[w]]
            for low, high in itertools.product(cases[0], cases[1] if cases[1:] else range(256)):
                keys.append(low | high << 8)
                owners.append(w)
        super().__init__(1 << 16, np.array(keys), np.array(owners), np.zeros(len(keys), np.int64))

    def seen(self, data: np.ndarray) -> Matches:
        """Return where words begin, and which, by each two bytes from an even place on."""
        return self.looked_up(data.view("<u2"))
