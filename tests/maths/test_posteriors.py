"""Posteriors in place are the softmax, whatever the number of rows and classes."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from spear_amal.maths.posteriors import normalise, over_classes, total


@pytest.mark.parametrize("shape", [(0, 3), (1, 2), (17, 11), (211, 8), (5, 1009)])
def test_normalise(shape):
    joint = np.random.default_rng(0).normal(0, 300, shape)
    expected, value = softmax(joint, axis=1), logsumexp(joint, axis=1)
    np.testing.assert_allclose(normalise(joint), value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(joint, expected, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("n_classes", [2, 8, 9, 31])
def test_over_classes(n_classes):
    values = np.random.default_rng(1).normal(size=(13, n_classes))
    np.testing.assert_array_equal(over_classes(np.maximum, values), values.max(1))
    np.testing.assert_allclose(over_classes(np.add, values), values.sum(1), rtol=1e-12)
    assert over_classes(np.maximum, values[:0]).shape == (0,)
    assert total(values[0], values[1]) == pytest.approx(values[0] @ values[1])
