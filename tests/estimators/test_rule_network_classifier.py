"""ImplyLoss and posterior regularisation as an estimator: exemplars, prediction, files."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit

from spear_amal import LabelMatrix, TrainerConfig
from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators import RuleNetworkClassifier

N, N_TRAIN, M, C, D = 199, 151, 7, 3, 11
N_GOLD = 41


@pytest.fixture(scope="module")
def data():
    labels, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.4, seed=3)
    X = np.random.default_rng(0).normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    return X, np.where(np.arange(N) < N_GOLD, gold, -1), labels, gold


def fitted(data, exemplars=None, L=None, **options):
    X, y, votes, gold = data
    L, t = votes if L is None else L, N_TRAIN
    model = RuleNetworkClassifier.from_options(**{"max_epochs": 5, "n_folds": 3, **options})
    return model.fit(
        X[:t], y[:t], L=L[:t], X_val=X[t:], y_val=gold[t:], L_val=L[t:], exemplars=exemplars
    )


def exemplars_of(data, wrong=False):
    """Each LF was written from the first gold row on which it is right (or wrong)."""
    _, _, L, gold = data
    right = (np.asarray(L) == gold[:, None])[:N_GOLD]
    fits = (np.asarray(L)[:N_GOLD] >= 0) & (~right if wrong else right)
    given = np.zeros((N_TRAIN, M), dtype=bool)
    assert fits.any(0).all()
    given[fits.argmax(0), np.arange(M)] = True
    return given


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
@pytest.mark.parametrize("form", ["implication", "posterior"])
def test_every_form_and_final_learns(data, form, final):
    X, _, L, gold = data
    model = fitted(data, form=form, fit_strategy=final, max_epochs=17)
    p = model.predict_proba(X, L)
    np.testing.assert_allclose(p.sum(1), 1)
    assert model.score(X, gold, L=L) > 0.6
    assert list(model.weights_.columns) == [
        "gold",
        "rule-reliability",
        "implication" if form == "implication" else "posterior",
    ]


# -- exemplars ------------------------------------------------------------------------------------


def test_exemplars_count(data):
    """Only the loss on reliabilities changes, and it is larger where w is surely below 1."""
    plain, judged = fitted(data, max_epochs=1), fitted(data, exemplars_of(data), max_epochs=1)
    name = "loss/rule-reliability"
    assert judged.history_[name].iloc[0] > plain.history_[name].iloc[0] + 0.004
    X, L = data[0], data[2]
    assert not np.array_equal(plain.predict_proba(X, L), judged.predict_proba(X, L))
    nobody = fitted(data, np.zeros((N_TRAIN, M), dtype=bool), max_epochs=1)
    np.testing.assert_array_equal(nobody.predict_proba(X, L), plain.predict_proba(X, L))
    wrong = fitted(data, exemplars_of(data, wrong=True), max_epochs=1)
    np.testing.assert_array_equal(wrong.predict_proba(X, L), plain.predict_proba(X, L))


@pytest.mark.parametrize("kind", [sp.csr_array, sp.coo_matrix, np.asarray, np.ndarray.tolist])
def test_exemplars_of_any_kind(data, kind):
    given = exemplars_of(data)
    expected = fitted(data, given, max_epochs=1)
    found = fitted(data, kind(given), max_epochs=1)
    X, L = data[0], data[2]
    np.testing.assert_array_equal(found.predict_proba(X, L), expected.predict_proba(X, L))
    assert not hasattr(found, "_exemplars")


@pytest.mark.parametrize("shape", [(N_TRAIN - 1, M), (N, M), (N_TRAIN, M + 1), (N_TRAIN,)])
def test_exemplars_of_another_shape_are_refused(data, shape):
    with pytest.raises(InputError, match=r"exemplars.*\(151, 7\)"):
        fitted(data, np.zeros(shape, dtype=bool))


@pytest.mark.parametrize("given", ["all", np.zeros((N, M, 2))])
def test_exemplars_that_are_no_matrix_are_refused(data, given):
    with pytest.raises(InputError, match="exemplars must be an array"):
        fitted(data, given)


def test_prediction_without_votes_names_the_way_it_predicts(data):
    model = fitted(data, max_epochs=1)
    with pytest.raises(InputError, match="inference='sum'"):
        model.predict(data[0])


def test_exemplars_need_votes(data):
    X, y, _, _ = data
    with pytest.raises(InputError, match="exemplars"):
        RuleNetworkClassifier(trainer=TrainerConfig(max_epochs=1)).fit(
            X, y, exemplars=np.zeros((N, M))
        )


def test_exemplars_follow_the_columns_of_lfs_with_two_classes_and_silent_ones(data):
    """LF 0 is silent; LF 1 votes for two classes: its exemplars count for the one it voted."""
    _, _, L, _ = data
    votes = np.asarray(L).copy()
    votes[:, 0] = -1
    assert len(np.unique(votes[:, 1])) > 2
    given = np.zeros((N_TRAIN, M), dtype=bool)
    given[:, 1] = True
    model = fitted(data, given, L=LabelMatrix.from_dense(votes, classes=range(C)), max_epochs=1)
    plain = fitted(data, L=LabelMatrix.from_dense(votes, classes=range(C)), max_epochs=1)
    assert all(j != 0 for j, _ in model.plan_)
    assert sum(j == 1 for j, _ in model.plan_) > 1
    name = "loss/rule-reliability"
    assert model.history_[name].iloc[0] > plain.history_[name].iloc[0]


def test_a_checkpoint_of_other_exemplars_is_refused(data, tmp_path):
    path, given = tmp_path / "run.safetensors", exemplars_of(data)
    fitted(data, given, checkpoint=path)
    fitted(data, given, checkpoint=path)
    for other in (None, np.roll(given, 1, axis=1)):
        with pytest.raises(FileFormatError, match="other data"):
            fitted(data, other, checkpoint=path)


# -- prediction -----------------------------------------------------------------------------------


def test_sum_adds_the_published_scores(data):
    """Mean over fired rules with w > 1/2 of w or 1 - w, over classes made to sum to one."""
    X, _, L, _ = data
    model = fitted(data, dtype="float64", max_epochs=17, lr_rules=0.01)
    found, p = model.predict_proba(X, L), model._predict_proba(X, None, 0.0)
    rules = model.models_[0].rules
    unipolar = L.to_unipolar(model.plan_)
    odds = rules(model._table(X, unipolar).whole()).detach().numpy()
    fired, w, k = unipolar.to_dense() >= 0, expit(odds), rules.k.numpy()
    for i in range(N):
        on = [j for j in range(len(k)) if fired[i, j] and w[i, j] > 0.5]
        expected = p[i]
        if on:
            scores = [
                np.mean([w[i, j] if k[j] == c else 1 - w[i, j] for j in on]) for c in range(C)
            ]
            expected = (p[i] + np.array(scores) / np.sum(scores)) / 2
        np.testing.assert_allclose(found[i], expected, atol=1e-9)
    assert np.abs(found - p).max() > 0.01


@pytest.mark.parametrize("final", ["single", "crossfit"])
def test_the_classifier_answers_alone_where_no_rule_qualifies(data, final):
    X, _, L, _ = data
    model = fitted(data, fit_strategy=final, max_epochs=17)
    silent = ~L.covered()
    assert silent.any()
    np.testing.assert_allclose(
        model.predict_proba(X, L)[silent], model._predict_proba(X, None, 0.0)[silent], atol=1e-6
    )


def test_prediction_by_sum_feature_and_product(data):
    X, _, L, gold = data
    with pytest.raises(InputError, match="L="):
        fitted(data).predict(X)
    feature = fitted(data, inference="feature")
    assert feature.exponent_ == 0.0
    np.testing.assert_array_equal(feature.predict_proba(X), feature.predict_proba(X, L))
    np.testing.assert_array_equal(
        feature.predict_proba(X), fitted(data)._predict_proba(X, None, 0.0)
    )
    product = fitted(data, inference="product")
    assert product.exponent_ in (0.0, 0.25, 0.5, 1.0)
    product.exponent_ = 1.0
    p = product.predict_proba(X, L)
    assert np.abs(p - feature.predict_proba(X)).max() > 1e-3
    assert fitted(data).score(X, gold) == feature.score(X, gold)  # without L: the classifier


def test_a_rule_network_has_no_answer_without_features(data):
    with pytest.raises(InputError, match="features too"):
        fitted(data).rule_predict_proba(data[2])


def test_without_votes_it_is_trained_on_gold(data):
    X, y, _, gold = data
    model = RuleNetworkClassifier(trainer=TrainerConfig(max_epochs=17)).fit(X, y)
    assert list(model.weights_.columns) == ["gold"]
    assert model.exponent_ == 0.0
    assert model.score(X, gold) > 0.6


# -- files and parameters -------------------------------------------------------------------------


@pytest.mark.parametrize("inference", ["sum", "product", "feature"])
@pytest.mark.parametrize(("final", "hidden"), [("single", (5, 3)), ("crossfit", (7,))])
def test_save_and_load(data, tmp_path, inference, final, hidden):
    X, _, L, _ = data
    options = {"fit_strategy": final, "rule_hidden": hidden, "dtype": "float64"}
    model = fitted(data, inference=inference, feature_model="mlp", hidden=(5,), **options)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = RuleNetworkClassifier.load(path)
    np.testing.assert_array_equal(again.predict_proba(X, L), model.predict_proba(X, L))
    assert again.get_params() == model.get_params()
    assert again.exponent_ == model.exponent_


def test_gamma_strength_and_form_change_the_result(data):
    X, _, L, _ = data
    base = {"max_epochs": 3, "form": "posterior"}
    found = [
        fitted(data, **{**base, **changes}).predict_proba(X, L)
        for changes in ({}, {"gamma": 3.0}, {"strength": 3.0}, {"form": "implication"})
    ]
    for other in found[1:]:
        assert np.abs(other - found[0]).max() > 1e-6


def test_sparse_features_give_the_dense_result(data, monkeypatch):
    X, y, L, _ = data
    X = np.where(np.abs(X) > 1, X, 0.0)
    dense = (
        RuleNetworkClassifier(trainer=TrainerConfig(max_epochs=2))
        .fit(X, y, L=L)
        .predict_proba(X, L)
    )
    monkeypatch.setattr("spear_amal.training.table.DENSE_WIDTH", 1)
    sparse = RuleNetworkClassifier(trainer=TrainerConfig(max_epochs=2)).fit(sp.csr_array(X), y, L=L)
    np.testing.assert_allclose(sparse.predict_proba(sp.csr_array(X), L), dense, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "implied"},
        {"gamma": -1.0},
        {"strength": -0.1},
        {"lr_rules": 0.0},
        {"inference": "mean"},
        {"rule_hidden": 32},
        {"rule_hidden": ()},
        {"rule_hidden": (7, 0)},
    ],
)
def test_bad_parameters_are_named(data, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        fitted(data, **options)
