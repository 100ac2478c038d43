"""One model learns what an ensemble says, and is served without votes."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from spear_amal import GoldClassifier, SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import SingleModelClassifier, distilled
from spear_amal.labeling import keyword_lf
from spear_amal.votes.label_matrix import LabelMatrix

QUICK = TrainerConfig(max_epochs=4)
SEED = 7


class Said:
    """Stands for a fitted ensemble whose answers are known."""

    models_ = (None,)
    metric, random_state, exponent_, vote_schema_, plan_ = "accuracy", 0, 0.0, None, []

    def __init__(self, p, classes):
        self.p, self.classes_ = p, np.asarray(classes)

    def _predict_proba(self, X, L, exponent):
        assert exponent == 0
        return self.p


def drawn(n=211):
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(n, 3))
    gold = (X[:, 0] > 0).astype(int)
    L = np.stack([np.where(X[:, 0] > 0.7, 1, -1), np.where(X[:, 0] < -0.7, 0, -1)], axis=1)
    return X, gold, np.where(np.arange(n) % 5 == 0, gold, -1), L


def test_it_learns_the_answers_of_the_ensemble():
    """Answers that are logistic in the features are learnt: the coefficients are theirs."""
    X = np.random.default_rng(SEED).normal(size=(1511, 2))
    p = expit(X @ [2.0, -1.0] + 0.5)
    ensemble = Said(np.stack([1 - p, p], axis=1), ["no", "yes"])
    model = distilled(ensemble, X, lr=0.05, max_epochs=60)
    assert model.classes_.tolist() == ["no", "yes"]
    assert np.abs(model.predict_proba(X)[:, 1] - p).max() < 0.04
    head = model.models_[0].feature.head.weight.detach().numpy()
    assert head[1] - head[0] == pytest.approx([2.0, -1.0], abs=0.2)


def test_gold_takes_its_share_of_a_target():
    p = np.array([[0.8, 0.2], [0.6, 0.4], [1.0, 0.0]])
    model = SingleModelClassifier(gold_share=0.25)
    model.ensemble_ = Said(p, [3, 5])
    targets = model._targets(np.zeros((3, 1)), [5, -1, -1], None)
    assert targets[:2] == pytest.approx(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert 0 < targets[2, 1] < 1e-5  # never 0, whose score would be infinite


def test_a_class_that_is_nobodys_favourite_is_kept():
    X = np.random.default_rng(SEED).normal(size=(101, 2))
    p = np.tile([0.6, 0.3, 0.1], (101, 1))
    model = distilled(Said(p, ["a", "b", "c"]), X, max_epochs=30)
    assert model.predict_proba(X).mean(0) == pytest.approx([0.6, 0.3, 0.1], abs=0.1)


def test_fitted_as_one_and_of_a_fitted_ensemble():
    X, gold, y, L = drawn()
    folds = SpearClassifier.preset("folds", trainer=QUICK)
    model = SingleModelClassifier(ensemble=folds, trainer=QUICK).fit(X, y, L)
    again = distilled(folds.fit(X, y, L), X, L, y, trainer=QUICK)
    assert len(model.models_) == 1 and len(model.ensemble_.models_) == 5
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))
    assert model.score(X, gold) > 0.8
    assert model.validation_source_ == "teacher" and model.exponent_ == 0


def test_validation_rows_and_weights_are_taken_along():
    X, _, y, _ = drawn()
    weights = np.where(np.arange(150) % 3 == 0, 0.0, 1.0)
    gold = GoldClassifier(trainer=QUICK)
    model = SingleModelClassifier(ensemble=gold, trainer=QUICK)
    y_val = (X[150:, 0] > 0).astype(int)
    model.fit(X[:150], y[:150], X_val=X[150:], y_val=y_val, sample_weight=weights)
    assert len(model.weights_) == 211
    assert model.weights_.iloc[:150].isna().all(axis=1).tolist() == (weights == 0).tolist()


def test_rows_in_another_order_give_the_same_model():
    X, _, y, L = drawn()
    ids = [f"row{i:03d}" for i in range(len(X))]
    votes = LabelMatrix.from_dense(L, row_ids=ids)
    order = np.random.default_rng(1).permutation(len(X))
    frame = pd.DataFrame(X, index=ids, columns=["a", "b", "c"])
    labels = pd.Series(y, index=ids)
    maker = SingleModelClassifier(n_folds=3, trainer=QUICK)
    p = maker.fit(frame, labels, votes).predict_proba(frame)
    q = maker.fit(frame.iloc[order], labels.iloc[order], votes[order]).predict_proba(frame)
    assert p == pytest.approx(q, abs=1e-4)


def test_the_file_holds_one_model(tmp_path):
    X, _, y, L = drawn()
    model = SingleModelClassifier(n_folds=3, trainer=QUICK, feature_model="mlp", hidden=(5,))
    votes = LabelMatrix.from_dense(L, classes=["bad", "good"])
    model.fit(X, np.where(y < 0, None, np.where(y == 1, "good", "bad")), votes)
    model.save(tmp_path / "single.safetensors")
    loaded = SingleModelClassifier.load(tmp_path / "single.safetensors")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.predict(X[:1])[0] in ("good", "bad")


def test_f1_is_of_the_class_that_the_votes_call_1():
    X, gold, y, L = drawn()
    votes = LabelMatrix.from_dense(L, classes=["spam", "ham"])
    names = np.array(["spam", "ham"])
    labels = np.where(y < 0, None, names[y])
    model = SingleModelClassifier(n_folds=3, trainer=QUICK, metric="f1").fit(X, labels, votes)
    predicted, wanted = model.predict(X) == "ham", names[gold] == "ham"
    f1 = 2 * (predicted & wanted).sum() / (predicted.sum() + wanted.sum())
    assert model.score(X, names[gold]) == pytest.approx(f1)


def test_a_text_classifier_of_one_model_needs_no_lfs(tmp_path):
    frame = pd.DataFrame({"text": ["win a prize", "see you", "win now", "see me"] * 9})
    frame["label"] = ["spam", "ham", None, None] * 9
    lfs = [keyword_lf("win", ["win"], "spam"), keyword_lf("see", ["see"], "ham")]
    model = TextClassifier("single-model:crossfit=3", max_epochs=9).fit(frame, lfs=lfs)
    model.save(tmp_path / "model")
    loaded = TextClassifier.load(tmp_path / "model")
    assert not loaded.needs_votes
    assert loaded.predict(["win it", "see it"]).tolist() == ["spam", "ham"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"gold_share": 1.5}, "gold_share"),
        ({"fit_strategy": "single"}, "fit_strategy"),
        ({"inference": "product"}, "model of the rules"),
    ],
)
def test_options_out_of_range(options, message):
    X, _, y, L = drawn()
    with pytest.raises(ValueError, match=message):
        SingleModelClassifier(**options).fit(X, y, L)


def test_an_ensemble_that_is_not_fitted():
    with pytest.raises(InputError, match="fitted ensemble"):
        distilled(GoldClassifier(), np.zeros((3, 2)))
