"""A component is one loss per row and the rows on which it is defined; a set of them is (B, K)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.errors import InputError
from spear_amal.maths.hypergradient import score_gradients

if TYPE_CHECKING:
    from torch import nn


class Component:
    """One row-wise loss.

    Attributes
    ----------
    name : str
    mixable : bool
        False keeps the weights at their start value whatever the mixer.
    needs_rules : bool
        True if it reads ``outputs.rule_logits``.
    """

    name: str = "component"
    mixable: bool = True
    needs_rules: bool = False

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss per row (B,); row i may depend on row i of the outputs only."""
        raise NotImplementedError

    def slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Derive the loss by the logits (B, C) in closed form; None leaves it to autograd.

        Finite on every row, also outside the domain. Only speed hangs on it. A class that
        overrides `loss` alone does not inherit it.
        """
        return None

    def applies(self, batch: Batch) -> Tensor:
        """Rows (B,) bool on which this loss is defined."""
        raise NotImplementedError


class Penalty:
    """A term that belongs to no row, such as a prior on parameters; added to every batch."""

    name: str = "penalty"

    def value(self, model: nn.Module) -> Tensor:
        """Scalar value at the model's current parameters."""
        raise NotImplementedError


class ComponentSet:
    """The list of losses that training minimises: K components and penalties.

    All losses of a row are multiplied by its weight, where rows have weights.

    Parameters
    ----------
    components : sequence of Component
        Names must be unique.
    penalties : sequence of Penalty, optional
    """

    def __init__(self, components: Sequence[Component], penalties: Sequence[Penalty] = ()) -> None:
        self.components = tuple(components)
        self.penalties = tuple(penalties)
        self.names = tuple(component.name for component in self.components)
        if not self.components:
            raise InputError("training needs at least one loss component; none was given")
        if len(set(self.names)) < len(self.names):
            raise InputError(f"component names must be unique, found {self.names}")

    def __len__(self) -> int:
        return len(self.components)

    def losses(self, outputs: Outputs, batch: Batch, applies: Tensor | None = None) -> Tensor:
        """All losses (B, K); exact zeros, in value and gradient, outside a component's domain.

        `applies` (B, K) saves computing the domains again where they are at hand.
        """
        on = self.applies(batch) if applies is None else applies
        values = torch.stack([c.loss(outputs, batch) for c in self.components], dim=1)
        values = torch.where(on, values, torch.zeros_like(values))
        return values if batch.weights is None else values * batch.weights[:, None]

    def slopes(self, outputs: Outputs, batch: Batch, applies: Tensor) -> Tensor:
        """Derive all losses by the logits (B, K, C), zeros outside the domains.

        In closed form where a component knows it, by one backward pass for each of the others.
        """
        logits = outputs.logits.detach()
        slopes = logits.new_empty(len(logits), len(self), logits.shape[1])
        for k, component in enumerate(self.components):
            known = _knows_slope(type(component))
            with torch.no_grad():
                slope = component.slope(outputs, batch) if known else None
            if slope is None:
                leaf = replace(outputs, logits=logits.clone().requires_grad_())
                loss = component.loss(leaf, batch).unsqueeze(1)
                slope = score_gradients(loss, leaf.logits).squeeze(1)
            torch.mul(slope, applies[:, k : k + 1], out=slopes[:, k])
        return slopes if batch.weights is None else slopes.mul_(batch.weights[:, None, None])

    def columns(self, outputs: Outputs, batch: Batch, applies: Tensor) -> list[Tensor]:
        """Compute the same losses one by one, K of (B,), each with a graph of its own.

        From a stacked matrix every loss would reach every parameter, most with zeros.
        """
        values = [c.loss(outputs, batch) for c in self.components]
        columns = [
            torch.where(on, value, torch.zeros_like(value))
            for on, value in zip(applies.unbind(1), values, strict=True)
        ]
        return columns if batch.weights is None else [c * batch.weights for c in columns]

    def applies(self, batch: Batch) -> Tensor:
        """Domains (B, K) bool."""
        return torch.stack([component.applies(batch) for component in self.components], dim=1)

    def mixable(self) -> Tensor:
        """Components (K,) bool whose weights may be learnt."""
        return torch.tensor([component.mixable for component in self.components])

    def penalty(self, model: nn.Module) -> Tensor | float:
        """Sum of the penalties, a scalar; 0.0 without any."""
        return sum((penalty.value(model) for penalty in self.penalties), 0.0)


def _knows_slope(kind: type[Component]) -> bool:
    """Return whether `slope` was written for the `loss` that the class has, or after it."""
    for ancestor in kind.__mro__:
        if "slope" in vars(ancestor) or "loss" in vars(ancestor):
            return "slope" in vars(ancestor)
    return False
