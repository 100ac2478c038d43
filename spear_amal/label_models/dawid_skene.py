"""Dawid-Skene: one confusion matrix per LF, learnt from the votes by EM."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError
from spear_amal.label_models._validation import check_iterations
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.mixture import Mixture, expect, safe_log
from spear_amal.label_models.one_class import count_votes, gold_tells_balance, votes_one_class
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

    EM from the shares of votes per class: the class balance is the mean posterior; P(LF j votes
    v | y) the share of v among the answers of j, each counted by the posterior of y.

    **Abstention.** In the paper it is a missing value: nobody asked this observer. An LF that votes
    for one class only then says nothing, since whatever the class, all its answers are for that
    one; where all LFs are such, as most builders make them, every row gets the class balance. But
    such an LF was asked about every row, and what it answers is that it fires, or that it does not.
    So by default ("auto") the abstention of an LF that voted for one class only is an answer, and
    that of an LF that voted for several is a missing value. Without LFs of one class this is the
    model of the paper, equal to crowd-kit's ``DawidSkene`` (without its floor of 1e-10).

    LFs that cast the same vote on every row are not heard: they say nothing, but where EM starts
    they would draw all rows to their class. Where abstention is an answer of some LF, rows without
    votes count as well. Likelihood alone may then tell two kinds of rows apart that are not the
    classes, above all where classes are far from even;
    :class:`~spear_amal.label_models.accuracy.AccuracyModel` guards against that.

    Parameters
    ----------
    model_abstains : {"auto", True, False}
        Whose abstention is an answer: that of LFs that voted for one class only, of all, of none.
    smoothing : float
        Votes added to each cell of each confusion matrix and rows added to each class (a
        symmetric Dirichlet prior with parameter 1 + smoothing); 0 is maximum likelihood.
    class_balance : "balanced", "gold", mapping of class name to share, or array (C,), optional
        Shares of the classes, if known; see :class:`LabelModel`. Otherwise they are estimated.
    max_iter : int
        Most EM steps.
    tol : float
        Stop when a step raises the mean objective per row by less.
    clamp_gold : bool
        Rows whose class is known from `y` keep it while the model is fitted. Gold that was chosen
        by its class, such as positives only, does not count for the class balance.

    Attributes
    ----------
    abstains_modelled_ : ndarray of bool, shape (m,)
        LFs whose abstention is an answer.
    confusion_ : ndarray of shape (m, C, C)
        P(LF j votes v | y) at ``[j, y, v]``; rows sum to 1, or to the coverage of the LF in the
        class where its abstention is an answer.
    abstains_ : ndarray of shape (m, C)
        P(LF j abstains | y); 1 where its abstention is a missing value.
    class_balance_ : ndarray of shape (C,)
    log_likelihoods_ : list of float
        Log-likelihood of all votes before each M step, and of the gold classes that are kept;
        never falls without smoothing.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1]]
    >>> DawidSkene().fit(votes).predict(votes).tolist()
    [0, 1, 0, 1, 0]

    LFs of one class: the row on which the second is silent is of the first's class.

    >>> votes = [[0, -1], [0, -1], [-1, 1], [-1, 1], [0, 1], [0, -1]]
    >>> DawidSkene().fit(votes).predict(votes[:3]).tolist()
    [0, 0, 1]
    """

    uses_gold = True
    counts_rows = True
    drops_constant = True
    has_balance = True
    estimates_balance = True

    def __init__(
        self,
        *,
        model_abstains: bool | str = "auto",
        smoothing: float = 0.0,
        class_balance: ClassBalanceLike | None = None,
        max_iter: int = 100,
        tol: float = 1e-6,
        clamp_gold: bool = True,
    ) -> None:
        self.model_abstains = model_abstains
        self.smoothing = smoothing
        self.class_balance = class_balance
        self.max_iter = max_iter
        self.tol = tol
        self.clamp_gold = clamp_gold

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_iterations(self.max_iter, self.tol)
        check_not_negative("smoothing", self.smoothing)
        if not isinstance(self.model_abstains, bool | np.bool_) and self.model_abstains != "auto":
            raise InputError(
                f"model_abstains must be 'auto', True or False, found {self.model_abstains!r}"
            )

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        known_balance = self._known_balance(L, y, n_rows)
        counts = count_votes(L, n_rows)
        self.abstains_modelled_ = self._whose_abstention(counts)
        patterns = find_patterns(L, L.n_classes, y if self.clamp_gold else None, n_rows)
        counted = True if self.abstains_modelled_.any() else patterns.covered
        weights = patterns.n_rows * counted
        drawn = weights * gold_tells_balance(patterns.gold, counts, patterns.n_rows)
        posterior = vote_shares(patterns, L.n_classes)
        self.log_likelihoods_: list[float] = []
        self._learn(patterns, weights, drawn, posterior, known_balance)
        for _ in range(self.max_iter):
            mixture = self._mixture()
            posterior, value = expect(mixture.log_joint(patterns.cast), patterns.gold)
            # Where gold was chosen, the votes are likely or not given the class, which is not.
            value -= (weights > drawn) * mixture.log_balance[patterns.gold]
            self.log_likelihoods_.append(total(weights, value))
            if has_converged(self.log_likelihoods_, self.tol * weights.sum()):
                break
            self._learn(patterns, weights, drawn, posterior, known_balance)

    def _whose_abstention(self, counts: np.ndarray) -> np.ndarray:
        """LFs (m,) whose abstention is an answer, from counts of votes per class (m, C)."""
        if self.model_abstains == "auto":
            return votes_one_class(counts)
        return np.full(len(counts), bool(self.model_abstains))

    def _learn(
        self,
        patterns: VotePatterns,
        weights: np.ndarray,
        drawn: np.ndarray,
        posterior: np.ndarray,
        known_balance: np.ndarray | None,
    ) -> None:
        """M step: shares of the votes (and abstentions), each row counted by its posterior.

        `weights` and `drawn` (u,) say how many rows of each pattern count for the LFs, and for the
        class balance.
        """
        n_classes = posterior.shape[1]
        votes = patterns.cast.T @ (weights[:, None] * posterior)
        votes = votes.reshape(-1, n_classes, n_classes)  # (m, v, y)
        silent = np.zeros_like(votes[:, 0])  # (m, y)
        heard = self.abstains_modelled_
        if heard.any():
            rows = weights @ posterior  # (C,)
            silent[heard] = np.maximum(rows - votes[heard].sum(1), 0) + self.smoothing
        votes = votes + self.smoothing
        answers = votes.sum(1) + silent
        # Where no vote falls on a class any value is as likely: take the even one.
        empty = answers == 0
        votes = np.where(empty[:, None], 1.0, votes)
        answers = np.where(empty, float(n_classes), answers)
        self.confusion_ = (votes / answers[:, None]).swapaxes(1, 2)
        self.abstains_ = np.where(heard[:, None], silent / answers, 1.0)
        balance = drawn @ posterior + self.smoothing
        if not balance.any():  # no row tells it: all have gold that was chosen by its class
            balance = np.ones(n_classes)
        self.class_balance_ = balance / balance.sum() if known_balance is None else known_balance

    def _mixture(self) -> Mixture:
        votes = self.confusion_.swapaxes(1, 2).reshape(-1, self.n_classes_)
        abstains = safe_log(self.abstains_) if self.abstains_modelled_.any() else None
        return Mixture(safe_log(self.class_balance_), safe_log(votes), abstains)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self._mixture().posterior(cast_votes(L, self.n_classes_))

    def _weights(self) -> np.ndarray:
        """Return how often each LF is right where it fires (m,), as the model believes."""
        fires = (self.confusion_.sum(2) * self.class_balance_).sum(1)
        right = (np.diagonal(self.confusion_, axis1=1, axis2=2) * self.class_balance_).sum(1)
        return right / fires


def has_converged(values: list[float], least: float) -> bool:
    """Return whether the last step raised the objective by less than `least`."""
    return len(values) > 1 and values[-1] - values[-2] < least
