"""Hooks into training: empty by default, so that each callback writes only what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Record = dict[str, Any]


class Callback:
    """Called by the trainer; all hooks are optional."""

    def watch(self, model: nn.Module) -> None:
        """Get the model that is being trained, before anything else; not to be changed."""

    def on_begin(self, n_epochs: int, first: int) -> None:
        """Training starts at epoch `first` of at most `n_epochs`."""

    def on_epoch(self, epoch: int, record: Record) -> None:
        """Epoch `epoch` (from 0) ended with `record`."""

    def on_end(self) -> None:
        """Training ended or was interrupted."""


class ProgressBar(Callback):
    """A bar on stderr with the time left, the latest validation score and the best one.

    The time left is an upper bound: early stopping may end training sooner.
    """

    def __init__(self, title: str = "training") -> None:
        self.title = title

    def on_begin(self, n_epochs: int, first: int) -> None:
        """Open the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed}/{task.total}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self.task = self.progress.add_task(self.title, total=n_epochs, completed=first, note="")
        self.progress.start()

    def on_epoch(self, epoch: int, record: Record) -> None:
        """Move on by one epoch."""
        note = f"val {record['val_score']:.3f}" if "val_score" in record else ""
        self.progress.update(self.task, completed=epoch + 1, note=note)

    def on_end(self) -> None:
        """Close the bar."""
        self.progress.stop()
