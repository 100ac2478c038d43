"""Search for many words in bytes, in one pass of array operations.

A table says of four bytes at an even place whether some word has them at its beginning. Each word
stands in it twice, as it is seen when it begins at an even and at an odd place, so that one look
for every second byte is enough. What the table lets through is compared byte by byte.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

# Bytes that are looked up at a time, few enough for the caches next to a core, and bytes of which
# the hits are compared with words together.
LOOKED_UP = 1 << 18
BLOCK = 1 << 21
# The bit that lower-case letters of ASCII have and upper-case ones have not.
CASE_BIT = 0x20
# Entries of a table for each key that is stored: few other bytes then share a key.
SPARSENESS = 16
# Quads of a word among which the best are chosen.
MOST_QUADS = 32
# Of the first of four bytes four bits count, and of the last one too where keys have 16 bits (the
# other bits are shifted out): a byte that may be any is then only sixteen different ones.
FEW_BITS = 0x0F
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


def bits_of_any_case(word: bytes) -> bytes:
    """Return the bits of a word that are the same in any case of its letters of ASCII.

    Examples
    --------
    >>> bits_of_any_case(b"a-z").hex()
    'dfffdf'
    """
    return word.translate(_BITS)


_BITS = bytes(0xFF ^ CASE_BIT * chr(byte).isalpha() * (byte < 128) for byte in range(256))


class WordSearch:
    r"""Finds words in bytes.

    Parameters
    ----------
    words : sequence of bytes
        None empty.
    bits : sequence of bytes
        As long as the words: the bits of each byte in which it must equal what stands there.

    Attributes
    ----------
    lengths : array of int of shape (words,)

    Examples
    --------
    >>> search = WordSearch([b"won", b"Prize"], [bits_of_any_case(b"won"), b"\xff" * 5])
    >>> data = np.frombuffer(b"You WON a Prize, won a prize", np.uint8)
    >>> starts, words = search.find(data)
    >>> sorted(zip(starts.tolist(), words.tolist()))
    [(4, 0), (10, 1), (17, 0)]
    """

    def __init__(self, words: Sequence[bytes], bits: Sequence[bytes]) -> None:
        self.lengths = np.fromiter(map(len, words), np.int64, len(words))
        self._letters = _WordLetters(words, bits, self.lengths)
        self._reach = int(self.lengths.max(initial=0)) + 8
        long, short = np.flatnonzero(self.lengths > 2), np.flatnonzero(self.lengths < 3)
        self._quads = _QuadTable(words, bits, long) if len(long) else None
        self._pairs = _PairTable(words, bits, short) if len(short) else None

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
        for starts, which in self._in_block(room, inner, len(rest)):
            whole = starts + self.lengths[which] <= len(data)  # not with the zeros behind
            found.append((starts[whole], which[whole]))
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

    def __init__(self, words: Sequence[bytes], bits: Sequence[bytes], lengths: np.ndarray) -> None:
        # Eights of letters of all words behind one another, and which bits of them count.
        self._eights = (lengths + 7) // 8
        self._firsts = np.cumsum(self._eights) - self._eights
        self._letters, self._bits = (
            np.frombuffer(
                b"".join(part.ljust(-(-len(part) // 8) * 8, b"\0") for part in parts), "<u8"
            )
            for parts in (words, bits)
        )

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


MOST_BITS = 23  # of a key that is packed with a word (32 bits) and an offset (8)


class _Table:
    """What may stand where a key is seen: words, and how far behind their beginning.

    Parameters
    ----------
    size : int
        One more than the largest key.
    keys, words, offsets : arrays of int of shape (entries,)
    """

    # Bytes of which a key is made beyond the first two, and its type.
    _ahead = 0
    _kind: Any = np.uint16

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
        room = [np.empty(LOOKED_UP // 2 + 1, kind) for kind in (np.uint16, self._kind, bool)]
        for start in range(0, len(data), LOOKED_UP):
            pairs = data[start : start + LOOKED_UP + self._ahead].view("<u2")
            keys = self._keys(pairs, room[0][: len(pairs)], room[1])
            known = self._known.take(keys, mode="clip", out=room[2][: len(keys)])
            hits = np.flatnonzero(known)
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

    def _keys(self, pairs: np.ndarray, room: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return a key for each pair of bytes, by what begins with it; there is room to use."""
        raise NotImplementedError


