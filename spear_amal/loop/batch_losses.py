"""Losses by row and their row numbers as a user's loop hands them over, checked by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError

SHOWN = 5  # row ids in a message
_ONE_EACH = "needs one value a row, as reduction='none' gives it"


@dataclass(frozen=True)
class RowLosses:
    """Losses of B rows.

    Attributes
    ----------
    columns : tuple of K Tensors (B,)
        Each with the graph that it came with.
    stacked : Tensor (B, K)
        The same; at least float32.
    told_apart : bool
        Whether each column has a graph of its own: they came by name.
    """

    columns: tuple[Tensor, ...]
    stacked: Tensor
    told_apart: bool

    @classmethod
    def of(cls, losses: Any, names: Sequence[str]) -> RowLosses:
        """Make losses of a tensor (B, K) in the order of `names`, or of tensors (B,) by name."""
        if isinstance(losses, Mapping):
            columns = tuple(map(_wide, _by_name(losses, names)))
            return cls(columns, torch.stack(columns, dim=1), told_apart=True)
        _check_matrix(losses, names)
        stacked = _wide(losses)
        return cls(stacked.unbind(1), stacked, told_apart=False)

    def __len__(self) -> int:
        return len(self.stacked)

    def within(self, applies: Tensor) -> RowLosses:
        """Return the losses with zeros outside the domains (B, K)."""
        if not self.told_apart:
            stacked = torch.where(applies, self.stacked, torch.zeros_like(self.stacked))
            return RowLosses(stacked.unbind(1), stacked, told_apart=False)
        pairs = zip(self.columns, applies.unbind(1), strict=True)
        columns = tuple(torch.where(here, c, torch.zeros_like(c)) for c, here in pairs)
        return RowLosses(columns, torch.stack(columns, dim=1), told_apart=True)


def check_gradients(losses: RowLosses, names: Sequence[str], applies: Tensor) -> None:
    """Raise InputError if a loss that is defined anywhere has no gradient."""
    for k, name in enumerate(names):
        if not _has_graph(losses, k) and bool(applies[:, k].any()):
            raise InputError(
                f"loss {name!r} has no gradient: it does not depend on trainable parameters, or "
                "was made under torch.no_grad() or from a detached tensor; leave it out of the "
                "losses, or compute it from the model's output"
            )


def check_finite(losses: RowLosses, names: Sequence[str], rows: Tensor) -> None:
    """Raise InputError naming the first loss that is NaN or infinite, and its rows."""
    finite = torch.isfinite(losses.stacked.detach())
    if bool(finite.all()):
        return
    k = int((~finite).any(0).nonzero()[0])
    bad = ~finite[:, k]
    values = sorted({str(v) for v in losses.stacked.detach()[bad, k].tolist()})
    raise InputError(
        f"loss {names[k]!r} is {' and '.join(values)} on {int(bad.sum())} of {len(bad)} rows, "
        f"first on rows {rows[bad][:SHOWN].tolist()}; use a smaller learning rate, look at their "
        "inputs, or tell by `applies` where the loss is defined"
    )


def row_numbers(rows: Any, n: int, device: torch.device) -> Tensor:
    """Row ids as an int64 tensor (n,) on a device; raises unless they are n whole numbers."""
    try:
        index = torch.as_tensor(rows)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"rows must be whole numbers, one a row, found {str(rows)[:50]}") from None
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise InputError(f"rows must be whole numbers, found {index.dtype}")
    if index.shape != (n,):
        raise InputError(
            f"rows must hold one id for each of the {n} rows of the losses, found the shape "
            f"{tuple(index.shape)}"
        )
    return index.to(device=device, dtype=torch.int64)


def check_row_ids(index: Tensor, n_rows: int) -> None:
    """Raise InputError where row ids lie outside ``[0, n_rows)``."""
    if not len(index):
        return
    low, high = index.aminmax()
    if low < 0 or high >= n_rows:
        outside = index[(index < 0) | (index >= n_rows)]
        raise InputError(
            f"rows must lie in [0, {n_rows}), found {outside[:SHOWN].tolist()}; number the "
            "training rows from 0 and give n_rows as their count"
        )


def _wide(values: Tensor) -> Tensor:
    """At least float32: sums of half-precision losses would lose their small ones."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _by_name(losses: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    if set(losses) != set(names):
        raise InputError(f"losses must be those named {list(names)}, found {list(losses)}")
    columns = [losses[name] for name in names]
    for name, column in zip(names, columns, strict=True):
        _check_float(column, f"loss {name!r}")
        if column.ndim != 1:
            found = "a scalar" if column.ndim == 0 else f"the shape {tuple(column.shape)}"
            raise InputError(f"loss {name!r} {_ONE_EACH}; found {found}")
        if len(column) != len(columns[0]):
            raise InputError(
                f"loss {name!r} has {len(column)} rows, {names[0]!r} has {len(columns[0])}; "
                "each needs one value for every row of the batch (`applies` tells where it counts)"
            )
    return columns


