"""Greedy facility location: what it must reach, and that laziness changes nothing."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from spear_amal.errors import InputError
from spear_amal.maths import facility_location as module
from spear_amal.maths.facility_location import (
    Distances,
    cluster_sizes,
    facility_location,
    gains,
)

H = 3


def points(n, seed):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(n, H))
    return np.round(found) if seed % 2 else found  # every second set has equal points and ties


def plain_greedy(distances, budget):
    nearest = np.full(distances.n, distances.largest, dtype=np.float32)
    chosen = []
    for _ in range(budget):
        found = gains(nearest, distances.rows(np.arange(distances.n)))
        found[chosen] = -1
        chosen.append(int(found.argmax()))
        nearest = np.minimum(nearest, distances.rows(np.array(chosen[-1:]))[0])
    return chosen


def value(distances, chosen):
    """f(S), in float64."""
    near = distances.rows(np.asarray(chosen, dtype=int)).astype(np.float64).min(0)
    return (distances.largest - near).sum()


@given(st.integers(1, 23), st.integers(0, 200), st.data())
def test_lazy_is_plain_greedy(n, seed, data):
    budget = data.draw(st.integers(0, n))
    distances = Distances(points(n, seed))
    chosen = facility_location(distances, budget)
    assert chosen.tolist() == plain_greedy(distances, budget)
    assert len(set(chosen.tolist())) == budget


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(0, 200), st.data())
def test_greedy_reaches_its_share_of_the_best(n, seed, data):
    budget = data.draw(st.integers(1, min(n, 4)))
    distances = Distances(points(n, seed))
    best = max(value(distances, s) for s in itertools.combinations(range(n), budget))
    found = value(distances, facility_location(distances, budget))
    assert found >= (1 - 1 / math.e) * best - 1e-6
    if budget == 1:
        assert found == pytest.approx(best, abs=1e-5)


def test_distances_against_scipy_however_far_from_zero(monkeypatch):
    x = points(31, 0) + 1e4
    expected = cdist(x, x)
    for most in (0, 10**6):
        found = Distances(x, most)
        assert (found.matrix is None) == (most == 0)
        rows = np.array([5, 0, 30])
        np.testing.assert_allclose(found.rows(rows), expected[rows], atol=1e-5)
        assert (found.rows(rows)[np.arange(3), rows] == 0).all()
        assert found.largest >= expected.max()
    monkeypatch.setattr(module, "BLOCK", 7)
    np.testing.assert_allclose(Distances(x).matrix, expected, atol=1e-5)


def test_a_set_too_large_for_memory_gives_the_same_choice(monkeypatch):
    x = points(61, 2)
    whole, computed = Distances(x), Distances(x, max_entries=100)
    expected = facility_location(whole, 29)
    monkeypatch.setattr(module, "BLOCK", 200)
    assert facility_location(computed, 29).tolist() == expected.tolist()
    for radius in (None, 1.5):
        found = cluster_sizes(computed, expected, radius)
        assert found.tolist() == cluster_sizes(whole, expected, radius).tolist()


@pytest.mark.parametrize("radius", [None, 0.0, 1.5, 99.0])
def test_cluster_sizes_against_a_loop(radius):
    x = points(37, 4)
    distances = Distances(x)
    chosen = facility_location(distances, 7)
    near = cdist(x, x[chosen])
    if radius is None:
        expected = np.bincount(near.argmin(1), minlength=7)
        assert expected.sum() == 37
    else:
        expected = (near <= radius).sum(0)
    assert cluster_sizes(distances, chosen, radius).tolist() == expected.tolist()


def test_equal_points_belong_to_the_first_chosen():
    distances = Distances(np.zeros((5, H)))
    chosen = facility_location(distances, 3)
    assert chosen.tolist() == [0, 1, 2]
    assert cluster_sizes(distances, chosen).tolist() == [5, 0, 0]


def test_clusters_are_found_and_outliers_come_last():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]])
    x = np.concatenate([c + 0.1 * rng.normal(size=(17, H)) for c in centres])
    chosen = facility_location(Distances(x), 3)
    assert sorted(chosen // 17) == [0, 1, 2]


def test_nothing_and_nonsense():
    empty = Distances(np.zeros((0, H)))
    assert facility_location(empty, 0).tolist() == []
    assert cluster_sizes(empty, np.zeros(0, dtype=int)).tolist() == []
    assert cluster_sizes(empty, np.zeros(0, dtype=int), 1.0).tolist() == []
    with pytest.raises(InputError, match="budget must lie between 0 and 3"):
        facility_location(Distances(np.zeros((3, H))), 4)
    with pytest.raises(InputError, match="finite"):
        Distances(np.full((3, H), np.nan))
