"""Everything a run must carry from one epoch to the next (to disk: :mod:`.checkpoint`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from spear_amal.io.safetensors import Tensors, under_prefix, with_prefix
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.training.callbacks import Record
from spear_amal.training.forward import make_scaler
from spear_amal.training.optimisers import make_optimiser
from spear_amal.training.selection import Selection

if TYPE_CHECKING:
    from spear_amal.training.trainer import Settings

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
        cls, model: JointModel, mixer: Mixer, settings: Settings, fingerprint: str
    ) -> RunState:
        """Start afresh."""
        return cls(
            model=model,
            mixer=mixer,
            optimiser=make_optimiser(model, settings),
            order=torch.Generator().manual_seed(settings.seed),
            groups=torch.Generator().manual_seed(settings.seed + GROUP_STREAM),
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
