"""A log-linear pool of class probabilities: few weights, learnt on rows that no member has seen.

``log p(c | row) = sum_e w_e log p_e(c | row) - log Z(row)`` with ``w >= 0``. Its mean negative
log-likelihood is convex in w, so that there is one answer.
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


@dataclass(frozen=True, eq=False)
class Pooled:
    """Weights of a pool, and how it does on rows that the weights were not learnt on.

    Attributes
    ----------
    weights : ndarray (E,)
    strength : float
        Of the pull towards the prior weights.
    log_p : ndarray (n, C)
        Log probabilities of the rows, those of each fold by weights of the other folds.
    """

    weights: np.ndarray
    strength: float
    log_p: np.ndarray


def pool(log_p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute log probabilities (n, C) of members' (E, n, C) under weights (E,)."""
    combined = np.tensordot(weights, np.maximum(log_p, LOG_FLOOR), 1)
    normalised: np.ndarray = log_softmax(combined, axis=1)
    return normalised


def fit_weights(log_p: np.ndarray, y: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Return the weights (E,) with the least ``sum_i -log p(y_i) + strength ||w - prior||^2``.

    Parameters
    ----------
    log_p : ndarray (E, n, C)
        Log probabilities on rows with gold.
    y : ndarray of int (n,)
    prior : ndarray (E,)
        Weights that there is a pull towards.
    strength : float
        0 or more; 0 is maximum likelihood.
    """
    log_p, rows = np.maximum(log_p, LOG_FLOOR), np.arange(len(y))
    of_gold = log_p[:, rows, y].sum(1)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = log_softmax(np.tensordot(weights, log_p, 1), axis=1)
        expected = np.einsum("nc,enc->e", np.exp(pooled), log_p)
        away = weights - prior
        value = -pooled[rows, y].sum() + strength * (away**2).sum()
        return value, expected - of_gold + 2 * strength * away

    bounds = [(0, None)] * len(prior)
    return np.asarray(minimize(loss, prior, jac=True, bounds=bounds, method="L-BFGS-B").x)


def fit_pool(log_p: np.ndarray, y: np.ndarray, fold: np.ndarray, prior: np.ndarray) -> Pooled:
    """Learn weights, with as much pull towards the prior as costs nothing that can be told.

    The strength is the largest one whose negative log-likelihood on folds that the weights were not
    learnt on is within one standard error of the best (paired by row). For `log_p` of the result
    that choice is made anew without each fold, so that its score is that of the whole procedure.

    Parameters
    ----------
    log_p : ndarray (E, n, C)
        Log probabilities of each member on rows that it has not seen.
    y, fold : ndarray of int (n,)
    prior : ndarray (E,)
    """
    strength = _choose_strength(log_p, y, fold, prior)
    nested = np.empty(log_p.shape[1:])
    for k in np.unique(fold):
        rest = fold != k
        of_rest = (log_p[:, rest], y[rest])
        weights = fit_weights(*of_rest, prior, _choose_strength(*of_rest, fold[rest], prior))
        nested[~rest] = pool(log_p[:, ~rest], weights)
    return Pooled(fit_weights(log_p, y, prior, strength), strength, nested)


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
            weights = fit_weights(log_p[:, rest], y[rest], prior, strength)
            losses[s, left] = -pool(log_p[:, left], weights)[np.arange(len(left)), y[left]]
    behind = losses - losses[losses.mean(1).argmin()]
    error = behind.std(1, ddof=1) / np.sqrt(len(y))
    return STRENGTHS[int(np.flatnonzero(behind.mean(1) <= error)[-1])]
