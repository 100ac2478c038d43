"""Partitions: disjoint, stratified, seeded, and honest about what gold training may see."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.data import Corpus, Partition, check_disjoint, partition
from spear_amal.data.splits import draw_stratified, hold_out_test
from spear_amal.errors import InputError


@st.composite
def drawable(draw):
    n_classes = draw(st.integers(2, 5))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=2 * n_classes, max_size=97))
    y = np.array([*range(n_classes), *range(n_classes), *y])
    n_test = draw(st.integers(0, len(y) - 2 * n_classes))
    test = np.arange(len(y))[2 * n_classes :][:n_test]
    pool = len(y) - len(test)
    n_labelled = draw(st.integers(n_classes, pool - n_classes))
    return y, test, n_labelled, draw(st.integers(0, 2**31))


@given(drawable())
def test_parts_cover_every_row_once_and_keep_shares(case):
    y, test, n_labelled, seed = case
    parts = partition(y, seed, n_labelled, 0, test=test)
    again = partition(y, seed, n_labelled, 0, test=test)
    together = np.concatenate([parts.labelled, parts.unlabelled, parts.validation, parts.test])
    assert sorted(together.tolist()) == list(range(len(y)))
    assert parts.test.tolist() == test.tolist()
    assert parts.labelled.tolist() == again.labelled.tolist()
    assert len(parts.labelled) == n_labelled
    pool = np.setdiff1d(np.arange(len(y)), test)
    share = np.bincount(y[pool]) * n_labelled / len(pool)
    drawn = np.bincount(y[parts.labelled], minlength=len(share))
    assert (drawn >= 1).all()
    # Proportional to within a row, but for classes lifted to their one row.
    assert (drawn <= np.maximum(np.ceil(share), 1)).all()


@given(st.integers(0, 1000))
def test_training_sees_gold_of_labelled_and_validation_rows_only(seed):
    y = np.arange(53) % 3
    parts = partition(y, seed, 7, 5, test=np.arange(40, 53), labelled="random")
    observed = parts.observed_labels(y)
    seen = np.flatnonzero(observed != -1)
    assert seen.tolist() == sorted([*parts.labelled, *parts.validation])
    assert (observed[seen] == y[seen]).all()
    # Changing gold that must not be seen changes nothing.
    other = y.copy()
    other[parts.unlabelled] = 2 - other[parts.unlabelled]
    other[parts.test] = 2 - other[parts.test]
    assert (parts.observed_labels(other) == observed).all()
    assert parts.train.tolist() == sorted([*parts.labelled, *parts.unlabelled])


def test_seeds_differ_and_the_same_seed_repeats():
    y = np.arange(101) % 2
    drawn = [tuple(partition(y, seed, 11, 13).labelled) for seed in (1, 2, 1)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_stored_values():
    # A partition that somebody published results on must stay what it is.
    parts = partition(np.arange(23) % 2, seed=7, n_labelled=5, n_validation=3)
    assert parts.labelled.tolist() == [7, 8, 12, 20, 21]
    assert parts.validation.tolist() == [1, 16, 22]


@pytest.mark.parametrize(
    ("n_labelled", "n_validation", "told"),
    [
        (24, 0, "labelled part needs 24 rows, but 23"),
        (20, 4, "validation part needs 4 rows, but 3"),
        (1, 3, "labelled part has 1 rows, fewer than the 2 classes"),
        (5, 1, "validation part has 1 rows, fewer than the 2 classes"),
        (-1, 1, "n_labelled must be a whole number of at least 0"),
        (None, 3, "n_labelled is needed"),
    ],
)
def test_sizes_that_cannot_be(n_labelled, n_validation, told):
    with pytest.raises(InputError, match=told):
        partition(np.arange(23) % 2, 0, n_labelled, n_validation)


@pytest.mark.parametrize(
    ("y", "options", "told"),
    [
        ([0, 1, -1, 0], {}, "gold for every row"),
        ([0, 1] * 5, {"test": [10]}, "test rows must lie in 0 to 9"),
        ([0, 1] * 5, {"labelled": "fixed"}, "random.*published.*fixed"),
        ([0, 1] * 5, {"labelled": "published"}, "needs a corpus with a part"),
        ([0, 1] * 5, {"drop_duplicates": True}, "pass texts="),
        ([], {}, "needs 2 rows, but 0"),
    ],
)
def test_input_that_cannot_be_divided(y, options, told):
    with pytest.raises(InputError, match=told):
        partition(np.array(y, dtype=int), 0, 2, 2, **options)


def test_overlap_is_an_error():
    with pytest.raises(InputError, match="row 5 is in 'labelled' and in 'test'"):
        Partition(np.array([5, 7]), np.array([3]), np.array([]), np.array([11, 5]))
    with pytest.raises(InputError, match="row 2 is in 'mine' and in 'mine'"):
        check_disjoint(mine=[2, 2])
    check_disjoint(a=[], b=[1], c=np.array([2]))


def corpus_with_copies():
    frame = pd.DataFrame(
        {
            "text": [f"t{i}" for i in range(17)] + [" T3", "t5 ", "new", "NEW"],
            "label": np.arange(21) % 2,
            "part": ["labelled"] * 4 + ["train"] * 13 + ["test"] * 4,
        }
    )
    return Corpus("toy", ("no", "yes"), frame, "f1", "here", n_labelled=5, n_validation=3)


def test_copies_of_training_texts_leave_the_test_part():
    corpus = corpus_with_copies()
    assert partition(corpus, 0).test.tolist() == [17, 18, 19, 20]
    # Rows 19 and 20 copy each other, which gives nothing away.
    assert partition(corpus, 0, drop_duplicates=True).test.tolist() == [19, 20]
    parts = partition(
        corpus.labels, 0, 5, 3, test=range(17, 21), drop_duplicates=True, texts=corpus.texts
    )
    assert parts.test.tolist() == [19, 20]
    assert parts.observed_labels(corpus.labels)[[17, 18]].tolist() == [-1, -1]


def test_published_labelled_part_and_sizes_of_the_corpus():
    parts = partition(corpus_with_copies(), 3, labelled="published")
    assert parts.labelled.tolist() == [0, 1, 2, 3]
    assert len(parts.validation) == 3
    parts = partition(corpus_with_copies(), 3)
    assert (len(parts.labelled), len(parts.validation), len(parts.unlabelled)) == (5, 3, 9)


def test_held_out_test_part_has_no_copy_in_training():
    texts = [f"t{i}" for i in range(19)] + ["Copy", "copy "] * 6
    frame = pd.DataFrame({"text": texts, "label": np.arange(31) % 2})
    held = hold_out_test(frame, 11, seed=2)
    lowered = held["text"].str.strip().str.casefold()
    assert not set(lowered[held["part"] == "test"]) & set(lowered[held["part"] == "train"])
    assert set(frame.index) - set(held.index) <= set(range(19, 31))


def test_a_rare_class_gets_its_row():
    y = np.array([0] * 96 + [1])
    drawn = draw_stratified(np.arange(97), y, 2, np.random.default_rng(0), "x")
    assert y[drawn].tolist() == [0, 1]
