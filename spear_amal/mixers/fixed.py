"""One constant weight per loss; all ones is SPEAR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.mixers.base import Mixer
from spear_amal.types import Batch


class Fixed(Mixer):
    """Constant weights.

    Parameters
    ----------
    per_loss : mapping of str to float, optional
        Weight per loss name; losses not named keep 1.
    """

    def __init__(self, per_loss: Mapping[str, float] | None = None) -> None:
        self.per_loss = dict(per_loss or {})

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Check the names and lay out one weight per loss."""
        super().attach(n_rows, names, domain, mixable)
        unknown = sorted(set(self.per_loss) - set(names))
        if unknown:
            raise InputError(f"per_loss names losses that are not trained: {unknown}; have {names}")
        vector = torch.tensor([float(self.per_loss.get(name, 1.0)) for name in names])
        self.vector = vector.to(domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.to(losses).expand_as(losses)

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.vector.expand(self.n_rows, -1)
