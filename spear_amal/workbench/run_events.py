"""What a command that trains has written of its way so far, read as it grows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Curve = list[tuple[int, float]]  # (epoch, value)


@dataclass
class TrainedModel:
    """One model of a stage.

    Attributes
    ----------
    name : tuple of str
        From the outside in: run of a study, member of a pool, fold and seed.
    scores : list of (int, float)
        Validation scores by epoch.
    weights : dict of str to list of (int, float)
        Mean weight of each loss by epoch; empty where no weights are learnt.
    n_epochs : int
        At most.
    epoch : int
        Epochs that ended.
    is_over : bool
    """

    name: tuple[str, ...]
    scores: Curve = field(default_factory=list)
    weights: dict[str, Curve] = field(default_factory=dict)
    n_epochs: int = 1
    epoch: int = 0
    is_over: bool = False

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an epoch."""
        epoch = int(event["epoch"])
        self.epoch, self.n_epochs, self.is_over = epoch + 1, int(event["of"]), bool(event["last"])
        score = event.get("val_score")
        if score is not None:
            self.scores.append((epoch + 1, float(score)))
        for loss, weight in event.get("weights", {}).items():
            if weight is not None:
                self.weights.setdefault(loss, []).append((epoch + 1, float(weight)))


@dataclass
class Stage:
    """A part of the way: training, estimating or comparing.

    Attributes
    ----------
    name : str
    began : float
        Seconds after the command.
    models : dict of tuple of str to TrainedModel
        In the order in which they were begun.
    done, total : int
        Finished parts, of all; 0 of 0 where nobody counts them.
    """

    name: str
    began: float = 0.0
    models: dict[tuple[str, ...], TrainedModel] = field(default_factory=dict)
    done: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """Share of the epochs that may come at most; models that began alone are known."""
        if not self.models:
            return self.done / self.total if self.total else 0.0
        parts = [1.0 if m.is_over else m.epoch / m.n_epochs for m in self.models.values()]
        return sum(parts) / len(parts)


class RunEvents:
    """The events of a run, read from a file that grows; see ``spear-amal train --events``.

    Parameters
    ----------
    path : Path
        It need not be there yet.

    Attributes
    ----------
    seconds : float
        Since the command began, of the last event.
    stages : list of Stage
    end : dict or None
        The last event, once it is there.
    n : int
        How many events were read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.seconds = 0.0
        self.stages: list[Stage] = []
        self.end: dict[str, Any] | None = None
        self.n = 0

    def read(self) -> bool:
        """Read what was added since; return whether there was anything."""
        try:
            with open(self._path, "rb") as handle:
                handle.seek(self._offset)
                added = handle.read()
        except FileNotFoundError:
            return False
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self._take(event)
        return bool(whole)

    def _take(self, event: dict[str, Any]) -> None:
        self.n += 1
        self.seconds = float(event.get("seconds", self.seconds))
        kind = event.get("event")
        if kind == "stage":
            self.stages.append(Stage(str(event["name"]), self.seconds))
        elif kind == "end":
            self.end = event
        elif not self.stages:
            return
        elif kind == "part":
            self.stages[-1].done, self.stages[-1].total = int(event["done"]), int(event["total"])
        elif kind == "epoch":
            name = tuple(map(str, event["name"]))
            models = self.stages[-1].models
            models.setdefault(name, TrainedModel(name)).add(event)
