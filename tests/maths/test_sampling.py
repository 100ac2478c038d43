"""Coresets drawn by weights: probabilities, and seeded drawing without replacement."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spear_amal.errors import InputError
from spear_amal.maths.sampling import coreset_probabilities, gumbel_top_k

P = np.array([0.0, 1.0, 0.5, 2.0, 1e-7])
A = np.array([1.0, 1.0, 0.25, 0.0, 1.0])


@pytest.mark.parametrize(
    ("strategy", "scores"),
    [
        ("squares", [1, 2, 0.3125, 4, 1]),
        ("difference", [1, 0, 0.25, 2, 1]),
        ("ratio", [1e7, 1, 0.5, 0, 1e7]),
    ],
)
def test_probabilities_are_proportional_to_the_scores(strategy, scores):
    found = coreset_probabilities(P, A, strategy)
    np.testing.assert_allclose(found, np.array(scores) / sum(scores), rtol=1e-6)


def test_a_cap_keeps_ratios_in_bounds():
    found = coreset_probabilities(P, A, "ratio", cap=2.0)
    np.testing.assert_allclose(found, np.array([2, 1, 0.5, 0, 2]) / 5.5)


def test_of_several_teachers_the_largest_counts():
    teachers = np.stack([A, A[::-1], 0 * A], axis=1)
    expected = coreset_probabilities(P, np.maximum(A, A[::-1]))
    assert np.array_equal(coreset_probabilities(P, teachers), expected)


def test_rows_that_nothing_tells_apart_are_alike():
    assert coreset_probabilities(P, P, "difference").tolist() == [0.2] * 5
    assert coreset_probabilities([], []).tolist() == []


@given(
    arrays(float, 7, elements=st.floats(0, 1e200)),
    arrays(float, (7, 2), elements=st.floats(0, 1e200)),
    st.sampled_from(["difference", "ratio"]),
)
def test_probabilities_sum_to_one(p, a, strategy):
    found = coreset_probabilities(p, a, strategy)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((P, A[:3]), "5 rows, teacher_weights 3"),
        ((-P, A), "label_weights"),
        ((P, A * np.nan), "teacher_weights"),
        ((P[:, None], A), "label_weights"),
        ((P, np.zeros((5, 0))), "teacher_weights"),
        ((P, A, "cubes"), "strategy must be"),
        ((P, A, "ratio", 0.0), "cap must be"),
    ],
)
def test_nonsense_is_refused_by_name(arguments, message):
    with pytest.raises(InputError, match=message):
        coreset_probabilities(*arguments)


# -- drawing --------------------------------------------------------------------------------------


def sequential(weights, k):
    """Probability of each ordered draw without replacement, by enumeration."""
    found = {}
    for order in itertools.permutations(range(len(weights)), k):
        left, p = sum(weights), 1.0
        for i in order:
            p *= weights[i] / left
            left -= weights[i]
        found[order] = p
    return found


def test_ordered_draws_have_the_probabilities_of_sequential_sampling():
    weights, k, n = np.array([5.0, 1.0, 2.0, 0.5]), 2, 5000
    rng = np.random.default_rng(0)
    counts = {}
    for _ in range(n):
        order = tuple(gumbel_top_k(weights, k, rng).tolist())
        counts[order] = counts.get(order, 0) + 1
    # four standard deviations of a proportion of 5000 draws are below 0.03
    for order, p in sequential(weights, k).items():
        assert counts.get(order, 0) / n == pytest.approx(p, abs=0.03)


def test_rows_of_weight_zero_only_fill_up():
    weights = np.array([0.0, 1e-300, 0.0, 3.0, 0.0])
    seen = set()
    for seed in range(23):
        drawn = gumbel_top_k(weights, 4, seed).tolist()
        assert set(drawn[:2]) == {1, 3}
        seen.update(drawn[2:])
        assert len(set(drawn)) == 4
    assert seen == {0, 2, 4}  # among themselves they are drawn at random


def test_a_seed_gives_one_draw_whatever_the_scale():
    weights = np.random.default_rng(1).random(101)
    first = gumbel_top_k(weights, 37, 5)
    assert np.array_equal(first, gumbel_top_k(weights, 37, 5))
    assert np.array_equal(first, gumbel_top_k(weights * 64, 37, 5))
    assert np.array_equal(first[:11], gumbel_top_k(weights, 11, 5))  # smaller ones are nested
    assert not np.array_equal(first, gumbel_top_k(weights, 37, 6))


def test_all_and_none():
    assert gumbel_top_k([], 0).tolist() == []
    assert gumbel_top_k([1.0], 0).tolist() == []
    assert sorted(gumbel_top_k([1.0, 0.0, 2.0], 3, 0).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("k", [-1, 4, 1.5, True])
def test_a_size_that_cannot_be_drawn_is_refused(k):
    with pytest.raises(InputError, match="k must be a whole number between 0 and 3"):
        gumbel_top_k([1.0, 1.0, 1.0], k)
