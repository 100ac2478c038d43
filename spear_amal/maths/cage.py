"""CAGE, the generative model of labelling functions, in log space throughout.

Chatterjee, Ramakrishnan, Sarawagi, "Robust Data Programming with Precision-guided Labeling
Functions" (2020). Letters as there: theta (C, m), pi (C, m_c), k (m,) the class of each LF.

    log P(y, l_i, s_i) = sum_j m_ij theta_yj + sum_{j cont.} m_ij log Beta(s_ij; c rho, (1-c) rho)
                         - log Z,    rho_yj = exp(pi_yj),  c_yj = q^c_j if k_j = y else 1 - q^c_j
    log Z              = logsumexp_y sum_j softplus(theta_yj)

Beta densities integrate to one, so they do not enter Z. There is no epsilon inside a logarithm:
with one, the published implementation stops learning from 40 LFs on.

CAGE's objective over all rows of sparse votes, with its slope in closed form.

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
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from spear_amal.maths.posteriors import normalise, total

LOWEST_START = 0.2  # no guide is taken lower than this for the start
SCORE_MARGIN = 1e-3  # scores are kept this far from 0 and 1, as in the reference code


def log_partition(theta: Tensor) -> Tensor:
    """``log Z`` of potentials theta (C, m), a scalar."""
    return torch.logsumexp(F.softplus(theta).sum(1), dim=0)


def log_joint(theta: Tensor, fired: Tensor) -> Tensor:
    """``log P(y, l_i)`` (B, C) of discrete votes: theta (C, m), fired (B, m) in {0, 1}."""
    return fired @ theta.t() - log_partition(theta)


def beta_concentrations(pi: Tensor, k: Tensor, q_c: Tensor) -> tuple[Tensor, Tensor]:
    """Both parameters (C, m_c) of the Beta densities of continuous LFs."""
    agrees = torch.arange(len(pi), device=pi.device).unsqueeze(1) == k  # (C, m_c)
    c = torch.where(agrees, q_c, 1 - q_c)
    rho = pi.exp()
    return c * rho, (1 - c) * rho


def log_score_density(pi: Tensor, k: Tensor, q_c: Tensor, fired: Tensor, scores: Tensor) -> Tensor:
    """``sum_j m_ij log Beta(s_ij; ..)`` (B, C) over continuous LFs.

    Parameters
    ----------
    pi : Tensor (C, m_c)
    k, q_c : Tensor (m_c,)
        Class and quality index of each continuous LF.
    fired, scores : Tensor (B, m_c)
        Scores matter only where fired.
    """
    a, b = beta_concentrations(pi, k, q_c)  # (C, m_c)
    log_normaliser = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    # Masked before the logarithm: a score behind a mask may be anything, NaN included.
    inside = torch.where(fired > 0, scores, torch.full_like(scores, 0.5))
    s = inside.clamp(SCORE_MARGIN, 1 - SCORE_MARGIN)
    log_s, log_1s = fired * s.log(), fired * torch.log1p(-s)
    return log_s @ (a - 1).t() + log_1s @ (b - 1).t() + fired @ log_normaliser.t()


def log_precision(theta: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """``log g_j`` and ``log(1 - g_j)``, each (m,), with g_j = P(y = k_j | LF j fires).

    g_j = softmax_y( theta_yj + sum_{r != j} softplus(theta_yr) )[k_j]
    """
    soft = F.softplus(theta)
    log_q = F.log_softmax(theta - soft + soft.sum(1, keepdim=True), dim=0)  # (C, m)
    agrees = torch.arange(len(theta), device=theta.device).unsqueeze(1) == k
    log_g = log_q.gather(0, k.unsqueeze(0)).squeeze(0)
    # log(1 - g) as the mass of the other classes: exact even where g rounds to one.
    log_rest = torch.logsumexp(log_q.masked_fill(agrees, -torch.inf), dim=0)
    return log_g, log_rest


def quality_penalty(theta: Tensor, k: Tensor, q_t: Tensor) -> Tensor:
    """``R = -sum_j q^t_j log g_j + (1 - q^t_j) log(1 - g_j)``, a scalar (SPEAR's seventh loss)."""
    log_g, log_rest = log_precision(theta, k)
    return -(q_t * log_g + (1 - q_t) * log_rest).sum()


def guided_start(n_classes: int, k: Tensor, q_t: Tensor, iterations: int = 200) -> Tensor:
    """Make theta (C, m): ones at y = k_j and lower elsewhere so that g_j = q^t_j.

    A start with equal classes makes every posterior uniform, so that the first pseudo-labels are
    all class 0. Raising theta at y = k_j alone cannot do it: sigmoid(theta_yj) is the probability
    that LF j fires in class y, which 1 already puts at 0.73, so two balanced LFs reach at most
    g = 0.58. Hence the other classes are lowered. One unknown per LF, coupled through the sums
    over the other LFs, found by L-BFGS on :func:`quality_penalty`, whose minimum it is. Guides
    that differ much among very many LFs of one class are met to about 0.05, guides below chance to
    about 0.2, others exactly.
    """
    fall = torch.ones_like(q_t, dtype=torch.float64, requires_grad=True)
    # Far below chance there may be no such theta; training moves on from the nearest.
    guides = q_t.to(torch.float64).clamp(min(LOWEST_START, 1 / n_classes), 1 - SCORE_MARGIN)
    elsewhere = (torch.arange(n_classes, device=k.device).unsqueeze(1) != k).to(torch.float64)
    solver = torch.optim.LBFGS(
        [fall],
        max_iter=iterations,
        max_eval=4 * iterations,
        history_size=50,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        solver.zero_grad()
        value = quality_penalty(1 - elsewhere * fall, k, guides)
        value.backward()
        return value

    if len(k):
        solver.step(closure)
    return (1 - elsewhere * fall).detach().to(q_t.dtype)


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
    declared = k, np.arange(len(k))  # the entry of each LF's own class
    inside = (theta - soft + soft.sum(1, keepdims=True)).T.copy()  # (m, C): a row for each LF
    log_own = inside[declared[::-1]]
    outside = inside.copy()
    outside[declared[::-1]] = -np.inf
    log_all, log_rest = normalise(inside), normalise(outside)
    value = total(q_t, log_all - log_own) + total(1 - q_t, log_all - log_rest)
    slope = (inside - (1 - q_t)[:, None] * outside).T  # (C, m)
    slope[declared] -= q_t
    return value, slope - fires * slope + fires * slope.sum(1, keepdims=True)
