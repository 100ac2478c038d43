"""Weights by row number: what a mixer that learns one per row and loss looks up and changes.

Half precision: a step below half the distance between two neighbouring numbers (0.0005 near
weight 1) would never move a weight if values were rounded to the nearest. They are rounded up or
down at random instead, with the chances that make the mean exact, so that small steps add up.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "float16": torch.float16}
_SMALLEST = -14  # exponent of the smallest normal number in half precision
_DIGITS = 10  # bits after the leading one


class WeightTable:
    """Weights (n_rows, K) in memory; indexing by row numbers gives and takes float32.

    Parameters
    ----------
    n_rows : int
    start : Tensor (K,)
        First weight of each loss.
    dtype : {"float32", "float16"}
        How weights are kept.

    Attributes
    ----------
    changes : int
        Counts assignments, so that means need not be computed again where nothing changed.

    Examples
    --------
    >>> table = WeightTable(3, torch.ones(2), "float16")
    >>> table[torch.tensor([2])] = torch.tensor([[0.5, 0.25]])
    >>> table[torch.tensor([2, 0])].tolist()
    [[0.5, 0.25], [1.0, 1.0]]
    """

    def __init__(self, n_rows: int, start: Tensor, dtype: str = "float32") -> None:
        self.dtype = DTYPES[dtype]
        self.device = start.device
        self.shape = (n_rows, len(start))
        self.start = start.to(self.dtype)
        self.changes = 0
        # The same stream on every device and for every seed of a run.
        self._rounding = torch.Generator().manual_seed(0)
        self._open()

    def _open(self) -> None:
        self.values = self.start.repeat(self.shape[0], 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Weights (B, K) of some rows, float32."""
        return self.values[rows].float()

    def __setitem__(self, rows: Tensor | slice, weights: Tensor) -> None:
        """Change the weights of some rows to (B, K)."""
        self.values[rows] = self._rounded(weights)
        self.changes += 1

    def _rounded(self, weights: Tensor) -> Tensor:
        if self.dtype == torch.float32:
            return weights.float()
        return round_at_random(weights.to(self.device).float(), self._rounding)

    def whole(self) -> Tensor:
        """All weights (n_rows, K) as one float32 tensor; of a float32 table in memory itself."""
        return self.values.float()

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load_state_dict` continues."""
        return {"lambdas": self.values.clone(), **self._rounding_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.values = state["lambdas"].to(device=self.device, dtype=self.dtype, copy=True)
        self._take_rounding(state)

    def _rounding_state(self) -> dict[str, Tensor]:
        return {} if self.dtype == torch.float32 else {"rounding": self._rounding.get_state()}

    def _take_rounding(self, state: Mapping[str, Tensor]) -> None:
        self.changes += 1
        if "rounding" in state:
            self._rounding.set_state(state["rounding"].cpu())


def round_at_random(values: Tensor, generator: torch.Generator) -> Tensor:
    """Float32 to half precision, up or down with chances that make the mean exact.

    What half precision can hold is kept as it is.
    """
    exponent = torch.frexp(values).exponent - 1  # of the leading bit
    unit = torch.ldexp(torch.ones_like(values), exponent.clamp(min=_SMALLEST) - _DIGITS)
    steps = values / unit  # exact: unit is a power of two
    below = steps.floor()
    drawn = torch.rand(values.shape, generator=generator).to(values.device)
    return ((below + (drawn < steps - below)) * unit).half()
