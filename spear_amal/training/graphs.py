"""Losses of a batch and the validation loss as graphs over all parameters, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call

from spear_amal.components import ComponentSet
from spear_amal.models import JointModel
from spear_amal.models.tasks import main_answer
from spear_amal.training.outer import Outer
from spear_amal.types import Batch


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
    outer: Outer

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


def penalty_at(
    at: dict[str, Tensor], model: JointModel, components: ComponentSet
) -> Tensor | float:
    """Sum of the penalties with parameters `at`, by name; the others as they are."""
    if not any(name.startswith("rules.") for name in at):
        return 0.0  # penalties sit on the rule model; without it they are constants
    named = {f"model.{name}": value for name, value in at.items()}
    return functional_call(_Penalised(model, components), named, ())


class _Penalised(torch.nn.Module):
    """The penalties of a component set as a module, so that they can be called functionally."""

    def __init__(self, model: JointModel, components: ComponentSet) -> None:
        super().__init__()
        self.model = model
        self._components = components

    def forward(self) -> Tensor | float:
        return self._components.penalty(self.model)


def trainable(model: JointModel) -> dict[str, Tensor]:
    """Parameters that are trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
