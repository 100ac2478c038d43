"""What a trained model says about a table, in chunks, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.models import JointModel
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training.table import Table

CHUNK = 2048
IMAGES = 256  # rows of images at once: a wide network holds megabytes for each


def chunk_size(x: object) -> int:
    """Rows that go through a network at once."""
    return IMAGES if len(getattr(x, "shape", ())) > 2 else CHUNK


@torch.no_grad()
def features_of(
    feature: torch.nn.Module, x: Tensor | SparseRows
) -> tuple[Tensor, Tensor | SparseRows]:
    """Logits (B, C) and the head's input (B, H), without gradients; images in chunks."""
    if isinstance(x, SparseRows) or x.ndim == 2 or len(x) <= IMAGES:
        return feature(x)
    parts = [feature(part) for part in x.split(IMAGES)]
    return torch.cat([logits for logits, _ in parts]), torch.cat([hidden for _, hidden in parts])


@torch.no_grad()
def predict_logits(model: JointModel, table: Table) -> tuple[Tensor, Tensor | None]:
    """Logits (n, C) of the feature model and joint log-probabilities (n, C) of the rule model.

    Evaluation mode, on the table's device; the model's mode is restored.
    """
    training = model.training
    model.eval()
    logits, rules = [], []
    for index in torch.arange(len(table)).split(chunk_size(table.x)):
        outputs = model(table.batch(index))
        logits.append(outputs.logits)
        if outputs.rule_logits is not None:
            rules.append(outputs.rule_logits)
    model.train(training)
    return torch.cat(logits), torch.cat(rules) if rules else None
