"""The head's input of rows as their training steps gave it: a refresh that passes no row again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class KeptStates:
    """A forward pass that remembers the head's input of each row of an epoch.

    Parameters
    ----------
    forward : function of x
        Gives logits (B, C), the head's input (B, H) and what a model may add.
    n_rows : int
        Rows of the training table.

    Attributes
    ----------
    is_recording : bool
        Whether the epoch that is trained is to be remembered.
    validation : Tensor (V, H), optional
        The head's input on the validation rows at the end of the epoch, where they were scored.
    """

    def __init__(self, forward: Callable[[Any], Any], n_rows: int) -> None:
        self._forward, self._n_rows = forward, n_rows
        self.is_recording = False
        self.validation: Tensor | None = None
        self._last: Tensor | None = None
        self._states = torch.zeros(0)  # (n_rows, H) once a row is known
        self._seen = torch.zeros(0, dtype=torch.bool)  # (n_rows,), where they are

    def __call__(self, x: Any) -> Any:
        """Return what the forward pass gives."""
        said = self._forward(x)
        if self.is_recording and isinstance(said[1], Tensor):  # else sparse features as they are
            self._last = said[1].detach()
        return said

    def begin_epoch(self, is_recording: bool) -> None:
        """Forget what is known; record the epoch that comes, or leave it."""
        self.is_recording, self.validation, self._last = is_recording, None, None
        self._seen.zero_()

    def keep(self, index: Tensor) -> None:
        """Keep what the last forward pass gave, as that of these rows (B,)."""
        if self._last is None:
            return
        if not len(self._states):
            self._states = self._last.new_zeros(self._n_rows, self._last.shape[1])
            self._seen = torch.zeros(self._n_rows, dtype=torch.bool, device=index.device)
        self._states[index] = self._last
        self._seen[index] = True
        self._last = None

    def has(self, rows: Tensor) -> bool:
        """Return whether all of these rows were trained on in the epoch."""
        return len(self._seen) > 0 and bool(self._seen[rows.to(self._seen.device)].all())

    def __getitem__(self, index: Tensor) -> Tensor:
        """Return the head's input (B, H) of rows."""
        return self._states[index]
