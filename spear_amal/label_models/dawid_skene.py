"""Dawid-Skene: one confusion matrix per LF, learnt from the votes by EM."""

from __future__ import annotations

import numpy as np

from spear_amal.label_models._validation import check_iterations
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.mixture import Mixture, expect, safe_log
from spear_amal.label_models.vote_patterns import (
    VotePatterns,
    cast_votes,
    find_patterns,
    vote_shares,
)
from spear_amal.maths.posteriors import total
from spear_amal.params import check_not_negative
from spear_amal.votes.label_matrix import LabelMatrix


class DawidSkene(LabelModel):
    """Votes are answers of m observers with a confusion matrix each (Dawid and Skene, 1979).

    EM from the shares of votes per class: the class balance is the mean posterior of the rows
    with votes; P(LF j votes v | y) the share of v among the votes of j, each counted by the
    posterior of y. Equal to crowd-kit's ``DawidSkene`` (without its floor of 1e-10).

    An abstention is a missing value, as in the paper. So an LF that votes for one class only says
    nothing here: whatever the class, all its votes are for that one. ``model_abstains=True`` makes
    abstention an answer (and then rows without votes count as well), which suits such LFs; or use
    :class:`~spear_amal.label_models.accuracy.AccuracyModel`.

    Parameters
    ----------
    model_abstains : bool
        Abstention is an answer and tells something of the class.
    smoothing : float
        Votes added to each cell of each confusion matrix and rows added to each class (a
        symmetric Dirichlet prior with parameter 1 + smoothing); 0 is maximum likelihood.
    max_iter : int
        Most EM steps.
    tol : float
        Stop when a step raises the mean objective per row by less.
    clamp_gold : bool
        Rows whose class is known from `y` keep it while the model is fitted.

    Attributes
    ----------
    confusion_ : ndarray of shape (m, C, C)
        P(LF j votes v | y) at ``[j, y, v]``; rows sum to 1, or to the coverage of the LF in the
        class with ``model_abstains``.
    class_balance_ : ndarray of shape (C,)
    log_likelihoods_ : list of float
        Log-likelihood of all votes before each M step, and of the gold classes that are kept;
        never falls without smoothing.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]]
    >>> DawidSkene().fit(votes).predict(votes).tolist()
    [0, 1, 0, 1, 0]
    """

    uses_gold = True
    counts_rows = True

    def __init__(
        self,
        *,
        model_abstains: bool = False,
        smoothing: float = 0.0,
        max_iter: int = 100,
        tol: float = 1e-6,
        clamp_gold: bool = True,
    ) -> None:
        self.model_abstains = model_abstains
        self.smoothing = smoothing
        self.max_iter = max_iter
        self.tol = tol
        self.clamp_gold = clamp_gold

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        check_iterations(self.max_iter, self.tol)
        check_not_negative("smoothing", self.smoothing)
        patterns = find_patterns(L, L.n_classes, y if self.clamp_gold else None, n_rows)
        weights = patterns.n_rows * (1.0 if self.model_abstains else patterns.covered)
        posterior = vote_shares(patterns, L.n_classes)
        self.log_likelihoods_: list[float] = []
        mixture = self._maximise(patterns, weights, posterior)
        for _ in range(self.max_iter):
            posterior, value = expect(mixture.log_joint(patterns.cast), patterns.gold)
            self.log_likelihoods_.append(total(weights, value))
            if has_converged(self.log_likelihoods_, self.tol * weights.sum()):
                break
            mixture = self._maximise(patterns, weights, posterior)
        self._keep(mixture)

    def _maximise(
        self, patterns: VotePatterns, weights: np.ndarray, posterior: np.ndarray
    ) -> Mixture:
        """M step: shares of the votes (and abstentions), each row counted by its posterior."""
        n_classes = posterior.shape[1]
        rows = weights @ posterior  # (C,)
        votes = patterns.cast.T @ (weights[:, None] * posterior)
        votes = votes.reshape(-1, n_classes, n_classes)  # (m, v, y)
        silent = np.zeros_like(votes[:, 0])  # (m, y)
        if self.model_abstains:
            silent = np.maximum(rows - votes.sum(1), 0) + self.smoothing
        votes = votes + self.smoothing
        answers = votes.sum(1) + silent
        # Where no vote falls on a class any value is as likely: take the even one.
        empty = answers == 0
        votes = np.where(empty[:, None], 1.0, votes)
        answers = np.where(empty, float(n_classes), answers)
        balance = rows + self.smoothing
        return Mixture(
            safe_log(balance / balance.sum()),
            safe_log(votes / answers[:, None]).reshape(-1, n_classes),
            safe_log(silent / answers) if self.model_abstains else None,
        )

    def _keep(self, mixture: Mixture) -> None:
        self.mixture_ = mixture
        self.class_balance_ = np.exp(mixture.log_balance)
        shape = (self.n_lfs_, self.n_classes_, self.n_classes_)
        self.confusion_ = np.exp(mixture.log_votes).reshape(shape).swapaxes(1, 2)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self.mixture_.posterior(cast_votes(L, self.n_classes_))


def has_converged(values: list[float], least: float) -> bool:
    """Return whether the last step raised the objective by less than `least`."""
    return len(values) > 1 and values[-1] - values[-2] < least
