"""Everything a run must carry from one epoch to the next, and its way to disk and back.

A run that continues from a checkpoint gives the same result bit for bit on a CPU: parameters,
optimiser, weights, best state, random states and history are all in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from spear_amal.errors import FileFormatError
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.tensor_files import (
    Tensors,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)
from spear_amal.training.callbacks import Record
from spear_amal.training.optimisers import flatten, make_optimiser, unflatten
from spear_amal.training.selection import Selection

if TYPE_CHECKING:
    from spear_amal.training.trainer import Settings

KIND = "training checkpoint"
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
        """Start afresh, or from the checkpoint of the same run if there is one."""
        state = cls(
            model=model,
            mixer=mixer,
            optimiser=make_optimiser(model, settings),
            order=torch.Generator().manual_seed(settings.seed),
            groups=torch.Generator().manual_seed(settings.seed + GROUP_STREAM),
            fingerprint=fingerprint,
        )
        if settings.checkpoint is not None and Path(settings.checkpoint).exists():
            state.load(settings.checkpoint)
        return state

    def keep_best(self) -> None:
        """Copy parameters and weights of the current epoch."""
        self.best = {k: v.clone() for k, v in self._model_and_mixer().items()}
        self._tidy()

    def keep_epoch(self) -> None:
        """Copy the feature model's parameters after an epoch that was asked for."""
        held = self.model.feature.state_dict()
        self.kept[self.epoch] = {name: value.cpu().clone() for name, value in held.items()}

    def restore_best(self) -> None:
        """Put the kept parameters and weights back."""
        self._put_back(self.best)

    def _model_and_mixer(self) -> Tensors:
        return {
            **with_prefix("model", self.model.state_dict()),
            **with_prefix("mixer", self.mixer.state_dict()),
        }

    def _files(self, tensors: Tensors) -> set[str]:
        return self.mixer.files(under_prefix("mixer", tensors))

    def _tidy(self) -> None:
        """Let files go that neither the best epoch nor the checkpoint needs any more."""
        self.mixer.keep_files(self._files(self.best) | self.saved_files)

    def _put_back(self, tensors: Tensors) -> None:
        self.model.load_state_dict(under_prefix("model", tensors))
        mixed = under_prefix("mixer", tensors)
        if mixed:
            self.mixer.load_state_dict(mixed)

    def _cuda_device(self) -> torch.device | None:
        device = next(self.model.parameters()).device
        return device if device.type == "cuda" else None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint; the previous one stays until the new one is complete."""
        now = self._model_and_mixer()
        tensors = {
            **with_prefix("now", now),
            **with_prefix("best", self.best),
            **with_prefix("optimiser", flatten(self.optimiser)),
            "random.order": self.order.get_state(),
            "random.groups": self.groups.get_state(),
            "random.global": torch.get_rng_state(),
        }
        for epoch, held in self.kept.items():
            tensors |= with_prefix(f"kept.{epoch}", held)
        device = self._cuda_device()
        if device is not None:
            tensors["random.cuda"] = torch.cuda.get_rng_state(device)
        about = {
            "kind": KIND,
            "fingerprint": self.fingerprint,
            "selection": self.selection.as_dict(),
            "history": self.history,
            "epoch": self.epoch,
            "refreshes": self.refreshes,
            "stopped": self.stopped,
            "kept": list(self.kept),
        }
        write_tensors(path, tensors, about)
        self.saved_files = self._files(now) | self._files(self.best)
        self._tidy()

    def load(self, path: str | os.PathLike[str]) -> None:
        """Continue from a checkpoint of the same data and settings."""
        tensors, about = read_tensors(path, KIND)
        if about["fingerprint"] != self.fingerprint:
            raise FileFormatError(
                f"{path} is a checkpoint of other data or settings; give another checkpoint path "
                "or remove the file to start afresh"
            )
        now, self.best = under_prefix("now", tensors), under_prefix("best", tensors)
        self._put_back(now)
        self.saved_files = self._files(now) | self._files(self.best)
        unflatten(self.optimiser, under_prefix("optimiser", tensors))
        self.kept = {n: under_prefix(f"kept.{n}", tensors) for n in about.get("kept", [])}
        self.order.set_state(tensors["random.order"])
        self.groups.set_state(tensors["random.groups"])
        torch.set_rng_state(tensors["random.global"])
        device = self._cuda_device()
        if "random.cuda" in tensors and device is not None:
            torch.cuda.set_rng_state(tensors["random.cuda"], device)
        self.selection = Selection.from_dict(about["selection"])
        self.history, self.epoch = about["history"], about["epoch"]
        self.refreshes, self.stopped = about["refreshes"], about["stopped"]
