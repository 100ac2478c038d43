"""The guard against useless votes, and one model under the weights of the folds."""

import warnings

import numpy as np
import pytest

from spear_amal import GoldClassifier, LabelMatrix, SpearClassifier
from spear_amal.mixers import Amal
from spear_amal.studies import shuffled_votes

N_L, N_U, N_V, D = 61, 97, 53, 5
FAST = {"max_epochs": 7, "patience": 7}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N_L + N_U + N_V)
    X = rng.normal(size=(len(y), D)) + 0.8 * np.eye(2, D)[y]
    right = rng.random((len(y), 5)) < 0.85
    fired = rng.random(right.shape) < 0.4
    votes = np.where(fired, np.where(right, y[:, None], 1 - y[:, None]), -1)
    return X, y, LabelMatrix.from_dense(votes, classes=range(2))


def fit(rows, votes=None, **options):
    X, y, L = rows
    L = L if votes is None else votes
    t = N_L + N_U
    observed = np.where(np.arange(t) < N_L, y[:t], -1)
    model = SpearClassifier.from_options(**{**FAST, **options})
    return model.fit(X[:t], observed, L[:t], X[t:], y[t:], L[t:])


def gold_only(rows, **options):
    X, y, _ = rows
    t = N_L + N_U
    observed = np.where(np.arange(t) < N_L, y[:t], -1)
    model = GoldClassifier.from_options(**{**FAST, **options})
    return model.fit(X[:t], observed, X_val=X[t:], y_val=y[t:])


def test_good_votes_pass(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit(rows)
    assert not model.guarded_
    assert model.votes_test_.p_value < 0.01
    assert "consensus" in model.weights_


@pytest.mark.parametrize(("final", "same"), [("single", "refit"), ("crossfit", "crossfit")])
@pytest.mark.parametrize("mixer", ["amal", "fixed"])
def test_useless_votes_leave_the_classifier_on_l_and_v(rows, final, same, mixer):
    """Shuffled votes: the result is that of a classifier on L+V, bit for bit."""
    useless = shuffled_votes(rows[2], seed=1)
    with pytest.warns(UserWarning, match="no better than chance"):
        model = fit(rows, useless, fit_strategy=final, mixer=mixer)
    assert model.guarded_
    wanted = gold_only(rows, fit_strategy=same)
    np.testing.assert_array_equal(model.predict_proba(rows[0]), wanted.predict_proba(rows[0]))
    assert list(model.weights_) == ["gold"]


def test_the_guard_can_be_switched_off(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit(rows, shuffled_votes(rows[2], seed=1), guard=False)
    assert not model.guarded_
    assert model.votes_test_.p_value > 0.05


def test_a_guarded_model_goes_to_a_file_and_back(rows, tmp_path):
    with pytest.warns(UserWarning, match="chance"):
        model = fit(rows, shuffled_votes(rows[2], seed=1), inference="product")
    model.save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(rows[0]), model.predict_proba(rows[0]))
    assert again.guarded_ and again.votes_test_ == model.votes_test_


def test_a_model_without_votes_says_so_after_its_way_through_a_file(rows, tmp_path):
    X, y, _ = rows
    SpearClassifier.from_options(**FAST).fit(X, y).save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    assert not again.guarded_ and again.votes_test_ is None


def test_no_gold_row_with_votes_goes_to_a_file_and_back(rows, tmp_path):
    """The agreement is not-a-number then, which JSON does not know."""
    X, y, L = rows
    few = np.where(np.arange(len(y)) < N_L, y, -1)
    silent = np.where((few >= 0)[:, None], -1, L.to_dense())
    SpearClassifier.from_options(**FAST).fit(X, few, silent).save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    assert np.isnan(again.votes_test_.agreement) and again.votes_test_.n_rows == 0


def test_the_same_object_fitted_again_forgets_the_guard(rows):
    model = SpearClassifier.from_options(**FAST)
    X, y, L = rows
    with pytest.warns(UserWarning, match="chance"):
        model.fit(X, y, shuffled_votes(L, seed=1))
    model.fit(X, y, L)
    assert not model.guarded_
    assert len(model.weights_.columns) > 1


def test_weights_of_the_folds_train_one_model(rows):
    """The frozen table is the mean of the folds' weights, over the folds that trained the row."""
    folds = fit(rows, fit_strategy="crossfit", n_folds=3)
    one = fit(rows, fit_strategy="crossfit-weights", n_folds=3)
    assert len(one.models_) == 1
    known = folds.weights_.notna() & one.weights_.notna()
    assert known.to_numpy().any()
    np.testing.assert_allclose(
        one.weights_.to_numpy()[known], folds.weights_.to_numpy()[known], rtol=1e-6
    )
    gold_rows = np.r_[0:N_L, N_L + N_U : N_L + N_U + N_V]
    assert one.weights_["gold"].iloc[gold_rows].notna().all()  # V is trained on as well
    assert one.val_score_ == pytest.approx(folds.val_score_)
    assert one.validation_source_ == "folds"


def test_a_refit_freezes_the_mean_of_the_weights_over_the_epochs(rows, monkeypatch):
    """Last weights counter what a model has too much of by then; a new one starts without it."""
    tables, end = [], Amal.end_epoch

    def recorded(self):
        tables.append(self.table().clone().numpy())
        end(self)

    monkeypatch.setattr(Amal, "end_epoch", recorded)
    model = fit(rows, fit_strategy="refit", mixer_options={"warmup": 1, "refresh_every": 2})
    wanted = np.mean(tables[: model.best_epoch_[0] + 1], axis=0)
    frozen = model.weights_.to_numpy()[: N_L + N_U]
    known = ~np.isnan(frozen)
    np.testing.assert_allclose(frozen[known], wanted[: N_L + N_U][known], atol=1e-6)
    assert np.abs(tables[model.best_epoch_[0]] - wanted).max() > 0.01
    in_v = model.weights_.to_numpy()[N_L + N_U :, 0]
    np.testing.assert_allclose(in_v, wanted[:N_L, 0].mean(), atol=1e-6)


def test_joint_consensus_is_the_product_of_both_models():
    import torch

    from spear_amal.batch import Outputs
    from spear_amal.losses import RuleConsensus

    p, q = torch.randn(7, 3).double(), torch.randn(7, 3).double()
    p.requires_grad_()
    q.requires_grad_()
    value = RuleConsensus("joint").loss(Outputs(p, p, q), None)
    target = torch.softmax(p, 1) * torch.softmax(q, 1)
    target = (target / target.sum(1, keepdim=True)).detach()
    torch.testing.assert_close(value, -(target * torch.log_softmax(p, 1)).sum(1))
    value.sum().backward()
    assert q.grad is None  # no gradient to the rule model
    torch.testing.assert_close(p.grad, torch.softmax(p, 1).detach() - target)
