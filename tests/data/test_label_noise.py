"""Label noise: never the true class, exactly as many rows as asked, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.data import add_label_noise
from spear_amal.errors import InputError

LABELS = st.integers(2, 7).flatmap(
    lambda c: st.tuples(st.just(c), st.lists(st.integers(-1, c - 1), max_size=61))
)


def options(kind, n_classes):
    confusion = np.random.default_rng(5).integers(0, 3, (n_classes, n_classes))
    return {"kind": kind, "confusion": confusion if kind == "confusable" else None}


@given(LABELS, st.floats(0, 1), st.integers(0, 99), st.sampled_from(["symmetric", "confusable"]))
def test_what_noise_may_do(drawn, rate, seed, kind):
    n_classes, y = drawn
    y = np.array(y, dtype=np.int64)
    before = y.copy()
    noisy = add_label_noise(y, rate, n_classes, seed, **options(kind, n_classes))
    labelled = int((y >= 0).sum())
    assert np.array_equal(y, before), "the labels handed over are not changed"
    assert noisy.flipped.sum() == round(rate * labelled)
    assert np.array_equal(noisy.flipped, noisy.y != y)
    assert (noisy.y[y < 0] == -1).all()
    assert noisy.y.size == 0 or (noisy.y.max() < n_classes and noisy.y.dtype == np.int64)
    assert noisy.effective == (noisy.flipped.sum() / labelled if labelled else 0.0)
    again = add_label_noise(y, rate, n_classes, seed, **options(kind, n_classes))
    assert np.array_equal(noisy.y, again.y)


def test_every_other_class_is_as_likely():
    y = np.full(5003, 2)
    noisy = add_label_noise(y, 1.0, 5, seed=11)
    counts = np.bincount(noisy.y, minlength=5)
    assert counts[2] == 0
    assert (np.abs(counts[[0, 1, 3, 4]] / 5003 - 0.25) < 0.03).all()


def test_pairs_go_to_the_next_class():
    y = np.arange(7)
    assert add_label_noise(y, 1.0, 7, seed=0, kind="pairs").y.tolist() == [1, 2, 3, 4, 5, 6, 0]


def test_confusable_follows_the_counts_and_not_the_diagonal():
    confusion = [[97, 0, 3], [0, 5, 0], [2, 0, 0]]
    y = np.repeat([0, 1, 2], 53)
    noisy = add_label_noise(y, 1.0, 3, seed=1, kind="confusable", confusion=confusion).y
    assert set(noisy[:53]) == {2}
    assert set(noisy[53:106]) == {0, 2}, "a class that is never confused goes anywhere"
    assert set(noisy[106:]) == {0}


@pytest.mark.parametrize(
    ("y", "rate", "n_classes", "more", "told"),
    [
        ([0, 1], 1.1, 2, {}, "rate must lie in"),
        ([0, 1], float("nan"), 2, {}, "rate must lie in"),
        ([0, 3], 0.5, 3, {}, "0 to 2, found 0 to 3"),
        ([0, -2], 0.5, 3, {}, "found -2 to 0"),
        ([0.5, 1.0], 0.5, 3, {}, "y must be whole numbers, found"),
        ([[0], [1]], 0.5, 3, {}, "shape"),
        ([0, 0], 0.5, 1, {}, "at least 2 classes"),
        ([0, 1], 0.5, 2, {"kind": "asym"}, "kind must be one of"),
        ([0, 1], 0.5, 2, {"kind": "confusable"}, "needs confusion"),
        ([0, 1], 0.5, 2, {"confusion": np.eye(2)}, "no other kind takes it"),
        ([0, 1], 0.5, 2, {"kind": "confusable", "confusion": np.eye(3)}, r"2 x 2.*\(3, 3\)"),
        ([0, 1], 0.5, 2, {"kind": "confusable", "confusion": [[0, -1], [1, 0]]}, "at least 0"),
    ],
)
def test_bad_input(y, rate, n_classes, more, told):
    with pytest.raises(InputError, match=told):
        add_label_noise(y, rate, n_classes, 0, **more)
