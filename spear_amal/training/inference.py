"""What a trained model says about a table, in chunks, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.models import JointModel
from spear_amal.training.table import Table

CHUNK = 2048


@torch.no_grad()
def predict_logits(model: JointModel, table: Table) -> tuple[Tensor, Tensor | None]:
    """Logits (n, C) of the feature model and joint log-probabilities (n, C) of the rule model.

    Evaluation mode, on the table's device; the model's mode is restored.
    """
    training = model.training
    model.eval()
    logits, rules = [], []
    for index in torch.arange(len(table)).split(CHUNK):
        outputs = model(table.batch(index))
        logits.append(outputs.logits)
        if outputs.rule_logits is not None:
            rules.append(outputs.rule_logits)
    model.train(training)
    return torch.cat(logits), torch.cat(rules) if rules else None
