"""Gradient cosine similarity: the poster's example, a written-out reference, costs, structure."""

import math

import pytest
import torch
from every_mixer import D, K, N, Network, Run, attached, gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import GradientCosine, Mixer, Single, Step, build_mixer, gradient_cosine

FORM = pytest.mark.parametrize("form", ["weighted", "unweighted"])
PARAMETERS = pytest.mark.parametrize("parameters", ["shared", "last-layer"])
ROWS = torch.tensor([7, 2, 11, 0, 5])
EVERYWHERE = torch.ones(N, K, dtype=torch.bool)


# -- the poster's example -------------------------------------------------------------------------


def descend(mixer, start, rate=0.01, steps=3000):
    """Where main (t - 10)^2 with auxiliary t^2 ends, and when it first was within 0.05 of 10."""
    mixer.attach(1, ("main", "aux"), torch.ones(1, 2) > 0, torch.ones(2) > 0)
    t = torch.tensor(float(start), dtype=torch.float64, requires_grad=True)
    near = None
    for i in range(1, steps + 1):
        columns = [((t - 10) ** 2).reshape(1), (t**2).reshape(1)]
        losses = torch.stack(columns, dim=1)
        weights = mixer.weights(None, losses.detach())
        step = Step(losses, weights, losses.detach() >= 0, columns, {"t": t})
        (slope,) = torch.autograd.grad(mixer.combine(step), t)
        t = (t.detach() - rate * slope).requires_grad_()
        if near is None and abs(t.item() - 10) < 0.05:
            near = i
    return t.item(), near


@settings(max_examples=13)
@given(st.floats(-50, 50))
def test_the_plain_sum_ends_at_5_and_both_forms_at_10(start):
    """Where the main loss has no gradient (t = 10) there is nothing to be led by or to."""
    assert descend(Mixer(), start, 0.2, 47)[0] == pytest.approx(5.0, abs=1e-6)
    for form in ("weighted", "unweighted"):
        for parameters in ("shared", "last-layer"):
            mixer = GradientCosine(form, parameters=parameters)
            assert descend(mixer, start, 0.2, 47)[0] == pytest.approx(10.0, abs=1e-6)


def test_from_30_at_rate_a_hundredth_it_takes_82_steps_instead_of_297():
    assert descend(GradientCosine(), 30, steps=331) == (pytest.approx(10, abs=0.05), 82)
    assert descend(Single(), 30, steps=331) == (pytest.approx(10, abs=0.05), 297)


# -- a reference written out ----------------------------------------------------------------------


def flat(value, parameters):
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def reference(network, on, form, threshold):
    """Gradients of trunk and heads by the book; the trunk is one layer, so both kinds agree."""
    trunk = list(network.trunk.parameters())
    counts = on.sum(0).clamp(min=1)
    values = [c.sum() / n for c, n in zip(network.columns(ROWS, on), counts, strict=True)]
    by_trunk = [flat(value, trunk) for value in values]
    total, factors = by_trunk[0].clone(), [1.0]
    for one in by_trunk[1:]:
        lengths = (one.norm() * by_trunk[0].norm()).item()
        cosine = (one @ by_trunk[0]).item() / lengths if lengths else 0.0
        factors.append(max(0.0, cosine) if form == "weighted" else float(cosine > threshold))
        total += factors[-1] * one
    heads = [
        torch.autograd.grad(v, list(h.parameters()), retain_graph=True)
        for v, h in zip(values, network.heads, strict=True)
    ]
    value = sum(f * v.detach() for f, v in zip(factors, values, strict=True))
    return value, total, [torch.cat([g.flatten() for g in one]) for one in heads], factors


