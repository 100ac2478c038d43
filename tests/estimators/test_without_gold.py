"""Votes alone: what is learnt, which rows choose the epoch, and what is refused."""

import numpy as np
import pytest

from spear_amal import TrainerConfig
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import (
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SpearClassifier,
)
from spear_amal.label_models import AccuracyModel, MajorityVote
from spear_amal.studies import parse_method
from spear_amal.training import Callback
from spear_amal.votes.label_matrix import LabelMatrix

N, M, C, D = 211, 7, 3, 11


@pytest.fixture(scope="module")
def data():
    votes, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.3, seed=3)
    X = np.random.default_rng(0).normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    named = LabelMatrix.from_dense(votes.to_dense(), classes=["spam", "ham", "news"])
    return X, named, np.array(["spam", "ham", "news"])[gold]


def estimator(**options):
    return LabelModelClassifier.from_options(**{"max_epochs": 7, **options})


def held_out(model, votes):
    """Rows with votes that were not trained on."""
    return np.flatnonzero(model.weights_.isna().all(axis=1).to_numpy() & votes.covered())


def test_it_learns_the_classes_of_the_votes(data):
    X, votes, gold = data
    model = estimator(max_epochs=40).fit(X, L=votes)
    assert model.classes_.tolist() == ["ham", "news", "spam"]
    assert (model.predict(X) == gold).mean() > 0.75
    assert model.validation_source_ == "label-model"


@pytest.mark.parametrize("y", [np.full(N, -1), [None] * N, np.full(N, np.nan)])
def test_no_labels_are_no_labels_however_they_are_written(data, y):
    X, votes, _ = data
    without = estimator().fit(X, L=votes).predict_proba(X)
    assert np.array_equal(estimator().fit(X, y, L=votes).predict_proba(X), without)


@pytest.mark.parametrize("label_model", ["majority", "label-model"])
def test_the_epoch_is_chosen_by_cross_entropy_to_the_label_model(data, label_model):
    X, votes, _ = data
    model = estimator(label_model=label_model).fit(X, L=votes)
    rows = held_out(model, votes)
    assert len(rows) == round(0.2 * votes.covered().sum())
    q = {"majority": MajorityVote, "label-model": AccuracyModel}[label_model]().fit(votes)
    q = q.predict_proba(votes)[rows][:, [1, 2, 0]]  # in the order of classes_
    p = model.predict_proba(X[rows])
    losses, best = model.history_["val_loss"], 0
    for epoch, loss in enumerate(losses):
        best = epoch if loss < 0.98 * losses[best] else best
    assert model.best_epoch_ == [best]
    assert -(q * np.log(p)).sum(1).mean() == pytest.approx(losses[best], rel=1e-4)
    lone = np.isclose(q, q.max(1, keepdims=True)).sum(1) == 1
    agreement = (p.argmax(1) == q.argmax(1))[lone].mean()
    assert model.val_score_ == pytest.approx(agreement)


def test_rows_without_votes_are_not_trained_on(data):
    X, votes, _ = data
    model = estimator().fit(X, L=votes)
    assert model.weights_.loc[~votes.covered()].isna().all(axis=None)


def test_a_refit_and_folds_train_on_all_rows_with_votes(data):
    X, votes, _ = data
    for options in ({"fit_strategy": "refit"}, {"fit_strategy": "crossfit", "n_folds": 3}):
        model = estimator(**options).fit(X, L=votes)
        assert len(held_out(model, votes)) == 0
        assert model.validation_source_ == "label-model"
        assert len(model.models_) == (3 if "n_folds" in options else 1)


def test_validation_rows_with_gold_choose_as_ever(data):
    X, votes, gold = data
    v = slice(0, 31)
    model = estimator().fit(X[31:], L=votes[31:], X_val=X[v], y_val=gold[v], L_val=votes[v])
    assert model.validation_source_ == "given"
    assert model.val_score_ == (model.predict(X[v]) == gold[v]).mean()
    assert model.weights_.iloc[-31:].isna().all(axis=None)


def test_three_rows_are_enough(data):
    X, votes, _ = data
    rows = np.flatnonzero(votes.covered())[:3]
    model = estimator().fit(X[rows], L=[[0], [1], [1]])
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_model_without_gold_comes_back_from_its_file(data, tmp_path):
    X, votes, _ = data
    model = estimator().fit(X, L=votes)
    model.save(tmp_path / "model.safetensors")
    again = LabelModelClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.validation_source_ == "label-model"


def test_a_checkpoint_goes_on_to_the_same_model(data, tmp_path):
    X, votes, _ = data
    whole = estimator().fit(X, L=votes)

    class Stop(Callback):
        def on_epoch(self, epoch, record):
            if epoch == 3:
                raise KeyboardInterrupt

    options = {"checkpoint": tmp_path / "run.safetensors"}
    with pytest.raises(KeyboardInterrupt):
        estimator(callbacks=[Stop()], **options).fit(X, L=votes)
    resumed = estimator(**options).fit(X, L=votes)
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize(
    "cls", [SpearClassifier, GoldClassifier, ReweightedClassifier, RuleNetworkClassifier]
)
def test_the_others_say_which_methods_work(data, cls):
    X, votes, _ = data
    with pytest.raises(InputError, match=r"methods label-model, majority, dawid-skene"):
        cls().fit(X, np.full(N, -1), L=votes)


def test_without_votes_there_is_nothing_to_learn_from(data):
    X, _, _ = data
    with pytest.raises(InputError, match="no gold label"):
        estimator().fit(X, np.full(N, -1))
    with pytest.raises(ValueError, match="requires y to be passed"):
        estimator().fit(X)


@pytest.mark.parametrize(
    ("option", "value"), [("inference", "product"), ("prior_correction", True)]
)
def test_what_only_gold_can_choose_is_refused(data, option, value):
    X, votes, _ = data
    with pytest.raises(InputError, match=f"{option}=.*need rows with gold"):
        estimator(**{option: value}).fit(X, L=votes)


def test_votes_for_one_class_are_too_little(data):
    X, _, _ = data
    with pytest.raises(InputError, match="all votes are for one class"):
        estimator().fit(X, L=np.where(np.arange(N) % 2, 1, -1)[:, None])


def test_a_class_that_nobody_votes_for_is_said(data):
    X, votes, _ = data
    codes = votes.to_dense()
    codes[codes == 2] = -1
    silent = LabelMatrix.from_dense(codes, classes=votes.classes)
    with pytest.warns(UserWarning, match=r"classes \['news'\]"):
        estimator().fit(X, L=silent)


def test_more_folds_than_rows_with_votes(data):
    X, _, _ = data
    codes = np.full((N, 2), -1)
    codes[:3, 0] = [0, 1, 1]
    with pytest.warns(UserWarning, match="5 folds need as many rows with votes, found 3"):
        model = estimator(fit_strategy="crossfit").fit(X, L=codes)
    assert len(model.models_) == 3
    codes[:3] = [[0, 1], [-1, -1], [-1, -1]]
    with pytest.raises(InputError, match="two rows with votes at least, found 1"):
        estimator(fit_strategy="crossfit").fit(X, L=codes)


@pytest.mark.parametrize("method", ["majority", "label-model", "dawid-skene", "cage:epochs=3"])
def test_methods_of_studies_learn_from_votes_alone(data, method):
    X, votes, gold = data
    model = parse_method(method).make(trainer=TrainerConfig(max_epochs=9)).fit(X, L=votes)
    assert (model.predict(X) == gold).mean() > 0.65
