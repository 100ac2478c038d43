"""The warning that a label model is worse than the majority vote on gold rows."""

from math import comb

import numpy as np
import pytest

from spear_amal import LabelMatrix, LabelModelClassifier
from spear_amal.label_models import LabelModel, MajorityVote
from spear_amal.label_models.against_majority import BothWrong
from spear_amal.training import TrainerConfig


class Other(LabelModel):
    """Answers class 1 wherever the first LF votes, class 0 elsewhere."""

    def _fit(self, L, y):
        """Nothing to learn."""

    def _posterior(self, L):
        return np.eye(2)[(L.to_dense()[:, 0] >= 0).astype(int)]


@pytest.fixture
def votes():
    """Two LFs that are always right and one that fires on every second row."""
    y = np.arange(240) // 2 % 2
    first = np.where(np.arange(240) % 2 == 0, y, -1)
    return LabelMatrix.from_dense(np.c_[first, y, y], classes=["a", "b"]), y


def compared(model_wrong, majority_wrong, gold=None):
    n = len(model_wrong)
    gold = np.arange(n) % 2 if gold is None else gold
    wrong = [np.array(values, dtype=float) for values in (model_wrong, majority_wrong)]
    return BothWrong(*wrong, np.asarray(gold), np.ones(n))


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (5, 2), (11, 1), (3, 9), (20, 20)])
def test_sign_test_by_counting(lost, won):
    rows = compared([1] * lost + [0] * won + [1, 0], [0] * lost + [1] * won + [1, 0])
    n = lost + won
    expected = sum(comb(n, k) for k in range(lost, n + 1)) / 2**n
    assert rows.p_value() == pytest.approx(expected)


def test_few_rows_chance_and_rare_classes_are_no_reason_to_warn():
    assert compared([1] * 12 + [0] * 12, [0] * 24).is_worse()
    assert not compared([1] * 9, [0] * 9).is_worse()  # too few rows
    assert not compared([1] * 5 + [0] * 25, [0] * 5 + [1] * 1 + [0] * 24).is_worse()  # chance
    # 10 of 90 rows of the frequent class are lost, all 10 of the rare one are won.
    gold = [0] * 90 + [1] * 10
    rows = compared([1] * 20 + [0] * 80, [0] * 90 + [1] * 10, gold)
    ours, theirs = rows.means()
    assert (ours, theirs) == pytest.approx((0.8, 0.9))
    assert rows.mean_recalls() == pytest.approx((0.5 * (70 / 90 + 1), 0.5))
    assert rows.p_value() < 0.1
    assert not rows.is_worse()


def test_fit_warns_with_both_figures(votes):
    L, y = votes
    said = (
        r"Other is right on 50.0% of 240 gold rows with votes, the majority vote on 100.0% \(in "
        r"the mean over the classes 50.0% and 100.0%\); take label_model='auto'"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        Other().fit(L, y)
    assert caught[0].filename == __file__
    Other().fit(L)  # without gold nobody knows
    Other().fit(L, np.where(np.arange(240) < 19, y, -1))
    Other().fit(L, np.where(y == 1, "b", None))  # chosen by its class
    MajorityVote().fit(L, 1 - y)  # cannot be worse than itself


def test_rows_that_are_counted_give_the_same(votes):
    L, y = votes
    whole = BothWrong.of(Other().fit(L).predict_proba, L, y)
    rows = np.arange(4)  # the four kinds of rows, 60 times each
    counted = BothWrong.of(Other().fit(L).predict_proba, L[rows], y[rows], np.full(4, 60.0))
    assert counted.means() == pytest.approx(whole.means())
    assert counted.p_value() == pytest.approx(whole.p_value())
    assert BothWrong.joined([whole, whole]).n_rows.sum() == 480


@pytest.mark.parametrize("strategy", ["single", "crossfit"])
def test_classifiers_warn_once_by_gold_that_the_label_model_did_not_see(votes, strategy):
    L, y = votes
    X = np.c_[np.ones(240), y]
    options = {"fit_strategy": strategy, "n_folds": 3, "validation_fraction": 0.5}
    trainer = TrainerConfig(max_epochs=1)
    classifier = LabelModelClassifier(label_model=Other(), trainer=trainer, **options)
    gold = np.where(np.arange(240) < 120, y, -1)
    n = 120 if strategy == "crossfit" else 60
    said = (
        f"the label model Other is right on .* of {n} gold rows with votes, the majority vote on 1"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        classifier.fit(X, gold, L=L)
    assert sum("majority vote" in str(warning.message) for warning in caught) == 1
    assert not hasattr(classifier, "_compared")
