"""Checkpoints: a run of training is written to disk, and continued from there.

A run that continues from a checkpoint gives the same result bit for bit on a CPU: parameters,
optimiser, weights, best state, random states and history are all in it. Where several processes
train together, each writes the weights of its own rows into a part that has the epoch in its
name; the file itself is written last and says which parts belong to it. Whenever a process is
killed, the newest file is therefore complete.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import FileFormatError
from spear_amal.io.guard import guarded_reading
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.io.safetensors import (
    Tensors,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)
from spear_amal.training.state import Parts, RunState, Selection

KIND, PART = "training checkpoint", "part of a training checkpoint"
GROUP = "training checkpoint of several models"
# An earlier version trained folds one by one; so does this one where they are not alike.
OF_ANOTHER_WAY = "remove the file to start afresh, or go on with what wrote it"
# What differs from process to process: weights of rows, and what is drawn for them.
OWN = ("now.mixer.", "best.mixer.", "random.global", "random.cuda")


@dataclass(frozen=True)
class Checkpoint:
    """The file `path`, and beside it a part for each process where there are several.

    All processes must see the same folder.
    """

    path: Path
    shard: Shard = WHOLE

    def save(self, states: Sequence[RunState]) -> None:
        """Write the state of a run, or of all that train in lock step, in one file.

        The previous checkpoint stays until the new one is complete.
        """
        if len(states) > 1:
            self._save_group(states)
            return
        (state,) = states
        tensors, header = _tensors(state), self._header(state)
        if self.shard.world == 1:
            write_tensors(self.path, tensors, header)
            state.note_saved(_parts("now", tensors))
            return
        local = {name: value for name, value in tensors.items() if name.startswith(OWN)}
        write_tensors(self._part(state.epoch), local, header | {"kind": PART, "history": []})
        self.shard.wait()
        if self.shard.rank == 0:
            shared = {name: value for name, value in tensors.items() if name not in local}
            write_tensors(self.path, shared, header)
            self._remove_old(state.epoch)

    def _save_group(self, states: Sequence[RunState]) -> None:
        parts = [_tensors(state) for state in states]
        tensors = Tensors()
        for i, part in enumerate(parts):
            tensors |= with_prefix(f"{i}", part)
        header = {
            "kind": GROUP,
            "fingerprint": _fingerprint(states),
            "members": [self._header(state) for state in states],
        }
        write_tensors(self.path, tensors, header)
        for state, part in zip(states, parts, strict=True):
            state.note_saved(_parts("now", part))

    def load(self, states: Sequence[RunState]) -> None:
        """Continue from the checkpoint of the same data and settings, if there is one.

        Raises
        ------
        FileFormatError
            If it is another run's, damaged, incomplete, or of another number of processes.
        """
        remove_leftovers(self.path.parent)
        seen = self.shard.all(self.path.exists())
        if len(set(seen)) > 1:
            raise FileFormatError(
                f"only processes {[r for r, sees in enumerate(seen) if sees]} see {self.path}: a "
                "checkpoint must be in a folder that all processes share"
            )
        if seen[0]:
            advice = "remove the file to start afresh"
            with guarded_reading(self.path, f"a {KIND} of this training", advice):
                if len(states) > 1:
                    self._take_group(states)
                else:
                    _take(states[0], *self._read(states[0].fingerprint))

    def _take_group(self, states: Sequence[RunState]) -> None:
        tensors, header = read_tensors(self.path, GROUP, OF_ANOTHER_WAY)
        self._check_fingerprint(header, _fingerprint(states))
        for i, (state, own) in enumerate(zip(states, header["members"], strict=True)):
            _take(state, under_prefix(f"{i}", tensors), own)

    def _check_fingerprint(self, header: dict[str, Any], fingerprint: str) -> None:
        if header["fingerprint"] != fingerprint:
            raise FileFormatError(
                f"{self.path} is a checkpoint of other data or settings; give another checkpoint "
                "path or remove the file to start afresh"
            )

    def _read(self, fingerprint: str) -> tuple[Tensors, dict[str, Any]]:
        tensors, header = read_tensors(self.path, KIND, OF_ANOTHER_WAY)
        world = header.get("world", 1)
        self._check_fingerprint(header, fingerprint)
        if world != self.shard.world:
            raise FileFormatError(
                f"{self.path} is a checkpoint of {world} processes, these are {self.shard.world}: "
                f"start {world}, or remove the file to start afresh"
            )
        if world == 1:
            return tensors, header
        part = self._part(header["epoch"])
        local, said = read_tensors(part, PART) if part.is_file() else ({}, {})
        if any(said.get(name) != header[name] for name in ("fingerprint", "epoch", "world")):
            raise FileFormatError(
                f"{self.path} needs {part.name} beside it, which is missing or another run's; "
                "remove the file to start afresh"
            )
        return tensors | local, header

    def _header(self, state: RunState) -> dict[str, Any]:
        return {
            "kind": KIND,
            "world": self.shard.world,
            "fingerprint": state.fingerprint,
            "selection": state.selection.as_dict(),
            "history": state.history,
            "epoch": state.epoch,
            "refreshes": state.refreshes,
            "stopped": state.stopped,
            "kept": list(state.kept),
            "scaler": state.scaler.state_dict(),
        }

    def _part(self, epoch: int | str) -> Path:
        name = f"{self.path.stem}-epoch{epoch}-rank{self.shard.rank}{self.path.suffix}"
        return self.path.with_name(name)

    def _remove_old(self, epoch: int) -> None:
        stem, suffix = glob.escape(self.path.stem), glob.escape(self.path.suffix)
        for part in self.path.parent.glob(f"{stem}-epoch*-rank*{suffix}"):
            if f"-epoch{epoch}-rank" not in part.name:
                part.unlink()


def _fingerprint(states: Sequence[RunState]) -> str:
    return "+".join(state.fingerprint for state in states)


def _tensors(state: RunState) -> Tensors:
    tensors = {
        **with_prefix("optimiser", state.optimiser.tensors()),
        "random.order": state.order.get_state(),
        "random.groups": state.groups.get_state(),
        "random.global": torch.get_rng_state(),
    }
    for moment, parts in (("now", state.now()), ("best", state.best)):
        for part, values in parts.items():
            tensors |= with_prefix(f"{moment}.{part}", values)
    if state.pseudo_labels is not None:
        tensors |= with_prefix("pseudo", state.pseudo_labels.state_dict())
    for epoch, values in state.kept.items():
        tensors |= with_prefix(f"kept.{epoch}", values)
    device = _cuda_device(state)
    if device is not None:
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    return tensors


def _parts(moment: str, tensors: Tensors) -> Parts:
    """Parameters and weights of a moment; empty where the file has none."""
    parts = {part: under_prefix(f"{moment}.{part}", tensors) for part in ("model", "mixer")}
    return parts if parts["model"] else {}


def _check_header(header: dict[str, Any], tensors: Tensors) -> None:
    """Raise TypeError for values that :class:`Checkpoint` does not write."""
    selection, history, kept = header["selection"], header["history"], header.get("kept", [])
    fits = (
        all(type(n) is int for n in (header["epoch"], header["refreshes"], selection["epoch"]))
        and isinstance(selection["score"], float | int)
        and isinstance(history, list)
        and all(isinstance(record, dict) for record in history)
        and all(isinstance(record.get("val_score", 0.0), float | int) for record in history)
        and -1 <= selection["epoch"] < max(len(history), 1)
        and all(under_prefix(f"kept.{epoch}", tensors) for epoch in kept)
    )
    if not fits:
        raise TypeError("its header holds values that no training wrote")


def _take(state: RunState, tensors: Tensors, header: dict[str, Any]) -> None:
    _check_header(header, tensors)
    now, state.best = _parts("now", tensors), _parts("best", tensors)
    state.put_back(now)
    state.saved_files = state.files(now) | state.files(state.best)
    state.optimiser.load(under_prefix("optimiser", tensors))
    state.kept = {n: under_prefix(f"kept.{n}", tensors) for n in header.get("kept", [])}
    if state.pseudo_labels is not None:
        state.pseudo_labels.load_state_dict(under_prefix("pseudo", tensors))
    state.order.set_state(tensors["random.order"])
    state.groups.set_state(tensors["random.groups"])
    torch.set_rng_state(tensors["random.global"])
    device = _cuda_device(state)
    if "random.cuda" in tensors and device is not None:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
    if header.get("scaler"):
        state.scaler.load_state_dict(header["scaler"])
    state.selection = Selection.from_dict(header["selection"])
    state.history, state.epoch = header["history"], header["epoch"]
    state.refreshes, state.stopped = header["refreshes"], header["stopped"]


def _cuda_device(state: RunState) -> torch.device | None:
    device = next(state.model.parameters()).device
    return device if device.type == "cuda" else None
