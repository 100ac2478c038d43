"""Reliability of probabilities: what they say against what comes true, in bins of equal width."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Bins of the expected calibration error.
N_BINS = 10


class ReliabilityBin(NamedTuple):
    """Scores of one bin: how many, their mean, and the share of them that came true."""

    n_scores: int
    score: float
    share: float


def reliability_bins(scores: np.ndarray, is_true: np.ndarray) -> list[ReliabilityBin]:
    """Return the bins that are not empty, from low to high.

    Parameters
    ----------
    scores : ndarray (n,)
        In [0, 1].
    is_true : ndarray of bool or 0 and 1, (n,)
    """
    numbers = np.minimum((scores * N_BINS).astype(int), N_BINS - 1)
    return [
        ReliabilityBin(
            int(inside.sum()), float(scores[inside].mean()), float(is_true[inside].mean())
        )
        for inside in (numbers == number for number in np.unique(numbers))
    ]


def reliability_gap(scores: np.ndarray, is_true: np.ndarray) -> float:
    """Compute the expected calibration error: mean gap of the bins, weighted by their rows.

    Examples
    --------
    >>> reliability_gap(np.array([0.75, 0.75]), np.array([True, False]))
    0.25
    """
    gaps = [b.n_scores * abs(b.score - b.share) for b in reliability_bins(scores, is_true)]
    return float(sum(gaps) / len(scores)) if len(scores) else float("nan")
