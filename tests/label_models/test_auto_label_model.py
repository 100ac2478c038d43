"""The label model that gold chooses, and the committee of several."""

import warnings

import numpy as np
import pytest

from spear_amal import LabelMatrix, LabelModelClassifier
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import (
    LABEL_MODELS,
    AutoLabelModel,
    LabelModel,
    LabelModelCommittee,
    MajorityVote,
    WeightedMajority,
    register_label_model,
)
from spear_amal.label_models.auto import deal
from spear_amal.label_models.scores import row_losses
from spear_amal.studies import parse_method
from spear_amal.training import TrainerConfig

FEW = ["majority", "weighted-majority"]


@pytest.fixture(scope="module")
def uneven():
    """Votes of one good and four bad LFs: the majority is wrong where gold knows better."""
    return synthetic_votes(500, 5, 2, accuracies=[0.95, 0.6, 0.6, 0.4, 0.4], coverages=0.8, seed=1)


def given(y, n):
    return np.where(np.arange(len(y)) < n, y, -1)


def test_without_gold_or_with_too_little_it_is_the_committee(uneven):
    L, y = uneven
    for gold in (None, np.full(500, -1), given(y, 15)):
        model = AutoLabelModel().fit(L, gold)
        assert (model.chosen_, model.losses_) == ("committee", {})
    expected = LabelModelCommittee().fit(L).predict_proba(L)
    np.testing.assert_array_equal(AutoLabelModel().fit(L).predict_proba(L), expected)
    assert AutoLabelModel(without_gold="majority").fit(L).chosen_ == "majority"


def test_gold_of_one_class_chooses_nothing(uneven):
    L, y = uneven
    assert AutoLabelModel().fit(L, np.where(y == 1, 1, None)).losses_ == {}


def test_the_simplest_within_one_standard_error_by_hand(uneven):
    L, y = uneven
    for n in (30, 60, 200):
        gold = given(y, n)
        model = AutoLabelModel(candidates=FEW, loss="accuracy").fit(L, gold)
        rows = np.flatnonzero((gold >= 0) & L.covered())
        assert model.n_gold_ == len(rows)
        losses = {"majority": np.empty(len(rows)), "weighted-majority": np.empty(len(rows))}
        fold = deal(L[rows], gold[rows], 5)
        for k in range(5):  # each fold judged by a model that did not see its gold
            some = gold.copy()
            some[rows[fold == k]] = -1
            for name, kind in zip(FEW, (MajorityVote, WeightedMajority), strict=True):
                p = kind().fit(L, some).predict_proba(L[rows[fold == k]])
                losses[name][fold == k] = row_losses("accuracy", p, gold[rows[fold == k]])
        for name, loss in losses.items():
            assert model.losses_[name] == pytest.approx(loss.mean())
        excess = losses["majority"] - losses["weighted-majority"]
        error = excess.std(ddof=1) / np.sqrt(len(rows))
        expected = "majority" if excess.mean() <= error else "weighted-majority"
        assert model.chosen_ == expected
    assert model.chosen_ == "weighted-majority"  # with 200 rows
    fitted = WeightedMajority().fit(L, gold)  # on all gold
    np.testing.assert_array_equal(model.predict_proba(L), fitted.predict_proba(L))
    np.testing.assert_array_equal(model.get_weights(), fitted.get_weights())


