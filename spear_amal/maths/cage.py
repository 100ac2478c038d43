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

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from scipy.optimize import minimize, root
from torch import Tensor
from torch.autograd.function import once_differentiable

from spear_amal.maths.posteriors import normalise, total
from spear_amal.tensors.layout import FEW_CLASSES

LOWEST_START = 0.2  # no guide is taken lower than this for the start
_MOST = (-0.1, -1e-3)  # log of the largest chance to fire: of a smooth way there, and in truth
SCORE_MARGIN = 1e-3  # scores are kept this far from 0 and 1, as in the reference code


def declared_classes(n_classes: int, k: Tensor) -> Tensor:
    """Return (.., C, m) bool: true at the class k (.., m) of each LF."""
    return torch.arange(n_classes, device=k.device).unsqueeze(1) == k.unsqueeze(-2)


class Potentials:
    """Potentials theta (.., C, m) of one or several models, and what their terms share.

    Values and derivatives of the models' terms; each part is computed once, when it is needed.
    Leading dimensions count models, and are those of all arguments.

    Parameters
    ----------
    theta : Tensor (.., C, m)
    """

    def __init__(self, theta: Tensor) -> None:
        self.theta = theta

    @cached_property
    def soft(self) -> Tensor:
        """``softplus(theta)`` (.., C, m)."""
        # Above torch's usual threshold of 20 it would be 2e-9 off, and so would its derivative.
        return F.softplus(self.theta, threshold=40.0)

    @cached_property
    def fires(self) -> Tensor:
        """Probability (.., C, m) that LF j fires on a row of class y."""
        return self.theta.sigmoid()

    @cached_property
    def class_scores(self) -> Tensor:
        """``sum_j softplus(theta_yj)`` (.., C, 1), the log of a class' share of Z."""
        return self.soft.sum(-1, keepdim=True)

    @cached_property
    def _log_prior(self) -> Tensor:
        """Log-probabilities (.., C, 1) of the classes, whatever the votes."""
        return self.class_scores.log_softmax(-2)

    @cached_property
    def expected_votes(self) -> Tensor:
        """``d log Z / d theta`` (.., C, m): probability that the class is y and LF j fires."""
        return self.fires * self._log_prior.exp()

    @cached_property
    def log_partition(self) -> Tensor:
        """``log Z`` (.., 1, 1)."""
        # Of any class; torch's logsumexp is many small steps.
        return (self.class_scores - self._log_prior)[..., :1, :]

    def log_joint(self, fired: Tensor) -> Tensor:
        """``log P(y, l_i)`` (.., B, C) of votes (.., B, m) in {0, 1}."""
        return _by_class(fired, self.theta).sub(self.log_partition)

    def log_joint_slope(self, fired: Tensor, slope: Tensor) -> Tensor:
        """Derive by theta (.., C, m) what has `slope` (.., B, C) by :meth:`log_joint`."""
        mass = slope.sum((-2, -1), keepdim=True)
        return _product(slope.mT, fired).addcmul_(mass, self.expected_votes, value=-1)

    def log_joint_along(self, fired: Tensor, tangent: Tensor) -> Tensor:
        """Derive :meth:`log_joint` (.., B, C) in the direction `tangent` (.., C, m) of theta."""
        of_partition = (self.expected_votes * tangent).sum((-2, -1), keepdim=True)
        return _by_class(fired, tangent).sub_(of_partition)

    @cached_property
    def _class_scores_if_fired(self) -> Tensor:
        """Log score (.., C, m) of class y on a row where LF j fires, whatever the others do."""
        return self.theta - self.soft + self.class_scores

    def log_precision(self, declared: Tensor) -> tuple[Tensor, Tensor]:
        """``log g_j`` and ``log(1 - g_j)``, each (.., m), with g_j = P(y = k_j | LF j fires).

        `declared` (.., C, m) is true at y = k_j: see :func:`declared_classes`.

        g_j = softmax_y( theta_yj + sum_{r != j} softplus(theta_yr) )[k_j]
        """
        log_q = self._class_scores_if_fired.log_softmax(-2)  # (.., C, m)
        log_g = log_q.masked_fill(~declared, 0.0).sum(-2)
        # log(1 - g) as the mass of the other classes: exact even where g rounds to one.
        log_rest = log_q.masked_fill(declared, -torch.inf).logsumexp(-2)
        return log_g, log_rest

    def quality_penalty(self, guides: Guides) -> Tensor:
        """``R = -sum_j q^t_j log g_j + (1 - q^t_j) log(1 - g_j)`` (..), SPEAR's seventh loss."""
        log_g, log_rest = self.log_precision(guides.declared)
        return -(guides.q_t * log_g + (1 - guides.q_t) * log_rest).sum(-1)

    def quality_slope(self, guides: Guides) -> Tensor:
        """Derive :meth:`quality_penalty` by theta (.., C, m)."""
        scores = self._class_scores_if_fired
        rest = scores.masked_fill(guides.declared, -torch.inf).softmax(-2)
        slope = scores.softmax(-2).sub_(guides.target).addcmul_(rest, guides.doubt, value=-1)
        return slope.addcmul_(self.fires, slope.sum(-1, keepdim=True) - slope)


