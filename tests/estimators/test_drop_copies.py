"""LFs that repeat others take no part, and the votes keep their shape."""

import numpy as np
import pytest

from spear_amal import LabelMatrix, RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators.rules import without_copies
from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.grades import copies

N = 149
FITS = {"trainer": TrainerConfig(max_epochs=3)}


def fires(*rows):
    return np.isin(np.arange(40), np.concatenate([np.arange(*span) for span in rows]))


def columns_kept(votes, alike):
    L = LabelMatrix.from_dense(np.stack(votes, axis=1))
    return without_copies(L, L.unipolar_plan(), alike)


def test_the_share_is_of_the_rows_on_which_either_votes():
    # 18 rows in common of 20: 0.9
    votes = [np.where(fires((0, 20)), 0, -1), np.where(fires((0, 18)), 0, -1)]
    assert columns_kept(votes, 0.9) == [(0, 0)]
    assert columns_kept(votes, 0.91) == [(0, 0), (1, 0)]
    # 18 in common of 22
    votes = [np.where(fires((0, 20)), 0, -1), np.where(fires((2, 22)), 0, -1)]
    assert columns_kept(votes, 18 / 22) == [(0, 0)]
    assert columns_kept(votes, 0.82) == [(0, 0), (1, 0)]


def test_other_classes_and_rare_votes_are_no_copies():
    same = fires((0, 20))
    assert len(columns_kept([np.where(same, 0, -1), np.where(same, 1, -1)], 0.5)) == 2
    rare = fires((0, 9))  # nine votes may be alike by chance
    assert len(columns_kept([np.where(rare, 0, -1)] * 2, 0.9)) == 2


def test_an_lf_of_several_classes_loses_only_the_class_that_another_has_as_well():
    first = np.where(fires((0, 20)), 0, -1)
    both = np.where(fires((0, 19)), 0, np.where(fires((25, 40)), 1, -1))
    assert columns_kept([first, both], 0.9) == [(0, 0), (1, 1)]


def test_lfs_that_drift_apart_step_by_step_are_held_against_those_that_are_kept():
    votes = [np.where(fires((k, 20 + k)), 0, -1) for k in range(5)]  # each step: 19 in 21
    assert columns_kept(votes, 0.9) == [(0, 0), (2, 0), (4, 0)]
    L = LabelMatrix.from_dense(np.stack(votes, axis=1))
    table = copies(VotesInParts(L), 0.9)
    assert table[["lf", "of", "rows"]].to_numpy().tolist() == [[1, 0, 19], [3, 2, 19]]
    np.testing.assert_allclose(table["share"], 19 / 21)


@pytest.fixture(scope="module")
def rows():
    """Two classes under names that sort the other way, two LFs, and a copy of the first."""
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 2, N)
    X = rng.normal(size=(N, 3)) + 2 * gold[:, None]
    votes = np.where(rng.random((N, 2)) < 0.7, np.where(rng.random((N, 2)) < 0.8, [0, 1], -1), -1)
    votes[:, 0][gold == 1] = np.where(rng.random((gold == 1).sum()) < 0.1, 0, -1)
    votes[:, 1][gold == 0] = np.where(rng.random((gold == 0).sum()) < 0.1, 1, -1)
    L = np.stack([votes[:, 0], votes[:, 0], votes[:, 1]], axis=1)
    names = np.array(["ham", "adam"])
    return X, np.where(np.arange(N) < 30, names[gold], None), L


def matrix(L):
    return LabelMatrix.from_dense(L, classes=("ham", "adam"), lf_names=[*"abcd"][: L.shape[1]])


def test_training_without_copies_is_training_without_these_lfs(rows):
    X, y, L = rows
    alone = SpearClassifier(**FITS).fit(X, y, matrix(L[:, [0, 2]]))
    once = SpearClassifier(**FITS, rule_model=RuleModelConfig(drop_copies=0.9))
    once.fit(X, y, matrix(L))
    assert alone.guarded_ is False
    assert once.plan_ == [(0, 1), (2, 0)]  # in codes of the model
    np.testing.assert_array_equal(once.predict_proba(X), alone.predict_proba(X))
    np.testing.assert_array_equal(
        once.rule_predict_proba(matrix(L)), alone.rule_predict_proba(matrix(L[:, [0, 2]]))
    )


def test_all_lfs_are_given_at_prediction_and_from_a_file_too(rows, tmp_path):
    X, y, L = rows
    options = {**FITS, "inference": "product", "fit_strategy": "crossfit", "n_folds": 3}
    once = SpearClassifier(**options, rule_model=RuleModelConfig(drop_copies=0.9))
    once.fit(X, y, L=matrix(L))
    voted = once.predict_proba(X, L=matrix(L))
    silenced = L.copy()
    silenced[:, 1] = -1  # the copy, which says nothing any more
    np.testing.assert_array_equal(
        once.rule_predict_proba(matrix(silenced)), once.rule_predict_proba(matrix(L))
    )
    once.save(tmp_path / "model")
    loaded = SpearClassifier.load(tmp_path / "model")
    assert loaded.rule_model.drop_copies == 0.9
    np.testing.assert_array_equal(loaded.predict_proba(X, L=matrix(L)), voted)
    with pytest.raises(InputError, match="2 LFs, the model was trained on 3"):
        once.rule_predict_proba(L[:, [0, 2]])


def test_nothing_changes_where_none_is_a_copy(rows):
    X, y, L = rows
    fits = [
        SpearClassifier(**FITS, rule_model=RuleModelConfig(drop_copies=share)).fit(
            X, y, matrix(L[:, [0, 2]])
        )
        for share in (None, 0.9)
    ]
    np.testing.assert_array_equal(*(fit.predict_proba(X) for fit in fits))


@pytest.mark.parametrize("share", [0.0, 1.1, "once"])
def test_a_share_that_is_none_is_refused(rows, share):
    X, y, L = rows
    with pytest.raises(ValueError, match="drop_copies"):
        SpearClassifier(rule_model=RuleModelConfig(drop_copies=share)).fit(X, y, L)
