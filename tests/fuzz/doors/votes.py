"""Label matrices, their files, and the tables of analysis made from them."""

import itertools
import json

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st
from registry import door
from values import arrays, contained, gold, mostly, odd, scalars, small_scalars, votes

from spear_amal import LabelMatrix
from spear_amal.labeling import (
    LFAnalysis,
    filter_unlabeled_dataframe,
    get_label_buckets,
    get_label_instances,
    lf_check,
    lf_grades,
    lf_values,
    next_rows,
    preds_to_probs,
    probs_to_preds,
    review_lfs,
    votes_test,
)
from spear_amal.report import lf_table, readable_accuracy, readable_coverage, votes_sentence

odd_fields = st.fixed_dictionaries(
    {},
    optional={
        "lf_names": odd,
        "classes": odd,
        "row_ids": odd,
        "lf_classes": odd,
        "continuous": odd,
    },
)

fields = mostly(st.just({}), odd_fields, 3)
cells = st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=1, max_size=5)


@door("spear_amal.LabelMatrix")
def matrix_from_dense(draw, folder):
    array = draw(mostly(cells.map(np.array).flatmap(contained), arrays((0, 3)), 3))
    L = LabelMatrix.from_dense(array, **draw(fields))
    dense = array.toarray() if hasattr(array, "toarray") else np.asarray(array)
    assert L.shape == dense.shape
    assert (np.asarray(L) == dense.astype(float)).all()


@door("spear_amal.LabelMatrix")
def matrix_from_triplets(draw, folder):
    odd_shapes = st.sampled_from([(0, 0), (-1, 2), (4.0, 3), None, "ab", (2,), (3, 3, 3), [4, 3]])
    shape = draw(mostly(st.just((4, 3)), odd_shapes))
    places = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=6, unique=True)
    pairs = np.array(draw(places), dtype=int).reshape(-1, 2)
    votes_of_pairs = draw(st.lists(st.integers(0, 2), min_size=len(pairs), max_size=len(pairs)))
    triplets = [pairs[:, 0], pairs[:, 1], votes_of_pairs]
    if draw(st.sampled_from([False, False, True])):
        triplets[draw(st.integers(0, 2))] = draw(arrays((1, 1)))
    L = LabelMatrix.from_triplets(*triplets, shape, **draw(fields))
    want = np.full(shape, -1)
    for row, column, vote in zip(*triplets, strict=True):
        want[int(row), int(column)] = int(vote)
    assert (np.asarray(L) == want).all()


@door("spear_amal.LabelMatrix")
def matrix_of_codes(draw, folder):
    dtype = draw(st.sampled_from(["i1", "i2", "i8", "i4", "u1", "f8"]))
    right = cells.map(lambda rows: sp.csr_array((np.array(rows) + 1).astype(dtype)))
    codes = draw(mostly(right, arrays((2, 2)), 3))
    L = LabelMatrix(codes, **draw(fields))
    assert (L.codes.data > 0).all() and (L.codes.data <= L.n_classes).all()
    assert (np.asarray(L) == codes.toarray() - 1).all()


@door("spear_amal.LabelMatrix", "labeling.LabelMatrix", raises=(IndexError,))
def matrix_index(draw, folder):
    L = draw(votes())
    part = st.one_of(
        st.integers(-14, 14),
        st.slices(12),
        st.lists(st.integers(-13, 13), max_size=4),
        st.lists(st.booleans(), max_size=12),
        st.sampled_from([None, ..., 1.5, "a", True]),
    )
    key = draw(st.one_of(part, st.tuples(part, st.one_of(st.integers(-6, 6), st.slices(5)))))
    dense = np.asarray(L)
    try:
        want = dense[key]
    except (IndexError, TypeError):
        want = None
    found = L[key]
    if want is not None and np.ndim(want) == 2 and isinstance(found, LabelMatrix):
        assert (np.asarray(found) == want).all()


