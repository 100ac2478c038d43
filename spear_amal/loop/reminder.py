"""A word to those who take a mixer that learns and never let it."""

from __future__ import annotations

import warnings

from spear_amal.mixers import Mixer

_FAR = 1000  # epochs


class Reminder:
    """Warns once where a loop trains on and never asks whether a refresh is due.

    The weights would stay as they were made, and the loss a plain sum, without a word.

    Parameters
    ----------
    mixer : Mixer
    n_rows : int or None
        Training rows.

    Attributes
    ----------
    asked : bool
        Whether the loop has asked, or refreshed unasked.
    """

    def __init__(self, mixer: Mixer, n_rows: int | None) -> None:
        self.asked = not mixer.needs_look_ahead or mixer.every_step or n_rows is None
        self._n_rows, self._left = n_rows or 0, 0
        if not self.asked:
            first = next(filter(mixer.should_refresh, range(_FAR)), _FAR)
            # One pass through the rows more than is needed, for rows may be trained on twice.
            self._left = (first + 1) * self._n_rows
        self._kind = type(mixer).__name__

    def note(self, n: int) -> None:
        """Count the rows of a step."""
        if self.asked:
            return
        self._left -= n
        if self._left < 0:
            self.asked = True
            warnings.warn(
                f"{self._kind} has not been refreshed in more steps than its first epochs have, "
                "so its weights are still those that it began with: ask `if "
                "mixer.refresh_due(epoch): mixer.refresh(train, validation)` before each epoch, "
                "or give this very mixer to the adapter",
                stacklevel=3,
            )