@FORM
@PARAMETERS
@pytest.mark.parametrize("threshold", [0.0, 0.3, -0.9])
@pytest.mark.parametrize("empty", [None, 0, 2])
def test_gradients_are_those_of_the_reference(form, parameters, threshold, empty):
    on = EVERYWHERE.clone()
    on[3:, 1] = False
    if empty is not None:
        on[:, empty] = False
    mixer = attached(GradientCosine(form, threshold=threshold, parameters=parameters), on=on)
    run = Run(mixer, torch.float64, on=on)
    value, trunk, heads, factors = reference(run.network, on[ROWS], form, threshold)
    scalar = mixer.combine(run.prepare(ROWS))
    found = gradients(scalar, run.network)
    torch.testing.assert_close(scalar.detach(), value)
    own = torch.cat([found["trunk.weight"].flatten(), found["trunk.bias"]])
    torch.testing.assert_close(own, trunk)
    for k, head in enumerate(heads):
        mine = torch.cat([found[f"heads.{k}.weight"].flatten(), found[f"heads.{k}.bias"]])
        torch.testing.assert_close(mine, head)
    assert list(mixer.mean_weights(ROWS).values()) == pytest.approx(factors)
    if empty == 0:  # the main loss has no gradient: cosines are 0
        assert factors[1] == float(form == "unweighted" and threshold < 0)


