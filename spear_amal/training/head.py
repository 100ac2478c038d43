"""The input of a feature model's last linear layer, and the check that it is what it claims."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.maths.sparse_rows import SparseRows, affine
from spear_amal.mixers import Mixer
from spear_amal.training.inference import features_of
from spear_amal.training.table import Table

_WAY_OUT = "mixer_options={'look_ahead': 'network'}"


# Rows on which the head is run once more: a head that is another one differs on any.
CHECKED = 16


def head_inputs(feature: nn.Module, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
    """Give the logits (B, C) and what goes into ``feature.head`` (B, H) for features or images x.

    Raises
    ------
    InputError
        If there is no linear head, or the logits are not the head applied to the hidden values.
    """
    head = getattr(feature, "head", None)
    if head is None:
        raise InputError(f"the feature model has no linear head; train with {_WAY_OUT}")
    logits, hidden = features_of(feature, x)
    some = logits[:CHECKED]
    with torch.no_grad():
        again = affine(hidden[:CHECKED], head.weight, head.bias)
    if len(some) and not torch.allclose(again, some, 1e-3, 1e-3 * float(some.abs().max() + 1)):
        raise InputError(
            "the feature model's logits are not its head applied to the hidden values that it "
            f"returns; return the head's input, or use {_WAY_OUT}"
        )
    return logits, hidden


def check_head(feature: nn.Module, mixer: Mixer, table: Table) -> None:
    """Raise before any training where the mixer's look-ahead could not differentiate the head.

    Its first refresh may be many epochs away.
    """
    wanted = mixer.needs_look_ahead and mixer.look_ahead_options().parameters == "last-layer"
    if not wanted or not len(table):
        return
    training = feature.training
    feature.eval()
    try:
        head_inputs(feature, table.batch(torch.arange(1)).x)
    finally:
        feature.train(training)
