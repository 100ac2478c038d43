"""Prediction with two models: posteriors, their product, and the exponent that V chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import log_softmax

from spear_amal.errors import InputError
from spear_amal.models import JointModel
from spear_amal.training import Table, predict_logits

if TYPE_CHECKING:
    from spear_amal.estimators.cross_fitting import FitPlan, FoldResult
    from spear_amal.estimators.validation import TrainingPool

EXPONENTS = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What models say of gold rows that they have not seen, in training or in validation.

    Attributes
    ----------
    rows : ndarray of int (n,)
        Gold rows by their number in the pool, ascending.
    gold : ndarray of int (n,)
        Their codes.
    fold : ndarray of int (n,)
        Rows of one fold are judged by one model.
    log_p : ndarray (n, C)
        Log posteriors of the feature model.
    log_q : ndarray (n, C), or None
        Those of the rule model, uniform where no LF fires; None without rules.
    """

    rows: np.ndarray
    gold: np.ndarray
    fold: np.ndarray
    log_p: np.ndarray
    log_q: np.ndarray | None


def log_posteriors(
    models: Sequence[JointModel], table: Table
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Compute log posteriors (n, C) of feature and rule model, one pair per model."""
    pairs = []
    for model in models:
        logits, rules = predict_logits(model, table)
        for scores in (logits, rules):
            if scores is not None:
                refuse_infinite_scores(scores)
        q = None if rules is None else log_softmax(rules.double().cpu().numpy(), axis=1)
        pairs.append((log_softmax(logits.double().cpu().numpy(), axis=1), q))
    return pairs


def refuse_infinite_scores(scores: torch.Tensor) -> None:
    """Raise InputError where scores (n, C) of a model are no finite numbers."""
    wrong = ~scores.isfinite().all(1)
    if wrong.any():
        raise InputError(
            f"the scores of {int(wrong.sum())} of {len(scores)} rows are not finite, first in row "
            f"{int(wrong.int().argmax())}: their features are too large for this model; scale them "
            "as in training, or train with TrainerConfig(dtype='float64')"
        )


def combine(log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
    """Compute normalised ``log p + exponent log q`` (n, C)."""
    if log_q is None or exponent == 0.0:
        return log_p
    return log_softmax(log_p + exponent * log_q, axis=1)


def choose_exponent(log_p: np.ndarray, log_q: np.ndarray, y: np.ndarray) -> float:
    """Return the smallest exponent within one standard error of the best gold log-likelihood.

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


def out_of_fold(
    pool: TrainingPool, results: Sequence[FoldResult], plan: FitPlan
) -> OutOfFold | None:
    """Predict the gold rows, each by the model that has not seen it; None if there is none."""
    parts = [result for result in results if len(result.unseen)]
    if not parts:
        return None
    log_p: list[np.ndarray] = []
    log_q: list[np.ndarray] = []
    for result in parts:
        votes = None if pool.votes is None else pool.votes[result.unseen]
        table = Table(pool.x[result.unseen], votes=votes, dtype=plan.dtype, device=plan.device)
        pair = log_posteriors([result.model], table)[0]
        log_p.append(pair[0])
        log_q += [] if pair[1] is None else [pair[1]]
    rows = np.concatenate([result.unseen for result in parts])
    order = np.argsort(rows)
    return OutOfFold(
        rows=rows[order],
        gold=pool.y[rows[order]],
        fold=np.repeat(np.arange(len(parts)), [len(r.unseen) for r in parts])[order],
        log_p=np.concatenate(log_p)[order],
        log_q=np.concatenate(log_q)[order] if log_q else None,
    )
