"""What scripts for other tools do with an array of votes, done with a label matrix."""

import io

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix

DENSE = np.array([[0, -1, 1], [1, 1, -1], [-1, -1, -1], [0, 1, 2], [2, -1, -1]], dtype=np.int8)


@pytest.fixture
def L():
    return LabelMatrix.from_dense(DENSE)


ASKED = {
    "covered": lambda L: (L.max(axis=1) > -1).mean(),
    "greater": lambda L: L > -1,
    "at least": lambda L: L >= 0,
    "less": lambda L: L < 1,
    "reflected": lambda L: 0 <= L,
    "equal": lambda L: L == 1,
    "unequal": lambda L: (L != -1).mean(axis=0),
    "equal to a row": lambda L: L == DENSE[0],
    "array on the left": lambda L: DENSE == L,
    "added": lambda L: (L + 1, 1 + L, L - DENSE, DENSE - L, -L, 2 * L, L % 2),
    "both": lambda L: (L > -1) & (L == L),
    "transposed": lambda L: (L.T, L.transpose()),
    "sums": lambda L: (L.sum(), L.sum(axis=1), L.mean(), L.std(), L.var(0), np.sum(L, axis=0)),
    "extremes": lambda L: (L.min(), L.max(0), L.argmax(axis=1), np.max(L), np.argmin(L, axis=1)),
    "shape": lambda L: (L.shape, L.size, L.ndim, len(L), np.shape(L), np.size(L)),
    "any and all": lambda L: (L.any(), L.all(axis=0), np.any(L), np.count_nonzero(L)),
    "types": lambda L: (L.astype(float), L.astype("int64").dtype, L.dtype),
    "lists": lambda L: (L.tolist(), L.copy(), L.flatten(), L.ravel(), L.reshape(-1)),
    "counts": lambda L: np.bincount(L.ravel() + 1),
    "walked": lambda L: [row.tolist() for row in L],
    "enumerated": lambda L: [(i, row[1]) for i, row in enumerate(L)],
    "zipped": lambda L: [(a == b).all() for a, b in zip(L, DENSE, strict=True)],
    "list": lambda L: [*L],
    "in": lambda L: (2 in L, 7 in L),
    "cells": lambda L: (L[0][1], L[-1], L[1, 2], L[:, 0], L[L == 1], L[None], L[..., 0]),
    "picked": lambda L: (np.asarray(L[L[:, 0] == 0]), np.asarray(L[1:, :2]), L[DENSE > 9]),
    "stacked": lambda L: (np.hstack([L, DENSE]), np.vstack([L, L]), np.r_[DENSE, L], np.c_[L, L]),
    "joined": lambda L: (np.concatenate([L, L], axis=1), np.stack([L, L])),
    "unique": lambda L: np.unique(L, return_counts=True),
    "replaced": lambda L: np.where(L == -1, 9, L),
    "frame": lambda L: pd.DataFrame(L, columns=["a", "b", "c"]).to_dict("list"),
    "column of a frame": lambda L: pd.DataFrame({"x": L[:, 1]})["x"].tolist(),
    "sparse": lambda L: sp.csr_matrix(L).toarray(),
    "same": lambda L: np.array_equal(L, DENSE),
    "functions": lambda L: (np.abs(L), np.maximum(L, 0), np.add.reduce(L, axis=0), np.isnan(L)),
    "clipped": lambda L: (L.clip(0), L.round(), L.nonzero(), L.cumsum(axis=1), L.take([0, 1], 0)),
}


def same(a, b):
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("ask", ASKED)
def test_the_answer_is_that_of_the_array(L, ask):
    answer, wanted = ASKED[ask](L), ASKED[ask](DENSE)
    assert same(answer, wanted), (answer, wanted)


def test_saved_by_numpy(L):
    stream = io.BytesIO()
    np.save(stream, L)
    stream.seek(0)
    assert np.array_equal(np.load(stream), DENSE)


@given(hnp.arrays(np.int64, (7, 3), elements=st.integers(-1, 4)), st.integers(-2, 5))
def test_equality_is_by_element_and_is_the_opposite_of_inequality(dense, vote):
    L = LabelMatrix.from_dense(dense)
    assert np.array_equal(L == vote, dense == vote) and np.array_equal(L != vote, dense != vote)
    other = LabelMatrix.from_dense(np.roll(dense, 1, axis=0))
    assert np.array_equal(L == other, dense == np.roll(dense, 1, axis=0))
    assert not np.any(L == None) and np.all(L != "ham")  # noqa: E711
    assert [row.tolist() for row in L] == dense.tolist()


def test_rows_beyond_one_block_are_walked_in_order(monkeypatch):
    monkeypatch.setattr("spear_amal.votes.array_face.ROWS", 3)
    dense = np.arange(11)[:, None] % 5 - 1
    assert [int(row[0]) for row in LabelMatrix.from_dense(dense)] == dense[:, 0].tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda L: L.__setitem__((0, 0), 1),
        lambda L: L.__iadd__(1),
        lambda L: np.add(L, 1, out=L),
        lambda L: np.add.at(L, 0, 1),
    ],
)
def test_nothing_is_changed_in_place(L, change):
    with pytest.raises(InputError, match=r"not changed in place; change votes = L\.to_dense"):
        change(L)
    assert np.array_equal(L, DENSE)


def test_a_copy_may_be_changed_and_leaves_the_votes_alone(L):
    copied = L.copy()
    copied[copied == 2] = -1
    assert 2 in L and np.array_equal(L, DENSE) and 2 not in copied
    assert np.array_equal(LabelMatrix.from_dense(copied), np.where(DENSE == 2, -1, DENSE))


def test_asking_for_a_name_makes_nothing_dense(L, monkeypatch):
    monkeypatch.setattr(LabelMatrix, "to_dense", None)
    assert callable(L.sum) and hasattr(L, "astype") and not hasattr(L, "iloc")
