"""Intervals of scores and of paired gains on the same rows, also where folds shared their models.

Every score here is a smooth function of means over rows, so each row has an *influence*: how far
it alone moves the score. The variance of a score is that of the mean influence (the delta method),
rows of one text counting as one. ``docs/compare.md`` has the formulas and what they rest on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z = 1.959963984540054  # the normal quantile of a two-sided interval of 95%
POWER_Z = 0.8416212335729143  # and of a power of 80%
#: How much of it the training rows add, of r² / unshared in :func:`model_overlap`: chosen on the
#: simulated classifiers of ``benchmarks/interval_coverage.py``, one number for all of them.
TRAINING_ROWS = 1.2
MOST_OVERLAP = 3.0  # models that have nothing in common would be far above it


@dataclass(frozen=True)
class Interval:
    """A value and the bounds of its 95% interval, as shares (not points).

    Attributes
    ----------
    value, low, high : float
    standard_error : float
        What the interval is made of; not-a-number where there was too little to tell.
    """

    value: float
    low: float
    high: float
    standard_error: float


def fold_overlap(n_folds: int) -> float:
    """Return what share of the variance of one pass is added where nobody knows how models differ.

    The rows of a fold over the rows trained on meanwhile, which is how Nadeau and Bengio correct
    for models that have rows in common; and once more, since the model that is kept is none of
    those that were scored. Where models can be held against each other, see :func:`model_overlap`.

    Examples
    --------
    >>> fold_overlap(5), fold_overlap(2)
    (0.5, 2.0)
    """
    return 2 / (n_folds - 1)


def model_overlap(changed: float, score: float, unshared: float) -> float:
    """Return what share of the variance of one pass is added for the models behind it.

    It is measured: models that differ in a few of their training rows answer some rows otherwise.
    The share of such rows, over what it would be for models that have nothing to do with each
    other, 2 a (1 - a), is r. It grows with the square root of the training rows that differ, so
    that r² / `unshared` tells how much hangs on the training rows as a whole.

    Parameters
    ----------
    changed : float
        Share of rows on which one of two such models is right and the other one wrong.
    score : float
        Accuracy a of the models.
    unshared : float
        Share of its training rows that such a model does not have in common with another one.

    Examples
    --------
    >>> round(model_overlap(changed=0.03, score=0.875, unshared=1 / 5), 2)
    0.11
    >>> model_overlap(changed=0.0, score=0.875, unshared=1 / 5)
    0.0
    """
    unlike = 2 * score * (1 - score)
    if unlike <= 0:
        return 0.0
    return min(TRAINING_ROWS * (changed / unlike) ** 2 / unshared, MOST_OVERLAP)


def score_influence(
    metric: str, y: np.ndarray, predicted: np.ndarray, positive: int = 1
) -> tuple[float, np.ndarray]:
    """Compute a score of predicted class codes (n,), and the influence (n,) of each row on it.

    Parameters
    ----------
    metric : {"accuracy", "f1", "macro-f1"}
    y, predicted : ndarray (n,)
    positive : int
        Class of the metric "f1".

    Examples
    --------
    >>> value, influence = score_influence("accuracy", np.array([0, 1]), np.array([0, 0]))
    >>> value, influence.tolist()
    (0.5, [0.5, -0.5])
    """
    if metric == "accuracy":
        right = (y == predicted).astype(float)
        return float(right.mean()), right - right.mean()
    classes = [positive] if metric == "f1" else np.union1d(y, predicted).tolist()
    parts = [_f1_influence(y == code, predicted == code) for code in classes]
    values, influences = zip(*parts, strict=True)
    return float(np.mean(values)), np.mean(influences, axis=0)


def _f1_influence(gold: np.ndarray, predicted: np.ndarray) -> tuple[float, np.ndarray]:
    """Compute F1 = 2 TP / (gold + predicted) of one class, and the influence (n,) of each row."""
    hits, size = 2.0 * (gold & predicted), gold.astype(float) + predicted
    if not size.any():
        return 0.0, np.zeros(len(gold))
    value = hits.sum() / size.sum()
    return float(value), (hits - value * size) / size.mean()


def mean_variance(influence: np.ndarray, groups: np.ndarray) -> float:
    """Compute the variance of a mean of influences (n,), rows of one group counting as one.

    Not-a-number with fewer than two groups.
    """
    _, places = np.unique(groups, return_inverse=True)
    sums = np.bincount(places, influence)
    if len(sums) < 2:
        return np.nan
    return float((sums**2).sum() / len(influence) ** 2 * len(sums) / (len(sums) - 1))


def score_variance(influences: np.ndarray, groups: np.ndarray, overlap: float) -> float:
    """Compute the variance of the mean score of some repeats.

    That of the rows, by their mean influence over the repeats; and for the models, which share
    rows and are not the one that is kept, the share `overlap` of the variance of a single pass.

    Parameters
    ----------
    influences : ndarray (repeats, n)
    groups : ndarray (n,)
        Rows that count as one have one number.
    overlap : float
        See :func:`model_overlap`; 0 for rows that no model was trained on.
    """
    single = float(np.mean([mean_variance(influence, groups) for influence in influences]))
    return mean_variance(influences.mean(0), groups) + overlap * single


def score_interval(
    metric: str,
    y: np.ndarray,
    predictions: np.ndarray,
    groups: np.ndarray,
    overlap: float = 0.0,
    positive: int = 1,
) -> Interval:
    """Compute the mean score of some repeats and its interval, Wilson's for so many rows as count.

    Parameters
    ----------
    metric : str
    y : ndarray (n,)
        Class codes.
    predictions : ndarray (repeats, n)
        Predicted codes of the same rows.
    groups, overlap
        As for :func:`score_variance`.
    positive : int
        Class of the metric "f1".
    """
    scored = [score_influence(metric, y, predicted, positive) for predicted in predictions]
    value = float(np.mean([score for score, _ in scored]))
    influences = np.stack([influence for _, influence in scored])
    variance = score_variance(influences, groups, overlap)
    low, high = wilson_of(value, variance, len(np.unique(groups)) / (1 + overlap))
    return Interval(value, low, high, float(np.sqrt(variance)))


def wilson_of(score: float, variance: float, most: float) -> tuple[float, float]:
    """Compute Wilson's interval of a score on as many rows as its variance stands for.

    At most on `most` rows, so that it has a width where no row is wrong.
    """
    n = most
    if variance > 0 and 0 < score < 1:
        n = min(n, score * (1 - score) / variance)
    return wilson(score, n)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Compute Wilson's 95% interval of a share that was found on n rows; n need not be whole.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(0.5, 100)]
    [0.4038, 0.5962]
    """
    spread = Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def gain_interval(
    metric: str,
    y: np.ndarray,
    predictions: np.ndarray,
    baseline: np.ndarray,
    groups: np.ndarray,
    overlap: float = 0.0,
    positive: int = 1,
) -> Interval:
    """Compute the mean gain over a baseline on the same rows and repeats, and its interval.

    Parameters
    ----------
    predictions, baseline : ndarray (repeats, n)
        Predicted codes.
    metric, y, groups, overlap, positive
        As for :func:`score_interval`.
    """
    gains, differences = [], []
    for ours, theirs in zip(predictions, baseline, strict=True):
        score, influence = score_influence(metric, y, ours, positive)
        other, other_influence = score_influence(metric, y, theirs, positive)
        gains.append(score - other)
        differences.append(influence - other_influence)
    # As if two more rows were there, one for each side: few rows that do not differ at all must
    # not look certain (Agresti and Min's way with matched pairs).
    least = (1 + overlap) * 2 / len(y) ** 2
    variance = score_variance(np.stack(differences), groups, overlap) + least
    value, error = float(np.mean(gains)), float(np.sqrt(variance))
    return Interval(value, value - Z * error, value + Z * error, error)


def rows_needed(n: int, gap: float, standard_error: float) -> int:
    """Return of how many gold rows in all an interval tells a gap from none, four times in five.

    The standard error falls with the square root of the rows; the gap must be Z + POWER_Z of
    them, so that the 95% interval leaves out its other end with a probability of 80%.

    Parameters
    ----------
    n : int
        Gold rows now.
    gap : float
        Distance of the true gain from what is to be excluded.
    standard_error : float
        Of the gain on n rows.

    Examples
    --------
    >>> rows_needed(100, 0.0280, 0.02)
    401
    """
    return int(np.ceil(n * ((Z + POWER_Z) * standard_error / gap) ** 2))
