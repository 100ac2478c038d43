"""Which epoch to keep: best validation metric, then lowest validation loss, then the earliest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

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
