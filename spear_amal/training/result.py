"""What training gives back beside the model."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from spear_amal.maths.shard import Shard
from spear_amal.tensor_files import Tensors
from spear_amal.training.callbacks import Record
from spear_amal.training.run_state import RunState


@dataclass
class Result:
    """History and weights; the model itself holds the selected epoch's parameters.

    `weights` are those of the selected epoch, `last_weights` those after the last refresh: of all
    rows, also where these were spread over processes.
    """

    history: list[Record]
    best_epoch: int
    val_score: float | None
    weights: Tensor | None
    last_weights: Tensor | None = None
    refreshes: int = 0
    domain: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.bool))
    kept: dict[int, Tensors] = field(default_factory=dict)

    @classmethod
    def of(cls, state: RunState, shard: Shard, chosen: bool) -> Result:
        """Put the chosen epoch back, if validation rows chose one, and collect what there is."""
        last = _all_rows(state.mixer.table(), shard)
        if chosen:
            state.restore_best()
        return cls(
            history=state.history,
            best_epoch=state.selection.epoch if chosen else state.epoch - 1,
            val_score=state.selection.score if chosen else None,
            weights=_all_rows(state.mixer.table(), shard),
            last_weights=last,
            refreshes=state.refreshes,
            kept=state.kept,
        )


def _all_rows(table: Tensor | None, shard: Shard) -> Tensor | None:
    return None if table is None else shard.whole(table.detach()).cpu().clone()
