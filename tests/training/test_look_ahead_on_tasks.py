"""Tasks in a look-ahead over the whole network: against autograd through the real step."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from spear_amal.losses import (
    ComponentSet,
    LabelCrossEntropy,
    SquaredNorm,
    TaskCrossEntropy,
    TaskSquaredError,
)
from spear_amal.maths.losses import weighted_objective
from spear_amal.models import Affine, JointModel, MultiTask, build_feature_model
from spear_amal.training import LookAhead, Table

B, V, C, K, SIDE, ETA = 11, 7, 5, 3, 4, 0.3
LOSSES = ComponentSet(
    [
        LabelCrossEntropy(),
        TaskCrossEntropy("rotation"),
        TaskCrossEntropy("rotation-shuffled"),
        TaskCrossEntropy("colour"),
        TaskSquaredError("weight"),
        SquaredNorm(0.1),
    ]
)


@pytest.fixture(scope="module", params=["convnet4", "mlp:7"])
def case(request):
    generator = torch.Generator().manual_seed(0)
    network = build_feature_model(request.param, 0, C, (), generator, input_shape=(1, SIDE, SIDE))
    width = network.head.in_features
    sizes = {"rotation": 4, "rotation-shuffled": 4, "colour": K, "weight": 1}
    heads = {name: Affine(width, n, generator) for name, n in sizes.items()}
    model = JointModel(MultiTask(network, heads, squared_norm=True)).double()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B + V, 1, SIDE, SIDE))
    y = rng.integers(0, C, B + V)
    y[:2] = -1
    weight = rng.normal(size=B + V)
    weight[1:4] = np.nan
    tasks = {"colour": rng.integers(-1, K, B + V), "weight": weight}
    table = Table(x, y, tasks=tasks, n_classes=C, dtype=torch.float64)
    model.train()(table.whole())  # running statistics away from 0 and 1
    rows = torch.arange(B + V)
    return model.eval(), table.batch(rows[:B]), table.batch(rows[B:])


def through_the_step(model, batch, validation, weights):
    """``d L_val(w - eta grad L(w; Lambda)) / d Lambda`` by autograd alone."""
    weights = weights.clone().requires_grad_()
    at = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
    losses = LOSSES.losses(functional_call(model, at, (batch,)), batch)
    value = weighted_objective(losses, weights, LOSSES.applies(batch))
    step = torch.autograd.grad(value, list(at.values()), create_graph=True)
    ahead = {name: p - ETA * g for (name, p), g in zip(at.items(), step, strict=True)}
    logits = functional_call(model, ahead, (validation,)).logits
    outer = torch.nn.functional.cross_entropy(logits, validation.y)
    return torch.autograd.grad(outer, weights)[0]


@pytest.mark.parametrize("method", ["forward", "double-backward"])
def test_the_derivative_by_every_weight_is_that_through_the_real_step(case, method):
    model, batch, validation = case
    weights = torch.rand(B, len(LOSSES), generator=torch.Generator().manual_seed(1)).double()
    expected = through_the_step(model, batch, validation, weights)
    look = LookAhead(model, LOSSES, batch, validation, eta=ETA, parameters="network", method=method)
    found = look.hypergradient(weights)
    assert look.method == method  # no operator had to be gone through the other way
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert (found[~LOSSES.applies(batch)] == 0).all()
    assert (found[:, 1:].abs().amax(0) > 1e-6).all()


def test_the_losses_of_a_look_ahead_are_those_of_the_batch(case):
    model, batch, validation = case
    look = LookAhead(
        model, LOSSES, batch, validation, eta=ETA, parameters="network", method="forward"
    )
    expected = LOSSES.losses(model(batch), batch).detach()
    assert not look.losses().requires_grad
    torch.testing.assert_close(look.losses(), expected)
    assert (expected.abs().amax(0) > 0).all()


def test_targets_of_a_table_go_with_their_rows():
    tasks = {"colour": np.array([0, 1, -1]), "weight": np.array([0.5, np.nan, 2.0])}
    table = Table(np.zeros((3, 2)), tasks=tasks)
    batch = table.batch(torch.tensor([2, 0]))
    assert batch.tasks["colour"].tolist() == [-1, 0]
    assert batch.tasks["weight"].tolist() == [2.0, 0.5]
    assert batch.tasks["weight"].dtype == torch.float32
    part = table.subset(np.array([1, 2])).batch(torch.tensor([1]))
    assert part.tasks["colour"].tolist() == [-1]
    assert Table(np.zeros((3, 2))).whole().tasks == {}
