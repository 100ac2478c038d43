"""Lambert's W against scipy and against what defines it."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.maths.lambert import lambert_w0

BRANCH = -math.exp(-1)


def test_against_scipy_from_the_branch_point_to_the_largest_numbers():
    x = np.concatenate(
        [BRANCH + np.logspace(-14, 0, 401), np.logspace(-300, 307, 401), -np.logspace(-300, -1, 97)]
    )
    found = lambert_w0(torch.from_numpy(x)).numpy()
    # Near the branch point W changes like a square root: rounding of x itself is seen.
    slack = 1e-12 + 1e-15 / np.sqrt(np.maximum(x - BRANCH, 1e-16))
    expected = scipy.special.lambertw(x).real
    assert (np.abs(found - expected) <= slack * np.maximum(np.abs(expected), 1e-300)).all()


@given(st.floats(-0.99, 700))
def test_it_inverts(w):
    found = lambert_w0(torch.tensor(w * math.exp(w), dtype=torch.float64)).item()
    assert found == pytest.approx(w, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_edges(dtype):
    x = torch.tensor([BRANCH, 0.0, math.inf, -0.5, -math.inf, math.nan], dtype=dtype)
    found = lambert_w0(x)
    assert found.dtype == dtype
    assert found[0].item() == pytest.approx(-1, abs=1e-3)  # the square root of one rounding
    assert found[1] == 0
    assert found[2] == math.inf
    assert found[3:].isnan().all()


def test_shapes_and_gradients():
    x = torch.rand(7, 3, requires_grad=True)
    assert lambert_w0(x).shape == (7, 3)
    assert not lambert_w0(x).requires_grad
    assert lambert_w0(torch.zeros(0)).shape == (0,)
