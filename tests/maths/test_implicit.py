"""The Neumann series: against matrices, the exact inverse and autograd through real SGD steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.maths.gradients import gradient_of
from spear_amal.maths.neumann import neumann_sum, transposed_product

SHAPES = ((3,), (2, 5), (1,))
N_PARAMETERS, N_PHI = 14, 4
SEEDS = st.integers(0, 999)


def split(flat):
    pieces = flat.split([torch.Size(shape).numel() for shape in SHAPES])
    return [piece.view(shape) for piece, shape in zip(pieces, SHAPES, strict=True)]


def flat(tensors):
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def matrices(seed):
    """J with all eigenvalues near 1, not symmetric; dg/dphi; a vector."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    j = torch.eye(N_PARAMETERS) + 0.05 * draw(N_PARAMETERS, N_PARAMETERS)
    return j.double(), draw(N_PARAMETERS, N_PHI), draw(N_PARAMETERS)


@given(SEEDS, st.integers(1, 7))
def test_the_sum_is_the_polynomial_in_the_matrix(seed, terms):
    j, _, v = matrices(seed)
    asked = []

    def product(u):
        asked.append(u)
        return split(j.T @ flat(u))

    found = flat(neumann_sum(split(v), product, 0.3, terms))
    power = torch.eye(N_PARAMETERS, dtype=torch.float64) - 0.3 * j
    expected = sum(torch.linalg.matrix_power(power, t) for t in range(terms)).T @ v
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert len(asked) == terms - 1


@given(SEEDS)
def test_many_terms_give_the_exact_inverse(seed):
    j, _, v = matrices(seed)
    found = 0.5 * flat(neumann_sum(split(v), lambda u: split(j.T @ flat(u)), 0.5, 211))
    torch.testing.assert_close(found, torch.linalg.solve(j.T, v), rtol=1e-10, atol=1e-10)


@given(SEEDS, st.integers(1, 5))
def test_it_is_the_derivative_through_as_many_real_steps(seed, terms):
    """g = J w + B phi is linear: its derivatives are the same at every step."""
    j, b, v = matrices(seed)
    eta = 0.2
    phi = torch.zeros(N_PHI, dtype=torch.float64, requires_grad=True)
    start = torch.ones(N_PARAMETERS, dtype=torch.float64)
    w = start
    for _ in range(terms):
        w = w - eta * (j @ w + b @ phi)
    (expected,) = torch.autograd.grad((w * v).sum(), phi)

    parameters = [p.requires_grad_() for p in split(start)]
    gradient = split(j @ flat(parameters) + b @ phi)
    p = neumann_sum(split(v), lambda u: transposed_product(gradient, parameters, u), eta, terms)
    (found,) = transposed_product(gradient, [phi], p)
    torch.testing.assert_close(-eta * found, expected, rtol=1e-12, atol=1e-12)


def test_products_with_a_hessian_pass_over_what_is_missing_or_constant():
    a, b, c = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (2.0, 3.0, 5.0))
    value = a**2 * b + 7 * b  # does not reach c
    gradient = gradient_of(value, [a, b, c], create_graph=True)
    assert gradient[2] is None
    one = torch.tensor(1.0, dtype=torch.float64)
    found = transposed_product(gradient, [a, b, c], [one, 10 * one, one])
    assert [x.item() for x in found] == [2 * 3 + 10 * 2 * 2, 2 * 2, 0]
    straight = gradient_of(7 * b, [a, b], create_graph=True)
    assert [x.item() for x in transposed_product(straight, [a, b], [one, one])] == [0, 0]


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_nothing_to_differentiate_by_has_no_derivative(shape):
    w = torch.ones(2, requires_grad=True)
    nothing = torch.ones(shape, requires_grad=True)
    gradient = gradient_of((w**2).sum(), [w], create_graph=True)
    assert transposed_product(gradient, [nothing], [w])[0].shape == shape
    assert transposed_product(gradient, [], [w]) == []
