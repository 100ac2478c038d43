"""CAGE against enumeration of all vote patterns, quadrature of scores, and at many LFs."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.maths import cage
from spear_amal.maths.cage import Guides, LogScores, Potentials, ScoreDensities

F64 = torch.float64


def parameters(C, m, seed=0):
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(C, m, generator=generator, dtype=F64)
    return theta.requires_grad_(), torch.randint(0, C, (m,), generator=generator)


def patterns(m):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=m)), dtype=F64)


@pytest.mark.parametrize(("C", "m"), [(2, 1), (2, 5), (3, 7), (5, 3)])
def test_joint_sums_to_one_over_all_votes(C, m):
    theta, _ = parameters(C, m)
    total = Potentials(theta).log_joint(patterns(m)).exp().sum()
    assert total.item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("C", "m"), [(2, 5), (3, 7)])
def test_joint_equals_the_product_form(C, m):
    theta, _ = parameters(C, m)
    fired = patterns(m)
    t = theta.detach().numpy()
    Z = np.prod(1 + np.exp(t), axis=1).sum()
    expected = np.array([[np.prod(np.exp(t[y]) ** row) for y in range(C)] for row in fired.numpy()])
    found = Potentials(theta).log_joint(fired).exp().detach()
    np.testing.assert_allclose(found, expected / Z, rtol=1e-12)


@pytest.mark.parametrize(("C", "m"), [(2, 5), (3, 7)])
def test_precision_equals_enumeration(C, m):
    theta, k = parameters(C, m)
    joint, fired = Potentials(theta).log_joint(patterns(m)).exp(), patterns(m)
    log_g, log_rest = Potentials(theta).log_precision(cage.declared_classes(C, k))
    for j in range(m):
        on = fired[:, j] == 1
        expected = joint[on, k[j]].sum() / joint[on].sum()
        assert log_g[j].exp().item() == pytest.approx(expected.item(), abs=1e-12)
        assert log_rest[j].exp().item() == pytest.approx(1 - expected.item(), abs=1e-12)


def test_score_density_equals_scipy_and_integrates_to_one():
    C, m = 3, 2
    generator = torch.Generator().manual_seed(3)
    pi = 0.3 * torch.randn(C, m, generator=generator, dtype=F64) + 1
    k, q_c = torch.tensor([0, 2]), torch.tensor([0.85, 0.7], dtype=F64)
    fired = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], dtype=F64)
    scores = torch.tensor([[0.3, 0.8], [0.6, torch.nan], [torch.nan, torch.nan]], dtype=F64)
    densities = ScoreDensities(pi, cage.mean_scores(len(pi), k, q_c))
    found, a, b = densities.log_density(LogScores.of(fired, scores)), densities.a, densities.b
    for i, y in itertools.product(range(3), range(C)):
        expected = sum(
            scipy.stats.beta.logpdf(scores[i, j].item(), a[y, j].item(), b[y, j].item())
            for j in range(m)
            if fired[i, j]
        )
        assert found[i, y].item() == pytest.approx(expected, abs=1e-10)

    def density(s):
        one = torch.tensor([[s]], dtype=F64)
        seen = LogScores.of(torch.ones_like(one), one)
        means = cage.mean_scores(len(pi), k[:1], q_c[:1])
        return ScoreDensities(pi[:, :1], means).log_density(seen).exp()[0, 0].item()

    inside, _ = scipy.integrate.quad(density, cage.SCORE_MARGIN, 1 - cage.SCORE_MARGIN)
    a0, b0 = a[0, 0].item(), b[0, 0].item()
    margins = scipy.stats.beta.cdf(cage.SCORE_MARGIN, a0, b0)
    margins += scipy.stats.beta.sf(1 - cage.SCORE_MARGIN, a0, b0)
    assert inside + margins == pytest.approx(1.0, abs=1e-6)


def test_likelihood_and_penalty_pass_gradcheck():
    theta, k = parameters(3, 5)
    pi = torch.ones(3, 2, dtype=F64, requires_grad=True)
    fired = (torch.rand(7, 5, generator=torch.Generator().manual_seed(1)) < 0.5).double()
    scores = torch.rand(7, 2, generator=torch.Generator().manual_seed(2), dtype=F64)
    q_c = torch.full((2,), 0.85, dtype=F64)

    def likelihood(theta, pi):
        joint = Potentials(theta).log_joint(fired)
        seen = LogScores.of(fired[:, :2], scores)
        joint = joint + ScoreDensities(pi, cage.mean_scores(len(pi), k[:2], q_c)).log_density(seen)
        return -joint.logsumexp(1)

    assert torch.autograd.gradcheck(likelihood, (theta, pi))
    guides = torch.full((5,), 0.8, dtype=F64)
    guides = Guides.of(3, k, guides)
    assert torch.autograd.gradcheck(lambda t: Potentials(t).quality_penalty(guides), (theta,))


@pytest.mark.parametrize("m", [1, 2, 15, 40, 73, 164, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_gradients_are_finite_and_not_zero_for_any_number_of_lfs(m, dtype):
    """The published code's epsilon makes this gradient vanish from 40 LFs on."""
    generator = torch.Generator().manual_seed(m)
    k = torch.arange(m) % 2
    theta = torch.ones(2, m, dtype=dtype, requires_grad=True)
    fired = (torch.rand(31, m, generator=generator) < 0.05).to(dtype)
    fired[:, 0] = 1
    value = -Potentials(theta).log_joint(fired).logsumexp(1).mean()
    (gradient,) = torch.autograd.grad(value, theta)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 1e-3
    guides = Guides.of(2, k, torch.full((m,), 0.9, dtype=dtype))
    penalty = Potentials(theta).quality_penalty(guides)
    if m > 1:
        (gradient,) = torch.autograd.grad(penalty, theta)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


