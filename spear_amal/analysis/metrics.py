"""One metric of predictions by gold, under the names that Snorkel gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn import metrics as sklearn_metrics

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.utils.core import filter_labels, to_int_label_array
from spear_amal.votes.matrix_checks import as_floats

__all__ = ["METRICS", "metric_score"]

ARRAYS = ("golds", "preds", "probs")


def _coverage(preds: np.ndarray) -> float:
    return float((preds != -1).mean())


def _f1(golds: np.ndarray, preds: np.ndarray) -> float:
    if golds.max(initial=0) > 1:
        raise InputError("the metric 'f1' is for classes 0 and 1; take 'f1_micro' or 'f1_macro'")
    return float(sklearn_metrics.f1_score(golds, preds))


def _roc_auc(golds: np.ndarray, probs: np.ndarray) -> float:
    if probs.ndim != 2 or probs.shape[1] != 2:
        raise InputError(f"the metric 'roc_auc' needs probs (n, 2), found {probs.shape}")
    return float(sklearn_metrics.roc_auc_score(golds, probs[:, 1]))


_BOTH = ("golds", "preds")
#: By name the function of a metric, and which of the arrays golds, preds and probs it takes.
METRICS: dict[str, tuple[Callable[..., Any], Sequence[str]]] = {
    "accuracy": (sklearn_metrics.accuracy_score, _BOTH),
    "coverage": (_coverage, ("preds",)),
    "precision": (sklearn_metrics.precision_score, _BOTH),
    "recall": (sklearn_metrics.recall_score, _BOTH),
    "f1": (_f1, _BOTH),
    "f1_micro": (partial(sklearn_metrics.f1_score, average="micro"), _BOTH),
    "f1_macro": (partial(sklearn_metrics.f1_score, average="macro"), _BOTH),
    "fbeta": (sklearn_metrics.fbeta_score, _BOTH),
    "matthews_corrcoef": (sklearn_metrics.matthews_corrcoef, _BOTH),
    "roc_auc": (_roc_auc, ("golds", "probs")),
}


def metric_score(
    golds: VectorLike | None = None,
    preds: VectorLike | None = None,
    probs: MatrixLike | None = None,
    metric: str = "accuracy",
    filter_dict: Mapping[str, Sequence[int]] | None = None,
    **kwargs: Any,
) -> float:
    """Compute a metric of predicted classes, or of probabilities, by gold.

    Parameters
    ----------
    golds, preds : array (n,) or (n, 1) of class codes, optional
    probs : array (n, C), optional
    metric : str
        A name in :data:`METRICS`.
    filter_dict : mapping, optional
        Rows to leave out; see :func:`spear_amal.utils.filter_labels`.
    **kwargs
        For the metric, such as ``beta`` of "fbeta".

    Raises
    ------
    InputError
        If the metric is unknown, an array that it takes is missing, labels are no codes, or the
        metric is not defined for them.

    Examples
    --------
    >>> metric_score([1, 0, -1], [1, 1, 0], filter_dict={"golds": [-1]})
    0.5
    """
    check_name("metric", metric, METRICS)
    arrays = {
        "golds": None if golds is None else to_int_label_array(golds),
        "preds": None if preds is None else to_int_label_array(preds),
        "probs": None if probs is None else as_floats(probs, "probs"),
    }
    if filter_dict:
        if set(filter_dict) - set(ARRAYS):
            raise InputError(f"filter_dict names arrays of {ARRAYS}, found {list(filter_dict)}")
        arrays = filter_labels(arrays, filter_dict)
    function, takes = METRICS[metric]
    missing = [name for name in takes if arrays[name] is None]
    if missing:
        raise InputError(f"the metric {metric!r} needs {' and '.join(missing)}")
    try:
        return float(function(*(arrays[name] for name in takes), **kwargs))
    except ValueError as error:  # of scikit-learn: no rows are left, or classes it has no score of
        raise InputError(f"the metric {metric!r} cannot be computed: {error}") from error
