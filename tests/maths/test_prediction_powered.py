"""Means from few gold rows and many guesses, against textbook forms and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spear_amal.errors import InputError
from spear_amal.maths.prediction_powered import powered_mean, powered_share


def drawn(n, p, quality, rng):
    y = (rng.random(n) < p).astype(float)
    noisy = np.log(p / (1 - p)) + quality * (2 * y - 1) + rng.normal(size=n)
    return y, 1 / (1 + np.exp(-noisy))


@pytest.mark.parametrize(("right", "n"), [(0, 20), (17, 20), (20, 20), (3, 7), (301, 400)])
def test_without_guesses_it_is_wilsons_interval(right, n):
    y = np.arange(n) < right
    mean = powered_share(y, np.zeros(n), np.zeros(0))
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert mean.value == pytest.approx(right / n)
    assert (mean.low, mean.high) == pytest.approx((expected.low, expected.high))
    assert mean.weight == 0 and mean.n_effective == n


def test_the_estimate_is_the_corrected_mean_with_the_best_weight():
    rng = np.random.default_rng(0)
    y, f = drawn(97, 0.6, 1.5, rng)
    others = drawn(1009, 0.6, 1.5, rng)[1]
    mean = powered_share(y, f, others)
    slope = stats.linregress(f, y).slope
    assert mean.weight == pytest.approx(slope * 1009 / (1009 + 97))
    assert mean.value == pytest.approx(y.mean() + mean.weight * (others.mean() - f.mean()))
    # Of all weights this one makes the variance least, PPI++'s equation for the mean.
    variances = [np.var(y - w * f) / 97 + w**2 * np.var(f) / 1009 for w in np.linspace(0, 2, 401)]
    assert np.linspace(0, 2, 401)[np.argmin(variances)] == pytest.approx(mean.weight, abs=0.01)


def test_a_shift_of_the_guesses_changes_nothing():
    rng = np.random.default_rng(1)
    y, f = drawn(61, 0.4, 2, rng)
    others = drawn(500, 0.4, 2, rng)[1]
    plain, shifted = powered_share(y, f, others), powered_share(y, 3 * f - 5, 3 * others - 5)
    assert (shifted.value, shifted.low) == pytest.approx((plain.value, plain.low))


@pytest.mark.parametrize("quality", [0.0, 2.0])
@pytest.mark.parametrize("n", [20, 60])
def test_intervals_hold_the_share(quality, n):
    rng = np.random.default_rng([5, n])
    held, narrower = 0, 0.0
    for _ in range(500):
        p = rng.uniform(0.15, 0.85)
        y, f = drawn(n + 600, p, quality, rng)
        mean, alone = powered_share(y[:n], f[:n], f[n:]), powered_share(y[:n], f[:n], f[:0])
        held += mean.low <= p <= mean.high
        narrower += (mean.high - mean.low) / (alone.high - alone.low) / 500
    assert 0.93 <= held / 500 <= 1
    assert narrower < 0.75 if quality else narrower == pytest.approx(1, abs=0.02)


def test_intervals_hold_the_mean_of_gains():
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(500):
        y = rng.choice([-1.0, 0.0, 1.0], 900, p=(0.1, 0.7, 0.2))
        f = y + rng.normal(size=900)
        mean = powered_mean(y[:80], f[:80], f[80:], size=0.55)
        held += mean.low <= 0.1 <= mean.high
    assert 0.93 <= held / 500 <= 0.985


def test_rows_that_are_all_alike_are_not_sure():
    gain = powered_mean(np.zeros(10), np.zeros(10), np.zeros(100))
    assert gain.value == 0 and gain.high == pytest.approx(1.96 * 2 / 10, rel=1e-3)
    none = powered_share(np.zeros(0), np.zeros(0), np.zeros(5))
    assert np.isnan(none.value) and (none.low, none.high) == (0, 1)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(InputError, match="a guess for each of the 3 truths, found 2"):
        powered_share(np.zeros(3), np.zeros(2), np.zeros(5))
    with pytest.raises(InputError, match="finite numbers"):
        powered_mean(np.zeros(3), np.array([0, np.nan, 1]), np.zeros(5))
