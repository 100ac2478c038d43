"""Label matrices, their files, and the tables of analysis made from them."""

import itertools

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, scalars, texts, votes

from spear_amal import LabelMatrix
from spear_amal.labeling import (
    LFAnalysis,
    filter_unlabeled_dataframe,
    get_label_buckets,
    get_label_instances,
    lf_check,
    preds_to_probs,
    probs_to_preds,
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

fields = mostly(st.just({}), odd_fields, 1)


@door("spear_amal.LabelMatrix")
def matrix_from_dense(draw, folder):
    right = st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), max_size=5).map(np.array)
    array = draw(mostly(right, arrays((0, 3)), 1))
    L = LabelMatrix.from_dense(array, **draw(fields))
    dense = array.toarray() if hasattr(array, "toarray") else np.asarray(array)
    assert L.shape == dense.shape
    assert (np.asarray(L) == dense.astype(float)).all()


@door("spear_amal.LabelMatrix")
def matrix_from_triplets(draw, folder):
    shape = draw(st.sampled_from([(4, 3), (0, 0), (-1, 2), (4.0, 3), None, "ab", (2,), (3, 3, 3)]))
    rows, columns, cells = (draw(arrays((1, 1))) for _ in range(3))
    L = LabelMatrix.from_triplets(rows, columns, cells, shape, **draw(fields))
    want = np.full(shape, -1)
    want[np.asarray(rows, dtype=int), np.asarray(columns, dtype=int)] = np.asarray(cells, dtype=int)
    assert (np.asarray(L) == want).all()


@door("spear_amal.LabelMatrix")
def matrix_of_codes(draw, folder):
    codes = draw(arrays((2, 2)))
    L = LabelMatrix(codes, **draw(fields))
    assert (L.codes.data > 0).all() and (L.codes.data <= L.n_classes).all()


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
    unipolar = L.to_unipolar()
    assert unipolar.nnz == L.nnz
    L.with_classes(draw(odd))


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
    y = draw(mostly(gold(len(L), classes), st.one_of(arrays((0, 2)), odd), 3))
    how = draw(st.integers(0, 5))
    if how == 0:
        right = analysis.lf_summary(Y=y)
        if y is None:
            return
        assert ((right["Correct"] + right["Incorrect"]) <= (dense >= 0).sum(0)).all()
    elif how == 1:
        lf_check(L, y, draw(st.one_of(st.just(0.05), scalars)))
    elif how == 2:
        votes_sentence(votes_test(L, y, n_permutations=19))
    elif how == 3:
        readable_accuracy(readable_coverage(lf_table(L, y)))
    elif how == 4:
        analysis.wrong_rows(draw(st.one_of(st.just("lf0"), scalars)), y)
    else:
        analysis.error_buckets(draw(st.one_of(st.just(0), scalars)), y)


@door(
    *("labeling.get_label_buckets", "labeling.get_label_instances"),
    *("labeling.filter_unlabeled_dataframe", "labeling.preds_to_probs", "labeling.probs_to_preds"),
)
def conversions(draw, folder):
    how = draw(st.integers(0, 4))
    if how == 0:
        columns = [draw(st.one_of(gold(5), arrays((0, 2)))) for _ in range(draw(st.integers(0, 3)))]
        buckets = get_label_buckets(*columns)
        rows = list(itertools.chain.from_iterable(buckets.values()))
        assert len(rows) == len(set(rows))
    elif how == 1:
        get_label_instances(draw(odd), draw(arrays((1, 2))), draw(arrays((1, 1))))
    elif how == 2:
        filter_unlabeled_dataframe(draw(odd), draw(arrays((1, 2))), draw(votes()))
    elif how == 3:
        preds_to_probs(draw(arrays((0, 2))), draw(st.one_of(st.just(3), texts, st.integers(-2, 9))))
    else:
        policy = draw(st.one_of(st.sampled_from(["random", "abstain", "true-random"]), scalars))
        predicted = probs_to_preds(draw(arrays((1, 2))), policy, random_state=0)
        assert predicted.min(initial=0) >= -1
