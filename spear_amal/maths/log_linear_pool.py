"""A log-linear pool of class probabilities: few numbers, learnt on rows that no member has seen.

``log p(c | row) = sum_e w_e log p_e(c | row) + b_c - log Z(row)`` with ``w >= 0``. Its negative
log-likelihood is convex in w and b, so that there is one answer. The terms b by class undo what
members have in common: weights that do not sum to 1 count the shares of the classes too often, or
too seldom, and a rare class is then missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

#: Strengths of the pull to the prior weights that cross-validation chooses among, ascending: in
#: rows, as the penalty stands beside a sum over rows. Larger ones would leave the prior as it is,
#: which is half a classifier that may know nothing of a rare class.
STRENGTHS = (1.0, 3.0, 10.0)
#: A member that gives gold less than this is as wrong as can be: one row must not decide alone.
LOG_FLOOR = float(np.log(1e-4))


#: Strength of the pull of the terms by class to 0.
CLASS_STRENGTH = 1.0


@dataclass(frozen=True, eq=False)
class Pool:
    """What a log-linear pool is made with.

    Attributes
    ----------
    weights : ndarray (E,)
        Of the members, 0 or more.
    by_class : ndarray (C,)
        What is added to the log probability of each class.
    """

    weights: np.ndarray
    by_class: np.ndarray

    def log_proba(self, log_p: np.ndarray) -> np.ndarray:
        """Compute log probabilities (n, C) from those of the members (E, n, C)."""
        combined = np.tensordot(self.weights, np.maximum(log_p, LOG_FLOOR), 1) + self.by_class
        normalised: np.ndarray = log_softmax(combined, axis=1)
        return normalised


@dataclass(frozen=True, eq=False)
class FittedPool:
    """A pool, and how it does on rows that it was not learnt on.

    Attributes
    ----------
    pool : Pool
    strength : float
        Of the pull to the prior weights.
    log_p : ndarray (n, C)
        Log probabilities of the rows, those of each fold by a pool that the other folds taught.
    """

    pool: Pool
    strength: float
    log_p: np.ndarray


def fit_weights(log_p: np.ndarray, y: np.ndarray, prior: np.ndarray, strength: float) -> Pool:
    """Return the pool with the least penalised negative log-likelihood.

    ``sum_i -log p(y_i) + strength ||w - prior||^2 + CLASS_STRENGTH ||b||^2``

    Parameters
    ----------
    log_p : ndarray (E, n, C)
        Log probabilities on rows with gold.
    y : ndarray of int (n,)
    prior : ndarray (E,)
        Weights that there is a pull to.
    strength : float
        0 or more; 0 is maximum likelihood.
    """
    n_members, n, n_classes = log_p.shape
    log_p, rows = np.maximum(log_p, LOG_FLOOR), np.arange(n)
    of_gold, counts = log_p[:, rows, y].sum(1), np.bincount(y, minlength=n_classes)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, by_class = values[:n_members], values[n_members:]
        pooled = Pool(weights, by_class).log_proba(log_p)
        p, away = np.exp(pooled), weights - prior
        value = -pooled[rows, y].sum() + strength * (away**2).sum()
        value += CLASS_STRENGTH * (by_class**2).sum()
        by_weight = np.einsum("nc,enc->e", p, log_p) - of_gold + 2 * strength * away
        return value, np.append(by_weight, p.sum(0) - counts + 2 * CLASS_STRENGTH * by_class)

    start = np.append(prior, np.zeros(n_classes))
    bounds = [(0, None)] * n_members + [(None, None)] * n_classes
    tight = {"ftol": 1e-12, "gtol": 1e-5}
    values = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=tight).x
    return Pool(values[:n_members], values[n_members:])


def fit_pool(log_p: np.ndarray, y: np.ndarray, fold: np.ndarray, prior: np.ndarray) -> FittedPool:
    """Learn a pool, with as much pull to the prior weights as costs nothing that can be told.

    The strength is the largest one whose negative log-likelihood on folds that the pool was not
    learnt on is within one standard error of the best (paired by row). For `log_p` of the result
    that choice is made anew without each fold, so that its score is that of the whole procedure.
    One member alone is left as it is.

    Parameters
    ----------
    log_p : ndarray (E, n, C)
        Log probabilities of each member on rows that it has not seen.
    y, fold : ndarray of int (n,)
    prior : ndarray (E,)
    """
    if len(log_p) == 1:
        return FittedPool(Pool(np.ones(1), np.zeros(log_p.shape[2])), STRENGTHS[-1], log_p[0])
    strength = _choose_strength(log_p, y, fold, prior)
    nested = np.empty(log_p.shape[1:])
    for k in np.unique(fold):
        rest = fold != k
        of_rest = (log_p[:, rest], y[rest])
        chosen = _choose_strength(*of_rest, fold[rest], prior)
        nested[~rest] = fit_weights(*of_rest, prior, chosen).log_proba(log_p[:, ~rest])
    return FittedPool(fit_weights(log_p, y, prior, strength), strength, nested)


def _choose_strength(
    log_p: np.ndarray, y: np.ndarray, fold: np.ndarray, prior: np.ndarray
) -> float:
    folds = np.unique(fold)
    if len(folds) < 2:
        return STRENGTHS[-1]
    losses = np.empty((len(STRENGTHS), len(y)))
    for k in folds:
        left = np.flatnonzero(fold == k)
        rest = fold != k
        for s, strength in enumerate(STRENGTHS):
            pool = fit_weights(log_p[:, rest], y[rest], prior, strength)
            losses[s, left] = -pool.log_proba(log_p[:, left])[np.arange(len(left)), y[left]]
    behind = losses - losses[losses.mean(1).argmin()]
    error = behind.std(1, ddof=1) / np.sqrt(len(y))
    return STRENGTHS[int(np.flatnonzero(behind.mean(1) <= error)[-1])]