def test_no_candidate_is_judged_by_gold_that_it_learnt_from(uneven):
    L, y = uneven

    class Memory(LabelModel):
        """Right on the rows whose gold it was given, and on no other."""

        uses_gold = True

        def _fit(self, L, y):
            self.known_ = {tuple(row): k for row, k in zip(L.to_dense(), y, strict=True) if k >= 0}

        def _posterior(self, L):
            wrong = [1 - self.known_.get(tuple(row), 0) for row in L.to_dense()]
            return np.eye(2)[
                [
                    1 - k if tuple(row) in self.known_ else k
                    for row, k in zip(L.to_dense(), wrong, strict=True)
                ]
            ]

    L = LabelMatrix.from_dense(
        np.c_[L.to_dense(), [[i // 2**b % 2 for b in range(9)] for i in range(500)]]
    )
    register_label_model("memory", Memory)
    try:
        model = AutoLabelModel(candidates=["majority", "memory"]).fit(L, given(y, 200))
    finally:
        del LABEL_MODELS["memory"]
    assert model.chosen_ == "majority"
    share = (given(y, 200)[:200] == 0).mean()
    assert model.losses_["memory"] == pytest.approx(share)  # it knew no row that judged it


def test_folds_do_not_hang_on_the_order_of_rows():
    L, y = synthetic_votes(83, 4, 3, seed=2)
    order = np.random.default_rng(0).permutation(83)
    counts = []
    for rows in (np.arange(83), order):
        fold = deal(L[rows], y[rows], 5)
        table = np.c_[L[rows].to_dense(), y[rows], fold]
        counts.append(table[np.lexsort(table.T)])
        per_class = np.bincount(y[rows] * 5 + fold, minlength=15).reshape(3, 5)
        assert np.ptp(per_class, axis=1).max() <= 1
    np.testing.assert_array_equal(*counts)


@pytest.mark.parametrize("loss", ["brier", "accuracy", "balanced_accuracy"])
def test_losses_of_rows_by_loops(loss):
    p = np.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1]])
    gold = np.array([2, 0, 1, 1])
    expected = []
    for row, k in zip(p, gold, strict=True):
        top = [c for c in range(3) if row[c] == row.max()]
        wrong = 1 - (k in top) / len(top)
        brier = sum((row[c] - (c == k)) ** 2 for c in range(3)) / 2
        per_class = {2: 1, 0: 1, 1: 2}[k]
        expected.append({"brier": brier, "accuracy": wrong}.get(loss, wrong * 4 / (3 * per_class)))
    np.testing.assert_allclose(row_losses(loss, p, gold), expected)


def test_classifiers_studies_and_options_take_it_by_name(uneven):
    L, y = uneven
    X = np.random.default_rng(0).normal(size=(500, 3)) + 2.0 * np.c_[y]
    model = LabelModelClassifier(label_model="auto", trainer=TrainerConfig(max_epochs=2))
    model.fit(X, given(y, 200), L=L)
    assert model.label_models_[0].n_gold_ < 200  # V was held out
    spec = parse_method("auto:label_model__n_folds=3,without_gold=majority")
    assert spec.make().new_label_model().get_params()["without_gold"] == "majority"


def test_committee_is_the_mean_of_its_members(uneven):
    L, y = uneven
    gold = given(y, 100)
    names = ["majority", "dawid-skene"]
    model = LabelModelCommittee(members=names).fit(L, gold)
    members = [LABEL_MODELS[name]().fit(L, gold) for name in names]
    covered = L.covered()
    expected = np.mean([member.predict_proba(L) for member in members], axis=0)
    np.testing.assert_allclose(model.predict_proba(L)[covered], expected[covered])
    weights = np.mean([member.get_weights() for member in members], axis=0)
    np.testing.assert_allclose(model.get_weights(), weights)
    balanced = LabelModelCommittee(members=names, class_balance=[0.2, 0.8]).fit(L)
    assert balanced.models_["dawid-skene"].class_balance_.tolist() == [0.2, 0.8]


def test_wrong_names_are_refused(uneven):
    L, _y = uneven
    for wrong, message in (
        ({"candidates": "majority"}, "candidates must be a list of names"),
        ({"candidates": []}, "candidates must be a list of names"),
        ({"candidates": ["majority", "auto"]}, "candidates cannot hold 'auto'; choose from"),
        ({"without_gold": "auto"}, "without_gold cannot hold 'auto'"),
        ({"loss": "f1"}, "loss"),
        ({"n_folds": 1}, "n_folds"),
    ):
        with pytest.raises(InputError, match=message):
            AutoLabelModel(**wrong).fit(L)
    with pytest.raises(InputError, match="members cannot hold 'votes'"):
        LabelModelCommittee(members=["votes"]).fit(L)


def test_choosing_is_silent(uneven):
    L, y = uneven
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoLabelModel(candidates=["majority", "dawid-skene", "cage"]).fit(L, given(1 - y, 200))
