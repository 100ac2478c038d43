"""What is no label matrix is refused at the door, in words; what it seems to be is asked."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix


def csr(data, dtype=np.int8):
    return sp.csr_array(np.array(data, dtype=dtype))


def raw(data, indices, indptr, shape, dtype=np.int8):
    return sp.csr_array((np.array(data, dtype=dtype), indices, indptr), shape=shape)


TWICE = raw([1, 2], [0, 0], [0, 0, 2], (2, 3))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (csr([[-1, 0]]), "found -1"),
        (csr([[40_000, 1]], np.int32), "found 40000"),
        (raw([0, 1], [0, 1], [0, 2], (1, 2)), r"found 0 \(drop stored zeros"),
        (TWICE, "an LF votes twice on one row: LF 0 on row 1"),
        (csr([[1.0, 0]], np.float64), "signed whole numbers.*float64"),
        (csr([[1, 0]], np.uint8), "signed whole numbers.*uint8"),
        (csr([[1, 0]], np.complex128), "signed whole numbers.*complex128"),
        (csr([[1, 0]], bool), "signed whole numbers.*bool"),
        (csr([[1, 0]]).tocoo(), "must be a CSR matrix"),
        (np.array([[1, 0]]), "must be a CSR matrix.*found ndarray; LabelMatrix.from_dense"),
        ([[1, 0]], "found list"),
        (None, "found NoneType"),
    ],
)
def test_codes_that_are_none(codes, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix(codes)


def test_codes_in_any_order_and_width_are_the_same_votes():
    dense = np.array([[0, -1, 2], [-1, 1, 0]])
    codes = csr(dense + 1)
    shuffled = raw([3, 1, 1, 2], [2, 0, 2, 1], [0, 2, 4], (2, 3), np.int64)
    for given in (codes, sp.csr_matrix(codes), codes.astype(np.int64), shuffled):
        made = LabelMatrix(given)
        assert made.to_dense().tolist() == dense.tolist()
        assert made.dtype == np.int8 and isinstance(made.codes, sp.csr_array)
    assert LabelMatrix(csr([[200, 0]], np.int64)).to_dense().tolist() == [[199, -1]]


def test_scores_follow_the_votes_whatever_their_order():
    codes = raw([3, 1], [2, 0], [0, 2], (1, 3))
    scores = raw([0.75, 0.25], [2, 0], [0, 2], (1, 3), np.float32)
    made = LabelMatrix(codes, scores=scores)
    assert made.dense_scores().tolist() == [[0.25, 0, 0.75]]
    for wrong, message in (
        (scores.toarray(), "CSR matrix"),
        (raw([0.5], [1], [0, 1], (1, 3), np.float32), "for each vote and nowhere else"),
        (raw([0.5], [1], [0, 1], (1, 4), np.float32), "scores have shape"),
        (raw([2.0, 0.5], [0, 2], [0, 2], (1, 3), np.float32), "between 0 and 1; LF 'lf0'"),
    ):
        with pytest.raises(InputError, match=message):
            LabelMatrix(codes, scores=wrong)


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([[0, 1], [1]], "rows of one length"),
        ([[[0]]], r"shape \(n, m\)"),
        (None, r"shape \(n, m\)"),
        ([[None, 1]], "found None.*write abstain as -1"),
        ([[np.nan, 1]], "NaN is no vote, write abstain as -1"),
        (pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [0, 1]}), "found <NA>"),
        ([["ham", 1]], "whole numbers"),
        (pd.DataFrame({"a": ["ham"], "b": [0]}), "'ham'.*named_label_matrix"),
        (np.array([[1 + 0j]]), "complex128"),
        (np.array([[True]]), "bool"),
        (np.array([[255, 1]], dtype=np.uint8), "255, which is what -1 becomes in uint8"),
        (np.array([[2**32 - 1]], dtype=np.uint32), "what -1 becomes"),
        ([[np.inf, 0]], "found"),
        ([[1e300, 0]], "found"),
        ([[10**30, 0]], "64 bits"),
        (sp.csr_array(np.array([[0, 1], [2, 0]])), "sparse matrix.*metal_label_matrix"),
    ],
)
def test_votes_that_are_none(votes, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix.from_dense(votes)


def test_votes_of_many_types_are_the_same_votes():
    dense = np.array([[0, -1], [2, 1], [-1, -1]])
    mask = dense == -1
    frame = pd.DataFrame({"a": pd.array(dense[:, 0], "Int64"), "b": dense[:, 1]})
    for given in (
        *(dense.tolist(), dense.astype(float), dense.astype(object), frame, sp.csr_array(dense)),
        np.ma.masked_array(np.where(mask, 7, dense), mask),
        np.ma.masked_array(np.where(mask, 255, dense).astype(np.uint8), mask),
    ):
        assert LabelMatrix.from_dense(given).to_dense().tolist() == dense.tolist()
    whole = LabelMatrix.from_dense(np.array([[1, 0]], dtype=np.uint8))
    assert whole.to_dense().tolist() == [[1, 0]]


def test_a_declared_class_is_there_though_its_lf_is_silent():
    L = LabelMatrix.from_dense([[0, -1], [-1, -1]], lf_classes=[0, 2])
    assert list(L.classes) == [0, 1, 2]
    assert list(L[:0].classes) == [0, 1, 2]
    assert L.to_unipolar().lf_classes.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": ["a", "a"]}, "class names must be different; given twice: .'a'."),
        ({"classes": ["a", None]}, "found None"),
        ({"classes": ["a", float("nan")]}, "found nan"),
        ({"classes": ["a", ""]}, "found ''"),
        ({"classes": [0.5, 1.5]}, "texts or whole numbers, found 0.5"),
        ({"classes": [("a",), "b"]}, "texts or whole numbers"),
        ({"classes": {"a", "b"}}, "classes must have an order"),
        ({"classes": "ab"}, "a list of names"),
        ({"classes": 1}, "but there are 1 classes"),
        ({"lf_names": ["a", 1]}, r"lf_names must be texts, found 1 \(int\)"),
        ({"lf_names": {"a", "b"}}, "list of texts"),
        ({"lf_names": 2}, "list of texts"),
        ({"row_ids": "a"}, "row_ids must be a list"),
        ({"lf_classes": [0.5, 1]}, "lf_classes must be whole numbers"),
        ({"lf_classes": ["a", "b"]}, "lf_classes must be whole numbers"),
        ({"lf_classes": [2, 0], "classes": 2}, "lf_classes must be -1 or a class"),
        ({"lf_classes": [-2, 0]}, "lf_classes must be -1 or a class"),
        ({"lf_classes": [10**9, 0]}, "lf_classes must be -1 or a class"),
        ({"continuous": ["no", "no"]}, "continuous must be True or False"),
        ({"continuous": [2, 0]}, "continuous must be True or False"),
        ({"classes": np.array(2.5)}, "classes must be"),
        ({"classes": 10**9}, "number of classes must be 0 to"),
        ({"lf_names": np.array("a")}, "list of texts"),
        ({"row_ids": np.array(1)}, "row_ids"),
        ({"lf_classes": [[0], [1, 2]]}, "lf_classes must be a list of single values"),
        ({"continuous": 1}, "continuous must be a list of single values"),
        ({"scores": [[0.5]]}, "scores have shape"),
        ({"scores": [["a", "b"]]}, "scores must be numbers"),
    ],
)
def test_fields_that_cannot_be(fields, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix.from_dense([[0, 1]], **fields)


@pytest.mark.parametrize(
    ("rows", "columns", "votes", "message"),
    [
        ([0.7], [0], [1], "rows must be whole numbers"),
        ([-1], [0], [1], "rows must lie in 0 to 1, found -1"),
        ([0], [3], [1], "columns must lie in 0 to 2, found 3"),
        ([0, 1], [0], [1], "rows have shape"),
        ([0], [0], [-1], "from 0 to .*found -1"),
        ([1, 1], [2, 2], [0, 1], "votes twice"),
        ([0, 1], [0, [1, 2]], [0, 1], "columns must be a list of single values"),
        (0, 0, 1, "votes must be a list of single values"),
    ],
)
def test_triplets_that_are_none(rows, columns, votes, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix.from_triplets(rows, columns, votes, (2, 3))
    with pytest.raises(InputError, match="scores have shape"):
        LabelMatrix.from_triplets([0], [0], [1], (2, 3), scores=[0.5, 0.5])


def test_row_ids_of_several_parts_become_texts():
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    made = LabelMatrix.from_dense([[0], [1]], row_ids=index)
    assert made.row_ids.tolist() == ["('a', 1)", "('b', 2)"]
    ragged = LabelMatrix.from_dense([[0], [1]], row_ids=[("a",), ("b", 2)])
    assert ragged.row_ids.tolist() == ["('a',)", "('b', 2)"]


def test_only_label_matrices_are_concatenated():
    with pytest.raises(InputError, match=r"list of label matrices.*'ndarray'"):
        LabelMatrix.concatenate(LabelMatrix.from_dense([[0, 1]]))
    with pytest.raises(InputError, match="at least one"):
        LabelMatrix.concatenate(None)


# -- votes that follow another tool's codes ------------------------------------------------------

RNG = np.random.default_rng(11)
FIRED = RNG.random((101, 5)) < 0.2
UNIPOLAR = np.where(FIRED, np.array([0, 1, 0, 1, 1]), -1)


@pytest.mark.parametrize(
    ("votes", "reader"),
    [
        (UNIPOLAR + 1, "metal_label_matrix"),
        (np.where(FIRED, np.array([1, -1, 1, -1, -1]), 0), "flyingsquid_label_matrix"),
    ],
)
def test_votes_that_rest_at_zero_are_asked_about(votes, reader):
    with pytest.warns(UserWarning, match=rf"spear_amal\.data\.{reader}"):
        LabelMatrix.from_dense(votes)


@pytest.mark.parametrize(
    "votes",
    [
        UNIPOLAR,
        np.where(FIRED, RNG.integers(0, 3, FIRED.shape), -1),
        RNG.integers(0, 3, (101, 5)),  # annotators who answer everywhere
        (RNG.random((101, 5)) < 0.1).astype(int),  # the same, of a rare class
        RNG.integers(-1, 2, (101, 5)),
    ],
)
def test_votes_of_our_own_are_not_asked_about(votes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LabelMatrix.from_dense(votes)


def test_too_few_classes_where_nobody_abstains():
    with pytest.raises(InputError, match=r"votes 2, but there are 2 classes.*metal_label_matrix"):
        LabelMatrix.from_dense(UNIPOLAR[:9] + 1, classes=["ham", "spam"])
