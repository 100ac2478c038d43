"""Weights on rows whose pseudo-label is right, and wrong."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from spear_amal import TrainerConfig
from spear_amal.data import synthetic_corpus, synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import SpearClassifier
from spear_amal.studies import fit_method, make_split, parse_method
from spear_amal.studies.corpus_run import corpus_split, make_setup
from spear_amal.studies.sweeps import study_weights
from spear_amal.studies.weight_quality import (
    rank_auc,
    split_weights,
    weight_separation,
    weights_with_gold,
)
from spear_amal.votes.label_matrix import LabelMatrix

SIXTHS = st.lists(st.integers(0, 6).map(lambda i: i / 6), min_size=1, max_size=23)


@given(SIXTHS, SIXTHS)
def test_auc_equals_scikit_learn_ties_and_all(right, wrong):
    gold = [1] * len(right) + [0] * len(wrong)
    assert rank_auc(right, wrong) == pytest.approx(roc_auc_score(gold, right + wrong))


def test_auc_without_right_or_wrong_rows():
    assert np.isnan(rank_auc([], [0.5])) and np.isnan(rank_auc([0.5], []))


@dataclass
class Fitted:
    """What a fitted estimator shows; rule scores pick the class that LF 0 votes for."""

    weights_: pd.DataFrame
    classes_: np.ndarray = field(default_factory=lambda: np.arange(3))

    @property
    def row_weights_(self):
        return self.weights_

    def rule_predict_proba(self, L):
        return np.eye(3)[np.maximum(L.to_dense()[:, 0], 0)]


@dataclass
class Given:
    y_train: np.ndarray
    votes_train: LabelMatrix


@pytest.fixture
def given_task():
    votes = np.array([[0], [1], [2], [2], [1], [-1], [0]])
    return Given(np.array([-1, -1, -1, -1, 1, -1, 0]), LabelMatrix.from_dense(votes))


def frame_of(consensus, extra=2, **others):
    # Validation rows of their own stand below the training rows.
    tail = np.full(extra, 0.123)
    columns = {"consensus": consensus, **others}
    return pd.DataFrame({name: np.append(values, tail) for name, values in columns.items()})


NAN = np.nan
WEIGHTS = [0.9, 0.1, 0.8, 0.2, NAN, NAN, NAN]
GOLD = np.array([0, 2, 2, 0, 1, 1, 0])


def test_rows_with_a_consensus_weight_are_judged(given_task):
    weights = frame_of(WEIGHTS, agreement=[0.5, 0.6, 0.7, NAN, 1.0, NAN, 1.0])
    frame = weights_with_gold(given_task, Fitted(weights), GOLD)
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert frame["pseudo"].tolist() == [0, 1, 2, 2]
    assert frame["right"].tolist() == [True, False, True, False]
    right, wrong = split_weights(frame)
    assert right["consensus"].tolist() == [0.9, 0.8] and wrong["consensus"].tolist() == [0.1, 0.2]
    assert right["agreement"].tolist() == [0.5, 0.7] and wrong["agreement"].tolist() == [0.6]
    assert weight_separation(frame).to_dict() == {"consensus": 1.0, "agreement": 0.5}


def test_unknown_gold_is_left_out_and_a_loss_may_be_missing(given_task):
    gold = np.where(np.arange(7) == 2, -1, GOLD)
    frame = weights_with_gold(given_task, Fitted(frame_of(WEIGHTS, extra=0)), gold)
    assert frame.index.tolist() == [0, 1, 3]
    assert list(frame) == ["pseudo", "gold", "right", "consensus"]
    assert list(weight_separation(frame).index) == ["consensus"]


def test_bad_input_is_named(given_task):
    with pytest.raises(InputError, match=r"7 training rows .* found shape \(3,\)"):
        weights_with_gold(given_task, Fitted(frame_of(WEIGHTS)), GOLD[:3])
    with pytest.raises(InputError, match=r"no weights of the loss 'consensus'.*\['gold'\]"):
        weights_with_gold(given_task, Fitted(pd.DataFrame({"gold": np.ones(7)})), GOLD)


def test_of_a_fitted_classifier():
    corpus = synthetic_corpus(n=211, n_test=41)
    gold = corpus.frame["label"].to_numpy()
    cast, drawn = synthetic_votes(211, 5, accuracies=0.8, coverages=0.5, seed=2)
    # Turned to agree with the corpus' classes as they did with the drawn ones.
    dense = cast.to_dense()
    votes = np.where(
        dense < 0, -1, np.where((dense == drawn[:, None]), gold[:, None], 1 - gold[:, None])
    )
    task, _ = make_split(
        corpus,
        LabelMatrix.from_dense(votes, classes=corpus.classes, row_ids=corpus.frame.index),
        n_labelled=23,
        n_validation=23,
    )
    model = SpearClassifier(trainer=TrainerConfig(max_epochs=5)).fit(
        task.x_train,
        task.y_train,
        L=task.votes_train,
        X_val=task.x_val,
        y_val=task.y_val,
        L_val=task.votes_val,
    )
    frame = weights_with_gold(task, model, gold[task.train_rows])
    assert (task.y_train[frame.index] == -1).all()
    assert task.votes_train.covered()[frame.index].all()
    assert (frame["gold"].to_numpy() == gold[task.train_rows][frame.index]).all()
    assert 0.6 < frame["right"].mean() < 1
    assert weight_separation(frame).between(0, 1).all()


def test_weights_of_a_study_come_from_its_own_task_without_gold_of_unlabelled_rows(source):
    frame = study_weights(source, seed=3, max_epochs=4)
    task, _ = corpus_split(make_setup(source), 3)
    unlabelled = task.y_train[frame.index]
    assert len(frame) and (unlabelled == -1).all()
    model, _ = fit_method(parse_method("amal:guard=false"), task, 3, max_epochs=4)
    weights = model.weights_["consensus"].iloc[: len(task.y_train)].dropna()
    np.testing.assert_array_equal(frame["consensus"], weights)
    gold = source.corpus.labels[task.train_rows[frame.index]]
    np.testing.assert_array_equal(frame["right"], frame["pseudo"] == gold)
