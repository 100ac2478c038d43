"""Losses of a batch and the validation loss as graphs over all parameters, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.losses import ComponentSet
from spear_amal.models import JointModel
from spear_amal.models.multi_task import main_answer
from spear_amal.training.validation_loss import ValidationLoss


@dataclass(frozen=True)
class Graphs:
    """What mixers learn from that differentiate through the optimum (see ``GraphsLike``).

    Parameters
    ----------
    model : JointModel
        Its mode decides about batch statistics; the trainer puts it in evaluation mode.
    components : ComponentSet
    batch, validation : Batch
    outer : Outer
    """

    model: JointModel
    components: ComponentSet
    batch: Batch
    validation: Batch
    outer: ValidationLoss

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """Trainable parameters by name."""
        return trainable(self.model)

    @cached_property
    def applies(self) -> Tensor:
        """Domains (B, K), bool."""
        return self.components.applies(self.batch)

    def columns(self) -> list[Tensor]:
        """K losses (B,) of the batch, each with a graph of its own."""
        return self.components.columns(self.model(self.batch), self.batch, self.applies)

    def penalty(self) -> Tensor | float:
        """Sum of the penalties."""
        return self.components.penalty(self.model)

    def validation_loss(self) -> Tensor:
        """Loss on the validation rows, a scalar."""
        with main_answer(self.model):
            answer = self.model(self.validation)
        return self.outer.loss(answer, self.validation)


def trainable(model: JointModel) -> dict[str, Tensor]:
    """Parameters that are trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
