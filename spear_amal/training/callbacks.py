"""Hooks into training: empty by default, so that each callback writes only what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spear_amal.progress import Progress

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
    """A :class:`~spear_amal.progress.Progress` with the time left and the latest validation score.

    The time left is an upper bound: early stopping may end training sooner.
    """

    def __init__(self, title: str = "training") -> None:
        self.title = title

    def on_begin(self, n_epochs: int, first: int) -> None:
        """Open the bar."""
        self._bar = Progress(self.title, unit="epoch")
        self._bar.begin(n_epochs, first)
        self._bar.__enter__()

    def on_epoch(self, epoch: int, record: Record) -> None:
        """Move on by one epoch."""
        note = f"val {record['val_score']:.3f}" if "val_score" in record else ""
        self._bar.move_to(epoch + 1, note)

    def on_end(self) -> None:
        """Close the bar."""
        self._bar.__exit__()
