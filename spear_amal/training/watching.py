"""Watching all training within a block, epoch by epoch, however deep in it models are trained.

Callbacks belong to a model and take it out of lock step; a watcher belongs to whoever runs the
block, and is told numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from spear_amal.training.callbacks import Record


@dataclass(frozen=True)
class WatchedEpoch:
    """An epoch that ended.

    Attributes
    ----------
    name : tuple of str
        Whose it is: the run of a study, the member of a pool, the fold and the seed.
    record : dict
        Numbers of the epoch as the history has them: losses, scores, mean weights.
    n_epochs : int
        Epochs at most.
    is_last : bool
        Whether the training of the model is over.
    """

    name: tuple[str, ...]
    record: Record
    n_epochs: int
    is_last: bool


Watcher = Callable[[WatchedEpoch], None]
#: Who watches; None outside of such blocks.
WATCHER: ContextVar[Watcher | None] = ContextVar("WATCHER", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Call `watcher` after each epoch that this process trains within the block."""
    token = WATCHER.set(watcher)
    try:
        yield
    finally:
        WATCHER.reset(token)
