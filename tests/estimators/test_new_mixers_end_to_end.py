"""Mixers by name under the estimators: they train, go to disk and back, and go on when killed."""

import numpy as np
import pandas as pd
import pytest
import torch

from spear_amal import DistilledClassifier, LabelMatrix, SpearClassifier
from spear_amal.errors import InputError
from spear_amal.mixers import Fixed, GradientCosine, RandomSearch, Uncertainty
from spear_amal.training.run import TrainingRun

N, N_LABELLED, N_VAL, D, M, C, EPOCHS = 61, 23, 37, 5, 3, 2, 3
# By name, with options that let little data do.
MIXERS = {
    "single": {},
    "random-search": {"trials": 3},
    "uncertainty": {"lr": 0.05},
    "gcs": {"average": 0.5},
    "auxilearn": {"every": 2},
    "maoal": {"every": 2},
}
WITHOUT_TABLE = ("gcs", "auxilearn", "maoal")
EVERY = pytest.mark.parametrize("name", MIXERS)
KINDS = pytest.mark.parametrize("kind", ["spear", "distilled"])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N + N_VAL)
    x = rng.normal(size=(len(y), D)) + 0.8 * np.eye(C, D)[y]
    votes = np.where(rng.random((len(y), M)) < 0.8, y[:, None], 1 - y[:, None])
    votes = np.where(rng.random(votes.shape) < 0.5, votes, -1)
    told = 2 * np.eye(C)[y] + rng.normal(size=(len(y), C))
    observed = np.where(np.arange(len(y)) < N_LABELLED, y, -1)
    return x, y, observed, LabelMatrix.from_dense(votes, classes=range(C)), told


def fitted(data, kind, name, **options):
    x, y, observed, votes, told = data
    made = {"mixer": name, "max_epochs": EPOCHS, "batch_size": 17, "random_state": 1}
    if isinstance(name, str):
        made["mixer_options"] = MIXERS[name]
    made |= options
    validation = {"X_val": x[N:], "y_val": y[N:]}
    if kind == "spear":
        model = SpearClassifier.from_options(guard=False, **made)
        return model.fit(x[:N], observed[:N], L=votes[:N], L_val=votes[N:], **validation)
    return DistilledClassifier.from_options("mlp:7", [told], **made).fit(x[:N], y[:N], **validation)


def assert_same(one, other, x):
    assert np.array_equal(one.weights_, other.weights_, equal_nan=True)
    timeless = [m.history_.drop(columns="seconds") for m in (one, other)]
    pd.testing.assert_frame_equal(*timeless, check_exact=True)
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))
    assert (one.best_epoch_, one.val_score_) == (other.best_epoch_, other.val_score_)
    for a, b in zip(one.models_, other.models_, strict=True):
        held = b.state_dict()
        assert all(torch.equal(value, held[key]) for key, value in a.state_dict().items())


@EVERY
@KINDS
def test_it_trains_and_comes_back_from_a_file(data, kind, name, tmp_path):
    model = fitted(data, kind, name)
    p = model.predict_proba(data[0])
    np.testing.assert_allclose(p.sum(1), 1)
    assert np.isfinite(model.history_.to_numpy()).all()
    weights = model.history_.filter(like="weight/")
    main = "gold" if kind == "spear" else "label"
    assert f"weight/{main}" in weights or model.history_.filter(like="module/").size
    if name != "uncertainty" and name != "auxilearn" and f"weight/{main}" in weights:
        assert (weights[f"weight/{main}"] == 1).all()
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = type(model).load(path, **({"teachers": [data[4]]} if kind == "distilled" else {}))
    assert np.array_equal(again.predict_proba(data[0]), p)
    assert again.mixer == name
    # No file holds the times.
    pd.testing.assert_frame_equal(again.history_, model.history_.drop(columns="seconds"))


@EVERY
@pytest.mark.parametrize("final", ["refit", "crossfit", "crossfit-weights"])
def test_other_finals(data, name, final):
    if final == "crossfit-weights" and name in WITHOUT_TABLE:
        with pytest.raises(InputError, match="weighs each batch anew"):
            fitted(data, "spear", name, fit_strategy=final)
        return
    model = fitted(data, "spear", name, fit_strategy=final, n_folds=2, max_epochs=2)
    np.testing.assert_allclose(model.predict_proba(data[0]).sum(1), 1)
    assert np.isfinite(model.val_score_)


