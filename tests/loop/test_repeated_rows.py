"""Rows that a sampler with replacement draws several times count once for each appearance."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import WeightedRandomSampler

from spear_amal import LossMixer

DRAWN = torch.tensor([4, 9, 4, 30, 9, 4, 17])  # 4 three times, 9 twice


def test_a_step_is_the_sum_over_appearances(new_loop):
    loop = new_loop()
    mixer = loop.mixer("amal", clamp=(0.0, 5.0))
    table = torch.rand(53, 3, generator=torch.Generator().manual_seed(1)) * 3
    mixer.mixer.lambdas[torch.arange(53)] = table
    loop.model.eval()
    losses = loop.losses(DRAWN)
    expected = 0.0
    for k, name in enumerate(loop.names):
        for place, row in enumerate(DRAWN.tolist()):
            expected += table[row, k].item() * losses[name][place].item() / len(DRAWN)
    assert mixer(losses, DRAWN).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("repeats", [1, 3])
def test_amal_steps_along_the_derivative_by_the_weight_of_a_row(new_loop, repeats):
    """By autograd through the real step of the head, with one weight a row and loss."""
    loop = new_loop(dtype=torch.float64)
    eta, rate = 0.3, 0.7
    mixer = loop.mixer(
        "amal",
        warmup=0,
        refresh_every=1,
        group_size=len(DRAWN),
        weight_sharing="row",
        normalise="none",
        lookahead_lr=eta,
        eta_lambda=rate,
        inner_repeats=repeats,
        clamp=(0.0, 100.0),
        gamma=1.0,
    )
    mixer.refresh(loop.train([DRAWN]), loop.validation())
    loop.model.eval()
    head, trunk = loop.net.head, loop.net.trunk
    rows = sorted(set(DRAWN.tolist()))
    weights = torch.ones(len(rows), 3, dtype=torch.float64)
    for _ in range(repeats):
        weights.requires_grad_()
        w, b = (p.detach().clone().requires_grad_() for p in (head.weight, head.bias))
        total = 0.0
        for row in DRAWN.tolist():
            logits = F.linear(trunk(loop.x[row : row + 1]).detach(), w, b)
            label = F.cross_entropy(logits, loop.y[row : row + 1])
            teacher = (
                loop.teacher[row].softmax(0)
                * (loop.teacher[row].log_softmax(0) - logits[0].log_softmax(0))
            ).sum()
            place = rows.index(row)
            total = total + (weights[place, 0] * label + weights[place, 1] * teacher) / len(DRAWN)
        dw, db = torch.autograd.grad(total, [w, b], create_graph=True)
        ahead = F.linear(trunk(loop.x_val).detach(), w - eta * dw, b - eta * db)
        (slope,) = torch.autograd.grad(F.cross_entropy(ahead, loop.y_val), weights)
        weights = (weights - rate * slope).detach()
    table = mixer.table()
    torch.testing.assert_close(table[rows].double()[:, :2], weights[:, :2], rtol=1e-4, atol=1e-5)
    assert (weights[:, :2] - 1).abs().max() > 1e-3
    others = np.setdiff1d(np.arange(53), rows)
    assert (table[others] == 1).all()


@pytest.mark.parametrize("name", ["amal", "alm-kd", "crust", "l2r", "mwn", "superloss", "gcs"])
def test_every_kind_of_mixer_trains_with_a_weighted_sampler(new_loop, name):
    loop = new_loop()
    options = {"amal": {"warmup": 0}, "alm-kd": {"warmup": 0}, "crust": {"start_epoch": 0}}
    more = {"y": loop.y} if name == "crust" else {}
    more |= {"tau": "mean"} if name == "superloss" else {}
    names = ("label", "teacher")
    mixer = LossMixer(name, names, n_rows=53, model=loop.model, **options.get(name, {}), **more)
    sampler = WeightedRandomSampler(
        torch.linspace(0.1, 1, 53), 53, generator=torch.Generator().manual_seed(2)
    )

    def losses(rows):
        both = loop.losses(rows)
        return {key: both[key] for key in names}

    def train(rows):
        return ((part, losses(part)) for part in rows.split(13))

    for epoch in range(2):
        rows = torch.tensor(list(sampler))
        assert len(rows.unique()) < len(rows)
        if mixer.refresh_due(epoch):
            mixer.refresh(train(rows), loop.validation())
        for part in rows.split(13):
            if mixer.step_refresh_due():
                mixer.refresh(train(part), loop.validation())
            loss = mixer(losses(part), part)
            assert torch.isfinite(loss)
            loss.backward()


def test_a_crust_of_rows_drawn_twice_is_that_of_rows_drawn_once(new_loop):
    """Half of the appearances are all rows: each stands for its two, and is trained on twice."""
    for times in (1, 2):
        loop = new_loop()
        mixer = loop.mixer("crust", start_epoch=0, y=loop.y, fraction=1 / times, radius=1e-4)
        rows = torch.arange(53).repeat(times)
        mixer.refresh(loop.train(rows.split(13)), loop.validation())
        torch.testing.assert_close(mixer.mixer.counts, torch.ones(53))