def _by_class(rows: Tensor, potentials: Tensor) -> Tensor:
    """Product (.., B, C) of rows (.., B, m) and potentials (.., C, m).

    Of few classes it is laid out class by class.
    """
    if potentials.shape[-2] > FEW_CLASSES:
        return _product(rows, potentials.mT)
    return _product(potentials, rows.mT).mT


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Product of matrices, one or several; without what ``@`` asks first."""
    return torch.bmm(left, right) if left.ndim == 3 else left @ right


@dataclass(frozen=True)
class Guides:
    """What is believed of LFs before training.

    Attributes
    ----------
    declared : Tensor (.., C, m), bool
        True at the class that an LF votes for.
    q_t : Tensor (.., m)
        How often each is right when it fires.
    """

    declared: Tensor
    q_t: Tensor

    @classmethod
    def of(cls, n_classes: int, k: Tensor, q_t: Tensor) -> Guides:
        """Make them from the class (.., m) of each LF and its guide."""
        return cls(declared_classes(n_classes, k), q_t)

    @cached_property
    def target(self) -> Tensor:
        """Guides (.., C, m) at the declared classes, 0 elsewhere."""
        return self.q_t.unsqueeze(-2) * self.declared

    @cached_property
    def doubt(self) -> Tensor:
        """``1 - q_t`` (.., 1, m)."""
        return 1 - self.q_t.unsqueeze(-2)


def mean_scores(n_classes: int, k: Tensor, q_c: Tensor) -> Tensor:
    """Return the mean score (.., C, m_c) of continuous LFs in each class.

    Parameters
    ----------
    n_classes : int
    k, q_c : Tensor (.., m_c)
        Class and quality index of each continuous LF.
    """
    index = q_c.unsqueeze(-2)
    return torch.where(declared_classes(n_classes, k), index, 1 - index)


class ScoreDensities:
    """Beta densities of continuous LFs of one or several models.

    Parameters
    ----------
    pi : Tensor (.., C, m_c)
    means : Tensor (.., C, m_c)
        See :func:`mean_scores`.
    """

    def __init__(self, pi: Tensor, means: Tensor) -> None:
        c, rho = means, pi.exp()
        #: Both parameters (.., C, m_c) of the densities.
        self.a, self.b = c * rho, (1 - c) * rho

    def log_density(self, scores: LogScores) -> Tensor:
        """``sum_j m_ij log Beta(s_ij; ..)`` (.., B, C)."""
        a, b = self.a, self.b
        log_normaliser = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
        return scores.parts @ torch.cat([log_normaliser, a - 1, b - 1], dim=-1).mT

    @cached_property
    def _of_normaliser(self) -> tuple[Tensor, Tensor]:
        """Derivatives (.., C, m_c) of the log normaliser by a and by b."""
        both = torch.digamma(self.a + self.b)
        return both - torch.digamma(self.a), both - torch.digamma(self.b)

    def slope(self, scores: LogScores, slope: Tensor) -> Tensor:
        """Derive by pi (.., C, m_c) what has `slope` (.., B, C) by :meth:`log_density`."""
        by_a, by_b = self._of_normaliser
        votes, of_log_s, of_log_1s = (slope.mT @ scores.parts).chunk(3, dim=-1)
        # d a / d pi = a, d b / d pi = b
        by_pi = torch.addcmul(of_log_s, votes, by_a).mul_(self.a)
        return by_pi.addcmul_(torch.addcmul(of_log_1s, votes, by_b), self.b)

    def along(self, scores: LogScores, tangent: Tensor) -> Tensor:
        """Derive :meth:`log_density` (.., B, C) in the direction `tangent` (.., C, m_c) of pi."""
        by_a, by_b = self._of_normaliser
        of_a, of_b = self.a * tangent, self.b * tangent
        return scores.parts @ torch.cat([by_a * of_a + by_b * of_b, of_a, of_b], dim=-1).mT


@dataclass(frozen=True)
class LogScores:
    """Where continuous LFs fired, and logarithms of their scores, which training does not change.

    Attributes
    ----------
    parts : Tensor (.., B, 3 m_c)
        Votes, ``log s`` and ``log (1 - s)`` where they fired, zeros elsewhere.
    """

    parts: Tensor

    @classmethod
    def of(cls, fired: Tensor, scores: Tensor) -> LogScores:
        """Make them from votes and scores (.., B, m_c); scores matter only where fired."""
        # Masked before the logarithm: a score behind a mask may be anything, NaN included.
        inside = torch.where(fired > 0, scores, torch.full_like(scores, 0.5))
        s = inside.clamp(SCORE_MARGIN, 1 - SCORE_MARGIN)
        return cls(torch.cat([fired, fired * s.log(), fired * torch.log1p(-s)], dim=-1))


def guided_start(n_classes: int, k: Tensor, q_t: Tensor, iterations: int = 200) -> Tensor:
    """Make theta (C, m): ones at y = k_j and lower elsewhere so that g_j = q^t_j.

    A start with equal classes makes every posterior uniform, so that the first pseudo-labels are
    all class 0. Raising theta at y = k_j alone cannot do it: sigmoid(theta_yj) is the probability
    that LF j fires in class y, which 1 already puts at 0.73, so two balanced LFs reach at most
    g = 0.58. Hence the other classes are lowered, by one number for each LF: :func:`_falls`, which
    meets guides exactly. Where there is no such theta, as for guides that differ much among very
    many LFs of one class, L-BFGS on the quality penalty, whose minimum it would be, comes to about
    0.05; guides below chance are met to about 0.2.
    """
    # Far below chance there may be no such theta; training moves on from the nearest.
    lowest, highest = min(LOWEST_START, 1 / n_classes), 1 - SCORE_MARGIN
    classes, guides = k.numpy(force=True), q_t.double().clamp(lowest, highest).numpy(force=True)
    elsewhere = np.arange(n_classes)[:, None] != classes
    falls = np.ones(0) if len(classes) == 0 else _falls(classes, guides, elsewhere)
    if falls is None:
        falls = _nearest_falls(classes, guides, elsewhere, iterations)
    return torch.from_numpy(1 - elsewhere * falls).to(q_t)


def _falls(classes: np.ndarray, guides: np.ndarray, elsewhere: np.ndarray) -> np.ndarray | None:
    """Return by how much theta falls for the LFs' other classes (m,); None if nothing is found.

    With ``S_y = sum_r softplus(theta_yr)``, all that LF j has to do with the others, its odds are

        log g_j / (1 - g_j) = log s(1) + S_k - log sum_{y != k} exp(S_y) - log s(theta_yj),

    s the sigmoid. So for given S every theta is at hand, and they give S: C unknowns, not m.
    """
    log_s, soft = -np.logaddexp(0, -1), np.logaddexp(0, 1)  # at the own class, where theta is 1
    log_odds = np.log(guides) - np.log1p(-guides)

    def log_fires(scores: np.ndarray) -> np.ndarray:
        """Log s(theta_yj) (m,) at the other classes, for S (C,)."""
        others = np.where(elsewhere, scores[:, None], -np.inf)
        return log_s + scores[classes] - np.logaddexp.reduce(others) - log_odds

    def gap(scores: np.ndarray, most: float) -> np.ndarray:
        # softplus(theta_yj); straight on above `most`, where no chance to fire is left
        fires = log_fires(scores)
        inside = np.minimum(fires, most)
        quiet = -np.log(-np.expm1(inside)) + (fires - inside) / np.expm1(-most)
        return scores - np.where(elsewhere, quiet, soft).sum(1)

    scores = (elsewhere * np.log(2) + ~elsewhere * soft).sum(1)
    for most in _MOST:
        scores = root(gap, scores, (most,), options={"xtol": 1e-13}).x
    fires, off = log_fires(scores), np.abs(gap(scores, _MOST[-1])).max()
    if not (fires < _MOST[-1]).all() or off > 1e-9 * np.abs(scores).max():
        return None
    return 1 - fires + np.log(-np.expm1(fires))


def _nearest_falls(
    classes: np.ndarray, guides: np.ndarray, elsewhere: np.ndarray, iterations: int
) -> np.ndarray:
    """Minimise the quality penalty over the falls (m,)."""

    def penalty_and_slope(falls: np.ndarray) -> tuple[float, np.ndarray]:
        theta = 1 - elsewhere * falls
        soft = np.logaddexp(0, theta)
        value, slope = _penalty(theta, soft, np.exp(theta - soft), classes, guides)
        return value, -(elsewhere * slope).sum(0)

    limits = {"maxiter": iterations, "maxfun": 4 * iterations, "maxcor": 50}
    options = limits | {"gtol": 1e-9, "ftol": 1e-16}
    start = np.ones(len(classes))
    return minimize(penalty_and_slope, start, jac=True, method="L-BFGS-B", options=options).x


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
