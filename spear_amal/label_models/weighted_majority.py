"""Weighted majority vote: each LF that fires counts by how often it is right."""

from __future__ import annotations

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models._validation import check_iterations
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.one_class import (
    count_votes,
    firing_accuracy,
    most_accuracy,
    votes_one_class,
)
from spear_amal.label_models.scores import TIE
from spear_amal.label_models.vote_patterns import VotePatterns, find_patterns, vote_sums
from spear_amal.maths.posteriors import normalise, over_classes, total
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

    Of an LF that votes for one class only, the share of right votes mixes how good it is with how
    frequent its class is: one that always fires is right as often as its class occurs, and would
    draw all rows to it. So its accuracy is ``F / (F + C - 1)``, where F is how much more often it
    fires on rows of its class (by gold, or by the vote of the others) than on rows of another one:
    the share of right votes, had all classes as many rows. Where rows of one of the two kinds are
    lacking, as with gold of positives only, nothing is known of it.

    Shares are smoothed by `prior_strength` votes of accuracy `prior_accuracy`, or of the highest
    one that an LF which fires so often can have, so that they stay between 0 and 1 and LFs without
    evidence get the prior. LFs that vote the same on every row are not heard.

    Parameters
    ----------
    prior_accuracy : float
        Strictly between 0 and 1.
    prior_strength : float
        How many votes the prior is worth; above 0.
    max_iter : int
        Most rounds without gold; 0 keeps all LFs at the prior, which is a majority vote unless
        LFs of one class fire so often that theirs is lower.
    tol : float
        Stop when no accuracy moves by more.
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        How frequent the classes are; see :class:`LabelModel`.

    Attributes
    ----------
    accuracies_ : ndarray of shape (m,)
        Of LFs that vote for one class only, as if classes were equally frequent.
    weights_ : ndarray of shape (m,)
        Their log odds.
    one_class_ : ndarray of bool, shape (m,)
        LFs that voted, and for one class only.

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
    drops_constant = True

    def __init__(
        self,
        *,
        prior_accuracy: float = 0.7,
        prior_strength: float = 5.0,
        max_iter: int = 2,
        tol: float = 1e-4,
        class_balance: ClassBalanceLike | None = None,
    ) -> None:
        self.prior_accuracy = prior_accuracy
        self.prior_strength = prior_strength
        self.max_iter = max_iter
        self.tol = tol
        self.class_balance = class_balance

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_share("prior_accuracy", self.prior_accuracy)
        check_positive("prior_strength", self.prior_strength)
        check_iterations(self.max_iter, self.tol, least=0)

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        counts = count_votes(L, n_rows)
        self.one_class_ = votes_one_class(counts)
        prior = self._prior(counts.sum(1), len(L) if n_rows is None else n_rows.sum())
        own = counts.argmax(1)  # class of the votes of LFs with one class
        if y is None:
            patterns = find_patterns(L, L.n_classes, n_rows=n_rows)
            self.accuracies_ = self._from_agreement(patterns, own, prior)
        else:
            known = np.flatnonzero(y >= 0)
            n_known = None if n_rows is None else n_rows[known]
            patterns = find_patterns(L[known], L.n_classes, y[known], n_known)
            self.accuracies_ = self._from_gold(patterns, own, prior)
        self.weights_ = log_odds(self.accuracies_, L.n_classes)

    def _prior(self, cast: np.ndarray, n_rows: float) -> np.ndarray:
        """Return what each LF (m,) is believed to be before evidence."""
        most = most_accuracy(cast, n_rows, self.n_classes_)
        return np.where(self.one_class_, np.minimum(self.prior_accuracy, most), self.prior_accuracy)

    def _from_gold(self, patterns: VotePatterns, own: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Accuracies (m,) on patterns that all have gold."""
        classes = np.eye(self.n_classes_)[patterns.gold]
        votes = patterns.cast.T @ (patterns.n_rows[:, None] * classes)
        votes = votes.reshape(-1, self.n_classes_, self.n_classes_)  # (m, v, y)
        rows = patterns.n_rows @ classes
        right = np.trace(votes, axis1=1, axis2=2)
        return self._smoothed(right, votes.sum((1, 2)), rows[own], rows.sum(), prior)

    def _from_agreement(
        self, patterns: VotePatterns, own: np.ndarray, prior: np.ndarray
    ) -> np.ndarray:
        """Accuracies (m,) by repeated agreement with the others."""
        entries = patterns.cast.tocoo()
        lfs, votes = np.divmod(entries.col, self.n_classes_)
        # Where LF j is alone there is nobody to agree with.
        n_others = patterns.n_rows * (np.diff(patterns.cast.indptr) > 1)
        alone = self._per_lf(lfs, (patterns.n_rows - n_others)[entries.row])
        all_rows = total(patterns.n_rows, patterns.covered) - alone
        n_others = n_others[entries.row]
        cast = self._per_lf(lfs, n_others)
        cells = np.arange(entries.nnz), votes  # own vote in (nnz, C)
        least = 1.0 / self.n_classes_ + np.where(self.one_class_, 0.0, ABOVE_CHANCE)
        accuracies = prior
        for _ in range(self.max_iter):
            weights = log_odds(accuracies, self.n_classes_)[lfs]
            sums = vote_sums(patterns.cast.indptr, votes, self.n_classes_, weights)
            won, n_won = winners(sums)  # by the votes of all LFs
            shares = patterns.n_rows / n_won
            rows = (patterns.covered * shares) @ won
            with_own = self._per_lf(lfs, won[entries.row, votes] * shares[entries.row])
            others = sums[entries.row]  # (nnz, C)
            others[cells] -= weights
            won, n_won = winners(others)
            right = self._per_lf(lfs, n_others * won[cells] / n_won)
            # Rows of its class as the others see them: where LF j fires without its own vote.
            rows_of_class = rows[own] - with_own + right
            before = accuracies
            smoothed = self._smoothed(right, cast, rows_of_class, all_rows, prior)
            accuracies = np.maximum(smoothed, least)
            if np.abs(accuracies - before).max() <= self.tol:
                break
        return accuracies

    def _per_lf(self, lfs: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return sums (m,) of values (nnz,) of votes by `lfs`."""
        return np.bincount(lfs, values, minlength=self.n_lfs_).astype(float)

    def _smoothed(
        self,
        right: np.ndarray,
        cast: np.ndarray,
        rows_of_class: np.ndarray,
        n_rows: np.ndarray | float,
        prior: np.ndarray,
    ) -> np.ndarray:
        """Accuracies (m,) from right votes and votes (m,), with the prior."""
        firing = firing_accuracy(right, cast, rows_of_class, n_rows, self.n_classes_)
        unknown = self.one_class_ & np.isnan(firing)
        right = np.where(self.one_class_, cast * np.nan_to_num(firing), right)
        cast = np.where(unknown, 0.0, cast)
        strength = self.prior_strength
        return (right + strength * prior) / (cast + strength)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        codes = L.codes.sorted_indices()
        weights = self.weights_[codes.indices]
        p = vote_sums(codes.indptr, codes.data - 1, self.n_classes_, weights)
        normalise(p)
        return p

    def _weights(self) -> np.ndarray:
        return self.accuracies_


def winners(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which classes (k, C) have the highest sum (k, C) of votes, and how many (k,) do."""
    top = sums >= over_classes(np.maximum, sums)[:, None] - TIE
    return top, over_classes(np.add, top.view(np.int8))


def log_odds(accuracies: np.ndarray, n_classes: int) -> np.ndarray:
    """Log odds (m,) of a right vote against one certain wrong class."""
    return np.log(accuracies) + np.log(n_classes - 1) - np.log1p(-accuracies)