def killed_at(monkeypatch, at):
    """Training that stops before its epoch number `at`, over all models that are trained."""
    original, count = TrainingRun.before_epoch, [0]

    def before_epoch(self):
        count[0] += 1
        if count[0] == at:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(TrainingRun, "before_epoch", before_epoch)
    return count


@EVERY
@KINDS
def test_a_killed_run_goes_on_bit_for_bit(data, kind, name, tmp_path, monkeypatch):
    whole = fitted(data, kind, name)
    at = 5 if name == "random-search" else 3  # in the middle of an epoch of all trials
    path = tmp_path / "run.safetensors"
    count = killed_at(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        fitted(data, kind, name, checkpoint=path)
    resumed = fitted(data, kind, name, checkpoint=path)
    trials = MIXERS[name].get("trials", 1)
    begun_twice = (at - 1) % trials + 1  # trials take each epoch together
    assert count[0] == trials * EPOCHS + begun_twice
    assert_same(resumed, whole, data[0])
    assert [one.name for one in tmp_path.iterdir()] == ["run.safetensors"]  # of all trials


# -- random search --------------------------------------------------------------------------------


@KINDS
def test_the_draw_that_is_kept_is_the_best_on_v(data, kind):
    """Each draw is also trained alone, as fixed weights."""
    options = {"trials": 5, "low": 0.0, "high": 3.0, "seed": 2}
    model = fitted(data, kind, "random-search", mixer_options=options)
    names = list(model.weights_.columns)
    on = torch.ones(1, len(names), dtype=torch.bool)
    alone = []
    for mixer in RandomSearch(**options).candidates(names):
        mixer.attach(1, names, on, ~torch.tensor([n == "quality-guide" for n in names]))
        fixed = Fixed(dict(zip(names, mixer.vector.tolist(), strict=True)))
        alone.append(fitted(data, kind, fixed))
    scores = [one.val_score_ for one in alone]
    best = alone[int(np.argmax(scores))]
    assert model.val_score_ == max(scores) >= scores[0]
    # Sums run in other orders where the trials are trained as one.
    close = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(model.predict_proba(data[0]), best.predict_proba(data[0]), **close)
    assert np.array_equal(model.weights_, best.weights_, equal_nan=True)
    told = model.history_.filter(like="weight/").iloc[-1]
    in_table = model.weights_.max()
    np.testing.assert_allclose(told.to_numpy(), in_table[told.index.str[7:]].to_numpy(), rtol=1e-6)


def test_each_fold_searches_for_itself(data, tmp_path):
    options = {"fit_strategy": "crossfit", "n_folds": 2, "max_epochs": 1}
    path = tmp_path / "run.safetensors"
    model = fitted(data, "spear", "random-search", checkpoint=path, **options)
    assert len(model.models_) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["run-fold0.safetensors"]  # of all models
    again = fitted(data, "spear", "random-search", checkpoint=path, **options)
    assert_same(again, model, data[0])


# -- mixers as objects ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mixer",
    [
        GradientCosine("unweighted", threshold=0.1, parameters="last-layer"),
        Uncertainty("classification", optimiser="sgd"),
        RandomSearch(2, low=0.5, high=0.7),
    ],
    ids=lambda mixer: type(mixer).__name__,
)
def test_an_object_is_used_again_and_comes_back_from_a_file(data, mixer, tmp_path):
    models = [fitted(data, "spear", mixer) for _ in range(2)]
    assert_same(*models, data[0])
    models[0].save(tmp_path / "model")
    again = SpearClassifier.load(tmp_path / "model")
    assert again.mixer.summary() == mixer.summary()


def test_uncertainty_reports_the_weights_it_ended_with(data):
    model = fitted(data, "distilled", "uncertainty")
    (chosen,) = model.best_epoch_
    last = model.history_.iloc[chosen]
    for name in model.weights_.columns:
        given = model.weights_[name].dropna().unique()
        assert given == pytest.approx([last[f"weight/{name}"]], rel=1e-6)
        assert given != 0.5  # where it started
