"""The input of a feature model's last linear layer, and the check that it is what it claims."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spear_amal.distributed.shard import Shard
from spear_amal.errors import InputError
from spear_amal.maths.hypergradient import Parameters
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel, LinearModel
from spear_amal.models.feature_model import eval_mode
from spear_amal.tensors.sparse_rows import SparseRows, affine
from spear_amal.training.table import IMAGES, TrainingRows

_WAY_OUT = "mixer_options={'look_ahead': 'network'}"


# Rows on which the head is run once more: a head that is another one differs on any.
CHECKED = 16


def head_inputs(
    feature: nn.Module, x: Tensor | SparseRows, check: bool = True
) -> tuple[Tensor, Tensor | SparseRows]:
    """Compute the logits (B, C) and the input (B, H) of ``feature.head`` for features or images x.

    Without `check` the head is believed to be one.

    Raises
    ------
    InputError
        If there is no linear head, or the logits are not the head applied to the hidden values.
    """
    head = getattr(feature, "head", None)
    if head is None:
        raise InputError(f"the feature model has no linear head; train with {_WAY_OUT}")
    logits, hidden = features_of(feature, x)
    if not check:
        return logits, hidden
    some = logits[:CHECKED]
    with torch.no_grad():
        again = affine(hidden[:CHECKED], head.weight, head.bias)
    if len(some) and not torch.allclose(again, some, 1e-3, 1e-3 * float(some.abs().max() + 1)):
        raise InputError(
            "the feature model's logits are not its head applied to the hidden values that it "
            f"returns; return the head's input, or use {_WAY_OUT}"
        )
    return logits, hidden


def look_ahead_parameters(model: JointModel, last_layer: bool, with_rules: bool) -> Parameters:
    """Return the parameters that a look-ahead moves: all trained, or the head's, maybe rules'."""
    named = list(model.named_parameters())
    if not last_layer:  # what is frozen takes no step
        return {name: p.detach() for name, p in named if p.requires_grad}
    head = model.feature.head
    wanted = {id(head.weight), id(head.bias)}  # type: ignore[union-attr]
    if with_rules and model.rules is not None:
        wanted |= {id(p) for p in model.rules.parameters()}
    return {name: p.detach() for name, p in named if id(p) in wanted}


def head_at(at: Parameters) -> tuple[Tensor, Tensor | None]:
    """Pick the head's weight (C, H) and bias from what :func:`look_ahead_parameters` named."""
    names = [n for n in at if not n.startswith("rules.")]
    weight = next(at[n] for n in names if n.endswith("weight"))
    return weight, next((at[n] for n in names if n.endswith("bias")), None)


def mean_squared_norm(hidden: Tensor | SparseRows, shard: Shard) -> float:
    """Mean over rows (B, H), those in other processes included."""
    every = (hidden.entries if isinstance(hidden, SparseRows) else hidden).reshape(-1)
    total, count = shard.total([every.dot(every), every.new_tensor(float(len(hidden)))])
    return float(total / count)


def check_head(feature: nn.Module, mixer: Mixer, table: TrainingRows) -> None:
    """Raise before any training where the mixer's look-ahead could not differentiate the head.

    Its first refresh may be many epochs away.
    """
    if mixer.look_ahead_options().parameters != "last-layer" or not len(table):
        return
    with eval_mode(feature):
        head_inputs(feature, table.batch(torch.arange(1)).x)


@torch.no_grad()
def features_of(
    feature: torch.nn.Module, x: Tensor | SparseRows
) -> tuple[Tensor, Tensor | SparseRows]:
    """Logits (B, C) and the head's input (B, H), without gradients; images in chunks."""
    if type(feature) is LinearModel:
        return affine(x, feature.head.weight, feature.head.bias), x
    if isinstance(x, SparseRows) or x.ndim == 2 or len(x) <= IMAGES:
        return feature(x)
    parts = [feature(part) for part in x.split(IMAGES)]
    return torch.cat([logits for logits, _ in parts]), torch.cat([hidden for _, hidden in parts])
