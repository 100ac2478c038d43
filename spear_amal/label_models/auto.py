"""The label model that gold rows choose: the simplest one that is about as good as the best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import clone

from spear_amal._typing import ClassBalanceLike
from spear_amal.checks import check_choice, check_whole
from spear_amal.label_models.against_majority import FEWEST_GOLD
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.committee import balance_options, check_member_names, gold_names
from spear_amal.label_models.one_class import count_votes, gold_tells_balance
from spear_amal.label_models.registry import make_label_model
from spear_amal.label_models.scores import ROW_LOSSES, row_losses
from spear_amal.votes.label_matrix import LabelMatrix

#: What "auto" chooses from unless it is told otherwise, the simplest first.
CANDIDATES = (
    *("majority", "weighted-majority", "label-model", "flying-squid", "hyper", "committee"),
    *("cage", "dawid-skene"),
)
#: What "auto" is where too few rows have gold.
WITHOUT_GOLD = "committee"


class AutoLabelModel(LabelModel):
    """One of the other label models, chosen by the gold rows that ``fit`` is given.

    Each candidate is judged on the gold rows that have a vote. One that learns from gold is judged
    on rows whose gold it was not given: they are dealt into folds. The best is the one of lowest
    mean loss; chosen is the first in the list whose loss is higher by no more than one standard
    error of the paired difference, so that with few rows it is mostly the first one, majority vote.
    Then it is fitted on all rows and all gold. Without gold, with fewer than 20 such rows,
    or with gold that was chosen by its class, as where people collect positives, `without_gold` is
    taken.

    The choice sees nothing but the `y` of ``fit``: an estimator that gives each fold its own gold
    chooses in each fold anew.

    Parameters
    ----------
    candidates : sequence of names in ``LABEL_MODELS``, optional
        The simplest first; default :data:`CANDIDATES`.
    without_gold : str
        Name of the label model where there is too little gold.
    loss : {"brier", "accuracy", "balanced_accuracy"}
        What is compared: the squared distance of the probabilities from gold (proper, so that it
        sees how sure a model is and rare classes as well), the share of wrong rows (a tie of k
        classes is right by a k-th), or that share where each class counts alike.
    n_folds : int
        Folds of the gold rows for candidates that learn from gold; fewer where there are fewer
        rows.
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        That of all candidates; see :class:`LabelModel`.
    random_state : int
        Seed of candidates that draw.

    Attributes
    ----------
    chosen_ : str
        Name of the label model.
    model_ : LabelModel
        It, fitted; alone in ``models_``, by its name.
    losses_ : dict of str to float
        Mean loss of each candidate; empty where nothing could be compared.
    excess_errors_ : dict of str to float
        Standard error of each candidate's mean loss above that of the best.
    n_gold_ : int
        Gold rows with votes.

    Examples
    --------
    >>> from spear_amal.data import synthetic_votes
    >>> L, y = synthetic_votes(400, 5, 2, accuracies=[0.95, 0.6, 0.6, 0.4, 0.4], coverages=0.8)
    >>> AutoLabelModel().fit(L).chosen_
    'committee'
    >>> AutoLabelModel().fit(L, y).chosen_
    'weighted-majority'
    """

    uses_gold = True
    uses_scores = True
    has_balance = True  # that of the one chosen
    estimates_balance = True

    def __init__(
        self,
        *,
        candidates: Sequence[str] | None = None,
        without_gold: str = WITHOUT_GOLD,
        loss: str = "brier",
        n_folds: int = 5,
        class_balance: ClassBalanceLike | None = None,
        random_state: int = 0,
    ) -> None:
        self.candidates = candidates
        self.without_gold = without_gold
        self.loss = loss
        self.n_folds = n_folds
        self.class_balance = class_balance
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_whole("n_folds", self.n_folds, 2)
        check_choice("loss", self.loss, ROW_LOSSES)
        check_member_names("candidates", self._names(), AutoLabelModel)
        check_member_names("without_gold", [self.without_gold], AutoLabelModel)

    def _names(self) -> Sequence[str]:
        return CANDIDATES if self.candidates is None else self.candidates

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        gold = np.full(len(L), -1) if y is None else y
        rows = np.flatnonzero((gold >= 0) & L.covered())
        self.n_gold_ = len(rows)
        self.losses_: dict[str, float] = {}
        self.excess_errors_: dict[str, float] = {}
        self.chosen_ = self.without_gold
        if len(rows) >= FEWEST_GOLD and gold_tells_balance(gold, count_votes(L)).all():
            losses = {name: self._losses(name, L, gold, rows) for name in self._names()}
            self._choose(losses)
        self.models_ = {self.chosen_: self._new(self.chosen_)}
        self.model_._fit_silently(L, gold_names(L, gold))

    @property
    def model_(self) -> LabelModel:
        """The chosen label model, fitted."""
        return self.models_[self.chosen_]

    def _new(self, name: str) -> LabelModel:
        return make_label_model(name, balance_options(self.class_balance), self.random_state)

    def _losses(self, name: str, L: LabelMatrix, gold: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Losses (k,) of a candidate on the gold rows (k,), which it did not learn from."""
        model, votes = self._new(name), L[rows]
        if not model.learns_from_gold:
            model._fit_silently(L)
            return row_losses(self.loss, model.predict_proba(votes), gold[rows])
        fold = deal(votes, gold[rows], self.n_folds)
        p = np.empty((len(rows), L.n_classes))
        for k in np.unique(fold):
            given = gold.copy()
            given[rows[fold == k]] = -1
            learnt = clone(model)
            learnt._fit_silently(L, gold_names(L, given))
            p[fold == k] = learnt.predict_proba(votes[fold == k])
        return row_losses(self.loss, p, gold[rows])

    def _choose(self, losses: dict[str, np.ndarray]) -> None:
        """Choose by the losses (k,) of each candidate, the simplest first."""
        self.losses_ = {name: float(loss.mean()) for name, loss in losses.items()}
        best = losses[min(self.losses_, key=lambda name: self.losses_[name])]
        excess = {name: loss - best for name, loss in losses.items()}
        n = len(best)
        self.excess_errors_ = {k: float(d.std(ddof=1) / np.sqrt(n)) for k, d in excess.items()}
        self.chosen_ = next(
            name for name, d in excess.items() if d.mean() <= self.excess_errors_[name] + 1e-12
        )

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self.model_.predict_proba(L)

    def _weights(self) -> np.ndarray:
        return self.model_.get_weights()


def deal(votes: LabelMatrix, gold: np.ndarray, n_folds: int) -> np.ndarray:
    """Deal rows (k,) into folds by class, and rows with equal votes into different ones.

    No fold hangs on the order of the rows: rows that differ in nothing take each other's places.
    """
    order = np.lexsort([*votes.to_dense().T, gold])
    fold = np.empty(len(gold), dtype=np.int64)
    fold[order] = np.arange(len(gold)) % n_folds
    return fold
