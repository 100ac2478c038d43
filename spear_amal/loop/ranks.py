"""What processes that train together learn from their own rows, brought together."""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.distributed.shard import mean_over_ranks, n_ranks
from spear_amal.errors import InputError
from spear_amal.mixers import Mixer
from spear_amal.mixers.learnt import LearntTable

State = dict[str, Tensor]


def check_mergeable(mixer: Mixer) -> None:
    """Raise InputError where several processes cannot learn one table."""
    grouped = mixer.needs_look_ahead and not mixer.every_step
    if n_ranks() > 1 and grouped and not isinstance(mixer, LearntTable):
        raise InputError(
            f"{type(mixer).__name__} chooses among all rows and cannot refresh in {n_ranks()} "
            "processes; refresh it in one and load its state_dict in the others"
        )
    if n_ranks() > 1 and getattr(mixer, "table_path", None) is not None:
        raise InputError(
            f"weights on disk (table_path) cannot be merged between {n_ranks()} processes; leave "
            "table_path out"
        )


def merge(mixer: Mixer, before: State, rows: Tensor) -> None:
    """Make a mixer's state the same in all processes, after each has refreshed `rows` of its own.

    The weights of a row change by the mean of the changes over those processes that refreshed it.
    Other numbers that are learnt become their mean.
    """
    if n_ranks() == 1:
        return
    after = mixer.state_dict()
    if isinstance(mixer, LearntTable):
        old, new = before["lambdas"].float(), after["lambdas"].float()
        mixer.load_state_dict({"lambdas": _merged(old, new, rows)})
        return
    floats = [name for name, value in after.items() if value.is_floating_point()]
    means = mean_over_ranks([after[name] for name in floats])
    mixer.load_state_dict({**after, **dict(zip(floats, means, strict=True))})


def _merged(before: Tensor, after: Tensor, rows: Tensor) -> Tensor:
    """Table (n_rows, K) of all processes."""
    seen = torch.zeros(len(before), 1, dtype=before.dtype, device=before.device)
    seen[rows] = 1.0
    change, share = mean_over_ranks([after - before, seen])
    touched = share > 0
    return torch.where(touched, before + change / torch.where(touched, share, 1.0), before)
