"""One constant weight per loss; all ones is SPEAR, 0.1 and 0.9 is Hinton's distillation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.mixers.base import Mixer
from spear_amal.mixers.by_name import by_name


class Fixed(Mixer):
    """Constant weights.

    Parameters
    ----------
    per_loss : mapping of str to float, optional
        Weight per loss name, where "label" stands for the loss on labels and "teacher" for every
        teacher's; losses not named keep 1.
    """

    spreads = True

    def __init__(self, per_loss: Mapping[str, float] | None = None) -> None:
        self.per_loss = dict(per_loss or {})

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Check the names and lay out one weight per loss."""
        super().attach(n_rows, names, domain, mixable)
        self.vector = by_name("per_loss", self.per_loss, names).to(domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.to(losses).expand_as(losses)

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.vector.expand(self.n_rows, -1)
