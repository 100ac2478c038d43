"""Intervals against scipy, numerical derivatives, a bootstrap and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from spear_amal.studies.crossval.intervals import (
    Z,
    fold_overlap,
    gain_interval,
    mean_variance,
    rows_needed,
    score_influence,
    score_interval,
    score_variance,
    wilson,
)

SCORES = {
    "accuracy": lambda y, p, w: accuracy_score(y, p, sample_weight=w),
    "f1": lambda y, p, w: f1_score(y == 1, p == 1, sample_weight=w),
    "macro-f1": lambda y, p, w: f1_score(y, p, average="macro", sample_weight=w),
}


def drawn(n, seed=0, shares=(0.6, 0.3, 0.1), right=0.7):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=shares)
    return y, np.where(rng.random(n) < right, y, rng.integers(3, size=n))


@pytest.mark.parametrize("metric", SCORES)
def test_influence_is_the_derivative_of_the_score_by_the_weight_of_a_row(metric):
    y, predicted = drawn(61)
    value, influence = score_influence(metric, y, predicted)
    step = 1e-6
    assert value == pytest.approx(SCORES[metric](y, predicted, np.ones(61)))
    for row in range(61):
        weight = np.ones(61)
        weight[row] += step
        slope = (SCORES[metric](y, predicted, weight) - value) / step
        assert influence[row] / 61 == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("metric", SCORES)
def test_variance_is_that_of_a_bootstrap(metric):
    y, predicted = drawn(401)
    _, influence = score_influence(metric, y, predicted)
    rng = np.random.default_rng(5)
    scores = []
    for _ in range(300):
        rows = rng.integers(401, size=401)
        scores.append(SCORES[metric](y[rows], predicted[rows], np.ones(401)))
    assert mean_variance(influence, np.arange(401)) == pytest.approx(np.var(scores), rel=0.25)


def test_rows_of_one_text_count_as_one():
    y, predicted = drawn(83)
    _, influence = score_influence("accuracy", y, predicted)
    once = mean_variance(influence, np.arange(83))
    twice = mean_variance(np.repeat(influence, 2), np.repeat(np.arange(83), 2))
    assert twice == pytest.approx(once)


@pytest.mark.parametrize(("right", "n"), [(0, 20), (17, 20), (20, 20), (301, 400)])
def test_wilson_is_the_textbook_interval(right, n):
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high))


def test_an_accuracy_on_rows_that_no_model_saw_has_the_textbook_interval():
    y = np.zeros(401, dtype=int)
    predicted = np.array([[0] * 301 + [1] * 100])
    interval = score_interval("accuracy", y, predicted, np.arange(401))
    expected = stats.binomtest(301, 401).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=2e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_error_at_all_is_not_certainty(share):
    y = np.ones(50, dtype=int)
    predicted = np.full((1, 50), int(share))
    interval = score_interval("accuracy", y, predicted, np.arange(50), fold_overlap(5))
    assert interval.value == share
    assert interval.high - interval.low > 0.08
    gain = gain_interval("accuracy", y, predicted, predicted, np.arange(50))
    assert gain.value == 0
    assert gain.high == pytest.approx(Z * np.sqrt(2) / 50)


def test_models_of_folds_widen_the_interval_by_twice_the_rows_held_out_over_those_trained_on():
    y, predicted = drawn(200)
    apart = score_interval("accuracy", y, predicted[None], np.arange(200))
    shared = score_interval("accuracy", y, predicted[None], np.arange(200), fold_overlap(5))
    assert shared.standard_error == pytest.approx(apart.standard_error * np.sqrt(1 + 2 / 4))
    assert shared.high - shared.low > apart.high - apart.low


def test_repeats_narrow_what_chance_adds_and_not_what_the_rows_do():
    y, _ = drawn(4000)
    passes = np.stack([drawn(4000, right=0.7)[1], np.roll(drawn(4000, 9)[1], 0)])
    same = score_variance(np.stack([np.ones(4000), np.ones(4000)]), np.arange(4000), 0.25)
    right = (passes == y).astype(float) - (passes == y).mean(1, keepdims=True)
    single = np.mean(right.var(1, ddof=1)) / 4000
    mean = right.mean(0).var(ddof=1) / 4000
    assert same == pytest.approx(1.25 / 3999)
    assert score_variance(right, np.arange(4000), 0.25) == pytest.approx(mean + single / 4)


def test_the_gain_is_paired():
    """Two methods that differ on two rows of 200 are closer than their scores' intervals say."""
    y = np.zeros(200, dtype=int)
    theirs = np.array([[0] * 150 + [1] * 50])
    ours = theirs.copy()
    ours[0, 150:154] = 0
    gain = gain_interval("accuracy", y, ours, theirs, np.arange(200))
    difference = np.repeat([1.0, 0.0], [4, 196])
    variance = difference.var(ddof=1) / 200 + 2 / 200**2
    assert gain.value == pytest.approx(0.02)
    assert gain.standard_error == pytest.approx(np.sqrt(variance))
    assert (gain.low, gain.high) == pytest.approx(
        (0.02 - Z * variance**0.5, 0.02 + Z * variance**0.5)
    )


@pytest.mark.parametrize(("n", "better", "worse"), [(200, 0.10, 0.05), (300, 0.08, 0.06)])
def test_so_many_rows_tell_a_gain_four_times_in_five(n, better, worse):
    """Rows on which one of two methods is right, drawn anew: how often is the interval above 0?"""
    gain, variance = better - worse, better + worse - (better - worse) ** 2
    needed = rows_needed(n, gain, np.sqrt(variance / n))
    rng = np.random.default_rng(11)
    counts = rng.multinomial(needed, [better, worse, 1 - better - worse], size=4000)
    mean = (counts[:, 0] - counts[:, 1]) / needed
    error = np.sqrt(((counts[:, 0] + counts[:, 1]) / needed - mean**2) / needed)
    assert (mean - Z * error > 0).mean() == pytest.approx(0.80, abs=0.03)


def test_intervals_hold_the_true_score_of_a_fixed_model():
    held = 0
    for seed in range(400):
        y, predicted = drawn(150, seed)
        interval = score_interval("accuracy", y, predicted[None], np.arange(150))
        held += interval.low <= 0.7 + 0.3 / 3 <= interval.high
    assert held / 400 == pytest.approx(0.95, abs=0.025)