@door("spear_amal.LabelMatrix")
def matrix_whole(draw, folder):
    L = draw(votes())
    path = folder / "votes.npz"
    L.save(path, overwrite=True)
    again = LabelMatrix.load(path)
    assert (np.asarray(again) == np.asarray(L)).all() and again.classes == L.classes
    assert (again.dense_scores() == L.dense_scores()).all()
    both = LabelMatrix.concatenate([L, again])
    assert both.shape == (2 * len(L), L.shape[1])
    assert L.to_unipolar().nnz == (np.asarray(L) >= 0).sum()
    if len(L):
        order = draw(st.lists(st.integers(0, len(L) - 1), max_size=6))
        named = LabelMatrix.from_dense(np.asarray(L), row_ids=[f"r{i}" for i in range(len(L))])
        ids = draw(mostly(st.just([f"r{i}" for i in order]), odd, 12))
        assert (np.asarray(named.for_rows(ids)) == np.asarray(L)[order]).all()
    turned = L.in_class_order(draw(mostly(st.permutations(L.classes), odd)))
    codes = np.array([list(turned.classes).index(name) for name in L.classes] + [-1])
    assert (np.asarray(turned) == codes[np.asarray(L)]).all()
    L.with_classes(draw(mostly(st.just(["a", "b", "c"]), odd)))


@door(
    *("labeling.LFAnalysis", "labeling.lf_check", "labeling.votes_test", "labeling.VotesTest"),
    *("report.lf_table", "report.readable_accuracy", "report.readable_coverage"),
    "report.votes_sentence",
)
def analysis(draw, folder):
    L = draw(votes(rows=(1, 12)))
    classes = L.classes
    analysis = LFAnalysis(L)
    table = analysis.lf_summary()
    dense = np.asarray(L)
    assert np.allclose(table["Coverage"], (dense >= 0).mean(0))
    check_overlaps(table, dense)
    y = draw(mostly(gold(len(L), classes), st.one_of(arrays((0, 2)), odd), 3))
    how = draw(st.integers(0, 5))
    if how == 0:
        right = analysis.lf_summary(Y=y)
        if y is None:
            return
        assert ((right["Correct"] + right["Incorrect"]) <= (dense >= 0).sum(0)).all()
        check_accuracy(right, dense, codes_of(list(y), classes))
    elif how == 1:
        lf_check(L, y, draw(mostly(st.just(0.05), scalars)))
    elif how == 2:
        votes_sentence(votes_test(L, y, n_permutations=19))
    elif how == 3:
        table = lf_table(L, y)
        readable_coverage(table)
        if "accuracy" in table:
            readable_accuracy(table)
    elif how == 4:
        analysis.wrong_rows(draw(mostly(st.just("lf0"), scalars)), y)
    else:
        analysis.error_buckets(draw(mostly(st.just(0), scalars)), y)


def check_overlaps(table, dense):
    """Check shares of rows with other votes, and with other classes, row by row."""
    rows = [row[row >= 0] for row in dense]
    for j in range(dense.shape[1]):
        fired = [row for row, vote in zip(rows, dense[:, j], strict=True) if vote >= 0]
        overlaps = sum(len(row) > 1 for row in fired) / len(dense)
        conflicts = sum(len(set(row.tolist())) > 1 for row in fired) / len(dense)
        assert np.isclose(table["Overlaps"].iloc[j], overlaps)
        assert np.isclose(table["Conflicts"].iloc[j], conflicts)


def check_accuracy(table, dense, codes):
    """Check right and wrong votes, row by row, where gold can be read in plain Python."""
    for j in range(0 if codes is None else dense.shape[1]):
        known = [(a, b) for a, b in zip(dense[:, j], codes, strict=True) if min(a, b) >= 0]
        assert table["Correct"].iloc[j] == sum(a == b for a, b in known)
        assert table["Incorrect"].iloc[j] == sum(a != b for a, b in known)


def codes_of(labels, classes):
    """Return the code of each plain label, None if one is no class or not plain."""
    codes = []
    for label in labels:
        if label is None or (isinstance(label, float) and np.isnan(label)):
            codes.append(-1)
        elif type(label) is str and label in classes:
            codes.append(classes.index(label))
        else:
            return None
    return codes


@door("labeling.next_rows")
def to_label_next(draw, folder):
    L = draw(votes(rows=(1, 12)))
    y = draw(mostly(gold(len(L), L.classes), st.one_of(arrays((0, 2)), odd), 3))
    n = draw(mostly(st.integers(1, 20), scalars))
    X = draw(mostly(st.sampled_from([None, np.eye(len(L))]), arrays((0, 3)), 5))
    p = draw(mostly(st.none(), arrays((0, 3)), 5))
    chosen = next_rows(L, y, n, p, X)
    assert len(chosen) <= n and chosen["row"].is_unique
    codes = codes_of(list(y), L.classes) if y is not None else None
    if codes is not None:
        assert {codes[row] for row in chosen["row"]} == {-1}


