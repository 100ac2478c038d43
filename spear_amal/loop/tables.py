"""What is known of the training rows beforehand, and batches made of their ids."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.loop.row_losses import check_rows, row_numbers

# Rows are numbered within the batch where no row has a weight of its own.
UNNUMBERED = 2**16


class RowTables:
    """Domains and classes by training row.

    Parameters
    ----------
    n_rows : int or None
        None numbers the rows of each batch from 0.
    n_losses : int
    domain : Tensor (n_rows, K), bool, or None
        None is everywhere.
    y : Tensor (n_rows,), int, or None
        None is unknown.
    check : bool
        Look at the values of row ids.
    """

    def __init__(
        self, n_rows: int | None, n_losses: int, domain: Any, y: Any, *, check: bool
    ) -> None:
        if n_rows is None and not (domain is None and y is None):
            raise InputError("domain and y are by training row; give n_rows as well")
        self.n_rows, self.check = n_rows, check
        n = len(self)
        self.domain = _filled("domain", domain, (n, n_losses), torch.bool, True)
        self.y = _filled("y", y, (n,), torch.int64, -1)

    def __len__(self) -> int:
        return UNNUMBERED if self.n_rows is None else self.n_rows

    @property
    def device(self) -> torch.device:
        """Where the tables lie."""
        return self.domain.device

    def to(self, device: torch.device) -> None:
        """Move the tables."""
        self.domain, self.y = self.domain.to(device), self.y.to(device)

    def index(self, rows: Any, n: int) -> Tensor:
        """Row numbers (n,), or places within the batch where rows have none."""
        if self.n_rows is None:
            if n > UNNUMBERED:
                raise InputError(f"a batch has {n} rows; without n_rows at most {UNNUMBERED} fit")
            return torch.arange(n, device=self.device)
        if rows is None:
            raise InputError(
                "rows is missing: the ids of the batch's rows, as the data set numbers them from "
                f"0 to {self.n_rows - 1}"
            )
        index = row_numbers(rows, n, self.device)
        if self.check:
            check_rows(index, self.n_rows)
        return index

    def applies(self, given: Any, index: Tensor) -> Tensor:
        """Where the losses of a batch are defined (B, K): as given, else as the table says."""
        if given is None:
            return self.domain[index]
        shape = (len(index), self.domain.shape[1])
        if isinstance(given, Tensor) and given.dtype == torch.bool and given.shape == shape:
            return given.to(self.device)
        found = f"{type(given).__name__}"
        if isinstance(given, Tensor):
            found = f"{given.dtype} of shape {tuple(given.shape)}"
        raise InputError(f"applies must be a bool tensor of shape {shape}, found {found}")

    def batch(self, index: Tensor) -> Batch:
        """Make what mixers may see of a batch: ids and classes, no features."""
        none = torch.zeros(len(index), 0, device=self.device)
        return Batch(index, none, self.y[index], none, none, none.unsqueeze(2))


def _filled(
    name: str, given: Any, shape: tuple[int, ...], dtype: torch.dtype, default: bool | int
) -> Tensor:
    if given is None:
        return torch.full(shape, default, dtype=dtype)
    table = torch.as_tensor(given)
    fits = not table.is_floating_point() and (dtype == torch.bool) == (table.dtype == torch.bool)
    if not fits or tuple(table.shape) != shape:
        raise InputError(
            f"{name} must be of {dtype} and shape {shape}, found {table.dtype} of shape "
            f"{tuple(table.shape)}"
        )
    return table.to(dtype, copy=True)
