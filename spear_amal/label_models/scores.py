"""From posteriors to one class a row, and how good those are by gold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn import metrics as sklearn_metrics

from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed
from spear_amal.votes.label_matrix import ABSTAIN

TIE = 1e-9  # posteriors closer than this are tied
TIE_BREAK_POLICIES = ("abstain", "first", "random")
COVERAGE = "coverage"
# By the names that Snorkel gives them. Each takes gold and predicted classes.
METRICS: dict[str, Callable[..., Any]] = {
    "accuracy": sklearn_metrics.accuracy_score,
    "f1_micro": partial(sklearn_metrics.f1_score, average="micro"),
    "f1_macro": partial(sklearn_metrics.f1_score, average="macro"),
    "matthews_corrcoef": sklearn_metrics.matthews_corrcoef,
}
# Those of two classes, of which class 1 is the positive one.
BINARY_METRICS: dict[str, Callable[..., Any]] = {
    "precision": partial(sklearn_metrics.precision_score, zero_division=0),
    "recall": partial(sklearn_metrics.recall_score, zero_division=0),
    "f1": partial(sklearn_metrics.f1_score, zero_division=0),
}
ROC_AUC = "roc_auc"
KNOWN = (*METRICS, COVERAGE, *BINARY_METRICS, ROC_AUC)

#: What :func:`row_losses` can compute.
ROW_LOSSES = ("brier", "accuracy", "balanced_accuracy")


def check_tie_break_policy(policy: str) -> None:
    """Raise InputError for an unknown way to break ties."""
    if not isinstance(policy, str) or policy not in TIE_BREAK_POLICIES:
        raise InputError(f"tie_break_policy must be one of {TIE_BREAK_POLICIES}, found {policy!r}")


def best_classes(p: np.ndarray, tie_break_policy: str, rows: np.ndarray) -> np.ndarray:
    """Return the classes (k,) of highest probability (k, C) of some rows, by number (k,)."""
    classes = p.argmax(1)
    if tie_break_policy == "first":
        return classes
    top = p >= p.max(1, keepdims=True) - TIE
    tied = top.sum(1) > 1
    if tie_break_policy == "abstain":
        classes[tied] = ABSTAIN
        return classes
    tied = np.flatnonzero(tied)
    rank = _scattered(rows[tied]) % top[tied].sum(1).astype(np.uint64)
    classes[tied] = (top[tied].cumsum(1) > rank[:, None].astype(np.int64)).argmax(1)
    return classes


def _scattered(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers (k,) that look random, each a function of its row's number alone."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # modulo 2 ** 64
    return mixed >> np.uint64(33)


def score_predictions(
    gold: np.ndarray, p: np.ndarray, metrics: Sequence[str], tie_break_policy: str
) -> dict[str, float]:
    """Return the scores by name of posteriors (n, C) by gold codes (n,), -1 where unknown.

    Raises
    ------
    InputError
        If a metric is unknown or asks for two classes, or no row has gold and a prediction.
    """
    check_tie_break_policy(tie_break_policy)
    _check_metrics(metrics, p.shape[1])
    predicted = best_classes(p, tie_break_policy, np.arange(len(p)))
    scored = (gold >= 0) & (predicted >= 0)
    if not scored.any() and set(metrics) - {COVERAGE}:
        raise InputError(
            "no row has both gold and a prediction, so that there is nothing to score; ties and "
            "rows without votes have none unless tie_break_policy='first' or 'random'"
        )
    scores = {}
    for name in metrics:
        if name == COVERAGE:
            scores[name] = float((predicted >= 0).mean())
        elif name == ROC_AUC:
            scores[name] = float(sklearn_metrics.roc_auc_score(gold[scored], p[scored, 1]))
        else:
            metric = METRICS[name] if name in METRICS else BINARY_METRICS[name]
            scores[name] = float(metric(gold[scored], predicted[scored]))
    return scores


def row_losses(loss: str, p: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return the loss of each row (k,), whose mean compares label models, from posteriors (k, C).

    Parameters
    ----------
    loss : {"brier", "accuracy", "balanced_accuracy"}
        Half the squared distance of the probabilities from gold; the share of a wrong class among
        the tied ones; that, weighted so that all classes of `gold` count alike.
    p : ndarray of shape (k, C)
    gold : ndarray of int, shape (k,)
        Codes; none is unknown.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
    >>> row_losses("brier", p, np.array([0, 0, 1, 1])).round(2).tolist()
    [0.25, 0.01, 0.04, 0.81]
    >>> row_losses("accuracy", p, np.array([0, 0, 1, 1])).tolist()
    [0.5, 0.0, 0.0, 1.0]
    """
    rows = np.arange(len(gold))
    if loss == "brier":
        return ((p - np.eye(p.shape[1])[gold]) ** 2).sum(1) / 2
    top = p >= p.max(1, keepdims=True) - TIE
    wrong = 1 - top[rows, gold] / top.sum(1)
    if loss == "accuracy":
        return wrong
    counts = np.bincount(gold, minlength=p.shape[1])
    return wrong * len(gold) / (np.count_nonzero(counts) * counts[gold])


def _check_metrics(metrics: Sequence[str], n_classes: int) -> None:
    if isinstance(metrics, str):
        raise InputError(f"metrics must be a list of names, such as [{metrics!r}]")
    if not is_listed(metrics):
        raise InputError(f"metrics must be a list of names, found {metrics!r}")
    for name in metrics:
        if not isinstance(name, str) or name not in KNOWN:
            raise InputError(f"unknown metric {name!r}; choose from {', '.join(KNOWN)}")
        if n_classes != 2 and name in (*BINARY_METRICS, ROC_AUC):
            raise InputError(
                f"the metric {name!r} is for two classes, the model has {n_classes}; take "
                "'f1_macro' or 'accuracy'"
            )
