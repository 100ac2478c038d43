"""ALM-KD's validation loss: the perturbed teacher in every case of who speaks."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from spear_amal.batch import Batch, Outputs
from spear_amal.training.validation_loss import (
    ValidationLoss,
    perturbed_divergence,
    perturbed_target,
)

B, T, C = 7, 2, 3
ALPHA = 0.2


def told(seed=0):
    """Rows: both teachers; first silent; both silent; and the same unlabelled; then both."""
    teachers = torch.randn(B, T, C, generator=torch.Generator().manual_seed(seed)).double()
    teachers[[1, 4], 0] = torch.nan
    teachers[[2, 5]] = torch.nan
    y = torch.tensor([2, 1, 0, -1, -1, -1, 0])
    return teachers, y


def by_hand(teachers, y, alpha):
    rows = []
    for i in range(len(y)):
        speaking = [softmax(t) for t in teachers[i].numpy() if not np.isnan(t).any()]
        gold = np.eye(C)[y[i]] if y[i] >= 0 else None
        if not speaking:
            rows.append(np.zeros(C) if gold is None else gold)
        elif gold is None:
            rows.append(np.mean(speaking, axis=0))
        else:
            rows.append((1 - alpha) * np.mean(speaking, axis=0) + alpha * gold)
    return np.array(rows)


@pytest.mark.parametrize("alpha", [0.0, ALPHA, 1.0])
def test_every_case_of_the_target(alpha):
    teachers, y = told()
    found = perturbed_target(teachers, y, alpha)
    np.testing.assert_allclose(found, by_hand(teachers, y, alpha), rtol=0, atol=1e-12)
    assert found.sum(1).tolist() == pytest.approx([1, 1, 1, 1, 1, 0, 1])


@pytest.mark.parametrize("alpha", [0.0, ALPHA, 1.0])
def test_the_divergence_is_the_mean_over_rows_that_say_something(alpha):
    teachers, y = told()
    logits = torch.randn(B, C, generator=torch.Generator().manual_seed(1)).double()
    target, p = by_hand(teachers, y, alpha), softmax(logits.numpy(), axis=1)
    known = target.sum(1) > 0
    expected = entropy(target[known], p[known], axis=1).mean()
    found = perturbed_divergence(logits, teachers, y, alpha)
    assert found.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, ALPHA, 1.0])
def test_the_gradient_is_p_minus_the_target(alpha):
    teachers, y = told()
    logits = torch.randn(B, C, generator=torch.Generator().manual_seed(2)).double()
    logits.requires_grad_()
    value = perturbed_divergence(logits, teachers, y, alpha)
    (found,) = torch.autograd.grad(value, logits)
    target = perturbed_target(teachers, y, alpha)
    known = target.sum(1) > 0
    expected = torch.where(known.unsqueeze(1), logits.softmax(1) - target, 0.0) / known.sum()
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-12)


def test_alpha_one_is_cross_entropy_and_alpha_zero_forgets_labels():
    teachers, y = told()
    rows = y >= 0
    logits = torch.randn(B, C, generator=torch.Generator().manual_seed(3)).double()
    hard = perturbed_divergence(logits[rows], teachers[rows], y[rows], 1.0)
    torch.testing.assert_close(hard, torch.nn.functional.cross_entropy(logits[rows], y[rows]))
    speaks = [0, 1, 3, 4, 6]
    soft = perturbed_divergence(logits[speaks], teachers[speaks], y[speaks], 0.0)
    other = perturbed_divergence(logits[speaks], teachers[speaks], (y[speaks] + 1) % C, 0.0)
    assert torch.equal(soft, other)


def test_nobody_says_anything_or_there_is_no_teacher():
    logits = torch.randn(B, C, requires_grad=True)
    silent, unlabelled = torch.full((B, T, C), torch.nan), torch.full((B,), -1)
    nothing = perturbed_divergence(logits, silent, unlabelled, ALPHA)
    (gradient,) = torch.autograd.grad(nothing, logits)
    assert nothing.item() == 0
    assert (gradient == 0).all()
    y = torch.arange(B) % C
    for teachers in (silent, torch.zeros(B, 0, C)):
        alone = perturbed_divergence(logits, teachers, y, ALPHA)
        torch.testing.assert_close(alone, torch.nn.functional.cross_entropy(logits, y))


def test_certain_teachers_stay_finite():
    teachers = 1e4 * torch.eye(C)[torch.arange(B) % C].unsqueeze(1)
    logits = -teachers[:, 0].clone().requires_grad_()
    value = perturbed_divergence(logits, teachers, torch.arange(B) % C, 0.0)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_the_outer_loss_takes_its_numbers_from_the_options():
    teachers, y = told()
    none = torch.zeros(B, 0)
    batch = Batch(torch.arange(B), none, y, none, none, teachers)
    logits = torch.randn(B, C).double()
    outer = ValidationLoss(teacher=True, alpha=0.7, beta=0.1)
    found = outer.loss(Outputs(logits, none), batch)
    assert torch.equal(found, perturbed_divergence(logits, teachers, y, 0.7))
    assert outer.sees_group
    assert not ValidationLoss(teacher=True, beta=0.0).sees_group
    assert not ValidationLoss(beta=0.1).sees_group
