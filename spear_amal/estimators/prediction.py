"""What a fitted classifier can do: predict, score, go to a file and come back."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spear_amal.errors import InputError
from spear_amal.estimators import serialization, validation
from spear_amal.estimators.cross_fitting import log_posteriors
from spear_amal.training import Table, score
from spear_amal.votes.label_matrix import LabelMatrix


class PredictorMixin(ClassifierMixin, BaseEstimator):
    """Prediction and files, on the attributes that `fit` or :meth:`load` set."""

    _uses_rules = False
    _not_stored: ClassVar[tuple[str, ...]] = ()  # parameters that prediction does without
    inference: str

    def _checked(self, X: Any, reset: bool) -> Any:
        """Check features; `reset` says that they are those of training."""
        return validate_data(
            self, X, accept_sparse="csr", dtype=["float64", "float32"], reset=reset
        )

    # -- prediction -----------------------------------------------------------------------------

    def predict_proba(self, X: Any, L: Any = None) -> np.ndarray:
        """Class probabilities (n, C), averaged over the cross-fitted models if there are several.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, D)
        L : LabelMatrix or array of shape (n, m), optional
            Needed where ``inference="product"`` chose an exponent above 0, and by rule networks
            with ``inference="sum"``.
        """
        check_is_fitted(self, "models_")
        if self.exponent_ > 0 and L is None:
            raise InputError(
                f"this model predicts with the rules as well (inference={self.inference!r}): pass "
                "the votes as L=, or fit with inference='feature'"
            )
        return self._probabilities(X, L, self.exponent_)

    def _probabilities(self, X: Any, L: Any, exponent: float) -> np.ndarray:
        X = self._checked(X, reset=False)
        votes = self._votes(X, L if exponent > 0 else None)
        answers = []
        for i, (p, q) in enumerate(log_posteriors(self.models_, self._table(X, votes))):
            side = self._rule_side(i, q, votes) if exponent > 0 else None
            answers.append(softmax(self._combined(p, side, exponent), axis=1))
        mean = np.mean(answers, axis=0)
        return mean / mean.sum(1, keepdims=True)

    def predict(self, X: Any, L: Any = None) -> np.ndarray:
        """Predict class labels (n,)."""
        p = self.predict_proba(X, L)  # checks that there is a fit before classes_ is read
        return self.classes_[p.argmax(1)]

    def rule_predict_proba(self, L: Any) -> np.ndarray:
        """Rule model's class probabilities (n, C); uniform where no LF fires.

        Raises
        ------
        InputError
            If the model was trained without rules.
        """
        check_is_fitted(self, "models_")
        if self.models_[0].rules is None:
            raise InputError("this model was trained without labelling functions (no L in fit)")
        nothing = np.zeros((len(L), 0), dtype=np.float32)
        batch = self._table(nothing, self._votes(nothing, L)).whole()
        with torch.no_grad():
            joint = [model.rules(batch.fired, batch.scores).double() for model in self.models_]
        return torch.stack(joint).softmax(-1).mean(0).cpu().numpy()

    def _votes(self, X: Any, L: Any) -> LabelMatrix | None:
        """Votes in the unipolar form of training; silence where L is None."""
        form = self.vote_form_
        if form is None or not self._uses_rules:
            return None
        silent = np.full((X.shape[0], len(form.continuous)), -1)
        return form.conform(silent if L is None else L, X.shape[0]).to_unipolar(self.plan_)

    def _table(self, X: Any, votes: LabelMatrix | None) -> Table:
        first = next(self.models_[0].parameters())
        return Table(X, labels=votes, dtype=first.dtype, device=first.device)

    def _rule_side(
        self, i: int, log_q: np.ndarray | None, votes: LabelMatrix | None
    ) -> np.ndarray | None:
        """Log posterior (n, C) that member i's prediction is multiplied by; `log_q` is its own."""
        return log_q

    def _combined(self, log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
        """Log probabilities (n, C) of both models together, up to a constant per row."""
        return combine(log_p, log_q, exponent)

    @property
    def n_lfs_(self) -> int:
        """Number of LFs in training; 0 without L."""
        return 0 if self.vote_form_ is None else len(self.vote_form_.continuous)

    def score(self, X: Any, y: Any, sample_weight: Any = None, L: Any = None) -> float:
        """Score predictions by `metric` on the labelled rows of y; unlabelled rows are left out.

        Without L a model that predicts with the rules as well is scored by its feature model
        alone. With `sample_weight` the score is the weighted accuracy, as scikit-learn expects.
        """
        check_is_fitted(self, "models_")
        codes = validation.encode(validation.validate_target(y, "y"), self.classes_, strict=False)
        known = codes >= 0
        predicted = self._probabilities(X, L, self.exponent_ if L is not None else 0.0).argmax(1)
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=float)[known]
            return float(np.average(predicted[known] == codes[known], weights=weight))
        return score(self.metric, codes, predicted)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- files ----------------------------------------------------------------------------------

    def _get_extra_state(self) -> dict[str, Any]:
        """Give what only this class learns beside parameters and weights, as JSON."""
        return {}

    def _set_extra_state(self, record: dict[str, Any]) -> None:
        """Take back what :meth:`_get_extra_state` gave; empty for a file of an earlier state."""

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the fitted model into one safetensors file with a JSON header; no pickle."""
        check_is_fitted(self, "models_")
        serialization.save(self, path, overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **objects: Any) -> Any:
        """Read what :meth:`save` wrote.

        Objects of the user's own (a feature model, a mixer, a label model) are not in the file
        and are passed by parameter name, e.g. ``feature_model=net``.
        """
        return serialization.load(cls, path, **objects)


EXPONENTS = (0.0, 0.25, 0.5, 1.0)


def combine(log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
    """Normalised ``log p + exponent log q`` (n, C)."""
    if log_q is None or exponent == 0.0:
        return log_p
    return log_softmax(log_p + exponent * log_q, axis=1)


def choose_exponent(log_p: np.ndarray, log_q: np.ndarray, y: np.ndarray) -> float:
    """Smallest exponent whose gold log-likelihood is within one standard error of the best.

    The rule leans to 0, the feature model alone: on most corpora the rule model adds nothing at
    test time, and few validation rows cannot tell small gains from noise.

    Parameters
    ----------
    log_p, log_q : ndarray (n, C)
        Log posteriors on validation rows of feature model and rule model.
    y : ndarray (n,)
        Gold codes.
    """
    if len(y) < 2:
        return 0.0
    rows = np.arange(len(y))
    gains = np.stack([combine(log_p, log_q, e)[rows, y] for e in EXPONENTS])  # (E, n)
    best = gains.mean(1).argmax()
    behind = gains[best] - gains  # (E, n), paired by row
    error = behind.std(1, ddof=1) / np.sqrt(len(y))
    within = behind.mean(1) <= error
    return EXPONENTS[int(np.flatnonzero(within)[0])]
