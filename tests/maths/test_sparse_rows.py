"""Sparse rows: the same numbers and derivatives as dense rows."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal.tensors.sparse_rows import SparseRows, affine, outer_sum

B, D, C = 7, 23, 5


def pair(density=0.3):
    matrix = sp.random_array((B, D), density=density, rng=np.random.default_rng(0), format="csr")
    return SparseRows.from_csr(matrix, torch.float64), torch.from_numpy(matrix.toarray())


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_affine_and_its_gradient_equal_the_dense_ones(density):
    rows, dense = pair(density)
    assert len(rows) == B
    weight = torch.randn(C, D, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(C, dtype=torch.float64, requires_grad=True)
    found, expected = affine(rows, weight, bias), affine(dense, weight, bias)
    torch.testing.assert_close(found, expected)
    delta = torch.randn(B, C, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(found, (weight, bias), delta),
        torch.autograd.grad(expected, (weight, bias), delta),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(outer_sum(delta, rows), outer_sum(delta, dense))


def test_second_derivatives_exist():
    rows, _ = pair()
    weight = torch.randn(C, D, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda w: affine(rows, w).tanh(), (weight,))
