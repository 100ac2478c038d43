"""CAGE's objective over all rows of sparse votes, with its slope in closed form.

Letters as in :mod:`spear_amal.maths.cage`; w_i is the share of the rows that row i stands for, p_iy
its posterior, t = softplus(theta), s = sigmoid(theta). Likelihood and penalty:

    d/d theta_yj sum_i -w_i log P(l_i) = s_yj softmax_y(sum_r t_yr) - sum_i w_i p_iy m_ij
    d/d a_yj     R                     = g_yj - q^t_j [y = k_j] - (1 - q^t_j) h_yj

with a_yj = theta_yj - t_yj + sum_r t_yr, g its softmax over y, and h that over y other than k_j. By
the chain rule d R / d theta_yj = (1 - s_yj) dR_yj + s_yj sum_r dR_yr, with dR = d R / d a. A step
costs O(votes C), and a few calls of NumPy in place of a graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spear_amal.maths.posteriors import normalise, total


def objective(
    theta: Tensor,
    k: np.ndarray,
    q_t: np.ndarray,
    fired: sp.csr_array,
    shares: np.ndarray,
    log_density: Tensor | None = None,
) -> Tensor:
    """Mean negative log-likelihood of votes and scores, and the guides' penalty: a scalar.

    For the CPU, in float64; differentiable once, by `theta` and `log_density`.

    Parameters
    ----------
    theta : Tensor (C, m)
    k, q_t : ndarray (m,)
        Class and quality guide of each LF.
    fired : csr_array (n, m) in {0, 1}
    shares : ndarray (n,)
        Share of the rows that each row stands for; they sum to 1.
    log_density : Tensor (n, C), optional
        Log density of the scores of each row, by class.
    """
    return _Objective.apply(theta, log_density, k, q_t, fired, shares)


class _Objective(torch.autograd.Function):
    """Value and slopes are found together, in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        theta: Tensor,
        log_density: Tensor | None,
        k: np.ndarray,
        q_t: np.ndarray,
        fired: sp.csr_array,
        shares: np.ndarray,
    ) -> Tensor:
        potentials = theta.detach().numpy()
        joint = fired @ potentials.T
        if log_density is not None:
            joint += log_density.detach().numpy()
        fit = -total(shares, normalise(joint))
        joint *= shares[:, None]  # w_i p_iy
        soft = np.logaddexp(0, potentials)
        weights = soft.sum(1)[None]  # of the classes; their posterior without votes afterwards
        log_partition = normalise(weights)[0]
        fires = np.exp(potentials - soft)
        penalty, slope = _penalty(potentials, soft, fires, k, q_t)
        slope += fires * weights.T - (fired.T @ joint).T
        ctx.slopes = torch.from_numpy(slope), None if log_density is None else -joint
        return theta.new_tensor(fit + log_partition + penalty)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        slope, of_density = ctx.slopes
        scores = None if of_density is None else gradient * torch.from_numpy(of_density)
        return gradient * slope, scores, None, None, None, None


def _penalty(
    theta: np.ndarray, soft: np.ndarray, fires: np.ndarray, k: np.ndarray, q_t: np.ndarray
) -> tuple[float, np.ndarray]:
    """Value of the guides' penalty, and its slope by theta (C, m)."""
    own = k, np.arange(len(k))
    inside = (theta - soft + soft.sum(1, keepdims=True)).T.copy()  # (m, C): a row for each LF
    log_own = inside[own[::-1]]
    outside = inside.copy()
    outside[own[::-1]] = -np.inf
    log_all, log_rest = normalise(inside), normalise(outside)
    value = total(q_t, log_all - log_own) + total(1 - q_t, log_all - log_rest)
    slope = (inside - (1 - q_t)[:, None] * outside).T  # (C, m)
    slope[own] -= q_t
    return value, slope - fires * slope + fires * slope.sum(1, keepdims=True)
