"""Everything a run must carry from one epoch to the next (to disk: :mod:`.checkpoint`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from spear_amal.distributed.shard import Shard
from spear_amal.io.safetensors import Tensors, under_prefix, with_prefix
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.training.callbacks import Record
from spear_amal.training.objective import make_scaler
from spear_amal.training.optimizers import make_optimiser

if TYPE_CHECKING:
    from spear_amal.training.config import TrainerConfig


TOLERANCE = 1e-12  # scores closer than this are ties


@dataclass
class Selection:
    """The best epoch so far.

    Stopping by validation loss alone is unsafe with noisy rules (a first study lost 16 points to
    it), so loss only breaks ties. Test rows have no part in it.
    """

    score: float = -1.0
    loss: float = float("inf")
    epoch: int = -1

    def better(self, score: float, loss: float) -> bool:
        """Whether (score, loss) beats what is held."""
        if abs(score - self.score) <= TOLERANCE:
            return loss < self.loss
        return score > self.score

    def offer(self, epoch: int, score: float, loss: float) -> bool:
        """Take an epoch if it is better; tells whether it was taken."""
        if not self.better(score, loss):
            return False
        self.score, self.loss, self.epoch = score, loss, epoch
        return True

    def exhausted(self, epoch: int, patience: int) -> bool:
        """Whether `patience` epochs have passed since the best one."""
        return epoch - self.epoch >= patience

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form (an infinite loss becomes None)."""
        held = asdict(self)
        return held | {"loss": None if self.loss == float("inf") else self.loss}

    @classmethod
    def from_dict(cls, held: dict[str, Any]) -> Selection:
        """Inverse of :meth:`as_dict`."""
        return cls(**held | {"loss": float("inf") if held["loss"] is None else held["loss"]})


GROUP_STREAM = 1 << 32  # keeps the two random streams apart for any 32-bit seed


@dataclass
class RunState:
    """Model, optimiser, mixer, random state, best epoch and history of one run."""

    model: JointModel
    mixer: Mixer
    optimiser: torch.optim.Optimizer
    order: torch.Generator
    groups: torch.Generator  # apart from `order`: whether weights are refreshed moves no batch
    fingerprint: str
    scaler: torch.amp.GradScaler
    selection: Selection = field(default_factory=Selection)
    best: Tensors = field(default_factory=dict)
    history: list[Record] = field(default_factory=list)
    epoch: int = 0
    refreshes: int = 0
    stopped: bool = False
    kept: dict[int, Tensors] = field(default_factory=dict)
    # Files of the mixer that the checkpoint on disk needs.
    saved_files: set[str] = field(default_factory=set)

    @classmethod
    def begin(
        cls, model: JointModel, mixer: Mixer, settings: TrainerConfig, seed: int, fingerprint: str
    ) -> RunState:
        """Start afresh."""
        return cls(
            model=model,
            mixer=mixer,
            optimiser=make_optimiser(model, settings),
            order=torch.Generator().manual_seed(seed),
            groups=torch.Generator().manual_seed(seed + GROUP_STREAM),
            fingerprint=fingerprint,
            scaler=make_scaler(settings.precision),
        )

    def keep_best(self) -> None:
        """Copy parameters and weights of the current epoch."""
        self.best = {k: v.clone() for k, v in self.now().items()}
        self._tidy()

    def keep_epoch(self) -> None:
        """Copy the feature model's parameters after an epoch that was asked for."""
        held = self.model.feature.state_dict()
        self.kept[self.epoch] = {name: value.cpu().clone() for name, value in held.items()}

    def restore_best(self) -> None:
        """Put the kept parameters and weights back."""
        self.put_back(self.best)

    def now(self) -> Tensors:
        """Parameters and weights as they are."""
        return {
            **with_prefix("model", self.model.state_dict()),
            **with_prefix("mixer", self.mixer.state_dict()),
        }

    def note_saved(self, now: Tensors) -> None:
        """Take note of a checkpoint with `now`; files that nothing needs any more go."""
        self.saved_files = self.files(now) | self.files(self.best)
        self._tidy()

    def files(self, tensors: Tensors) -> set[str]:
        """Name the files on disk that tensors refer to."""
        return self.mixer.files(under_prefix("mixer", tensors))

    def _tidy(self) -> None:
        """Let files go that neither the best epoch nor the checkpoint needs any more."""
        self.mixer.keep_files(self.files(self.best) | self.saved_files)

    def put_back(self, tensors: Tensors) -> None:
        """Take parameters and weights that :meth:`now` gave."""
        self.model.load_state_dict(under_prefix("model", tensors))
        mixed = under_prefix("mixer", tensors)
        if mixed:
            self.mixer.load_state_dict(mixed)


@dataclass
class TrainingResult:
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
    domain: PackedBools | None = None
    kept: dict[int, Tensors] = field(default_factory=dict)

    @classmethod
    def of(cls, state: RunState, shard: Shard, chosen: bool) -> TrainingResult:
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