class Deep(torch.nn.Module):
    """Two layers of trunk, two heads, one more layer that only the main loss goes through."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(D, 5)
        self.second = torch.nn.Linear(5, 3)
        self.main_only = torch.nn.Linear(3, 3)
        self.main = torch.nn.Linear(3, 1)
        self.aux = torch.nn.Linear(3, 1)
        self.unused = torch.nn.Linear(2, 2)
        self.double()

    def columns(self, x):
        hidden = torch.tanh(self.second(torch.tanh(self.first(x))))
        return [
            (self.main(torch.tanh(self.main_only(hidden))).squeeze(1) - 1) ** 2,
            (self.aux(hidden).squeeze(1) + 1) ** 2,
        ]


def deep_step(model, x, mixer, mixable=(True, True)):
    on = torch.ones(len(x), 2, dtype=torch.bool)
    mixer.attach(len(x), ("label", "aux"), on, torch.tensor(mixable))
    columns = model.columns(x)
    losses = torch.stack(columns, 1)
    return Step(losses, torch.ones_like(losses), on, columns, dict(model.named_parameters()))


def deep(seed=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Deep(), torch.randn(11, D, dtype=torch.float64)


def counted(monkeypatch):
    """Calls of torch.autograd.grad, with the number of parameters that each asks about."""
    calls, original = [], torch.autograd.grad

    def grad(outputs, inputs, *rest, **options):
        calls.append(len(inputs))
        return original(outputs, inputs, *rest, **options)

    monkeypatch.setattr(torch.autograd, "grad", grad)
    return calls


def test_the_last_layer_alone_tells_the_cosine_and_the_trunk_is_gone_through_once(monkeypatch):
    model, x = deep()
    mixer = GradientCosine(parameters="last-layer")
    step = deep_step(model, x, mixer)
    main, aux = (c.mean() for c in model.columns(x))
    layer, shared = list(model.second.parameters()), [*model.first.parameters()]
    cosine = torch.cosine_similarity(flat(main, layer), flat(aux, layer), dim=0).item()
    everywhere = torch.cosine_similarity(
        flat(main, shared + layer), flat(aux, shared + layer), dim=0
    ).item()
    assert abs(cosine - everywhere) > 0.01  # or this test would tell nothing
    expected = flat(main, shared) + max(0, cosine) * flat(aux, shared)
    plain = {"main": main, "main_only": main, "aux": aux}
    own = {name: flat(v, list(getattr(model, name).parameters())) for name, v in plain.items()}
    calls = counted(monkeypatch)
    found = gradients(mixer.combine(step), model)
    assert calls == [2, 2, 4, 8]  # the layer twice; the trunk; the rest, the unused layer included
    assert mixer.mean_weights(ROWS)["aux"] == pytest.approx(max(0, cosine))
    mine = torch.cat([found["first.weight"].flatten(), found["first.bias"]])
    torch.testing.assert_close(mine, expected)
    for name, gradient in own.items():  # weight 1 for what is not shared
        both = torch.cat([found[f"{name}.weight"].flatten(), found[f"{name}.bias"]])
        torch.testing.assert_close(both, gradient)
    assert not any(name.startswith("unused") for name in found)


@pytest.mark.parametrize("n_losses", [1, 2, 3])
def test_one_backward_pass_a_loss_and_none_for_the_step(n_losses, monkeypatch):
    on = EVERYWHERE[:, :n_losses]
    run = Run(attached(GradientCosine(), on=on), on=on)
    calls = counted(monkeypatch)
    through = []
    step = run.prepare(ROWS)
    for column in step.columns:
        column.register_hook(lambda gradient: through.append(1))
    value = run.mixer.combine(step)
    assert len(calls) == len(through) == n_losses
    value.backward()
    assert len(calls) == len(through) == n_losses  # gradients are handed over, not taken again


@FORM
@PARAMETERS
def test_losses_that_agree_give_the_plain_sum(form, parameters):
    mixer = attached(GradientCosine(form, parameters=parameters), on=EVERYWHERE)
    run = Run(mixer, torch.float64, on=EVERYWHERE, alike=True)
    found = gradients(mixer.combine(run.prepare(ROWS)), run.network)
    step = run.prepare(ROWS)
    plain = gradients(weighted_objective(step.losses, step.weights, step.applies), run.network)
    assert found.keys() == plain.keys()
    for name in plain:
        torch.testing.assert_close(found[name], plain[name])


@PARAMETERS
def test_losses_that_cannot_be_mixed_count_fully(parameters):
    model, x = deep()
    mixer = GradientCosine(parameters=parameters, main="aux")
    step = deep_step(model, x, mixer, mixable=(False, True))
    found = gradients(mixer.combine(step), model)
    main, aux = (c.mean() for c in model.columns(x))
    plain = gradients(main + aux, model)
    for name in plain:
        torch.testing.assert_close(found[name], plain[name])


def test_weights_of_the_step_are_factors_of_the_losses_whatever_the_cosine():
    run = Run(attached(GradientCosine("unweighted", threshold=-1.0)), torch.float64)
    run.mixer.full = torch.ones(K, dtype=torch.bool)
    weights = torch.rand(len(ROWS), K, dtype=torch.float64)
    step = run.prepare(ROWS, weights=weights)
    expected = weighted_objective(step.losses, weights, step.applies)
    plain = gradients(expected, run.network)
    value = run.mixer.combine(run.prepare(ROWS, weights=weights))
    torch.testing.assert_close(value.detach(), expected.detach())
    for name, gradient in gradients(value, run.network).items():
        torch.testing.assert_close(gradient, plain[name])


def test_losses_with_nothing_in_common_are_left_alone():
    """Two networks side by side: the plain sum, and no cosine to speak of."""
    one, other = Network(1, torch.float64), Network(1, torch.float64)
    on = torch.ones(len(ROWS), 2, dtype=torch.bool)
    for parameters in ("shared", "last-layer"):
        mixer = GradientCosine(parameters=parameters)
        mixer.attach(N, ("label", "aux"), on, torch.ones(2) > 0)
        columns = [net.columns(ROWS, on[:, :1])[0] for net in (one, other)]
        named = {
            f"{i}.{n}": p for i, net in enumerate((one, other)) for n, p in net.named_parameters()
        }
        step = Step(torch.stack(columns, 1), on.double(), on, columns, named)
        value = mixer.combine(step)
        for net, column in zip((one, other), columns, strict=True):
            plain = torch.autograd.grad(
                column.mean(), list(net.trunk.parameters()), retain_graph=True
            )
            net.zero_grad(set_to_none=True)
            value.backward(retain_graph=True)
            for p, gradient in zip(net.trunk.parameters(), plain, strict=True):
                torch.testing.assert_close(p.grad, gradient)
        assert mixer.mean_weights(ROWS) == {"label": 1.0, "aux": 0.0}


# -- structure ------------------------------------------------------------------------------------


def test_structure_is_worked_out_once_and_again_for_other_parameters(monkeypatch):
    count, original = [], gradient_cosine.reaches
    monkeypatch.setattr(gradient_cosine, "reaches", lambda *a: count.append(1) or original(*a))
    run = Run(attached(GradientCosine(), on=EVERYWHERE), on=EVERYWHERE)
    for _ in range(3):
        run.step()
    assert len(count) == 1
    run.network.zero_grad(set_to_none=True)
    run.network.trunk.bias.requires_grad_(False)
    step = run.prepare(ROWS)
    left = {n: p for n, p in step.parameters.items() if p.requires_grad}
    fewer = Step(step.losses, step.weights, step.applies, step.columns, left)
    run.mixer.combine(fewer).backward()
    assert len(count) == 2
    assert run.network.trunk.bias.grad is None
    attached(run.mixer, on=EVERYWHERE)
    run.network.trunk.bias.requires_grad_(True)
    run.step()
    assert len(count) == 3


def test_a_loss_without_a_graph_in_the_first_batch_is_still_told_to_share_later():
    """As where a loop gives zeros for a task that has no rows in a batch."""
    on = EVERYWHERE[:, :2]
    run, fresh = (Run(attached(GradientCosine(), on=on), torch.float64, on=on) for _ in range(2))
    step = run.prepare(ROWS)
    columns = [step.columns[0], step.columns[1].detach()]
    first = Step(step.losses, step.weights, step.applies, columns, step.parameters)
    assert torch.isfinite(run.mixer.combine(first))
    assert run.mixer.mean_weights(ROWS)["teacher0"] == 0.0
    found, expected = (
        gradients(one.mixer.combine(one.prepare(ROWS)), one.network) for one in (run, fresh)
    )
    assert run.mixer.cosines[1] != 0
    assert run.mixer.mean_weights(ROWS) == fresh.mixer.mean_weights(ROWS)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# -- moving averages and means ---------------------------------------------------------------------


def cosines_of(run, n):
    found = []
    for _ in range(n):
        run.step()
        found.append(run.mixer.cosines.clone())
    return torch.stack(found)


def test_the_moving_average_starts_at_the_first_cosine():
    """Both are driven along the same path, by losses that never move the parameters."""
    plain = Run(attached(GradientCosine()), torch.float64)
    slow = Run(attached(GradientCosine(average=0.75)), torch.float64)
    mean = None
    for i in range(5):
        rows = torch.randperm(N, generator=torch.Generator().manual_seed(i))[:7]
        for run in (plain, slow):
            run.mixer.combine(run.prepare(rows))
        now = plain.mixer.cosines
        mean = now if mean is None else 0.75 * mean + 0.25 * now
        torch.testing.assert_close(slow.mixer.cosines, mean)


def test_a_batch_without_the_loss_or_without_the_main_loss_leaves_the_average_alone():
    on = EVERYWHERE.clone()
    on[5:, 2], on[9:, 0] = False, False
    run = Run(attached(GradientCosine(average=0.5), on=on), torch.float64, on=on)
    run.mixer.combine(run.prepare(torch.arange(5)))
    first = run.mixer.cosines.clone()
    run.mixer.combine(run.prepare(torch.arange(5, 9)))  # no loss 2
    assert run.mixer.cosines[2] == first[2]
    assert run.mixer.cosines[1] != first[1]
    second = run.mixer.cosines.clone()
    run.mixer.combine(run.prepare(torch.arange(9, N)))  # no main loss
    assert torch.equal(run.mixer.cosines, second)


def test_mean_weights_are_those_of_one_epoch_however_often_they_are_read():
    run = Run(attached(GradientCosine()), torch.float64)
    assert run.mixer.mean_weights(ROWS) == {}
    for n in (3, 5):
        expected = cosines_of(run, n).clamp(min=0).mean(0)
        expected[0] = 1.0
        for _ in range(2):
            assert list(run.mixer.mean_weights(ROWS).values()) == pytest.approx(expected.tolist())


def test_short_gradients_still_have_a_direction():
    """Lengths whose product is no longer a float32."""
    for scale in (1e-15, 1.0, 1e15):
        t = torch.tensor([1.0, 2.0], requires_grad=True)
        columns = [scale * t.sum().reshape(1), scale * (t * torch.tensor([1.0, 0.0])).sum(0, True)]
        mixer = GradientCosine()
        mixer.attach(1, ("label", "aux"), torch.ones(1, 2) > 0, torch.ones(2) > 0)
        on = torch.ones(1, 2) > 0
        mixer.combine(Step(torch.stack(columns, 1), torch.ones(1, 2), on, columns, {"t": t}))
        assert mixer.cosines[1].item() == pytest.approx(1 / math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "cosine"},
        {"threshold": 1.0},
        {"threshold": -1.5},
        {"threshold": "0"},
        {"parameters": "all"},
        {"average": 1.0},
        {"average": -0.1},
        {"average": None},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        build_mixer("gcs", options)