def test_saturated_precision_stays_finite():
    theta = torch.tensor([[80.0], [-80.0]], dtype=F64, requires_grad=True)
    guides = Guides.of(2, torch.tensor([0]), torch.tensor([0.9], dtype=F64))
    penalty = Potentials(theta).quality_penalty(guides)
    (gradient,) = torch.autograd.grad(penalty, theta)
    assert torch.isfinite(penalty)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("C", "per_class"),
    [(2, (1, 0)), (2, (5, 5)), (2, (42, 31)), (2, (3, 160)), (5, (2, 3, 5, 7, 1))],
)
def test_guided_start_reaches_the_guides(C, per_class):
    k = torch.cat([torch.full((n,), y) for y, n in enumerate(per_class)])
    for low, tolerance in ((0.9, 1e-4), (0.6, 0.05)):
        guides = torch.linspace(low, 0.9, len(k), dtype=F64)
        theta = cage.guided_start(C, k, guides)
        log_g, _ = Potentials(theta).log_precision(cage.declared_classes(C, k))
        torch.testing.assert_close(log_g.exp(), guides, rtol=0, atol=tolerance)
    assert (theta.gather(0, k.unsqueeze(0)) == 1).all()


@given(st.integers(2, 11), st.integers(1, 60), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_guides_above_chance_are_met_exactly(C, m, seed):
    rng = np.random.default_rng(seed)
    k = torch.from_numpy(rng.integers(0, C, m))
    guides = torch.from_numpy(rng.uniform(0.6, 0.95, m))
    theta = cage.guided_start(C, k, guides)
    log_g, _ = Potentials(theta).log_precision(cage.declared_classes(C, k))
    torch.testing.assert_close(log_g.exp(), guides, rtol=0, atol=1e-9)


def test_guided_start_of_no_lfs_is_empty():
    assert cage.guided_start(3, torch.zeros(0).long(), torch.zeros(0)).shape == (3, 0)
