"""Learning from one noisy label per row: gold where there is one, else what the rules say."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from spear_amal._typing import VectorLike
from spear_amal.batch import Batch, Outputs
from spear_amal.losses.base import ClosedForm
from spear_amal.losses.slopes import Slopes
from spear_amal.maths import losses

TIE = 1e-6  # log probabilities closer than this are tied


def favourite_classes(log_p: Tensor) -> Tensor:
    """Return the most probable class (B,) of log probabilities (B, C); -1 for a tie, and for NaN.

    Examples
    --------
    >>> favourite_classes(torch.tensor([[0.0, -1.0], [0.5, 0.5], [torch.nan, torch.nan]])).tolist()
    [0, -1, -1]
    """
    best = log_p.amax(1, keepdim=True)  # NaN where the teacher is silent
    lone = (log_p >= best - TIE).sum(1) == 1
    return torch.where(lone, torch.nan_to_num(log_p, nan=0.0).argmax(1), -1)


class NoisyCrossEntropy(ClosedForm):
    """Cross-entropy to the gold class or, without one, to teacher t's most probable class.

    Rows without gold whose teacher is silent or undecided have no label and no loss: an argmax of
    a tie would be an accident of numbering.

    Parameters
    ----------
    teacher : int
        Column of ``batch.teachers``.
    class_weights : array (C,), optional
        Factors of gold rows by class.
    """

    name = "noisy-label"

    def __init__(self, teacher: int = 0, class_weights: VectorLike | None = None) -> None:
        self.teacher = teacher
        self.class_weights = None if class_weights is None else torch.as_tensor(class_weights)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy to the row's label."""
        value = losses.negative_log(outputs.log_p, self._label(batch))
        return value if self.class_weights is None else value * self._factor(value, batch)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``p - e_y``, times the factor of a gold row's class."""
        if self.class_weights is not None:
            weight = weight * self._factor(weight, batch).unsqueeze(1)
        slopes.pull_p.scatter_add_(1, self._label(batch).unsqueeze(1), weight)
        return True

    def _label(self, batch: Batch) -> Tensor:
        guessed = torch.nan_to_num(batch.teachers[:, self.teacher], nan=0.0).argmax(1)
        return torch.where(batch.labelled, batch.y, guessed)

    def _factor(self, like: Tensor, batch: Batch) -> Tensor:
        factor = cast(Tensor, self.class_weights).to(like)[batch.gold_column.squeeze(1)]
        return torch.where(batch.labelled, factor, torch.ones_like(factor))

    def applies(self, batch: Batch) -> Tensor:
        """Gold rows, and rows whose teacher has one favourite."""
        return batch.labelled | (favourite_classes(batch.teachers[:, self.teacher]) >= 0)
