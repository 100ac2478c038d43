"""Uncertainty weighting: its s_k follow autograd's gradient and rest where the theory says."""

import math

import pytest
import torch
from every_mixer import B, K, attached, batch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import Step, Uncertainty, build_mixer
from spear_amal.mixers.uncertainty import FORMS, LARGEST

FORM = pytest.mark.parametrize("form", FORMS)
OPTIMISER = pytest.mark.parametrize("optimiser", ["adam", "sgd"])


def step(mixer, losses, applies=None):
    applies = torch.ones_like(losses, dtype=torch.bool) if applies is None else applies
    losses = torch.where(applies, losses, 0.0)
    return Step(losses, mixer.weights(batch(range(len(losses))), losses), applies)


def random_losses(seed=0, dtype=torch.float64):
    return torch.rand(B, K, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.1


def written_out(s, losses, applies, mixable, c):
    """The objective of the paper, loss by loss, with a graph over s."""
    value = torch.zeros((), dtype=torch.float64)
    for k in range(K):
        rows = losses[applies[:, k], k]
        if not len(rows):
            continue
        if mixable[k]:
            value = value + c * torch.exp(-s[k]) * rows.mean() + s[k] / 2
        else:
            value = value + rows.mean()
    return value


@FORM
@OPTIMISER
def test_value_and_s_follow_the_objective_under_autograd(form, optimiser):
    """Witness one: torch's own optimiser on torch's own gradient, over steps with gaps."""
    mixable = (True, False, True)
    mixer = attached(Uncertainty(form, lr=0.03, start=0.4, optimiser=optimiser), mixable)
    s = [torch.full((), 0.4, dtype=torch.float64, requires_grad=True) for _ in range(K)]
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimiser]
    witness = make(s, lr=0.03)
    for i in range(7):
        losses, applies = random_losses(i), torch.ones(B, K, dtype=torch.bool)
        applies[1:3, 1] = False
        if i in (2, 3):
            applies[:, 2] = False  # no rows: torch skips it too, as its gradient is None
        expected = written_out(s, losses, applies, mixable, FORMS[form])
        found = mixer.combine(step(mixer, losses, applies))
        torch.testing.assert_close(found, expected.detach())
        witness.zero_grad(set_to_none=True)
        expected.backward()
        witness.step()
        torch.testing.assert_close(mixer.s[[0, 2]], torch.stack([s[0], s[2]]).detach())


@FORM
def test_slope_of_s_is_that_of_the_value_by_differences(form):
    """Witness two: what the mixer itself says the value is, at s a little up and down."""
    lr, h = 0.1, 1e-5
    losses = random_losses()

    def value(k, by):
        mixer = attached(Uncertainty(form, start=0.3, optimiser="sgd", lr=lr))
        mixer.s[k] += by
        return mixer.combine(step(mixer, losses))

    mixer = attached(Uncertainty(form, start=0.3, optimiser="sgd", lr=lr))
    mixer.combine(step(mixer, losses))
    moved = (0.3 - mixer.s) / lr
    slopes = [(value(k, h) - value(k, -h)) / (2 * h) for k in range(K)]
    torch.testing.assert_close(moved, torch.stack(slopes), atol=1e-9, rtol=1e-7)


@given(st.lists(st.floats(0.01, 50.0), min_size=K, max_size=K), st.sampled_from(sorted(FORMS)))
def test_it_rests_where_the_weight_is_half_of_one_over_the_loss(means, form):
    """exp(-s) c v = 1/2."""
    losses = torch.tensor(means, dtype=torch.float64).expand(B, K)
    mixer = attached(Uncertainty(form, optimiser="sgd"))
    mixer.s = torch.log(2 * FORMS[form] * losses[0])
    before = mixer.s.clone()
    mixer.combine(step(mixer, losses))
    torch.testing.assert_close(mixer.s, before, atol=1e-12, rtol=0)
    weights = mixer.weights(batch(range(B)), losses)
    torch.testing.assert_close(weights, 1 / (2 * losses))


@OPTIMISER
def test_it_gets_there(optimiser):
    losses = torch.tensor([0.2, 1.7, 5.0], dtype=torch.float64).expand(B, K)
    mixer = attached(Uncertainty(lr=0.05, optimiser=optimiser))
    for _ in range(700):
        mixer.combine(step(mixer, losses))
    weights = mixer.weights(batch(range(B)), losses)[0]
    torch.testing.assert_close(weights, 1 / (2 * losses[0]), rtol=1e-3, atol=0)


def test_weights_start_at_c_and_the_models_gradient_is_that_of_the_weighted_losses():
    for form, c in FORMS.items():
        mixer = attached(Uncertainty(form, lr=0.5))
        for i in range(3):
            losses = random_losses(i).requires_grad_()
            here = step(mixer, losses)
            assert i or (here.weights == c).all()
            (found,) = torch.autograd.grad(mixer.combine(here), losses)
            plain = weighted_objective(losses, here.weights, here.applies)
            assert torch.equal(found, torch.autograd.grad(plain, losses)[0])


def test_a_loss_that_ends_at_zero_keeps_a_finite_weight():
    mixer = attached(Uncertainty(lr=1.0))
    losses = torch.zeros(B, K)
    for _ in range(31):
        value = mixer.combine(step(mixer, losses))
    assert torch.isfinite(value)
    assert mixer.weights(batch(range(B)), losses).max() == pytest.approx(0.5 * math.exp(LARGEST))


def test_history_hears_the_weights_as_they_are():
    mixer = attached(Uncertainty("classification", start=0.5), mixable=(True, False, True))
    told = mixer.mean_weights(torch.arange(3))
    assert list(told.values()) == pytest.approx([math.exp(-0.5), 1.0, math.exp(-0.5)])
    assert torch.equal(mixer.table(), mixer.vector.float().expand(mixer.n_rows, K))


def test_a_process_without_rows_of_a_loss_follows_those_that_have_some(monkeypatch):
    """Two processes are played: the other one has rows of loss 1, this one has none."""
    losses, applies = random_losses(), torch.ones(B, K, dtype=torch.bool)
    applies[:, 1] = False
    other = torch.tensor([0.0, -0.8, 0.2], dtype=torch.float64)  # its slopes
    sent = []

    def both(values):
        sent.extend(values)
        return [(values[0] + other) / 2, (values[1] + 1) / 2]

    monkeypatch.setattr("spear_amal.mixers.uncertainty.mean_over_ranks", both)
    mixer = attached(Uncertainty(optimiser="sgd", lr=1.0))
    mixer.combine(step(mixer, losses, applies))
    assert sent[0][1] == 0
    assert sent[1].tolist() == [1, 0, 1]
    torch.testing.assert_close(mixer.s, -(sent[0] + other) / 2)
    assert mixer.s[1] == 0.4


@pytest.mark.parametrize(
    "options",
    [
        {"form": "squared"},
        {"lr": 0.0},
        {"lr": math.inf},
        {"lr": "fast"},
        {"start": 11.0},
        {"start": math.nan},
        {"start": None},
        {"optimiser": "rmsprop"},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        build_mixer("uncertainty", options)
