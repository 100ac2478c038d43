"""Scores (B, C) of few classes lie in memory class by class: strides (1, B).

On a CPU torch's softmax and sums over classes then go along the rows, eight at a time, in place of
row by row; what is computed of such scores lies as they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: With more classes there are enough of them to go along.
FEW_CLASSES = 16


def class_by_class(scores: Tensor) -> Tensor:
    """Return scores (.., B, C), laid out class by class if the classes are few."""
    few = scores.shape[-1] <= FEW_CLASSES
    return scores.mT.contiguous().mT if few and not is_class_by_class(scores) else scores


def is_class_by_class(scores: Tensor) -> bool:
    """Return whether scores (.., B, C) lie class by class."""
    return scores.stride(-2) == 1


def log_softmax(scores: Tensor) -> Tensor:
    """Log-probabilities (.., B, C) of scores, laid out as they are."""
    # Asked for along the rows of what it has to copy first, it would lay the copy out by rows.
    return scores.mT.log_softmax(-2).mT if is_class_by_class(scores) else scores.log_softmax(-1)
