import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.labeling import (
    LabelMatrix,
    filter_unlabeled_dataframe,
    get_label_buckets,
    get_label_instances,
    preds_to_probs,
    probs_to_preds,
)

LABELS = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), max_size=11)


@given(LABELS)
def test_buckets_part_the_rows(pairs):
    gold, predicted = np.array(pairs, dtype=int).reshape(-1, 2).T
    buckets = get_label_buckets(gold, predicted.reshape(-1, 1))
    assert sorted(np.concatenate([[], *buckets.values()])) == list(range(len(pairs)))
    for (g, p), rows in buckets.items():
        assert all(pairs[i] == (g, p) for i in rows) and rows.tolist() == sorted(rows)
    for bucket in [(0, 1), (5, 5)]:
        found = get_label_instances(bucket, np.arange(len(pairs)), gold, predicted)
        assert found.tolist() == [i for i, pair in enumerate(pairs) if pair == bucket]


def test_buckets_of_wrong_lengths():
    with pytest.raises(InputError, match="one length"):
        get_label_buckets([1], [1, 2])
    with pytest.raises(InputError, match="bucket has 1 labels, but 2"):
        get_label_instances((1,), np.arange(1), [1], [1])
    with pytest.raises(InputError, match="x has 3 rows, the labels have 1"):
        get_label_instances((1,), np.arange(3), [1])
    with pytest.raises(InputError, match="whole numbers"):
        get_label_buckets([0.5])


@pytest.mark.parametrize("as_matrix", [False, True])
def test_rows_without_votes_are_left_out(as_matrix):
    votes = np.array([[-1, 0], [-1, -1], [1, -1]])
    frame = pd.DataFrame({"text": list("abc")}, index=[5, 5, 3])
    X, y = filter_unlabeled_dataframe(
        frame, np.eye(3), LabelMatrix.from_dense(votes) if as_matrix else votes
    )
    assert X["text"].tolist() == ["a", "c"] and y.tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(InputError, match="X has 3 rows, y 2, L 3"):
        filter_unlabeled_dataframe(frame, np.eye(2), votes)


@given(st.lists(st.integers(0, 4), max_size=7))
def test_there_and_back(preds):
    preds = np.array(preds, dtype=int)
    assert np.array_equal(probs_to_preds(preds_to_probs(preds, 5)), preds)


def test_ties():
    probs = np.array([[0.4, 0.4, 0.2], [0.2, 0.6, 0.2], [1 / 3] * 3, [0.5, 0.5 - 1e-7, 0]])
    assert probs_to_preds(probs, "abstain").tolist() == [-1, 1, -1, -1]
    assert probs_to_preds(probs, "abstain", tol=1e-9).tolist() == [-1, 1, -1, 0]
    many = np.full((101, 3), 1 / 3)
    assert np.array_equal(probs_to_preds(many), probs_to_preds(many))
    assert set(probs_to_preds(many)) == {0, 1, 2}
    drawn = [probs_to_preds(many, "true-random", random_state=seed) for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: probs_to_preds([[1.0]]), "C of at least 2"),
        (lambda: probs_to_preds([0.5, 0.5]), r"shape \(n, C\)"),
        (lambda: probs_to_preds(np.eye(2), "coin"), "unknown tie_break_policy 'coin'"),
        (lambda: preds_to_probs([0, -1], 2), "found -1 in row 1; abstained rows"),
        (
            lambda: preds_to_probs([0, 2], 2),
            "preds holds 2 in row 1 .counted from 0., which is none of the classes 0, 1",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_probability_has_no_most_probable_class(wrong):
    with pytest.raises(InputError, match=r"probs must be finite numbers, found .* in row 1"):
        probs_to_preds([[0.2, 0.8], [wrong, 0.3]])


def test_complex_numbers_do_not_lose_a_part():
    with pytest.raises(InputError, match="probs must be numbers, found complex128"):
        probs_to_preds(np.array([[1j, 0.5]]))


def test_missing_labels_are_asked_for_as_they_are_written():
    x, y = np.arange(4), ["a", None, "b", float("nan")]
    for bucket in ((None,), (-1,), (float("nan"),)):
        assert get_label_instances(bucket, x, y).tolist() == [1, 3]
    assert get_label_instances(("b",), x, y).tolist() == [2]
    with pytest.raises(InputError, match="bucket must be a tuple"):
        get_label_instances("b", x, y)
