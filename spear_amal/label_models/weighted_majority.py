"""Weighted majority vote: each LF that fires counts by how often it is right."""

from __future__ import annotations

import numpy as np

from spear_amal.label_models._validation import check_iterations
from spear_amal.label_models.base import TIE, LabelModel
from spear_amal.label_models.vote_patterns import VotePatterns, find_patterns, vote_sums
from spear_amal.maths.posteriors import normalise, over_classes
from spear_amal.params import check_positive, check_share
from spear_amal.votes.label_matrix import LabelMatrix

ABOVE_CHANCE = 0.02  # by this much agreement is held above chance


class WeightedMajority(LabelModel):
    """Votes weighted by the log odds of their LF's accuracy; errors fall evenly on other classes.

    An LF of accuracy a_j adds ``log(a_j (C - 1) / (1 - a_j))`` to the class that it votes for:
    nothing at chance, less than nothing below. The posterior is the softmax of the sums, that is
    Bayes' rule for independent LFs and equal class shares. Where accuracies come from:

    * gold `y` given to ``fit``: the share of right votes on gold rows where the LF fired.
    * no gold: agreement with the other LFs. First with their plain majority vote (ties shared),
      then with their *weighted* vote, until the accuracies rest. The fixed point: a_j is the share
      of the votes of j that win the weighted vote of all LFs but j, under the weights of these
      accuracies. LF j is left out so that no LF confirms itself. Agreement with fallible others
      is less than accuracy: weights are cautious, and here no LF falls below a little more than
      chance, since the vote of many one-sided LFs would else turn the few others round. More
      rounds sharpen independent LFs and let the louder side win among one-sided ones.

    Both shares are smoothed by `prior_strength` votes of accuracy `prior_accuracy`, so that they
    stay between 0 and 1 and LFs without evidence get the prior.

    Parameters
    ----------
    prior_accuracy : float
        Strictly between 0 and 1.
    prior_strength : float
        How many votes the prior is worth; above 0.
    max_iter : int
        Most rounds without gold; 0 keeps all LFs at the prior, which is a majority vote.
    tol : float
        Stop when no accuracy moves by more.

    Attributes
    ----------
    accuracies_ : ndarray of shape (m,)
    weights_ : ndarray of shape (m,)
        Their log odds.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [-1, 1, 0]]
    >>> model = WeightedMajority().fit(votes, y=[0, 1, 0, 1, 1])
    >>> model.accuracies_.round(2).tolist()
    [0.83, 0.85, 0.55]
    >>> model.predict([[-1, 1, 0]]).tolist()
    [1]
    """

    uses_gold = True
    counts_rows = True

    def __init__(
        self,
        *,
        prior_accuracy: float = 0.7,
        prior_strength: float = 5.0,
        max_iter: int = 2,
        tol: float = 1e-4,
    ) -> None:
        self.prior_accuracy = prior_accuracy
        self.prior_strength = prior_strength
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        check_share("prior_accuracy", self.prior_accuracy)
        check_positive("prior_strength", self.prior_strength)
        check_iterations(self.max_iter, self.tol, least=0)
        if y is None:
            self.accuracies_ = self._from_agreement(find_patterns(L, L.n_classes, n_rows=n_rows))
        else:
            self.accuracies_ = self._from_gold(L, y, n_rows)
        self.weights_ = log_odds(self.accuracies_, L.n_classes)

    def _from_gold(self, L: LabelMatrix, y: np.ndarray, n_rows: np.ndarray | None) -> np.ndarray:
        """Accuracies (m,) on the rows with gold."""
        entries = L.codes.tocoo()
        known = y[entries.row] >= 0
        right = entries.data.astype(np.int64) - 1 == y[entries.row]
        counts = np.ones(known.sum()) if n_rows is None else n_rows[entries.row[known]]
        return self._smoothed(entries.col[known], right[known].astype(float), counts)

    def _from_agreement(self, patterns: VotePatterns) -> np.ndarray:
        """Accuracies (m,) by repeated agreement with the others."""
        n_classes = self.n_classes_
        entries = patterns.cast.tocoo()
        lfs, votes = np.divmod(entries.col, n_classes)
        cells = np.arange(entries.nnz), votes  # own vote in (nnz, C)
        # Where LF j is alone there is nobody to agree with.
        counts = (patterns.n_rows * (np.diff(patterns.cast.indptr) > 1))[entries.row]
        accuracies = np.full(self.n_lfs_, self.prior_accuracy)
        for round_ in range(self.max_iter):
            weights = log_odds(accuracies, n_classes) if round_ else np.ones(self.n_lfs_)
            sums = vote_sums(patterns.cast.indptr, votes, n_classes, weights[lfs])
            others = sums[entries.row]  # (nnz, C)
            others[cells] -= weights[lfs]
            winners = others >= over_classes(np.maximum, others)[:, None] - TIE
            agreement = winners[cells] / winners.sum(1)
            least = 1.0 / n_classes + ABOVE_CHANCE
            before = accuracies
            accuracies = np.maximum(self._smoothed(lfs, agreement, counts), least)
            if np.abs(accuracies - before).max() <= self.tol:
                break
        return accuracies

    def _smoothed(self, lfs: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Share of right votes (m,) of votes (nnz,) by `lfs`, each counted `counts` times."""
        hits = np.bincount(lfs, right * counts, minlength=self.n_lfs_)
        fired = np.bincount(lfs, counts, minlength=self.n_lfs_)
        prior = self.prior_strength
        return (hits + prior * self.prior_accuracy) / (fired + prior)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        codes = L.codes.sorted_indices()
        weights = self.weights_[codes.indices]
        p = vote_sums(codes.indptr, codes.data - 1, self.n_classes_, weights)
        normalise(p)
        return p


def log_odds(accuracies: np.ndarray, n_classes: int) -> np.ndarray:
    """Log odds (m,) of a right vote against one certain wrong class."""
    return np.log(accuracies) + np.log(n_classes - 1) - np.log1p(-accuracies)
