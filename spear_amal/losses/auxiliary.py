"""Losses of auxiliary tasks: of a head each, and the size of the parameters as one more.

A task's targets come with the batch, or with the model's answer where the model made the task.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs, TaskAnswer
from spear_amal.errors import InputError
from spear_amal.losses.base import Component
from spear_amal.maths import losses


class TaskCrossEntropy(Component):
    """Cross-entropy of a task's head, where the task's class is known.

    Parameters
    ----------
    name : str
        The task. Its targets are ``batch.tasks[name]``, -1 where unknown; if there are none, the
        model's answer has them for every row, as for a turned image.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy per row (B,)."""
        answer, targets = _answer(self.name, outputs, batch)
        return losses.cross_entropy(answer.values, targets)

    def applies(self, batch: Batch) -> Tensor:
        """Rows whose class is known; all rows of a task that the model makes."""
        if self.name not in batch.tasks:
            return torch.ones_like(batch.y, dtype=torch.bool)
        return batch.tasks[self.name] >= 0


class TaskSquaredError(Component):
    """Squared error of a task's head, where the number is known.

    Parameters
    ----------
    name : str
        The task. Its targets are ``batch.tasks[name]``, NaN where unknown.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``(value - target)^2`` per row (B,)."""
        answer, targets = _answer(self.name, outputs, batch)
        # NaN is replaced before the loss: behind an output mask it would reach the gradient.
        return (answer.values - torch.nan_to_num(targets, nan=0.0)).square()

    def applies(self, batch: Batch) -> Tensor:
        """Rows whose number is known."""
        return ~batch.tasks[self.name].isnan()


class SquaredNorm(Component):
    """L2 regularisation as a loss: ``coefficient * ||theta||^2``, the same value on every row.

    Its gradient is ``2 coefficient theta``. As a loss it has a weight that is learnt, for the whole
    model or for each of its modules.

    Parameters
    ----------
    coefficient : float
        MAOAL's recommenders have 1e-3.
    """

    name = "l2"

    def __init__(self, coefficient: float = 1e-3) -> None:
        self.coefficient = coefficient

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``coefficient * ||theta||^2`` (B,)."""
        if outputs.squared_norm is None:
            raise InputError(
                "the loss 'l2' needs a model that gives squared_norm: MultiTask(.., "
                "squared_norm=True), asked for all parameters, not for the last layer alone"
            )
        return (self.coefficient * outputs.squared_norm).expand(len(batch))

    def applies(self, batch: Batch) -> Tensor:
        """Every row."""
        return torch.ones_like(batch.y, dtype=torch.bool)


def _answer(name: str, outputs: Outputs, batch: Batch) -> tuple[TaskAnswer, Tensor]:
    """Return the outputs of the task's head, and what is right."""
    if name not in outputs.tasks:
        raise InputError(
            f"no head answered the task {name!r}: a MultiTask model with such a head is needed, "
            "and a look-ahead over the whole network, since the last layer of the main answer "
            "does not see other heads"
        )
    answer = outputs.tasks[name]
    return answer, batch.tasks[name] if answer.targets is None else answer.targets
