"""SGD and its rates over epochs: against torch by hand, and resumed bit for bit."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from spear_amal.losses import ComponentSet, LabelCrossEntropy
from spear_amal.mixers import Fixed
from spear_amal.models import MLP, JointModel, LinearModel
from spear_amal.training import Callback, Table, Trainer, TrainerConfig
from spear_amal.training.state import make_optimiser, rate_factor, set_rates

N, D, C = 53, 5, 3


def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N)
    x = rng.normal(size=(N, D)) + np.eye(C, D)[y]
    return Table(x, y, n_classes=C, dtype=torch.float64)


def model_for(feature="mlp"):
    generator = torch.Generator().manual_seed(0)
    net = LinearModel(D, C) if feature == "linear" else MLP(D, C, (7,), generator)
    return JointModel(net.double())


def train(settings, callbacks=()):
    table, model = data(), model_for()
    components = ComponentSet([LabelCrossEntropy()])
    result = Trainer(settings, callbacks=callbacks).fit(
        model, components, Fixed(), table, np.arange(N), fingerprint="a"
    )
    return model, result


def sgd(**options):
    return TrainerConfig(
        **{"optimiser": "sgd", "lr": 0.1, "batch_size": 13, "max_epochs": 7, **options}
    )


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_of_sgd_written_out(nesterov):
    """v <- mu v + g;  w <- w - lr (g + mu v, or v), with weight decay in g."""
    mu, lr, decay = 0.9, 0.1, 0.01
    settings = sgd(momentum=mu, nesterov=nesterov, weight_decay=decay, lr=lr)
    model, table = model_for("linear"), data()
    optimiser = make_optimiser(model, settings)
    batch = table.whole()
    head = model.feature.head
    by_hand = [p.detach().clone() for p in (head.weight, head.bias)]
    speed = [torch.zeros_like(p) for p in by_hand]
    for _ in range(5):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(batch).logits, batch.y)
        loss.backward()
        gradients = [p.grad.clone() for p in (head.weight, head.bias)]
        for i, g in enumerate(gradients):
            g = g + decay * by_hand[i]
            speed[i] = mu * speed[i] + g
            by_hand[i] = by_hand[i] - lr * (g + mu * speed[i] if nesterov else speed[i])
        optimiser.step()
    for found, expected in zip((head.weight, head.bias), by_hand, strict=True):
        torch.testing.assert_close(found.detach(), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps"])
def test_the_loop_is_plain_torch_with_the_schedule(schedule):
    """Whole training against torch.optim.SGD driven by hand."""
    settings = sgd(schedule=schedule, milestones=(2, 5), gamma=0.2, nesterov=True)
    found, _ = train(settings)
    expected, table = model_for(), data()
    optimiser = torch.optim.SGD(expected.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    order = torch.Generator().manual_seed(0)
    for epoch in range(7):
        factor = {
            "constant": 1.0,
            "cosine": 0.5 * (1 + math.cos(math.pi * epoch / 7)),
            "steps": [1, 1, 0.2, 0.2, 0.2, 0.04, 0.04][epoch],
        }[schedule]
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * factor
        for index in torch.randperm(N, generator=order).split(13):
            batch = table.batch(index)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(expected(batch).logits, batch.y).backward()
            optimiser.step()
    for a, b in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_rates_over_epochs():
    cosine = [rate_factor(sgd(schedule="cosine", max_epochs=100), e) for e in range(100)]
    assert cosine[0] == 1.0
    assert cosine[50] == pytest.approx(0.5)
    assert all(a > b > 0 for a, b in itertools.pairwise(cosine))
    published = sgd(schedule="steps", milestones=(150, 180, 210), gamma=0.1)
    factors = [rate_factor(published, e) for e in (0, 149, 150, 180, 209, 210, 239)]
    assert factors == pytest.approx([1, 1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert rate_factor(replace(published, milestones=()), 1000) == 1.0
    assert [rate_factor(sgd(), e) for e in (0, 99)] == [1.0, 1.0]


def test_rates_are_set_anew_and_for_every_group():
    settings = sgd(schedule="steps", milestones=(1,), gamma=0.1, lr=0.3)
    optimiser = make_optimiser(model_for(), settings)
    for epoch, rate in ((1, 0.03), (1, 0.03), (0, 0.3)):  # twice is not twice as small
        set_rates(optimiser, settings, epoch)
        assert [g["lr"] for g in optimiser.param_groups] == pytest.approx([rate])


class Killed(Exception):
    pass


class KillAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise Killed


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("at", [1, 4])
def test_momentum_is_resumed_bit_for_bit(tmp_path, nesterov, at):
    settings = sgd(nesterov=nesterov, schedule="cosine", weight_decay=1e-3)
    whole, _ = train(settings)
    settings = replace(settings, checkpoint=tmp_path / "run")
    with pytest.raises(Killed):
        train(settings, [KillAt(at)])
    resumed, result = train(settings)
    assert len(result.history) == 7
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True)
    )
