"""One constant weight per loss; all ones is SPEAR, 0.1 and 0.9 is Hinton's distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.mixers.base import Mixer
from spear_amal.mixers.loss_roles import by_name, check_by_name, check_main, main_loss


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
        self.per_loss = per_loss
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        if self.per_loss is not None:
            check_by_name("per_loss", self.per_loss, least=-math.inf)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Check the names and lay out one weight per loss."""
        super().attach(n_rows, names, domain, mixable)
        weights = (
            by_name("per_loss", self.per_loss, names) if self.per_loss else torch.ones(len(names))
        )
        self.vector = weights.to(domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.to(losses).expand_as(losses)

    def row_weights(self, rows: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.expand(len(rows), -1)

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.vector.expand(self.n_rows, -1)


class Frozen(Mixer):
    """A table of weights (n_rows, K) that does not change."""

    spreads = True

    def __init__(self, lambdas: Tensor) -> None:
        self.lambdas = lambdas

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Check that the table fits."""
        super().attach(n_rows, names, domain, mixable)
        if self.lambdas.shape != (n_rows, len(names)):
            raise InputError(
                f"frozen weights have shape {tuple(self.lambdas.shape)}, training needs "
                f"{(n_rows, len(names))}"
            )
        self.lambdas = self.lambdas.to(domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the weights (B, K) of the batch's rows."""
        return self.row_weights(batch.index).to(losses)

    def row_weights(self, rows: Tensor) -> Tensor:
        """Return the weights (B, K) of rows."""
        return self.lambdas[rows]

    def table(self) -> Tensor:
        """All weights."""
        return self.lambdas


class PerLoss(Mixer):
    """One weight per loss, the same on every row; how :attr:`vector` (K,) comes about differs."""

    vector: Tensor

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.to(losses).expand_as(losses)

    def row_weights(self, rows: Tensor) -> Tensor:
        """Return the same weights for every row."""
        return self.vector.expand(len(rows), -1)

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
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_main(self.main)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Find the main loss."""
        super().attach(n_rows, names, domain, mixable)
        chosen = torch.arange(len(names)) == main_loss(self.main, names)
        self.vector = (chosen | ~mixable.cpu()).float().to(domain.device)
