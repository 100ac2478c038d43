"""Feature model and rule model side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from spear_amal.batch import Batch, Outputs
from spear_amal.models.cage import RuleModel
from spear_amal.models.rule_network import RuleNetwork


class JointModel(nn.Module):
    """P_theta(y | x) and, where LFs are at hand, P_phi(l, s, y); one answer for both.

    The feature model gives (logits, hidden), and may add a dict of further fields of
    :class:`Outputs`, such as its views of turned images.
    """

    def __init__(self, feature: nn.Module, rules: RuleModel | RuleNetwork | None = None) -> None:
        super().__init__()
        self.feature = feature
        self.rules = rules

    def forward(self, batch: Batch, feature: Callable[[Any], Any] | None = None) -> Outputs:
        """Logits, hidden activations and joint rule log-probabilities of a batch.

        Both models see the same rows in the same order: nothing is re-sorted by labelled and
        unlabelled rows. `feature` stands in for the call of the feature model, as where that was
        compiled.
        """
        logits, hidden, *more = (feature or self.feature)(batch.x)
        named = more[0] if more else {}
        if self.rules is None:
            return Outputs(logits, hidden, **named)
        return Outputs(logits, hidden, *self.rules.answer(batch), **named)
