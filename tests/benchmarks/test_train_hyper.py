"""What the hyper label model is trained on, and that training sees what the package computes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import train_hyper
from hyper_draws import draw_matrix
from train_hyper import Sparse, first_weights, loss_of, make_lesson

from spear_amal import LabelMatrix
from spear_amal.label_models import HyperLabelModel


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    return [draw_matrix(rng) for _ in range(60)]


def test_draws_are_of_many_kinds(draws):
    one_class = [all(len(np.unique(v[v >= 0])) == 1 for v in draw.votes.T) for draw in draws]
    assert 0.3 < np.mean(one_class) < 0.8
    assert {draw.n_classes for draw in draws} >= {2, 3, 5, 8, 10}
    sizes = np.array([draw.votes.shape for draw in draws])
    assert sizes[:, 0].min() < 200 and sizes[:, 0].max() > 1000
    assert sizes[:, 1].min() < 6 and sizes[:, 1].max() > 100
    covered = [(draw.votes >= 0).any(1).mean() for draw in draws]
    assert min(covered) < 0.5 and max(covered) > 0.95
    assert 0.1 < np.mean([(draw.gold >= 0).any() for draw in draws]) < 0.6


def test_draws_are_what_they_say(draws):
    better = []
    for draw in draws:
        assert draw.votes.min() == -1 and draw.votes.max() < draw.n_classes
        assert all(len(np.unique(column)) > 1 for column in draw.votes.T)
        told = draw.gold >= 0
        np.testing.assert_array_equal(draw.gold[told], draw.y[told])
        for column in draw.votes.T[:20]:
            for vote in np.unique(column[column >= 0]):
                of_class = draw.y == vote
                if 20 < of_class.sum() < len(of_class):
                    fires = column == vote
                    better.append(fires[of_class].mean() > fires[~of_class].mean())
    assert np.mean(better) > 0.85


def plain(weights):
    return {name: w.detach().numpy().astype(float) for name, w in weights.items()}


def test_the_loss_is_that_of_the_package(draws, monkeypatch):
    weights = first_weights(0)
    monkeypatch.setattr("spear_amal.label_models.hyper.network_weights", lambda: plain(weights))
    some = [d for d in draws if d.n_classes == 2 and d.balance is None and d.votes.size < 20_000]
    some = [draw._replace(gold=np.full(len(draw.y), -1)) for draw in some[:4]]
    expected = []
    for draw in some:
        L = LabelMatrix.from_dense(draw.votes, classes=range(2))
        p = HyperLabelModel().fit(L).predict_proba(L)
        expected.append(-np.log(p[np.arange(len(p)), draw.y])[L.covered()].mean())
    assert len(np.unique(np.round(expected, 3))) == 4
    loss = loss_of([make_lesson(draw) for draw in some], weights)
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_the_product_has_its_derivative():
    dense = np.random.default_rng(0).normal(size=(3, 5)) * [1, 0, 1, 0, 1]
    draws = torch.Generator().manual_seed(0)
    values = torch.randn(5, 2, generator=draws).requires_grad_()
    slope = torch.randn(3, 2, generator=draws)
    (Sparse(dense) @ values).backward(slope)
    np.testing.assert_allclose(values.grad, dense.T @ slope.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_training_lowers_the_loss(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train_hyper, "WEIGHTS_FILE", tmp_path / "weights.safetensors")
    small = ("--matrices", "60", "--epochs", "3", "--validation", "2")
    monkeypatch.setattr(sys, "argv", ["train_hyper.py", *small])
    threads = torch.get_num_threads()
    try:
        train_hyper.main()
    finally:
        torch.set_num_threads(threads)
    losses = [
        float(line.split("loss ")[1].split(",")[0])
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("epoch")
    ]
    assert losses[-1] < 0.9 * losses[0]
    assert (tmp_path / "weights.safetensors").stat().st_size < 1_000_000
