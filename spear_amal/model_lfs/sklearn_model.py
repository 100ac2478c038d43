"""Classifiers of scikit-learn, and whatever has their methods, as models of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from spear_amal.errors import InputError
from spear_amal.labeling.hashing import Unhashable
from spear_amal.model_lfs.probability_model import ProbabilityModel

_METHODS = ("predict_proba", "decision_function", "predict")
# Set while a vectoriser is used, and another number in each process.
_PASSING = frozenset(["_stop_words_id"])
_SEEN_THROUGH = ("sklearn", "scipy", "numpy")


def is_estimator(model: Any) -> bool:
    """Return whether an object has a method of classifiers."""
    return not isinstance(model, type) and any(hasattr(model, method) for method in _METHODS)


class SklearnModel(ProbabilityModel):
    """A fitted classifier or pipeline.

    Probabilities are those of ``predict_proba``; else margins of ``decision_function`` through a
    sigmoid (two classes) or a softmax, which order rows but are not calibrated; else 1 for the
    class that ``predict`` names.

    Parameters
    ----------
    model : object
    version : str or int, optional

    Raises
    ------
    InputError
        If it does not say what its classes are: it is not fitted, or no classifier.
    """

    def __init__(self, model: Any, version: str | int | None = None) -> None:
        names = classes_of(model)
        if names is None:
            raise InputError(
                f"{type(model).__name__} has no classes_: fit it first; if it never has them, hand "
                "over a function that returns its probabilities"
            )
        is_exclusive = not getattr(model, "multilabel_", False)
        super().__init__(names, is_exclusive, version)
        self.model = model

    def batch_probabilities(self, batch: Any) -> np.ndarray:
        """Return probabilities (b, K) by the best method that there is."""
        if hasattr(self.model, "predict_proba"):
            return np.asarray(self.model.predict_proba(batch))
        if hasattr(self.model, "decision_function"):
            margins = np.asarray(self.model.decision_function(batch), dtype=np.float64)
            if margins.ndim == 1:
                return np.stack([expit(-margins), expit(margins)], axis=1)
            return np.asarray(softmax(margins, axis=1) if self.is_exclusive else expit(margins))
        answers = np.asarray(self.model.predict(batch)).tolist()
        if unknown := set(answers) - set(self.class_names):
            raise InputError(
                f"the model predicted {sorted(map(repr, unknown))[0]}, which is none of its "
                f"classes {list(self.class_names)}"
            )
        return np.array(
            [[answer == name for name in self.class_names] for answer in answers], float
        )

    def content(self) -> Any:
        """Return parameters and learnt values."""
        return estimator_content(self.model)


def classes_of(model: Any) -> tuple[Any, ...] | None:
    """Return the classes of a fitted classifier as Python values, None if it has none."""
    try:
        classes = model.classes_
    except AttributeError:
        return None
    if isinstance(classes, list):
        raise InputError("a model of several outputs is several models: give one of them")
    return tuple(np.asarray(classes).tolist())


def estimator_content(value: Any) -> Any:
    """Return an estimator as its class and what it holds, which :func:`function_hash` can see.

    Raises
    ------
    Unhashable
        If it holds an object of compiled code of a package that is not known here.
    """
    if isinstance(value, Mapping) and type(value) is dict:
        keys, values = list(value), list(value.values())
        if set(map(type, keys)) <= {str} and set(map(type, values)) <= {int, np.int64, np.int32}:
            return ["numbers", np.array(keys, dtype=object), np.array(values)]  # a vocabulary
        return ["items", *(estimator_content(part) for pair in value.items() for part in pair)]
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return [type(value), *map(estimator_content, value)]
    if isinstance(value, np.ndarray):
        is_plain = not value.dtype.hasobject
        return value if is_plain else [value.shape, *map(estimator_content, value.ravel().tolist())]
    if _is_of_sklearn(type(value)):
        state = sorted((k, v) for k, v in vars(value).items() if k not in _PASSING)
        return [type(value), *(estimator_content(part) for pair in state for part in pair)]
    if not isinstance(value, type) and type(value).__module__.partition(".")[0] in _SEEN_THROUGH:
        return _reduced(value)
    return value


def _is_of_sklearn(kind: type) -> bool:
    bases = [(base.__module__, base.__name__) for base in kind.__mro__]
    return any(module == "sklearn.base" and name == "BaseEstimator" for module, name in bases)


def _reduced(value: Any) -> Any:
    """Return an object of compiled code as what pickle would write of it."""
    if callable(value) and hasattr(value, "__name__"):  # a ufunc, a function
        return ["named", type(value).__name__, value.__name__]
    try:
        parts = value.__reduce_ex__(4)
    except TypeError as error:
        raise Unhashable(f"the state of {type(value).__name__} cannot be seen: {error}") from error
    if isinstance(parts, str):
        return ["named", parts]
    made_by, *rest = parts
    read = [list(part) if hasattr(part, "__next__") else part for part in rest]
    return [getattr(made_by, "__name__", ""), type(value).__name__, *map(estimator_content, read)]
