"""Words are found in bytes wherever Python finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.labeling import byte_search
from spear_amal.labeling.byte_search import WordSearch, bits_of_any_case

FEW = st.sampled_from([b"ab", b"aB", b"Ab \xc3", b"aZ_@[`{"])
SMALL_LETTERS = bytes(range(ord("a"), ord("z") + 1))


def places(word, folded, data):
    """Where a word begins, one place after the other."""
    if folded:
        word, data = word.lower(), data.lower()
    return [i for i in range(len(data) - len(word) + 1) if data.startswith(word, i)]


def bits_of(words, folded):
    """Which bits of words count."""
    pairs = zip(words, folded, strict=True)
    return [bits_of_any_case(word) if fold else b"\xff" * len(word) for word, fold in pairs]


def found(words, folded, data):
    starts, which = WordSearch(words, bits_of(words, folded)).find(np.frombuffer(data, np.uint8))
    assert len(set(zip(starts.tolist(), which.tolist(), strict=True))) == len(starts)
    return [sorted(starts[which == k].tolist()) for k in range(len(words))]


@st.composite
def searches(draw):
    """Data, and words of which some are cut out of it."""
    data = draw(st.one_of(st.binary(max_size=70), FEW.flatmap(_of)))
    words = draw(
        st.lists(st.one_of(st.binary(min_size=1, max_size=19), FEW.flatmap(_of)), max_size=5)
    )
    for _ in range(draw(st.integers(0, 4)) if data else 0):
        start = draw(st.integers(0, len(data) - 1))
        words.append(data[start : start + draw(st.integers(1, 19))])
    words = [word for word in words if word]
    return data, words, draw(st.lists(st.booleans(), min_size=len(words), max_size=len(words)))


def _of(letters):
    return st.lists(st.sampled_from(list(letters)), max_size=40).map(bytes)


@given(searches(), st.sampled_from([2, 6, 64]), st.sampled_from([0, 1, 3]))
def test_finds_what_python_finds(search, looked_up, several):
    data, words, folded = search
    expected = [places(word, fold, data) for word, fold in zip(words, folded, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_search, "LOOKED_UP", looked_up)
        patch.setattr(byte_search, "BLOCK", looked_up * several or 1 << 20)
        assert found(words, folded, data) == expected


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 131])
@pytest.mark.parametrize("start", [0, 1, 2, 3, 509, 510, 511, 512, 513])
def test_at_every_place_of_a_block(monkeypatch, length, start):
    monkeypatch.setattr(byte_search, "LOOKED_UP", 64)
    monkeypatch.setattr(byte_search, "BLOCK", 512)
    word = (b"abcdefghijklmnopqrs" * 7)[:length]
    data = b"-" * start + word.upper() + b"-" * 600
    assert found([word, word], [True, False], data) == [[start], []]
    assert found([word], [True], data[: start + length]) == [[start]]
    assert found([word], [True], data[: start + length - 1]) == [[]]


@given(
    st.binary(max_size=70),
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=6), st.binary(min_size=6, max_size=6)), max_size=3
    ),
)
def test_some_bits_of_each_byte(data, words_and_bits):
    words = [word for word, _ in words_and_bits]
    # Up to four bits are open in each byte.
    bits = [bytes(b | 0xC3 for b in part[: len(word)]) for word, part in words_and_bits]
    starts, which = WordSearch(words, bits).find(np.frombuffer(data, np.uint8))
    expected = {
        (i, k)
        for k, (word, counted) in enumerate(zip(words, bits, strict=True))
        for i in range(len(data) - len(word) + 1)
        if not any((a ^ b) & c for a, b, c in zip(word, data[i:], counted, strict=False))
    }
    assert sorted(zip(starts.tolist(), which.tolist(), strict=True)) == sorted(expected)


def test_many_words():
    rng = np.random.default_rng(0)
    words = [bytes(rng.choice(list(SMALL_LETTERS), 5 + k % 7).tolist()) for k in range(5_003)]
    words += [b"common %04d" % k for k in range(1_009)]
    data = b" ".join(words[::3]) + b"x"
    expected = {word: data.find(word) for word in words}
    starts = {
        word: min(rows, default=-1)
        for word, rows in zip(words, found(words, [True] * len(words), data), strict=True)
    }
    assert starts == expected


def test_no_words_and_no_data():
    nothing = np.empty(0, np.uint8)
    assert [len(part) for part in WordSearch([], []).find(np.zeros(5, np.uint8))] == [0, 0]
    assert [
        len(part) for part in WordSearch([b"a", b"abc"], [b"\xff", b"\xff" * 3]).find(nothing)
    ] == [0, 0]
