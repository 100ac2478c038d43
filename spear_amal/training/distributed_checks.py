"""Checks of what several processes can train together to the result of one."""

from __future__ import annotations

from torch import nn

from spear_amal.distributed.shard import Shard
from spear_amal.errors import InputError
from spear_amal.mixers import Mixer
from spear_amal.models.feature_model import batch_norms

_ALONE = "train in one process (distributed=None)"


def check_same(shard: Shard, mark: str) -> None:
    """Raise InputError unless all processes have the same data and settings, by their mark."""
    others = [rank for rank, other in enumerate(shard.all(mark)) if other != mark]
    if others:
        raise InputError(
            f"processes {others} were given other data or settings than process {shard.rank}: each "
            "must call fit with the whole table, in the same order, and the same parameters"
        )


def check_spreads(shard: Shard, model: nn.Module, mixer: Mixer) -> None:
    """Raise InputError where rows that are in other processes would be missed."""
    if not mixer.spreads:
        raise InputError(
            f"{type(mixer).__name__} compares or draws among rows and cannot be trained in "
            f"{shard.world} processes; take amal, alm-kd, fixed, single, uncertainty or superloss, "
            f"or {_ALONE}"
        )
    if getattr(mixer, "table_path", None) is not None:
        raise InputError(
            "several processes keep their parts of the weights in memory: leave out table_path "
            f"(table_dtype='float16' takes half of it), or {_ALONE}"
        )
    norms = list(batch_norms(model))
    if norms:
        raise InputError(
            f"batch statistics ({norms[0]!r}) would be those of the rows of one process; use "
            f"GroupNorm or LayerNorm, or {_ALONE}"
        )