@door("labeling.review_lfs", "labeling.LFReview", "labeling.lf_grades", "labeling.lf_values")
def review(draw, folder):
    L = draw(votes(rows=(1, 12)))
    y = draw(mostly(gold(len(L), L.classes), st.one_of(arrays((0, 2)), odd), 3))
    texts = ["free prize draw", "see you", ""] * 4
    rows = draw(mostly(st.sampled_from([None, texts[: len(L)]]), odd))
    made = review_lfs(L, y, rows, max_rows=draw(mostly(st.integers(0, 5), scalars, 20)))
    assert made.lfs["grade"].tolist() == lf_grades(L, y)
    dense = np.asarray(L)
    assert (made.lfs["votes"] == (dense >= 0).sum(0)).all()
    assert made.n_covered == (dense >= 0).any(1).sum()
    assert made.advice["rank"].tolist() == list(range(1, len(made.advice) + 1))
    json.dumps(made.to_dict(), allow_nan=False)
    if made.n_gold:
        values = lf_values(L, y)
        pd.testing.assert_frame_equal(values, made.values[values.columns])
        assert values["dropping"].fillna(0).between(-1, 1).all()
        assert (values["value low"] <= values["value high"]).all()
    one = made.of(draw(mostly(st.just("lf0"), scalars)))
    assert set(one.lfs["LF"]) == {"lf0"}


@door(
    *("labeling.get_label_buckets", "labeling.get_label_instances"),
    *("labeling.filter_unlabeled_dataframe", "labeling.preds_to_probs", "labeling.probs_to_preds"),
)
def conversions(draw, folder):
    how = draw(st.integers(0, 4))
    n = draw(st.integers(1, 5))
    labels = st.lists(st.sampled_from(["a", "b", None]), min_size=n, max_size=n)
    column = mostly(labels, st.one_of(gold(5), arrays((0, 2))))
    numbers = st.lists(st.integers(0, 99), min_size=n, max_size=n)
    if how == 0:
        columns = [draw(column) for _ in range(draw(st.integers(0, 3)))]
        buckets = get_label_buckets(*columns)
        rows = list(itertools.chain.from_iterable(buckets.values()))
        assert sorted(rows) == list(range(len(columns[0])))
    elif how == 1:
        y = draw(column)
        bucket = draw(mostly(st.sampled_from([("a",), ("b",), (None,), (-1,)]), odd))
        x = draw(mostly(numbers, arrays((1, 2))))
        picked = get_label_instances(bucket, x, y)
        if isinstance(x, list) and isinstance(y, list) and type(bucket) is tuple:
            label = None if bucket[0] == -1 else bucket[0]
            assert picked.tolist() == [x[i] for i in range(len(y)) if y[i] == label]
    elif how == 2:
        L = draw(votes(rows=(n, n)))
        X = draw(mostly(numbers.map(lambda column: pd.DataFrame({"x": column})), odd))
        y = draw(mostly(numbers, arrays((1, 2))))
        kept, kept_y = filter_unlabeled_dataframe(X, y, draw(mostly(st.just(L), arrays((0, 2)))))
        assert len(kept) == len(kept_y) <= len(X)
    elif how == 3:
        codes = st.lists(st.integers(0, 2), min_size=n, max_size=n)
        preds = draw(mostly(codes, arrays((0, 2))))
        probs = preds_to_probs(preds, draw(mostly(st.just(3), small_scalars)))
        assert (probs.sum(1) == 1).all()
        if isinstance(preds, list) and all(type(pred) is int for pred in preds):
            assert probs.argmax(1).tolist() == preds
    else:
        policy = draw(mostly(st.sampled_from(["random", "abstain", "true-random"]), scalars))
        rows = st.lists(st.floats(0, 1), min_size=3, max_size=3)
        probs = draw(mostly(st.lists(rows, min_size=n, max_size=n), arrays((1, 2))))
        predicted = probs_to_preds(probs, policy, draw(mostly(st.just(1e-5), scalars)), 0)
        if policy == "abstain":
            for row, best in zip(np.asarray(probs, dtype=float), predicted.tolist(), strict=True):
                assert best == -1 or row[best] == row.max()
