"""Self-training: where it starts, what it labels, how it goes on after a kill, what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch

from spear_amal import SelfTrainedClassifier
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import SelfTrainingConfig, self_training
from spear_amal.studies import parse_method
from spear_amal.training import Callback, TrainerConfig

N, N_TRAIN, M, C, D = 199, 151, 7, 3, 11
N_GOLD = 41


@pytest.fixture(scope="module")
def data():
    labels, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.3, seed=3)
    X = np.random.default_rng(0).normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    return X, np.where(np.arange(N) < N_GOLD, gold, -1), labels, gold


def fitted(data, **options):
    X, y, L, gold = data
    t = N_TRAIN
    settings = {"max_epochs": 5, "n_folds": 3, "threshold": 0.2, "hidden": (5,)}
    model = SelfTrainedClassifier.from_options(**{**settings, **options})
    return model.fit(X[:t], y[:t], L=L[:t], X_val=X[t:], y_val=gold[t:], L_val=L[t:])


@pytest.fixture
def plans(monkeypatch):
    """Plans of both parts and what was trained by them."""
    kept, fit_plan = [], self_training.fit_plan

    def noted(pool, plan):
        results = yield from fit_plan(pool, plan)
        kept.append((plan, results))
        return results

    monkeypatch.setattr(self_training, "fit_plan", noted)
    return kept


def test_it_learns_and_says_what_it_did(data):
    X, _, _, gold = data
    model = fitted(data, feature_model="mlp", max_epochs=30, lr=0.01)
    assert (model.predict(X) == gold).mean() > 0.75
    assert list(model.weights_.columns) == ["gold", "pseudo-label", "contrast", "uniform"]
    parts = model.history_.groupby("part", sort=False)
    assert list(parts.groups) == ["weak labels", "self-training"]
    shares = parts["pseudo_labelled"].apply(lambda column: column.dropna().tolist())
    assert shares["weak labels"] == []
    assert all(N_GOLD / N_TRAIN <= share <= 1 for share in shares["self-training"])


def test_gold_and_pseudo_labels_are_on_rows_of_their_own(data):
    weights = fitted(data).weights_
    known = np.arange(N) < N_GOLD
    training = np.arange(N) < N_TRAIN
    assert weights["gold"].notna().tolist() == known.tolist()
    # Rows without any vote are among them, those of V are not.
    assert weights["pseudo-label"].notna().tolist() == (training & ~known).tolist()


@pytest.mark.parametrize("strategy", ["single", "refit", "crossfit", "crossfit-weights"])
@pytest.mark.parametrize("mixer", ["fixed", "amal"])
def test_each_model_goes_on_from_the_one_with_the_same_v(data, plans, strategy, mixer):
    options = {} if mixer == "fixed" else {"mixer_options": {"warmup": 0, "refresh_every": 1}}
    model = fitted(
        data, fit_strategy=strategy, mixer=mixer, feature_model="mlp", max_epochs=3, **options
    )
    (_, weak), (plan, _) = plans
    assert len(weak) == (3 if strategy.startswith("crossfit") else 1)
    for first in weak:
        assert plan.start_from(first.validation) is first.model
        assert len(np.intersect1d(first.trained, first.validation)) == 0
    assert np.isfinite(model.predict_proba(data[0])).all()
    assert len(model.models_) == (3 if strategy == "crossfit" else 1)
    if mixer == "amal":
        assert model.weights_["pseudo-label"].std() > 0
        assert model.weights_["contrast"].dropna().eq(1).all()  # the last layer has no part in it


def test_the_models_of_weak_labels_are_not_changed(data, plans):
    fitted(data, lr=0.1)
    (plan, weak), (_, results) = plans
    again = fitted(data, lr=0.1, self_training=SelfTrainingConfig(threshold=1.0))
    assert again.models_[0] is not plans[2][1][0].model
    for name, value in weak[0].model.state_dict().items():
        assert torch.equal(value, plans[2][1][0].model.state_dict()[name])
    assert results[0].model is not weak[0].model
    assert plan.fit_strategy == "single"


def test_the_same_seed_gives_the_same_model(data):
    X = data[0]
    first, second = (fitted(data, feature_model="mlp").predict_proba(X) for _ in range(2))
    assert np.array_equal(first, second)


class KillAt(Callback):
    def __init__(self, part, epoch):
        self.part, self.epoch, self.begun = part, epoch, 0

    def on_begin(self, n_epochs, first):
        self.begun += 1

    def on_epoch(self, epoch, record):
        if (self.begun, epoch) == (self.part, self.epoch):
            raise KeyboardInterrupt


@pytest.mark.parametrize("part", [1, 2])
def test_a_killed_run_goes_on_to_the_same_model(data, tmp_path, part):
    options = {
        "feature_model": "mlp",
        "mixer": "amal",
        "mixer_options": {"warmup": 1, "refresh_every": 2},
        "pseudo_label_epochs": 3,
        "max_epochs": 6,
    }
    whole = fitted(data, **options)
    path = tmp_path / "run.safetensors"
    kill = KillAt(part, 4)  # the pseudo-labels of epoch 3 are in use
    with pytest.raises(KeyboardInterrupt):
        fitted(data, checkpoint=path, callbacks=[kill], **options)
    resumed = fitted(data, checkpoint=path, **options)
    assert np.array_equal(resumed.predict_proba(data[0]), whole.predict_proba(data[0]))
    pd.testing.assert_frame_equal(
        resumed.history_.drop(columns="seconds"), whole.history_.drop(columns="seconds")
    )
    pd.testing.assert_frame_equal(resumed.weights_, whole.weights_)


def test_it_is_stored_and_read(data, tmp_path):
    model = fitted(data, feature_model="mlp", threshold=0.3)
    model.save(tmp_path / "model.safetensors")
    read = SelfTrainedClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(read.predict_proba(data[0]), model.predict_proba(data[0]))
    assert read.self_training.threshold == 0.3


def test_it_learns_without_any_gold_and_without_any_votes(data):
    X, y, L, gold = data
    options = {"max_epochs": 15, "threshold": 0.2}
    for given in ({"L": L}, {"y": y}):
        model = SelfTrainedClassifier.from_options(**options).fit(X, **given)
        assert (model.predict(X) == gold).mean() > 0.6


def test_without_gold_the_models_of_folds_go_on_from_their_own(data, plans):
    X, _, L, _ = data
    SelfTrainedClassifier.from_options(max_epochs=2, fit_strategy="crossfit", n_folds=3).fit(X, L=L)
    (_, weak), (plan, _) = plans
    assert [plan.start_from(first.validation) is first.model for first in weak] == [True] * 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"distributed": "auto"}, "balanced over all rows"),
        ({"threshold": 2.0}, "threshold"),
        ({"pseudo_label_epochs": 0}, "pseudo_label_epochs"),
        ({"contrast": -1.0}, "contrast"),
        ({"mixer": "amall"}, "amall"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(data, options, said):
    with pytest.raises(ValueError, match=said):
        fitted(data, **options)


def test_several_processes_are_an_input_error(data):
    with pytest.raises(InputError, match="distributed=None"):
        fitted(data, trainer=TrainerConfig(distributed="auto"))


def test_the_method_takes_the_options_of_both_parts():
    made = parse_method("cosine:threshold=0.5,mixer=amal,weight_lr=30,label_model=majority").make()
    assert isinstance(made, SelfTrainedClassifier)
    assert made.self_training.threshold == 0.5
    assert (made.mixer, made.mixer_options, made.label_model) == (
        "amal",
        {"weight_lr": 30},
        "majority",
    )
