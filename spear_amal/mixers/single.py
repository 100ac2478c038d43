"""The main loss alone: what auxiliary losses have to beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.mixers.base import Mixer
from spear_amal.mixers.main_loss import check_main, main_loss


class PerLoss(Mixer):
    """One weight per loss, the same on every row; how :attr:`vector` (K,) comes about differs."""

    vector: Tensor

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.to(losses).expand_as(losses)

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Weight of each loss."""
        return dict(zip(self.names, self.vector.tolist(), strict=True))

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.vector.float().expand(self.n_rows, -1)


class Single(PerLoss):
    """Weight 1 on the main loss and 0 on the others; losses that are not mixable keep 1.

    Parameters
    ----------
    main : str, optional
        The main loss; by default the one in the role "label", else the first.
    """

    spreads = True

    def __init__(self, main: str | None = None) -> None:
        self.main = main
        check_main(main)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Find the main loss."""
        super().attach(n_rows, names, domain, mixable)
        chosen = torch.arange(len(names)) == main_loss(self.main, names)
        self.vector = (chosen | ~mixable.cpu()).float().to(domain.device)
