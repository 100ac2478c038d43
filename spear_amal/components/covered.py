"""SPEAR's losses on SPEAR's rows, where other rows are in training too."""

from __future__ import annotations

from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.components.base import Component


class OnCovered(Component):
    """A loss on labelled rows and on unlabelled ones where a rule fired, and on no others.

    Where no rule fires the rule model's posterior says nothing, so that agreement with it pulls
    the feature model to the middle. SPEAR leaves such rows out of training; a teacher speaks on
    them, so that they stay in, and this keeps the losses of the rules off them.

    Parameters
    ----------
    component : Component
    """

    def __init__(self, component: Component) -> None:
        self.component = component
        self.name = component.name
        self.mixable = component.mixable
        self.needs_rules = component.needs_rules

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the component."""
        return self.component.loss(outputs, batch)

    def slope(self, outputs: Outputs, batch: Batch) -> Tensor | None:
        """Slope of the component."""
        return self.component.slope(outputs, batch)

    def applies(self, batch: Batch) -> Tensor:
        """Rows of the component that are labelled or covered."""
        known = (batch.y >= 0) | (batch.fired.sum(1) > 0)
        return self.component.applies(batch) & known
