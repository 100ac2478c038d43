"""Weights learnt elsewhere, held fixed: used when a model is refit on more labels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.mixers.base import Mixer


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
        """Look the batch's rows up."""
        return self.lambdas[batch.index].to(losses)

    def table(self) -> Tensor:
        """All weights."""
        return self.lambdas
