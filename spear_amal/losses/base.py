"""A component is one loss per row and the rows on which it is defined; a set of them is (B, K)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.errors import InputError
from spear_amal.losses.slopes import Slopes

if TYPE_CHECKING:
    from torch import nn

    from spear_amal.losses.self_training import PseudoLabels
    from spear_amal.maths.cage import Guides, Potentials


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

    # Derivatives in closed form. Only speed hangs on them, and a class that overrides `loss` alone
    # inherits none.

    def slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Derive the loss by the logits (B, C); None leaves it to autograd.

        Finite on every row, also outside the domain.
        """
        return None

    def rule_slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Derive the loss by the rule model's logits (B, C); None leaves it to autograd.

        Not asked for where `needs_rules` says that the loss does not look at the rules.
        """
        return None if self.needs_rules else torch.zeros_like(outputs.logits)

    def has_closed_form(self) -> bool:
        """Return whether the slopes were written for the loss that the class computes."""
        kind: Any = type(self)
        by_rules = not self.needs_rules or _is_written(kind, "rule_slope", ("loss",))
        return _writes_add_slopes(kind) or (by_rules and _is_written(kind, "slope", ("loss",)))

    def applies(self, batch: Batch) -> Tensor:
        """Rows (B,) bool on which this loss is defined."""
        raise NotImplementedError


class ClosedForm(Component):
    """A loss that writes `loss` and ``add_slopes``, and has its slopes from the latter."""

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """Add both slopes, times the weight (B, 1) of each row; False leaves them to autograd.

        Finite on every row, also outside the domain.
        """
        raise NotImplementedError

    def slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Derive the loss by the logits (B, C)."""
        return self._alone(outputs, batch)[0]

    def rule_slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Derive the loss by the rule model's logits (B, C)."""
        return self._alone(outputs, batch)[1]

    def _alone(self, outputs: Outputs, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        slopes = Slopes.zeros(outputs.detached())
        one = torch.ones_like(slopes.by_logits[:, :1])
        return slopes.total() if self.add_slopes(slopes, batch, one) else (None, None)


class Penalty:
    """A term that belongs to no row, such as a prior on parameters; added to every batch."""

    name: str = "penalty"

    def value(self, model: nn.Module) -> Tensor:
        """Scalar value at the model's current parameters."""
        raise NotImplementedError

    def theta_slope(self, potentials: Potentials, guides: Guides) -> Tensor | None:
        """Derive the value by CAGE's theta (.., C, m); None leaves it to autograd.

        For a penalty that sees nothing else of the model. A class that overrides `value` alone
        does not inherit it.
        """
        return None


class ComponentSet:
    """The list of losses that training minimises: K components and penalties.

    All losses of a row are multiplied by its weight, where rows have weights.

    Parameters
    ----------
    components : sequence of Component
        Names must be unique.
    penalties : sequence of Penalty, optional
    pseudo_labels : PseudoLabels, optional
        What the model says of its rows from time to time, where losses look at it.
    """

    def __init__(
        self,
        components: Sequence[Component],
        penalties: Sequence[Penalty] = (),
        pseudo_labels: PseudoLabels | None = None,
    ) -> None:
        self.components = tuple(components)
        self.penalties = tuple(penalties)
        self.pseudo_labels = pseudo_labels
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
        values = torch.where(on, values, 0.0)
        return values if batch.weights is None else values * batch.weights[:, None]

    def slopes(
        self, outputs: Outputs, batch: Batch, applies: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Derive every loss by the logits and, with LFs, by the rule model's (K, B, C each).

        Zeros outside the domains. In closed form where a component knows it, by one backward pass
        for each of the others.
        """
        together = Slopes.zeros(outputs.detached(), len(self))
        columns = _columns(applies, together, batch)
        for each in zip(self.components, together.apart(), columns, strict=True):
            component, slopes, weight = each
            if not add_in_closed_form(component, slopes, batch, weight):
                _add_by_autograd([(component, weight)], slopes, batch)
        return together.total()

    def weighted_slopes(
        self, outputs: Outputs, batch: Batch, weights: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Derive ``sum_ik W_ik l_ik`` by the logits and, with LFs, by the rule model's (B, C each).

        In closed form where a component knows it, by one backward pass for all others. Of what
        else a model says, such as the reliability of rules, there is no derivative.

        Parameters
        ----------
        outputs : Outputs
            Rows may be those of several models, one after another.
        batch : Batch
            Its `weights` are multiplied in here, as they are in :meth:`losses`.
        weights : Tensor (B, K)
            Zeros outside the domains; all else that multiplies a loss, such as the divisor
            1 / n_k, is in them.
        """
        slopes = Slopes.zeros(outputs.detached())
        weighted = zip(self.components, _columns(weights, slopes, batch), strict=True)
        others = [
            (component, weight)
            for component, weight in weighted
            if not add_in_closed_form(component, slopes, batch, weight)
        ]
        if others:
            _add_by_autograd(others, slopes, batch)
        return slopes.total()

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

    def has_closed_form(self) -> bool:
        """Return whether slopes in closed form were written for every loss.

        A loss without may look at more than the scores, such as the features, and learn by that.
        """
        return all(component.has_closed_form() for component in self.components)

    def mixable(self) -> Tensor:
        """Components (K,) bool whose weights may be learnt."""
        return torch.tensor([component.mixable for component in self.components])

    def penalty(self, model: nn.Module) -> Tensor | float:
        """Sum of the penalties, a scalar; 0.0 without any."""
        return sum((penalty.value(model) for penalty in self.penalties), 0.0)

    def theta_slope(self, potentials: Potentials, guides: Guides) -> Tensor | None:
        """Derive the sum of the penalties by CAGE's theta (.., C, m); None if one cannot.

        Zeros without penalties.
        """
        total = None
        for penalty in self.penalties:
            kind: Any = type(penalty)
            known = _is_written(kind, "theta_slope", ("value",))
            slope = penalty.theta_slope(potentials, guides) if known else None
            if slope is None:
                return None
            total = slope if total is None else total + slope
        return torch.zeros_like(potentials.theta) if total is None else total


def _columns(weights: Tensor, slopes: Slopes, batch: Batch) -> tuple[Tensor, ...]:
    """Weights (B, K) times those of the rows, as K columns (B, 1)."""
    weights = weights.to(slopes.by_logits)
    if batch.weights is not None:
        weights = weights * batch.weights[:, None]
    return weights.unsqueeze(2).unbind(1)


def add_in_closed_form(component: Component, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
    """Add a component's slopes, times the weight (B, 1) of each row.

    Returns
    -------
    bool
        False, and nothing is added, where no closed form was written for its loss.
    """
    if _writes_add_slopes(type(component)):
        return cast(ClosedForm, component).add_slopes(slopes, batch, weight)
    outputs = slopes.outputs
    sees_rules = component.needs_rules and outputs.rule_logits is not None
    if not component.has_closed_form():
        return False
    by_logits = component.slope(outputs, batch)
    by_rule_logits = component.rule_slope(outputs, batch) if sees_rules else None
    if by_logits is None or (sees_rules and by_rule_logits is None):
        return False
    slopes.by_logits.addcmul_(by_logits, weight)
    if by_rule_logits is not None:
        slopes.by_rule_logits.addcmul_(by_rule_logits, weight)
    return True


def _add_by_autograd(
    weighted: Sequence[tuple[Component, Tensor]], slopes: Slopes, batch: Batch
) -> None:
    """Add the slopes of components, each times its weight (B, 1), by one backward pass."""
    outputs = slopes.outputs
    leaves = [outputs.logits.clone().requires_grad_()]
    if outputs.rule_logits is not None:
        leaves.append(outputs.rule_logits.clone().requires_grad_())
    with torch.enable_grad():
        rules = leaves[1] if len(leaves) > 1 else None
        outputs = replace(outputs, logits=leaves[0], rule_logits=rules)
        losses = torch.stack([component.loss(outputs, batch) for component, _ in weighted], dim=1)
        weights = torch.cat([weight for _, weight in weighted], dim=1)
        # Outside its domain a loss may be anything.
        total = torch.where(weights == 0, 0.0, weights * losses).sum()
    if not total.requires_grad:
        return
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    for whole, gradient in zip((slopes.by_logits, slopes.by_rule_logits), gradients, strict=False):
        if gradient is not None:
            whole.add_(gradient)


def _writes_add_slopes(kind: Any) -> bool:
    return _is_written(kind, "add_slopes", ("loss", "slope", "rule_slope"))


@cache
def _is_written(kind: Any, derivative: str, of: tuple[str, ...]) -> bool:
    """Return whether a derivative was written for what it is `of`: in the same class, or later."""

    def place(name: str) -> int:
        ancestors = kind.__mro__
        return next((i for i, a in enumerate(ancestors) if name in vars(a)), len(ancestors))

    return place(derivative) < len(kind.__mro__) and place(derivative) <= min(map(place, of))
