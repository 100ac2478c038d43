"""The label model of data programming, in closed steps: accuracies and class balance by EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models._validation import check_iterations
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.class_balance import BALANCE_STRENGTH
from spear_amal.label_models.mixture import Mixture, expect, safe_log
from spear_amal.label_models.one_class import (
    count_votes,
    firing_accuracy,
    gold_tells_balance,
    most_accuracy,
    votes_one_class,
)
from spear_amal.label_models.vote_patterns import (
    VotePatterns,
    cast_votes,
    find_patterns,
    vote_shares,
)
from spear_amal.maths.posteriors import over_classes, total
from spear_amal.params import check_not_negative, check_positive, check_share
from spear_amal.votes.label_matrix import LabelMatrix

# How far a row with votes of one-class LFs only counts for the class balance; the rest is even.
ONE_CLASS_TRUST = 0.3


@dataclass(frozen=True)
class RowsOfEM:
    """Distinct rows that EM steps over, and how many rows each stands for.

    Attributes
    ----------
    patterns : VotePatterns
    weights : ndarray of shape (u,)
        Rows for the LFs: those with votes.
    drawn : ndarray of shape (u,)
        Rows for the class balance.
    telling : ndarray of shape (u,)
        How far a row tells the class balance; the rest is even.
    known_balance : ndarray of shape (C,) or None
    """

    patterns: VotePatterns
    weights: np.ndarray
    drawn: np.ndarray
    telling: np.ndarray
    known_balance: np.ndarray | None

    def class_balance(self, posterior: np.ndarray) -> np.ndarray:
        """Return class shares (C,) of posteriors (u, C), or those that are known."""
        if self.known_balance is not None:
            return self.known_balance
        even = total(self.drawn, 1 - self.telling) / posterior.shape[1]
        rows = (self.drawn * self.telling) @ posterior + even + BALANCE_STRENGTH
        return rows / rows.sum()


class AccuracyModel(LabelModel):
    """Accuracies of the LFs and the class balance, both learnt from the votes.

    What Snorkel's ``LabelModel`` is for, with three differences: the class balance is estimated
    instead of assumed uniform, a step costs O(distinct vote patterns) instead of dense products of
    size (m C)^2, and there is no seed. EM steps from the shares of votes per class:

    * row i: ``P(y | l_i)`` proportional to ``P(y) * prod_j P(l_ij | y, j fires)`` over its votes.
    * accuracy a_j: share of right votes of LF j, each counted by the posterior, together with prior
      votes of accuracy `prior_accuracy`.
    * table ``P(vote v | y)`` of an LF that votes for several classes: its shares of votes, together
      with `table_strength` votes per class spread as a_j says. So an LF has one accuracy as long as
      there are few votes, and one per class where the data insist.
    * an LF that votes for one class k only: given that it fires its vote is no news, so what counts
      is how much more often it fires in class k. With that ratio ``F = P(fires | k) / P(fires |
      another class)``, a_j is ``F / (F + C - 1)``, which would be its accuracy if all classes were
      equally frequent; its vote has the odds of a_j. Its prior is lower where it fires so often
      that `prior_accuracy` cannot be, and an LF that votes the same on every row is not heard.

    **No collapse to one class.** Likelihood alone is often highest where one class takes all rows
    and the LFs of the others are called wrong, above all with one-class LFs, whose coverage cannot
    be told from the frequency of their class. LFs are written to be better than chance, hence for
    one-class LFs: the ratio F, since a class that takes all rows then loses its advantage; a prior
    worth `one_class_strength` votes for *each* vote cast, so that it never drowns; and accuracy at
    chance or above. The class balance is learnt from rows on which an LF of several classes votes
    or whose gold is known, with 10 even rows per class; rows with one-class votes only count by
    0.3, the rest of them evenly. Gold that was chosen by its class, such as positives
    only, does not count for it. Where all LFs are of one class and classes are far from even, give
    `class_balance` or gold: votes alone do not hold it.

    These guards make the steps those of no single likelihood, so there is no objective to watch;
    with one-class LFs they came to rest within a dozen, otherwise mostly within 50. The defaults
    0.8, 2 and 0.3 were chosen among a handful each by accuracy on drawn votes and on gold of the
    training rows (never test rows) of plots, SMS, YouTube and IMDB, so comparisons on those corpora
    flatter this model a little.

    Parameters
    ----------
    prior_accuracy : float
        What LFs are believed to be before votes are seen, strictly between 0 and 1.
    accuracy_strength : float
        Votes that the prior is worth for each LF; above 0.
    table_strength : float
        Votes per class by which a table is drawn to the one accuracy; above 0.
    one_class_strength : float
        Further prior votes of an LF that votes for one class only, per vote that it cast.
    class_balance : "balanced", "gold", mapping of class name to share, or array (C,), optional
        Shares of the classes, if known; see :class:`LabelModel`. Otherwise they are estimated.
    max_iter : int
        Most EM steps.
    tol : float
        Stop when a step moves the posterior of a row by no more, summed over its classes, in the
        mean over rows with votes. A single row between two classes does not hold the others up.

    Attributes
    ----------
    accuracies_ : ndarray of shape (m,)
        With the prior; for one-class LFs as if classes were equally frequent.
    conditionals_ : ndarray of shape (m, C, C)
        P(LF j votes v | y, it fires) at ``[j, v, y]``.
    class_balance_ : ndarray of shape (C,)
    one_class_ : ndarray of bool, shape (m,)
        LFs that voted, and for one class only.
    n_iter_ : int
        Steps taken.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, -1, 1]]
    >>> model = AccuracyModel().fit(votes)
    >>> model.predict(votes).tolist()
    [0, 1, 0, 1, 0]
    >>> bool(model.accuracies_[0] > model.accuracies_[2])
    True
    """

    uses_gold = True
    counts_rows = True
    drops_constant = True
    has_balance = True
    estimates_balance = True

    def __init__(
        self,
        *,
        prior_accuracy: float = 0.8,
        accuracy_strength: float = 10.0,
        table_strength: float = 100.0,
        one_class_strength: float = 2.0,
        class_balance: ClassBalanceLike | None = None,
        max_iter: int = 100,
        tol: float = 1e-6,
    ) -> None:
        self.prior_accuracy = prior_accuracy
        self.accuracy_strength = accuracy_strength
        self.table_strength = table_strength
        self.one_class_strength = one_class_strength
        self.class_balance = class_balance
        self.max_iter = max_iter
        self.tol = tol

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_share("prior_accuracy", self.prior_accuracy)
        check_positive("accuracy_strength", self.accuracy_strength)
        check_positive("table_strength", self.table_strength)
        check_not_negative("one_class_strength", self.one_class_strength)
        check_iterations(self.max_iter, self.tol)

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        self._em(self._rows_of_em(L, y, n_rows))

    def _em(self, rows: RowsOfEM) -> None:
        least = self.tol * rows.weights.sum()
        posterior = vote_shares(rows.patterns, self.n_classes_)
        for step in range(self.max_iter):
            self.class_balance_ = rows.class_balance(posterior)
            self._learn_lfs(rows.patterns.cast, rows.weights, posterior)
            before = posterior
            posterior, _ = expect(self._mixture().log_joint(rows.patterns.cast), rows.patterns.gold)
            self.n_iter_ = step + 1
            before -= posterior
            if total(rows.weights, over_classes(np.add, np.abs(before, out=before))) <= least:
                break

    def _rows_of_em(
        self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None
    ) -> RowsOfEM:
        """Return what EM steps over; set what is known of the LFs before."""
        patterns = find_patterns(L, L.n_classes, y, n_rows)
        weights = patterns.n_rows * patterns.covered
        counts = count_votes(L, n_rows)
        self.one_class_ = votes_one_class(counts)
        self._prior = self._prior_accuracies(counts.sum(1), patterns.n_rows.sum())
        several = patterns.cast @ np.repeat(~self.one_class_, self.n_classes_).astype(float) > 0
        telling = np.where(several | (patterns.gold >= 0), 1.0, ONE_CLASS_TRUST)
        drawn = weights * gold_tells_balance(patterns.gold, counts, patterns.n_rows)
        return RowsOfEM(patterns, weights, drawn, telling, self._known_balance(L, y, n_rows))

    def _learn_lfs(self, cast: sp.csr_array, weights: np.ndarray, posterior: np.ndarray) -> None:
        """Set accuracies and tables from patterns' rows (u,) and posteriors (u, C)."""
        votes = cast.T @ (weights[:, None] * posterior)
        shape = (self.n_lfs_, self.n_classes_, self.n_classes_)
        self._learn_tables(votes.reshape(shape), weights @ posterior)

    def _learn_tables(self, votes: np.ndarray, rows: np.ndarray) -> None:
        """Set accuracies and tables from expected votes (m, v, y) and rows per class (C,)."""
        n_classes = self.n_classes_
        self.accuracies_ = self._accuracies(votes, rows)
        even = even_tables(self.accuracies_, n_classes)
        drawn = votes + self.table_strength * even
        tables = drawn / drawn.sum(1, keepdims=True)
        self.conditionals_ = np.where(self.one_class_[:, None, None], even, tables)

    def _accuracies(self, votes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Accuracies (m,) from expected votes (m, v, y) and rows per class (C,), with the prior."""
        cast = votes.sum((1, 2))
        right = np.trace(votes, axis1=1, axis2=2)
        rows = rows + BALANCE_STRENGTH
        rows_of_class = rows[votes.sum(2).argmax(1)]
        fired = cast * np.nan_to_num(
            firing_accuracy(right, cast, rows_of_class, rows.sum(), self.n_classes_)
        )
        right = np.where(self.one_class_, fired, right)
        prior = self.accuracy_strength + self.one_class_strength * cast * self.one_class_
        accuracies = (right + prior * self._prior) / (cast + prior)
        chance = 1.0 / self.n_classes_
        return np.where(self.one_class_, np.maximum(accuracies, chance), accuracies)

    def _prior_accuracies(self, cast: np.ndarray, n_rows: float) -> np.ndarray:
        """Return what each LF (m,) is believed to be before EM; see `most_accuracy`."""
        most = most_accuracy(cast, n_rows, self.n_classes_)
        return np.where(self.one_class_, np.minimum(self.prior_accuracy, most), self.prior_accuracy)

    def _mixture(self) -> Mixture:
        table = self.conditionals_.reshape(-1, self.n_classes_)
        return Mixture(safe_log(self.class_balance_), safe_log(table))

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self._mixture().posterior(cast_votes(L, self.n_classes_))

    def _weights(self) -> np.ndarray:
        return self.accuracies_


def even_tables(accuracies: np.ndarray, n_classes: int) -> np.ndarray:
    """Return tables P(vote v | y) (k, v, y) of LFs (k,) that err to each other class alike."""
    right = accuracies[:, None, None]
    return np.where(np.eye(n_classes) > 0, right, (1 - right) / (n_classes - 1))
