"""What training gives back beside the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spear_amal.distributed.shard import Shard
from spear_amal.io.safetensors import Tensors
from spear_amal.mixers import Mixer
from spear_amal.tensors.bool_table import BitRows
from spear_amal.training.callbacks import Record
from spear_amal.training.run_state import RunState


@dataclass
class Result:
    """History and weights; the model itself holds the selected epoch's parameters.

    `weights` are those of the selected epoch, `last_weights` those after the last refresh: tensors
    (n, K), also where rows were spread over processes, or tables on disk, of which rows are taken
    in the same way.
    """

    history: list[Record]
    best_epoch: int
    val_score: float | None
    weights: Any
    last_weights: Any = None
    refreshes: int = 0
    domain: BitRows | None = None
    kept: dict[int, Tensors] = field(default_factory=dict)

    @classmethod
    def of(cls, state: RunState, shard: Shard, chosen: bool) -> Result:
        """Put the chosen epoch back, if validation rows chose one, and collect what there is."""
        last = _all_rows(state.mixer, shard)
        if chosen:
            state.restore_best()
        return cls(
            history=state.history,
            best_epoch=state.selection.epoch if chosen else state.epoch - 1,
            val_score=state.selection.score if chosen else None,
            weights=_all_rows(state.mixer, shard),
            last_weights=last,
            refreshes=state.refreshes,
            kept=state.kept,
        )


def _all_rows(mixer: Mixer, shard: Shard) -> Any:
    held = mixer.snapshot()
    return held if held is None or shard.world == 1 else shard.whole(held)
