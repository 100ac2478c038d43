"""The validation loss that weights are learnt to lower."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.types import Batch, Outputs


@dataclass(frozen=True)
class Outer:
    """The validation loss: CE of the feature model plus gamma times CE of the rule model."""

    rules: bool = False
    gamma: float = 1.0

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Mean over validation rows (and over covered ones for the rule model), a scalar."""
        value = F.cross_entropy(outputs.logits, batch.y)
        if not self.rules or outputs.rule_logits is None:
            return value
        covered = batch.fired.sum(1) > 0
        losses = F.cross_entropy(outputs.rule_logits, batch.y, reduction="none")
        total = torch.where(covered, losses, torch.zeros_like(losses)).sum()
        return value + self.gamma * total / covered.sum().clamp(min=1)
