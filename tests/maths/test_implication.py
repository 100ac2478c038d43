"""Rule losses: plain loops, closed forms, finite differences, and the joint written out."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.maths import implication

B, C, M = 7, 3, 5
K = torch.tensor([0, 2, 1, 2, 0])
Q = 0.2
SIZES = st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(0, 5))


def draw(n=B, n_classes=C, m=M, seed=0, scale=2.0):
    """Logits (n, C), odds (n, m), fired (n, m), k (m,)."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    z = scale * torch.randn(n, m, generator=generator, dtype=torch.float64)
    fired = (torch.rand(n, m, generator=generator) < 0.6).double()
    k = torch.randint(0, n_classes, (m,), generator=generator)
    return logits, z, fired, k


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def probabilities(logits):
    e = np.exp(logits.numpy() - logits.numpy().max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def judged(seed=0):
    """Right (B, M) and exemplar (B, M), also exemplars of rules that are wrong there."""
    generator = torch.Generator().manual_seed(seed + 100)
    return [torch.rand(B, M, generator=generator) < share for share in (0.6, 0.3)]


# -- implication ----------------------------------------------------------------------------------


@given(SIZES, st.integers(0, 99))
def test_implication_is_the_plain_loop(size, seed):
    logits, z, fired, k = draw(*size, seed=seed)
    p = probabilities(logits)
    expected = [
        -sum(
            math.log(1 - sigmoid(z[i, j]) * (1 - p[i, k[j]])) for j in range(size[2]) if fired[i, j]
        )
        for i in range(size[0])
    ]
    found = implication.implication(logits, z, fired, k)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_implication_gradients_in_closed_form():
    logits, z, fired, k = draw()
    logits.requires_grad_()
    z.requires_grad_()
    total = implication.implication(logits, z, fired, k).sum()
    by_logits, by_odds = torch.autograd.grad(total, (logits, z))
    p = torch.as_tensor(probabilities(logits.detach()))
    w = torch.sigmoid(z.detach())
    held = 1 - w * (1 - p[:, k])  # (B, M)
    # d/dp = -w / held, d p_k / d logit_c = p_k ([c = k] - p_c)
    share = fired * w * p[:, k] / held
    agrees = torch.nn.functional.one_hot(k, C).double()
    torch.testing.assert_close(by_logits, share.sum(1, keepdim=True) * p - share @ agrees)
    torch.testing.assert_close(by_odds, fired * w * (1 - w) * (1 - p[:, k]) / held)


# -- reliability ----------------------------------------------------------------------------------


def test_reliability_is_the_plain_loop():
    _, z, fired, _ = draw()
    right, exemplar = judged()
    expected = np.zeros(B)
    for i, j in itertools.product(range(B), range(M)):
        w = sigmoid(z[i, j])
        if not fired[i, j]:
            continue
        if not right[i, j]:
            expected[i] -= math.log(1 - w)
        elif exemplar[i, j]:
            expected[i] -= math.log(w)
        else:
            expected[i] += (1 - w**Q) / Q
    found = implication.reliability(z, right, fired, exemplar, Q)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_reliability_gradient_in_closed_form():
    _, z, fired, _ = draw()
    right, exemplar = judged()
    z.requires_grad_()
    value = implication.reliability(z, right, fired, exemplar, Q).sum()
    (found,) = torch.autograd.grad(value, z)
    w = torch.sigmoid(z.detach())
    chance = -(w**Q) * (1 - w)
    slope = torch.where(right, torch.where(exemplar, -(1 - w), chance), w)
    torch.testing.assert_close(found, fired * slope)


def test_an_exemplar_counts_more_than_a_firing_that_may_be_chance():
    z = torch.zeros(1, 2, dtype=torch.float64)
    both = torch.ones(1, 2, dtype=torch.bool)
    exemplar = torch.tensor([[True, False]])
    per_rule = [
        implication.reliability(z, both, fired, exemplar, Q).item()
        for fired in (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    ]
    assert per_rule[0] > per_rule[1] > 0


# -- posterior ------------------------------------------------------------------------------------


def enumerate_joint(p, w, k, fired, strength):
    """q(y) (C,) and q(r_j = 1) (m,), NaN where not fired, by summing over all states of a row."""
    on = [j for j in range(len(w)) if fired[j]]
    q_y, q_r, total = np.zeros(len(p)), np.zeros(len(w)), 0.0
    for y in range(len(p)):
        for state in itertools.product((0, 1), repeat=len(on)):
            mass = p[y]
            for j, r in zip(on, state, strict=True):
                mass *= w[j] * math.exp(-strength * (y != k[j])) if r else 1 - w[j]
            total += mass
            q_y[y] += mass
            for j, r in zip(on, state, strict=True):
                q_r[j] += r * mass
    q_r[[j for j in range(len(w)) if j not in on]] = np.nan
    return q_y / total, q_r / total


@given(SIZES, st.integers(0, 99), st.sampled_from([0.0, 0.1, 1.0, 7.0]))
def test_posterior_is_that_of_the_joint(size, seed, strength):
    logits, z, fired, k = draw(*size, seed=seed)
    p, w = probabilities(logits), torch.sigmoid(z).numpy()
    log_q, q_r = implication.posterior_targets(logits, z, fired, k, strength)
    for i in range(size[0]):
        q_y, rules = enumerate_joint(p[i], w[i], k.numpy(), fired[i].numpy(), strength)
        np.testing.assert_allclose(log_q[i].exp(), q_y, atol=1e-12)
        on = fired[i].numpy() > 0
        np.testing.assert_allclose(q_r[i].numpy()[on], rules[on], atol=1e-12)


def test_posterior_is_the_model_itself_at_strength_zero_and_where_nothing_fired():
    logits, z, fired, k = draw()
    log_p = torch.log_softmax(logits, 1)
    log_q, q_r = implication.posterior_targets(logits, z, fired, k, 0.0)
    torch.testing.assert_close(log_q, log_p)
    torch.testing.assert_close(q_r, torch.sigmoid(z))
    log_q, _ = implication.posterior_targets(logits, z, torch.zeros_like(fired), k, 3.0)
    torch.testing.assert_close(log_q, log_p)


def test_posterior_regularisation_is_two_cross_entropies_to_a_constant():
    logits, z, fired, k = draw()
    logits.requires_grad_()
    z.requires_grad_()
    value = implication.posterior_regularisation(logits, z, fired, k, 0.7)
    with torch.no_grad():
        log_q, q_r = implication.posterior_targets(logits, z, fired, k, 0.7)
        p, w = torch.softmax(logits, 1), torch.sigmoid(z)
        bce = -(q_r * w.log() + (1 - q_r) * (1 - w).log())
        expected = -(log_q.exp() * p.log()).sum(1) + (fired * bce).sum(1)
    torch.testing.assert_close(value.detach(), expected)
    by_logits, by_odds = torch.autograd.grad(value.sum(), (logits, z))
    torch.testing.assert_close(by_logits, p - log_q.exp())  # nothing flows through q
    torch.testing.assert_close(by_odds, fired * (w - q_r))


# -- prediction -----------------------------------------------------------------------------------


@given(SIZES, st.integers(0, 99))
def test_log_scores_are_the_published_mean(size, seed):
    _, z, fired, k = draw(*size, seed=seed)
    n, n_classes, m = size
    found = implication.log_scores(z, fired, k, n_classes).exp().numpy()
    for i in range(n):
        w = [sigmoid(value) for value in z[i]]
        on = [j for j in range(m) if fired[i, j] and w[j] > 0.5]
        mean = np.ones(n_classes)
        if on:
            mean = np.array(
                [np.mean([w[j] if k[j] == c else 1 - w[j] for j in on]) for c in range(n_classes)]
            )
        np.testing.assert_allclose(found[i], mean / mean.sum(), atol=1e-12)


# -- all of them ----------------------------------------------------------------------------------


def losses(logits, z, fired):
    right, exemplar = judged()
    return {
        "implication": implication.implication(logits, z, fired, K),
        "reliability": implication.reliability(z, right, fired, exemplar, Q),
        "posterior": implication.posterior_regularisation(logits, z, fired, K, 0.5),
        "scores": implication.log_scores(z, fired, K, C),
        "targets": torch.cat(
            [t.log() for t in implication.posterior_targets(logits, z, fired, K, 0.5)[1:]], dim=1
        ).mul(fired),
    }


NAMES = ("implication", "reliability", "posterior", "scores", "targets")


@pytest.mark.parametrize("name", ["implication", "reliability"])
def test_gradcheck(name):
    logits, z, fired, _ = draw()
    inputs = (logits.requires_grad_(), z.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: losses(a, b, fired)[name], inputs)


def test_gradcheck_of_the_posterior_with_its_target_held():
    """`posterior_regularisation` takes q as a constant, so finite differences must as well."""
    logits, z, fired, k = draw()
    log_q, q_r = implication.posterior_targets(logits, z, fired, k, 0.5)

    def held(a, b):
        fit = -(log_q.exp() * torch.log_softmax(a, 1)).sum(1)
        bce = -(
            q_r * torch.nn.functional.logsigmoid(b) + (1 - q_r) * torch.nn.functional.logsigmoid(-b)
        )
        return fit + (fired * bce).sum(1)

    inputs = (logits.requires_grad_(), z.requires_grad_())
    assert torch.autograd.gradcheck(held, inputs)
    real = implication.posterior_regularisation(*inputs, fired, k, 0.5).sum()
    pairs = zip(
        torch.autograd.grad(real, inputs),
        torch.autograd.grad(held(*inputs).sum(), inputs),
        strict=True,
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [50.0, -50.0])
def test_extreme_odds_and_logits_stay_finite(name, dtype, size):
    logits, z, _, _ = draw()
    logits = (torch.sign(logits) * 50).to(dtype).requires_grad_()
    z = torch.full_like(z, size, dtype=dtype).requires_grad_()
    fired = torch.ones(B, M, dtype=dtype)
    value = losses(logits, z, fired)[name]
    assert torch.isfinite(value).all()
    for gradient in torch.autograd.grad(value.sum(), (logits, z), allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", NAMES)
def test_entries_that_did_not_fire_never_leak(name):
    """The contract: odds of unfired entries are any finite number, 0 by the rule network."""
    logits, z, fired, _ = draw()
    fired[4] = 0

    def at(odds):
        a, b = logits.clone().requires_grad_(), odds.clone().requires_grad_()
        value = losses(a, b, fired)[name]
        return value, torch.autograd.grad(value.sum(), (a, b), allow_unused=True)

    first, gradients = at(torch.where(fired > 0, z, torch.full_like(z, 50.0)))
    second, others = at(torch.where(fired > 0, z, torch.full_like(z, -50.0)))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    for a, b in zip(gradients, others, strict=True):
        if a is not None:
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    if gradients[1] is not None:
        assert (gradients[1][fired == 0] == 0).all()


@pytest.mark.parametrize(("n", "m"), [(0, M), (1, M), (B, 0)])
def test_no_rows_and_no_rules(n, m):
    logits, z, fired, k = draw(n, C, m)
    none = torch.zeros(n, m, dtype=torch.bool)
    assert implication.implication(logits, z, fired, k).shape == (n,)
    assert implication.reliability(z, none, fired, none, Q).shape == (n,)
    assert implication.posterior_regularisation(logits, z, fired, k, 1.0).shape == (n,)
    assert implication.log_scores(z, fired, k, C).shape == (n, C)
