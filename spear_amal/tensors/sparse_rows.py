"""Sparse feature rows, entry after entry, and the affine map on them.

Where a derivative is wanted the entries are padded to the longest row: gather and multiply have
forward-mode and second derivatives, and the sums of gather's gradient run in a fixed order, so that
results repeat bit for bit on a CPU. Where none is wanted no padding is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.tensors.layout import FEW_CLASSES


@dataclass(frozen=True)
class SparseRows:
    """B rows with N non-zero features in all, out of D.

    Attributes
    ----------
    places : Tensor (N,), int64
        Feature number of each entry, row by row.
    entries : Tensor (N,)
        Their values.
    offsets : Tensor (B + 1,), int64
        Where the entries of each row begin, and where those of the last one end.
    width : int
        D, the number of features.
    longest : int, optional
        P, the entries of the longest row, where it is known: a GPU would be waited for.
    """

    places: Tensor
    entries: Tensor
    offsets: Tensor
    width: int
    longest: int | None = None

    @classmethod
    def from_csr(
        cls, matrix: sp.csr_array, dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> SparseRows:
        """Return the rows of a CSR matrix (B, D)."""
        places, offsets = (part.astype(np.int64) for part in (matrix.indices, matrix.indptr))
        return cls(
            torch.from_numpy(places).to(device),
            torch.from_numpy(np.array(matrix.data)).to(device=device, dtype=dtype),
            torch.from_numpy(offsets).to(device),
            int(matrix.shape[1]),
            int(np.diff(matrix.indptr).max(initial=0)),
        )

    @classmethod
    def stack(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """Stack rows of one width."""
        lengths = torch.cat([part.lengths for part in parts])
        places, entries = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("places", "entries")
        )
        return cls(places, entries, _offsets(lengths), parts[0].width)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features (B, D)."""
        return len(self), self.width

    def __getitem__(self, rows: slice | Tensor) -> SparseRows:
        """Return some of the rows."""
        if isinstance(rows, slice):
            rows = torch.arange(len(self), device=self.offsets.device)[rows]
        lengths = self.lengths[rows]
        offsets = _offsets(lengths)
        # From an entry here to the one that it is: as far as its row has moved.
        moved = (self.offsets[:-1][rows] - offsets[:-1]).repeat_interleave(lengths)
        chosen = moved.add_(torch.arange(len(moved), device=moved.device))
        return SparseRows(self.places[chosen], self.entries[chosen], offsets, self.width)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> SparseRows:
        """Return the rows on a device, with values of a type."""
        places, offsets = self.places.to(device), self.offsets.to(device)
        entries = self.entries.to(device, dtype)
        return SparseRows(places, entries, offsets, self.width, self.longest)

    @property
    def lengths(self) -> Tensor:
        """Entries (B,) of each row."""
        return self.offsets.diff()

    @cached_property
    def row_of_entry(self) -> Tensor:
        """Row (N,) of each entry."""
        rows = torch.arange(len(self), device=self.offsets.device)
        return rows.repeat_interleave(self.lengths, output_size=len(self.places))

    @cached_property
    def columns(self) -> Tensor:
        """Feature numbers (B, P), padded to the longest row; padding is column 0 with value 0."""
        return self._padded(self.places)

    @cached_property
    def values(self) -> Tensor:
        """Values (B, P), padded with zeros."""
        return self._padded(self.entries)

    def _padded(self, entries: Tensor) -> Tensor:
        longest = self.longest
        if longest is None:
            longest = int(self.lengths.max()) if len(self) else 0
        padded = entries.new_zeros(len(self), max(longest, 1))
        number = torch.arange(len(entries), device=entries.device)
        within = number - self.offsets[:-1][self.row_of_entry]
        padded[self.row_of_entry, within] = entries
        return padded

    def to_dense(self) -> Tensor:
        """Rows as a dense tensor (B, D)."""
        dense = self.entries.new_zeros(len(self) * self.width)
        return dense.scatter_add_(
            0, self.row_of_entry * self.width + self.places, self.entries
        ).view(len(self), self.width)


def _offsets(lengths: Tensor) -> Tensor:
    return F.pad(lengths.cumsum(0), (1, 0))


def affine(x: Tensor | SparseRows, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x weight^T + bias``: (B, D) and (C, D) to (B, C), on dense or sparse rows."""
    if isinstance(x, SparseRows) and len(weight) * len(x.places) > len(x) * x.width:
        x = x.to_dense()  # many outputs: the gathered weights would be larger than the dense rows
    if isinstance(x, SparseRows) and not torch.is_grad_enabled():
        starts, entries = x.offsets[:-1], x.entries.to(weight)
        by_output = [
            F.embedding_bag(x.places, w, starts, mode="sum", per_sample_weights=entries)
            for w in weight.unsqueeze(2)
        ]
        out = torch.cat(by_output).view(len(weight), -1).t()  # laid out for what comes after
        return out if bias is None else out + bias
    if isinstance(x, SparseRows):
        gathered = weight.gather(1, _flat(x, len(weight))).view(len(weight), *x.columns.shape)
        out = (x.values * gathered).sum(-1).t()  # (C, B, P) -> (B, C)
        return out if bias is None else out + bias
    if len(weight) > FEW_CLASSES:
        return F.linear(x, weight, bias)
    # (C, B): faster than (B, C), and laid out for what comes after
    by_class = weight @ x.t() if bias is None else torch.addmm(bias.unsqueeze(1), weight, x.t())
    return by_class.t()


def outer_sum(delta: Tensor, x: Tensor | SparseRows) -> Tensor:
    """``delta^T x``: (B, C) and (B, D) to (C, D), the weight gradient of :func:`affine`."""
    if not isinstance(x, SparseRows):
        return delta.t() @ x
    total = delta.new_zeros(delta.shape[1], x.width)
    for sums, of_rows in zip(total, delta.t().contiguous(), strict=True):
        sums.scatter_add_(0, x.places, of_rows.index_select(0, x.row_of_entry) * x.entries)
    return total


def _flat(x: SparseRows, n_classes: int) -> Tensor:
    """Feature numbers (C, B P), the same for every class, as gather and scatter want them."""
    return x.columns.reshape(1, -1).expand(n_classes, -1)
