"""Learning from a teacher's distribution: a label model, an ensemble, a larger network."""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.components.base import Component
from spear_amal.maths import losses


class TeacherCrossEntropy(Component):
    """Cross-entropy to teacher t's distribution where it says something.

    A label model's posterior is a teacher: this is how an end model learns from soft labels.

    Parameters
    ----------
    teacher : int
        Column of ``batch.teachers``. Rows whose teacher logits are NaN have no teacher.
    unlabelled_only : bool
        Leave out rows with a gold label.
    """

    def __init__(
        self, teacher: int = 0, unlabelled_only: bool = True, name: str = "teacher"
    ) -> None:
        self.teacher = teacher
        self.unlabelled_only = unlabelled_only
        self.name = name

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Soft cross-entropy."""
        return losses.soft_cross_entropy(outputs.logits, self._told(batch))

    def slope(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``p - t``."""
        return losses.soft_cross_entropy_slope(outputs.logits, self._told(batch))

    def _told(self, batch: Batch) -> Tensor:
        # NaN is replaced before the loss: behind an output mask it would reach the gradient.
        return torch.nan_to_num(batch.teachers[:, self.teacher], nan=0.0)

    def applies(self, batch: Batch) -> Tensor:
        """Rows whose teacher speaks."""
        speaks = ~batch.teachers[:, self.teacher].amax(1).isnan()
        return speaks & ~(batch.y >= 0) if self.unlabelled_only else speaks
