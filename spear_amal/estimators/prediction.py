"""Prediction with two models: posteriors, their product, and the exponent that V chooses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import log_softmax

from spear_amal.errors import InputError
from spear_amal.models import JointModel
from spear_amal.training import Table, predict_logits

EXPONENTS = (0.0, 0.25, 0.5, 1.0)


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
