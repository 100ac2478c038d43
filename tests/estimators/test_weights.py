"""Weights of rows and classes: held to hand computation, repeated rows and rows left out."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from spear_amal.batch import Batch, Outputs
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import (
    AuxiliaryClassifier,
    DistilledClassifier,
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SpearClassifier,
)
from spear_amal.losses import ComponentSet, GoldCrossEntropy, PredictionEntropy
from spear_amal.models import LinearModel
from spear_amal.votes.label_matrix import LabelMatrix

N, M, C, D, N_V = 97, 5, 3, 7, 31
RNG = np.random.default_rng(3)
VOTES, GOLD = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.5, seed=3)
X = RNG.normal(size=(N, D)) + np.eye(C, D)[GOLD]
Y = np.where(np.arange(N) < 41, GOLD, -1)
V = {"X_val": X[-N_V:], "y_val": GOLD[-N_V:]}
WEIGHTS = RNG.integers(0, 3, N).astype(float)
WHOLE = {"batch_size": 1000, "dtype": "float64", "lr": 0.05}


def gold_model(**options):
    return GoldClassifier.from_options(**{"max_epochs": 9, **WHOLE, **options})


def test_one_step_by_hand():
    rows = np.arange(41)
    w = 0.5 + np.arange(41) % 3
    options = {"optimiser": "sgd", "momentum": 0.0, "max_epochs": 1}
    model = gold_model(**options).fit(X[rows], GOLD[rows], **V, sample_weight=w)
    start = LinearModel(D, C, torch.Generator().manual_seed(0)).double()
    A, b = (p.detach().numpy() for p in (start.head.weight, start.head.bias))
    scores = X[rows] @ A.T + b
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    slopes = w[:, None] * (p - np.eye(C)[GOLD[rows]]) / w.sum()
    head = model.models_[0].feature.head
    assert np.allclose(head.weight.detach().numpy(), A - 0.05 * slopes.T @ X[rows], atol=1e-6)
    assert np.allclose(head.bias.detach().numpy(), b - 0.05 * slopes.sum(0), atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_weight_two_is_the_row_twice(sparse):
    rows = np.arange(41)
    repeated = np.repeat(rows, WEIGHTS[rows].astype(int))
    features = sp.csr_array(X) if sparse else X
    weighted = gold_model().fit(features[rows], GOLD[rows], **V, sample_weight=WEIGHTS[rows])
    twice = gold_model().fit(features[repeated], GOLD[repeated], **V)
    assert np.allclose(weighted.predict_proba(features), twice.predict_proba(features), atol=1e-6)
    plain = gold_model().fit(features[rows], GOLD[rows], **V)
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X), atol=1e-3)


def test_only_ratios_matter():
    rows = np.arange(41)
    one, ten = (
        gold_model().fit(X[rows], GOLD[rows], **V, sample_weight=w * (WEIGHTS[rows] + 1))
        for w in (1.0, 10.0)
    )
    assert np.allclose(one.predict_proba(X), ten.predict_proba(X), atol=1e-9)
    plain, even = (
        gold_model().fit(X[rows], GOLD[rows], **V, sample_weight=w)
        for w in (None, np.full(41, 7.0))
    )
    assert np.array_equal(plain.predict_proba(X), even.predict_proba(X))


FITS = {
    "gold": (GoldClassifier, {}, {}),
    "label-model": (LabelModelClassifier, {"label_model": "label-model"}, {"L": VOTES}),
    "reweighted": (ReweightedClassifier, {}, {"L": VOTES}),
    "spear": (SpearClassifier, {"mixer": "fixed"}, {"L": VOTES}),
    "amal": (SpearClassifier, {"mixer": "amal"}, {"L": VOTES}),
    "amal in folds": (SpearClassifier, {"fit_strategy": "crossfit", "n_folds": 2}, {"L": VOTES}),
    "rule network": (
        RuleNetworkClassifier,
        {},
        {"L": VOTES, "exemplars": np.arange(N)[:, None] == np.arange(M)},
    ),
    "distilled": (
        DistilledClassifier,
        {"student": "mlp:5", "teachers": ["mlp:3"], "mixer": "kd", "lr": 0.05},
        {"row_ids": np.arange(N)},
    ),
    "auxiliary": (
        AuxiliaryClassifier,
        {"network": "mlp:5", "tasks": ["more"]},
        {"tasks": {"more": np.arange(N) % 2}},
    ),
}


def _taken(values, rows):
    if isinstance(values, dict):
        return {name: column[rows] for name, column in values.items()}
    return values[rows]


@pytest.mark.parametrize("name", FITS)
def test_weight_zero_is_absence_bit_for_bit(name):
    cls, options, beside = FITS[name]
    kept = np.flatnonzero(WEIGHTS > 0)
    w = np.where(WEIGHTS > 0, WEIGHTS, 0.0)
    make = lambda: cls.from_options(**{"max_epochs": 3, **options})  # noqa: E731
    model = make().fit(X, Y, **beside, sample_weight=w)
    less = make().fit(
        X[kept], Y[kept], **{k: _taken(v, kept) for k, v in beside.items()}, sample_weight=w[kept]
    )
    votes = beside.get("L") if model.exponent_ > 0 else None
    assert np.array_equal(model.predict_proba(X, votes), less.predict_proba(X, votes))
    assert len(model.weights_) == N and model.weights_.iloc[WEIGHTS == 0].isna().all(axis=None)
    assert model.weights_.iloc[kept].reset_index(drop=True).equals(less.weights_)


@pytest.mark.parametrize("name", FITS)
def test_weights_change_what_is_learnt(name):
    cls, options, beside = FITS[name]
    w = np.where(GOLD == 0, 5.0, 1.0)
    make = lambda: cls.from_options(**{"max_epochs": 3, **options})  # noqa: E731
    plain, weighted = make().fit(X, Y, **beside), make().fit(X, Y, **beside, sample_weight=w)
    votes = beside.get("L") if plain.exponent_ > 0 or weighted.exponent_ > 0 else None
    shares = [m.predict_proba(X, votes)[:, 0].mean() for m in (plain, weighted)]
    assert shares[1] > shares[0]


def test_losses_and_slopes_of_a_batch_are_multiplied():
    torch.manual_seed(0)
    logits = torch.randn(5, C, dtype=torch.float64, requires_grad=True)
    w = torch.tensor([0.5, 2.0, 1.0, 3.0, 0.25], dtype=torch.float64)
    y, none = torch.tensor([0, 2, -1, 1, -1]), torch.zeros(5, 0, dtype=torch.float64)
    batch = Batch(torch.arange(5), none, y, none, none, torch.zeros(5, 0, C), weights=w)
    plain = Batch(torch.arange(5), none, y, none, none, torch.zeros(5, 0, C))
    parts, outputs = ComponentSet([GoldCrossEntropy(), PredictionEntropy()]), Outputs(logits, none)
    applies = parts.applies(batch)
    losses = parts.losses(outputs, batch)
    assert torch.equal(losses, parts.losses(outputs, plain) * w[:, None])
    assert torch.equal(torch.stack(parts.columns(outputs, batch, applies), 1), losses)
    slopes, _ = parts.slopes(outputs, batch, applies)
    for k in range(2):
        (gradient,) = torch.autograd.grad(losses[:, k].sum(), logits, retain_graph=True)
        assert torch.allclose(slopes[k], gradient)


# -- classes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", ["balanced", {0: 3.0, 2: 0.5}])
def test_a_class_weight_is_a_sample_weight_by_class(weight):
    rows = np.arange(41)
    counts = np.bincount(GOLD[rows], minlength=C)
    by_class = 41 / (C * counts) if weight == "balanced" else np.array([3.0, 1.0, 0.5])
    extra = 1 + rows % 2
    by_weight = gold_model().fit(
        X[rows], GOLD[rows], **V, sample_weight=extra * by_class[GOLD[rows]]
    )
    if weight == "balanced":  # the weights of rows count in the balance
        totals = np.bincount(GOLD[rows], extra)
        by_weight = gold_model().fit(
            X[rows], GOLD[rows], **V, sample_weight=extra * (extra.sum() / totals)[GOLD[rows]]
        )
    model = gold_model(class_weight=weight).fit(X[rows], GOLD[rows], **V, sample_weight=extra)
    assert np.allclose(model.predict_proba(X), by_weight.predict_proba(X), atol=1e-6)


def test_classes_are_read_by_name_in_any_order():
    names = np.array(["spam", "ham", "news"])
    votes = LabelMatrix.from_dense(VOTES.to_dense(), classes=names)
    y = np.where(Y >= 0, names[Y], None)
    make = lambda **o: SpearClassifier.from_options(mixer="fixed", max_epochs=3, **o)  # noqa: E731
    by_name = make(class_weight={"spam": 9.0}).fit(X, y, L=votes)
    plain = make().fit(X, y, L=votes)
    spam = by_name.classes_.tolist().index("spam")
    assert by_name.predict_proba(X)[:, spam].mean() > plain.predict_proba(X)[:, spam].mean()


def test_weights_go_through_scikit_learn(tmp_path):
    from sklearn import set_config
    from sklearn.model_selection import GridSearchCV

    rows = np.arange(41)
    model = gold_model(class_weight={0: 2.0})
    set_config(enable_metadata_routing=True)
    try:
        routed = model.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = GridSearchCV(routed, {"trainer__lr": [0.05]}, cv=2)
        search.fit(X[rows], GOLD[rows], sample_weight=WEIGHTS[rows] + 1)
    finally:
        set_config(enable_metadata_routing=False)
    fitted = search.best_estimator_
    fitted.save(tmp_path / "model.safetensors")
    again = GoldClassifier.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(N - 1), "one number a row, for 97 rows"),
        (np.full(N, -1.0), "at least 0, found -1.0 in row 0"),
        (np.where(np.arange(N) == 3, np.nan, 1), "found nan in row 3"),
        (np.zeros(N), "zero on all rows"),
        (["a"] * N, "sample_weight"),
        (pd.Series(np.ones(N), index=np.arange(N)[::-1]), "sample_weight"),
    ],
)
def test_weights_that_are_none(weights, message):
    frame = pd.DataFrame(X)
    with pytest.raises(InputError, match=message):
        gold_model().fit(frame, Y, sample_weight=weights)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"spam": 2.0}, "class_weight holds 'spam'"),
        ({0: -1.0}, "above 0"),
        ({0: np.inf}, "above 0"),
    ],
)
def test_class_weights_that_are_none(weight, message):
    with pytest.raises(InputError, match=message):
        gold_model(class_weight=weight).fit(X, Y)


def test_without_gold_there_are_no_classes_to_weigh():
    model = LabelModelClassifier(class_weight="balanced")
    with pytest.raises(InputError, match="class_weight need rows with gold"):
        model.fit(X, L=VOTES)
