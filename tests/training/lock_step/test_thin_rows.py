"""Rows of very few entries are multiplied entry by entry, however many outputs there are."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal.training.lock_step.features import (
    DenseFeatures,
    Layer,
    SparseFeatures,
    sparse_steps,
)


@pytest.mark.parametrize(("n_out", "density", "way"), [
    (20, 0.001, SparseFeatures),
    (20, 0.05, DenseFeatures),
    (3, 0.05, SparseFeatures),
])  # fmt: skip
def test_products_with_rows_of_any_density(n_out, density, way):
    random = np.random.default_rng(0)
    n_members, n_rows, n_features, n_steps = 2, 5, 3000, 3
    shape = (n_steps * n_members * n_rows, n_features)
    rows = sp.random_array(shape, density=density, rng=random, format="csr")
    table = torch.from_numpy(random.normal(size=(n_members, n_out * n_features + 7)))
    weight = table[:, : n_out * n_features].unflatten(1, (n_out, n_features))
    bias, slope = (
        torch.zeros(n_members, n_out, dtype=torch.float64),
        torch.randn(2, 5, n_out).double(),
    )
    dense = rows.toarray().reshape(n_steps, n_members, n_rows, -1)
    gradient = torch.zeros_like(table)[:, : n_out * n_features].unflatten(1, (n_out, n_features))
    layer = Layer(weight, bias, gradient, torch.zeros_like(bias))
    for x, step in zip(sparse_steps(rows, n_members, n_rows, weight), dense, strict=True):
        assert type(x) is way
        for m in range(n_members):
            expected = step[m] @ weight[m].numpy().T
            np.testing.assert_allclose(x.affine(layer)[m], expected, atol=1e-12)
            x.set_weight_gradient(slope, layer)
            np.testing.assert_allclose(gradient[m], slope[m].numpy().T @ step[m], atol=1e-12)