def _check_matrix(losses: Any, names: Sequence[str]) -> None:
    if not isinstance(losses, Tensor):
        raise InputError(
            f"losses must be a tensor (rows, {len(names)}), as torch.stack([...], dim=1) makes it, "
            f"or a mapping of {list(names)} to tensors (rows,); found {type(losses).__name__}"
        )
    _check_float(losses, "losses")
    if losses.ndim != 2 or losses.shape[1] != len(names):
        raise InputError(
            f"each of the losses {list(names)} {_ONE_EACH}: a tensor (rows, {len(names)}), as "
            "torch.stack([...], dim=1) makes it, or a mapping of names to tensors (rows,); found "
            f"{'a scalar' if losses.ndim == 0 else f'the shape {tuple(losses.shape)}'}"
        )


def _check_float(values: Any, what: str) -> None:
    if not isinstance(values, Tensor) or not values.is_floating_point():
        found = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise InputError(f"{what} must be a tensor of floating-point numbers, found {found}")


def stack_inputs(losses: Tensor) -> list[Any] | None:
    """Graph nodes of the K tensors (B,) that ``torch.stack(..., dim=1)`` made `losses` of.

    None where it was made otherwise. A node is None where its tensor had no gradient.
    """
    node = losses.grad_fn
    if node is not None and type(node).__name__.startswith("ToCopy"):
        node = node.next_functions[0][0]  # from half precision to float32
    if node is None or type(node).__name__ != "StackBackward0":
        return None
    following = [function for function, _ in node.next_functions]
    return following if len(following) == losses.shape[1] else None


def _has_graph(losses: RowLosses, k: int) -> bool:
    if losses.told_apart or not losses.stacked.requires_grad:
        return losses.columns[k].requires_grad
    nodes = stack_inputs(losses.stacked)
    return nodes is None or nodes[k] is not None


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
        """Device of the tables."""
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
            check_row_ids(index, self.n_rows)
        return index

    def applies(self, mask: Any, index: Tensor) -> Tensor:
        """Return where the losses of a batch are defined (B, K): as given, else by the table."""
        if mask is None:
            return self.domain[index]
        shape = (len(index), self.domain.shape[1])
        if isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == shape:
            return mask.to(self.device)
        found = f"{type(mask).__name__}"
        if isinstance(mask, Tensor):
            found = f"{mask.dtype} of shape {tuple(mask.shape)}"
        raise InputError(f"applies must be a bool tensor of shape {shape}, found {found}")

    def batch(self, index: Tensor) -> Batch:
        """Make what mixers may see of a batch: ids and classes, no features."""
        none = torch.zeros(len(index), 0, device=self.device)
        return Batch(index, none, self.y[index], none, none, none.unsqueeze(2))


def _filled(
    name: str, values: Any, shape: tuple[int, ...], dtype: torch.dtype, default: bool | int
) -> Tensor:
    if values is None:
        return torch.full(shape, default, dtype=dtype)
    table = torch.as_tensor(values)
    fits = not table.is_floating_point() and (dtype == torch.bool) == (table.dtype == torch.bool)
    if not fits or tuple(table.shape) != shape:
        raise InputError(
            f"{name} must be of {dtype} and shape {shape}, found {table.dtype} of shape "
            f"{tuple(table.shape)}"
        )
    return table.to(dtype, copy=True)
