"""Made-up corpora are of the shape that was asked for, and can be studied."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from made_up_corpora import N_TEST, SHAPES, made_up_corpus

from spear_amal.studies import run_study

SMALL = {"n_pool": 491, "n_gold": 31}


def small(name, **changes):
    return made_up_corpus(replace(SHAPES[name], **{**SMALL, **changes}), seed=3)


@pytest.mark.parametrize("name", SHAPES)
def test_sizes_shares_and_one_class_for_each_lf(name):
    shape, source = SHAPES[name], small(name)
    votes, y = source.votes.to_dense(), source.corpus.labels
    assert votes.shape == (491 + N_TEST, shape.n_lfs)
    assert source.corpus.features.shape[0] == len(y) == len(votes)
    assert np.abs(np.bincount(y) / len(y) - shape.shares).max() < 0.01
    assert (source.corpus.frame["part"] == "test").sum() == N_TEST
    for column in votes.T:
        assert len(set(column) - {-1}) <= 1
    assert {int(max(c)) for c in votes.T} == set(range(len(shape.shares))) or shape.n_lfs < 5


def precisions(source):
    votes, y = source.votes.to_dense(), source.corpus.labels
    fired = votes >= 0
    return ((votes == y[:, None]) & fired).sum(0) / fired.sum(0)


@pytest.mark.parametrize("name", ["rules-carry", "table-strong"])
def test_lfs_are_about_as_precise_as_asked(name):
    low, high = SHAPES[name].precision
    assert abs(precisions(small(name)).mean() - (low + high) / 2) < 0.06


def test_a_placebo_tells_nothing_and_a_draw_is_repeated():
    assert abs(precisions(small("placebo")).mean() - 0.5) < 0.05
    first, again = small("relations"), small("relations")
    assert (first.votes.to_dense() == again.votes.to_dense()).all()
    assert (first.corpus.features != again.corpus.features).nnz == 0


def test_copies_repeat_others():
    votes = small("copies").votes.to_dense()
    for copy in votes[:, 12:].T:
        same = [(copy[copy >= 0] == other[copy >= 0]).mean() for other in votes[:, :12].T]
        assert max(same) == 1


def test_methods_run_on_one():
    rows = run_study(small("rules-carry"), ["only-lv"], 2, only=True, max_epochs=2)
    assert rows["error"].isna().all()
    assert (rows["n_test"] == N_TEST).all()
