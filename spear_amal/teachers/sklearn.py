"""Fitted scikit-learn classifiers as teachers."""

from __future__ import annotations

from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from spear_amal.errors import InputError, is_out_of_memory
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.class_columns import log_probabilities


class FittedTeacher(Teacher):
    """A fitted classifier with ``predict_proba`` or ``decision_function``.

    Images and other rows of several axes are flattened for it.

    Raises
    ------
    InputError
        If it is not fitted, gives only labels, or has several outputs.
    """

    def __init__(self, estimator: Any, name: str | None = None, missing: str = "error") -> None:
        check_fitted(estimator)
        super().__init__(name or estimator_kind(estimator), _classes(estimator), missing)
        self.estimator = estimator
        self._method()

    def _method(self) -> str:
        for method in ("predict_proba", "decision_function"):
            if hasattr(self.estimator, method):
                return method
        raise InputError(
            f"{estimator_kind(self.estimator)} only predicts labels; a teacher needs "
            "predict_proba or "
            "decision_function (for an SVC: probability=True, or wrap the model in "
            "CalibratedClassifierCV)"
        )

    def _ask(self, X: Any, row_ids: Any, n: int) -> np.ndarray:
        if X is None:
            raise InputError("a fitted classifier needs the features X")
        method = self._method()
        if n == 0:  # scikit-learn refuses to be asked about nothing
            return np.zeros((0, len(self.classes or ())))
        rows = X.reshape(n, -1) if getattr(X, "ndim", 2) > 2 else X
        try:
            out = np.asarray(getattr(self.estimator, method)(rows))
        except (ValueError, TypeError, RuntimeError, KeyError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            raise InputError(f"{method} fails on the student's features: {error}") from error
        return log_probabilities(out) if method == "predict_proba" else self._from_scores(out)

    def _from_scores(self, scores: np.ndarray) -> np.ndarray:
        """Turn what ``decision_function`` gives into logits (n, C); one score is the log odds."""
        if scores.ndim == 1:
            return np.column_stack([-scores / 2, scores / 2])
        if _last(self.estimator).__dict__.get("decision_function_shape") == "ovo":
            raise InputError(
                "decision_function_shape='ovo' gives a score for each pair of classes; use 'ovr'"
            )
        return scores

    def _content(self) -> str | None:
        """Hash of the estimator's content; None for one that cannot be hashed."""
        try:
            return str(joblib.hash(self.estimator, hash_name="sha1"))
        except Exception:  # whatever a stranger's object raises when it cannot be serialised
            return None


def check_fitted(estimator: Any) -> None:
    """Raise InputError for an estimator that was not fitted.

    Raises
    ------
    InputError
        Says how to keep a fitted one fitted.
    """
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise InputError(
            f"{estimator_kind(estimator)} is not fitted; fit it before it teaches. If it was "
            "fitted, a "
            "clone of the student (GridSearchCV, cross_val_score) has unfitted it: wrap it as "
            "sklearn.frozen.FrozenEstimator(model) or as_teacher(model)"
        ) from error


def estimator_kind(estimator: Any) -> str:
    """Class name of an estimator, of the one inside where it is frozen."""
    inner = getattr(estimator, "estimator", None)
    frozen = type(estimator).__name__ == "FrozenEstimator" and inner is not None
    return type(inner if frozen else estimator).__name__


def _last(estimator: Any) -> Any:
    """Find the classifier behind pipelines, searches and frozen estimators."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return _last(steps[-1][1])
    inner = getattr(estimator, "best_estimator_", None)
    if inner is None and type(estimator).__name__ == "FrozenEstimator":
        inner = estimator.estimator
    return estimator if inner is None else _last(inner)


def _classes(estimator: Any) -> Any:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise InputError(
            f"{estimator_kind(estimator)} has no classes_; a teacher must be a classifier"
        )
    if isinstance(classes, list):
        raise InputError(
            f"{estimator_kind(estimator)} has {len(classes)} outputs; a teacher has one"
        )
    return classes
