"""CAGE's closed form: value and slopes against autograd and finite differences."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal.maths import cage
from spear_amal.maths.cage import objective

N, M = 13, 7


def drawn(C, size=1.0):
    rng = np.random.default_rng(C)
    votes = (rng.random((N, M)) < 0.4).astype(float)
    shares = rng.random(N)
    theta = torch.from_numpy(size * rng.normal(size=(C, M))).requires_grad_()
    density = torch.from_numpy(rng.normal(size=(N, C))).requires_grad_()
    k, q_t = rng.integers(0, C, M), rng.uniform(0.1, 0.95, M)
    return votes, shares / shares.sum(), theta, density, k, q_t


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize(("C", "size"), [(2, 1), (3, 1), (11, 1), (3, 40)])
def test_value_and_slopes(C, size, scored):
    votes, shares, theta, density, k, q_t = drawn(C, size)
    given = density if scored else None
    by_hand = objective(theta, k, q_t, sp.csr_array(votes), shares, given)
    potentials = cage.Potentials(theta)
    joint = potentials.log_joint(torch.from_numpy(votes)) + (density if scored else 0)
    plain = torch.from_numpy(shares) @ -joint.logsumexp(1)
    guides = cage.Guides.of(C, torch.from_numpy(k), torch.from_numpy(q_t))
    plain = plain + potentials.quality_penalty(guides)
    near = {"rtol": 1e-10, "atol": 1e-12}
    torch.testing.assert_close(by_hand, plain, **near)
    leaves = [theta, density] if scored else [theta]
    for found, expected in zip(
        torch.autograd.grad(3 * by_hand, leaves),
        torch.autograd.grad(3 * plain, leaves),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, **near)


def test_finite_differences():
    votes, shares, theta, density, k, q_t = drawn(3)
    fired = sp.csr_array(votes)
    assert torch.autograd.gradcheck(
        lambda t, d: objective(t, k, q_t, fired, shares, d), [theta, density]
    )


def test_thousands_of_lfs_are_finite():
    rng = np.random.default_rng(0)
    m = 3001
    theta = torch.full((2, m), 3.0, dtype=torch.float64, requires_grad=True)
    fired = sp.csr_array((rng.random((17, m)) < 0.5).astype(float))
    k = np.arange(m) % 2
    value = objective(theta, k, np.full(m, 0.9), fired, np.full(17, 1 / 17))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(theta.grad).all()
    assert (theta.grad != 0).any()
