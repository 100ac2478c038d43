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

# Bytes that are looked up at a time, few enough for the caches next to a core, and bytes of which
# the hits are compared with words together.
LOOKED_UP = 1 << 18
BLOCK = 1 << 20
# The bit that lower-case letters of ASCII have and upper-case ones have not.
CASE_BIT = 0x20
LETTERS = frozenset(string.ascii_letters.encode())
# Entries of a table for each key that is stored: few other bytes then share a key.
SPARSENESS = 16
# Quads of a word among which the best are chosen.
MOST_QUADS = 32
# Of the first of four bytes four bits count, and of the last one too where keys have 16 bits (the
# other bits are shifted out): a byte that may be any is then only sixteen different ones.
FEW_BITS = np.uint16(0xFF0F)
MIX = 2_654_435_769, 16 * 2_246_822_519 % 2**32

# Where words begin (matches,) and which words they are (matches,).
Matches = tuple[np.ndarray, np.ndarray]


def count_within(counts: np.ndarray) -> np.ndarray:
    """Return 0, 1, .. for the members of each group, one group after the other, (sum of counts,).

    Examples
    --------
    >>> count_within(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


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
        long, short = np.flatnonzero(self.lengths > 2), np.flatnonzero(self.lengths < 3)
        self._quads = _QuadTable(words, long) if len(long) else None
        self._pairs = _PairTable(words, folded, short) if len(short) else None

    def find(self, data: np.ndarray) -> Matches:
        """Return all places of all words, in no order; those that overlap too.

        Parameters
        ----------
        data : array of uint8 of shape (bytes,)
        """
        none = np.empty(0, np.int64)
        found: list[Matches] = [(none, none)]
        # Eight bytes are read wherever a word may begin or go on: the end is copied to more room.
        margin = self._reach + MOST_QUADS + 8
        inner = max(len(data) - margin, 0)
        for start in range(0, inner, BLOCK):
            size = min(BLOCK, inner - start)
            found += self._in_block(data[start : start + size + margin], start, size)
        rest = data[inner:]
        room = np.zeros(2 * margin, np.uint8)
        room[: len(rest)] = rest
        found += self._in_block(room, inner, len(rest))
        return np.concatenate([p for p, _ in found]), np.concatenate([w for _, w in found])

    def _in_block(self, data: np.ndarray, base: int, size: int) -> Iterator[Matches]:
        """Return the words that begin in the first `size` bytes; `base` is where those begin."""
        last = 2 * ((size + MOST_QUADS) // 2 + 1)
        if self._quads is not None:
            starts, words = self._letters.compared(data, size, *self._quads.seen(data[: last + 2]))
            yield starts + base, words
        if self._pairs is not None:
            for odd in (0, 1):
                starts, words = self._pairs.seen(data[odd : odd + last])
                starts, words = self._letters.compared(data, size, starts + odd, words)
                yield starts + base, words


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
        self, data: np.ndarray, size: int, starts: np.ndarray, words: np.ndarray
    ) -> Matches:
        """Return those of the places in the first `size` bytes where the word really stands."""
        at = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
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

    # Bytes of which a key is made beyond the first two.
    _ahead = 0

    def __init__(self, size: int, keys: np.ndarray, words: np.ndarray, offsets: np.ndarray) -> None:
        # In the order of keys, and each once: an open byte may lead to one key in several ways.
        packed = np.unique((keys << 40) | (words << 8) | (offsets + 1))
        self._words, self._offsets = (packed >> 8) & 0xFFFFFFFF, (packed & 0xFF) - 1
        self._counts = np.bincount(packed >> 40, minlength=size).astype(np.int32)
        self._firsts = np.cumsum(self._counts, dtype=np.int32) - self._counts
        self._known = self._counts > 0

    def seen(self, data: np.ndarray) -> Matches:
        """Return where words may begin, and which, by what is seen from each even place on."""
        found, keys_of = [], []
        for start in range(0, len(data), LOOKED_UP):
            keys = self._keys(data[start : start + LOOKED_UP + self._ahead].view("<u2"))
            hits = np.flatnonzero(self._known.take(keys, mode="clip"))
            keys_of.append(keys[hits])
            found.append(hits + start // 2)
        hits, keys = np.concatenate(found), np.concatenate(keys_of)
        entries, counts = self._firsts[keys], self._counts[keys]
        several = np.flatnonzero(counts > 1)
        if len(several):
            counts = counts[several] - 1
            further = np.repeat(entries[several] + 1, counts) + count_within(counts)
            entries = np.concatenate([entries, further])
            hits = np.concatenate([hits, np.repeat(hits[several], counts)])
        return 2 * hits - self._offsets[entries], self._words[entries]

    def _keys(self, pairs: np.ndarray) -> np.ndarray:
        """Return a key for each pair of bytes, by what begins with it."""
        raise NotImplementedError


class _QuadTable(_Table):
    """Words by four of their bytes, whatever the case."""

    _ahead = 2

    def __init__(self, words: Sequence[bytes], which: np.ndarray) -> None:
        self._bits = max(16, (2 * SPARSENESS * len(which)).bit_length())
        # A quad may begin a byte before the word, and end one behind it, with any byte there.
        letters = np.frombuffer(b"".join(b" %b " % words[w] for w in which.tolist()), np.uint8)
        lengths = np.array([len(words[w]) for w in which.tolist()])
        counts = np.minimum(lengths - 1, MOST_QUADS)
        offsets = count_within(counts) - 1
        begins = np.repeat(np.cumsum(lengths + 2) - lengths - 1, counts) + offsets
        quads = letters[begins[:, None] + np.arange(4)]
        owners, keys = np.repeat(which, counts), self._keys_of(quads)
        before, behind = offsets < 0, offsets == np.repeat(lengths - 3, counts)
        shared_by = np.bincount(keys)[keys] + (before | behind) * len(keys)
        place = 2 * owners + (offsets & 1)
        order = np.lexsort((offsets, shared_by, place))
        best = order[np.diff(place[order], prepend=-1) > 0]
        known = best[~(before | behind)[best]]
        entries = [(keys[known], owners[known], offsets[known])]
        for gap, opened in ((0, before), (3, behind)):
            some = best[opened[best]]
            each = np.repeat(quads[some], 256, axis=0)
            each[:, gap] = np.tile(np.arange(256), len(some))
            entries.append((self._keys_of(each), *np.repeat([owners[some], offsets[some]], 256, 1)))
        super().__init__(1 << self._bits, *map(np.concatenate, zip(*entries, strict=True)))

    def _keys(self, pairs: np.ndarray) -> np.ndarray:
        pairs = pairs | np.uint16(CASE_BIT * 0x101)
        return self._mixed(pairs[:-1], pairs[1:])

    def _keys_of(self, quads: np.ndarray) -> np.ndarray:
        """Return the keys of some quads (quads, 4), as integers of 64 bits."""
        pairs = np.ascontiguousarray(quads | np.uint8(CASE_BIT)).view("<u2")
        return self._mixed(pairs[:, 0], pairs[:, 1]).astype(np.int64)

    def _mixed(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return a key for each two pairs of bytes that follow each other."""
        first = first & FEW_BITS
        if self._bits == 16:
            first *= np.uint16(MIX[0] & 0xFFFF)
            first += second * np.uint16(MIX[1] & 0xFFFF)
            return first
        keys = np.multiply(first, MIX[0], dtype=np.uint32)
        keys += np.multiply(second, MIX[1], dtype=np.uint32)
        keys >>= np.uint32(32 - self._bits)
        return keys


class _PairTable(_Table):
    """Words of one byte or two; the keys are pairs of bytes as they are."""

    def __init__(self, words: Sequence[bytes], folded: Sequence[bool], which: np.ndarray) -> None:
        keys, owners = [], []
        for w in which.tolist():
            cases = [[c, c ^ CASE_BIT * (folded[w] and c in LETTERS)] for c in words[w]]
            for low, high in itertools.product(cases[0], cases[1] if cases[1:] else range(256)):
                keys.append(low | high << 8)
                owners.append(w)
        super().__init__(1 << 16, np.array(keys), np.array(owners), np.zeros(len(keys), np.int64))

    def _keys(self, pairs: np.ndarray) -> np.ndarray:
        return pairs
