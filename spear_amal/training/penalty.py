"""Penalties of a component set at parameters that a model does not hold."""

from __future__ import annotations

from torch import Tensor, nn
from torch.func import functional_call

from spear_amal.components import ComponentSet
from spear_amal.maths.hypergrad import Parameters
from spear_amal.models import JointModel


def penalty_at(model: JointModel, components: ComponentSet, at: Parameters) -> Tensor | float:
    """Sum of the penalties with those parameters of `model` that `at` names; 0.0 without rules."""
    if not any(name.startswith("rules.") for name in at):
        return 0.0  # penalties sit on the rule model; without it they are constants here
    named = {f"model.{name}": value for name, value in at.items()}
    return functional_call(_Penalised(model, components), named, ())


class _Penalised(nn.Module):
    """The penalties of a component set as a module, so that they can be called functionally."""

    def __init__(self, model: JointModel, components: ComponentSet) -> None:
        super().__init__()
        self.model = model
        self._components = components

    def forward(self) -> Tensor | float:
        return self._components.penalty(self.model)
