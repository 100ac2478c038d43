"""CAGE, the generative model of labelling functions, in log space throughout.

Chatterjee, Ramakrishnan, Sarawagi, "Robust Data Programming with Precision-guided Labeling
Functions" (2020). Letters as there: theta (C, m), pi (C, m_c), k (m,) the class of each LF.

    log P(y, l_i, s_i) = sum_j m_ij theta_yj + sum_{j cont.} m_ij log Beta(s_ij; c rho, (1-c) rho)
                         - log Z,    rho_yj = exp(pi_yj),  c_yj = q^c_j if k_j = y else 1 - q^c_j
    log Z              = logsumexp_y sum_j softplus(theta_yj)

Beta densities integrate to one, so they do not enter Z. There is no epsilon inside a logarithm:
with one, the published implementation stops learning from 40 LFs on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

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