class _QuadTable(_Table):
    """Words by four of their bytes, whatever the case."""

    _ahead = 2

    def __init__(self, words: Sequence[bytes], bits: Sequence[bytes], which: np.ndarray) -> None:
        # Keys of more bits would not fit beside word and offset; shared keys cost a comparison.
        bits_of_key = (2 * SPARSENESS * len(which)).bit_length()
        self._bits = min(max(16, bits_of_key), MOST_BITS)
        self._kind = np.uint16 if self._bits == 16 else np.uint32
        # A quad may begin a byte before the word, and end one behind it, with any byte there.
        letters = np.frombuffer(b"".join(b" %b " % words[w] for w in which.tolist()), np.uint8)
        fixed = np.frombuffer(b"".join(b"\0%b\0" % bits[w] for w in which.tolist()), np.uint8)
        lengths = np.array([len(words[w]) for w in which.tolist()])
        counts = np.minimum(lengths - 1, MOST_QUADS)
        owners, offsets = np.repeat(which, counts), count_within(counts) - 1
        begins = np.repeat(np.cumsum(lengths + 2) - lengths - 1, counts) + offsets
        quads = letters[begins[:, None] + np.arange(4)]
        open_bits = ~fixed[begins[:, None] + np.arange(4)] & _QUAD_BITS
        keys = self._keys_of(quads)
        place = 2 * owners + (offsets & 1)
        n_open, n_sharing = np.bitwise_count(open_bits).sum(1), np.bincount(keys)[keys]
        order = np.lexsort((offsets, n_sharing, n_open, place))
        best = order[np.diff(place[order], prepend=-1) > 0]
        entries = []
        for some, variants in _with_all_variants(open_bits[best]):
            each = quads[best[some], None] & ~open_bits[best[some[0]]] | variants
            keys = self._keys_of(each.reshape(-1, 4))
            entries.append(
                (keys, *np.repeat([owners[best[some]], offsets[best[some]]], len(variants), 1))
            )
        super().__init__(1 << self._bits, *map(np.concatenate, zip(*entries, strict=True)))

    def _keys(self, pairs: np.ndarray, room: np.ndarray, keys: np.ndarray) -> np.ndarray:
        np.bitwise_or(pairs, np.uint16(CASE_BIT * 0x101), out=room)
        return self._mixed(room[:-1], room[1:], keys[: len(pairs) - 1])

    def _keys_of(self, quads: np.ndarray) -> np.ndarray:
        """Return the keys of some quads (quads, 4), as integers of 64 bits."""
        pairs = np.ascontiguousarray(quads | np.uint8(CASE_BIT)).view("<u2")
        keys = np.empty(len(quads), self._kind)
        return self._mixed(pairs[:, 0], pairs[:, 1], keys).astype(np.int64)

    def _mixed(self, first: np.ndarray, second: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return a key for each two pairs of bytes that follow each other; changes the first."""
        factors = [self._kind(factor & np.iinfo(self._kind).max) for factor in MIX]
        np.multiply(second, factors[1], out=keys)
        first &= np.uint16(FEW_BITS | 0xFF00)
        if self._bits == 16:
            first *= factors[0]
            keys += first
        else:
            keys += np.multiply(first, factors[0])
            keys >>= self._kind(32 - self._bits)
        return keys


# Bits of four bytes that change their key.
_QUAD_BITS = np.array([FEW_BITS, 0xFF, 0xFF, 0xFF], np.uint8) & ~np.uint8(CASE_BIT)


def _with_all_variants(open_bits: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return groups of quads with the same open bits (quads, 4), and all values of those bits."""
    distinct, group = np.unique(open_bits.view("<u4").ravel(), return_inverse=True)
    for k, bits in enumerate(distinct.view(np.uint8).reshape(-1, 4).tolist()):
        values = (_equal_in(0, ~byte) for byte in bits)
        yield np.flatnonzero(group == k), np.array(list(itertools.product(*values)), np.uint8)


class _PairTable(_Table):
    """Words of one byte or two; the keys are pairs of bytes as they are."""

    def __init__(self, words: Sequence[bytes], bits: Sequence[bytes], which: np.ndarray) -> None:
        keys, owners = [], []
        for w in which.tolist():
            word, fixed = words[w].ljust(2), bits[w].ljust(2, b"\0")
            for low, high in itertools.product(*map(_equal_in, word, fixed)):
                keys.append(low | high << 8)
                owners.append(w)
        super().__init__(1 << 16, np.array(keys), np.array(owners), np.zeros(len(keys), np.int64))

    def _keys(self, pairs: np.ndarray, room: np.ndarray, keys: np.ndarray) -> np.ndarray:
        return pairs


def _equal_in(byte: int, bits: int) -> list[int]:
    """Return the bytes that equal one in some bits."""
    return [other for other in range(256) if (other ^ byte) & bits == 0]
