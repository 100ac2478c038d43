"""Whether a label model is worse than the majority vote on rows with gold, beyond chance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import betainc

from spear_amal.label_models.one_class import CHANCE, count_votes, gold_tells_balance
from spear_amal.label_models.scores import row_losses
from spear_amal.label_models.vote_patterns import majority_shares
from spear_amal.votes.label_matrix import LabelMatrix

#: Fewer gold rows with votes cannot tell label models apart.
FEWEST_GOLD = 20


class BothWrong(NamedTuple):
    """How wrong a label model and the majority vote are on rows with gold and a vote.

    Attributes
    ----------
    model, majority : ndarray of shape (k,)
        1 for a wrong row, 0 for a right one; a tie of k classes is right by a k-th.
    gold : ndarray of int, shape (k,)
    n_rows : ndarray of shape (k,)
        How many rows each stands for.
    """

    model: np.ndarray
    majority: np.ndarray
    gold: np.ndarray
    n_rows: np.ndarray

    @classmethod
    def of(
        cls,
        predict_proba: Callable[[LabelMatrix], np.ndarray],
        L: LabelMatrix,
        gold: np.ndarray,
        n_rows: np.ndarray | None = None,
    ) -> BothWrong:
        """Compare on rows with a vote and gold (n,), -1 where unknown; each stands for `n_rows`.

        None are compared where gold was chosen by its class: other rows would fare otherwise.
        """
        drawn = gold_tells_balance(gold, count_votes(L, n_rows), n_rows)
        rows = np.flatnonzero((gold >= 0) & L.covered() & drawn)
        known, votes = gold[rows], L[rows]
        majority = row_losses("accuracy", majority_shares(votes, L.n_classes), known)
        model = row_losses("accuracy", predict_proba(votes), known)
        weights = np.ones(len(rows)) if n_rows is None else n_rows[rows]
        return cls(model, majority, known, weights)

    @classmethod
    def joined(cls, some: Iterable[BothWrong]) -> BothWrong:
        """Join those of several parts of the rows; there must be one."""
        return cls(*map(np.concatenate, zip(*some, strict=True)))

    def means(self) -> tuple[float, float]:
        """Return the accuracies of model and majority vote."""
        return tuple(1 - float(np.average(w, weights=self.n_rows)) for w in self[:2])  # type: ignore[return-value]

    def mean_recalls(self) -> tuple[float, float]:
        """Return how often both are right in a class, in the mean over the classes."""
        shares = np.bincount(self.gold, self.n_rows)
        weights = self.n_rows / shares[self.gold]
        return tuple(1 - float(np.average(w, weights=weights)) for w in self[:2])  # type: ignore[return-value]

    def p_value(self) -> float:
        """Return how likely so many of the rows on which they differ would go to the majority.

        Of rows on which one is less wrong than the other: a one-sided sign test.
        """
        lost = self.n_rows[self.model > self.majority].sum()
        won = self.n_rows[self.model < self.majority].sum()
        return float(betainc(lost, won + 1, 0.5)) if lost else 1.0

    def is_worse(self) -> bool:
        """Return whether the model is clearly worse, and rare classes do not gain by it.

        Where it is right more often in the mean over the classes, by no less than it is wrong more
        often over all rows, it gives up rows of the frequent class for those of rare ones.
        """
        if self.n_rows.sum() < FEWEST_GOLD or self.p_value() >= CHANCE:
            return False
        (ours, theirs), (recall, of_majority) = self.means(), self.mean_recalls()
        return recall - of_majority < theirs - ours

    def warn(self, name: str, stacklevel: int) -> None:
        """Warn if the label model `name` is worse, with both figures and what to do."""
        if not self.is_worse():
            return
        (ours, theirs), (recall, of_majority) = self.means(), self.mean_recalls()
        warnings.warn(
            f"{name} is right on {ours:.1%} of {self.n_rows.sum():.0f} gold rows with votes, the "
            f"majority vote on {theirs:.1%} (in the mean over the classes {recall:.1%} and "
            f"{of_majority:.1%}); take label_model='auto', which gold chooses, or 'majority', or "
            "say how frequent the classes are by class_balance",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
