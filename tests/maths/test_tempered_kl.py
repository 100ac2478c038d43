"""Hinton's divergence: value, both gradients, the limits of the temperature, extreme logits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from spear_amal.batch import Batch, Outputs
from spear_amal.losses.teacher import DIRECTIONS, TeacherDivergence, teacher_components
from spear_amal.maths.losses import tempered_kl

B, C = 7, 5


def logits(seed, scale=2.0):
    return scale * torch.randn(B, C, generator=torch.Generator().manual_seed(seed)).double()


def component_loss(student, teachers, **options):
    """Value of the component itself on a batch with these teachers (B, T, C)."""
    none = torch.zeros(len(student), 0)
    rows = torch.arange(len(student))
    batch = Batch(rows, none, rows, none, none, teachers)
    return TeacherDivergence(**options).loss(Outputs(student, none), batch)


def closed_forms(student, teacher, tau):
    """Gradients by the student's logits of both directions, as the specification writes them."""
    s, t = (student / tau).softmax(1), (teacher / tau).softmax(1)
    kl = (s * (s / t).log()).sum(1, keepdim=True)
    return {
        "teacher-student": tau * (s - t),
        "student-teacher": tau * s * ((s / t).log() - kl),
    }


@pytest.mark.parametrize("tau", [0.5, 1.0, 4.0])
def test_the_value_is_scipys_relative_entropy_times_the_square(tau):
    student, teacher = logits(0), logits(1)
    s, t = softmax(student.numpy() / tau, axis=1), softmax(teacher.numpy() / tau, axis=1)
    expected = tau**2 * entropy(t, s, axis=1)  # (B,): sums over classes, no mean over rows
    np.testing.assert_allclose(tempered_kl(student, teacher, tau), expected, atol=1e-12)
    named = component_loss(student, teacher.unsqueeze(1), temperature=tau)
    np.testing.assert_allclose(named, expected, atol=1e-12)
    other = component_loss(
        student, teacher.unsqueeze(1), temperature=tau, direction="student-teacher"
    )
    np.testing.assert_allclose(other, tau**2 * entropy(s, t, axis=1), atol=1e-12)


@given(st.integers(0, 2**31), st.floats(0.3, 20), st.sampled_from(DIRECTIONS))
@settings(max_examples=25)
def test_gradients_are_the_closed_forms(seed, tau, direction):
    student, teacher = logits(seed).requires_grad_(), logits(seed + 1)
    value = component_loss(student, teacher.unsqueeze(1), temperature=tau, direction=direction)
    (found,) = torch.autograd.grad(value.sum(), student)
    expected = closed_forms(student.detach(), teacher, tau)[direction]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_finite_differences_agree(direction):
    student, teacher = logits(2).requires_grad_(), logits(3).unsqueeze(1)
    options = {"temperature": 4.0, "direction": direction}
    assert torch.autograd.gradcheck(lambda a: component_loss(a, teacher, **options), (student,))


def test_high_temperatures_match_logits_and_low_ones_the_teachers_choice():
    """tau -> inf: half the mean squared difference of centred logits; tau -> 0: tau times a gap."""
    student, teacher = logits(4), logits(5)
    centred = [a - a.mean(1, keepdim=True) for a in (student, teacher)]
    expected = (centred[0] - centred[1]).square().sum(1) / (2 * C)
    torch.testing.assert_close(tempered_kl(student, teacher, 1e4), expected, rtol=1e-3, atol=1e-3)
    tau = 1e-3
    gap = student.max(1).values - student[torch.arange(B), teacher.argmax(1)]
    torch.testing.assert_close(tempered_kl(student, teacher, tau) / tau, gap, rtol=0, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tau", [1.0, 4.0])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_extreme_logits_stay_finite(dtype, tau, direction):
    hard = 1e4 * (2 * torch.eye(C, dtype=dtype) - 1)
    for student, teacher in ((hard, hard.flip(0)), (hard, 0 * hard), (0 * hard, hard)):
        student = student.clone().requires_grad_()
        value = component_loss(student, teacher.unsqueeze(1), temperature=tau, direction=direction)
        (gradient,) = torch.autograd.grad(value.sum(), student)
        assert value.isfinite().all()
        assert gradient.isfinite().all()
        assert (value >= 0).all()


def test_the_same_distribution_costs_nothing_whatever_its_constant():
    teacher = logits(6)
    shifted = teacher + torch.arange(B).unsqueeze(1)
    log_p = teacher.log_softmax(1)  # log-probabilities are logits too
    for student in (shifted, log_p):
        torch.testing.assert_close(tempered_kl(student, teacher, 4.0), torch.zeros(B).double())


def test_a_silent_teacher_costs_nothing_and_leaks_no_nan():
    student = logits(7).requires_grad_()
    teachers = torch.stack([logits(8), logits(9)], dim=1)
    teachers[2, 1] = torch.nan
    teachers[3, 1, 4] = torch.nan  # half an answer is none
    none = torch.zeros(B, 0)
    batch = Batch(torch.arange(B), none, torch.full((B,), -1), none, none, teachers)
    first, second = teacher_components(2, 4.0)
    assert (first.name, second.name) == ("teacher0", "teacher1")
    assert first.applies(batch).all()  # unlabelled rows count
    assert second.applies(batch).tolist() == [True, True, False, False, True, True, True]
    value = second.loss(Outputs(student, none), batch)
    kept = torch.where(second.applies(batch), value, torch.zeros_like(value))
    (gradient,) = torch.autograd.grad(kept.sum(), student)
    assert gradient.isfinite().all()
    assert (gradient[2:4] == 0).all()
    assert (gradient[4] != 0).all()
