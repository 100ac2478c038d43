"""A batch of sparse feature rows, padded to the longest, and the affine map on it.

Padding instead of CSR: gather and multiply have forward-mode and second derivatives, and the sums
of gather's gradient run in a fixed order, so that results repeat bit for bit on a CPU (indexing
or embeddings would do the same job, but the gradient of the first may be summed in any order, and
the second is slower for few outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.tensors.layout import FEW_CLASSES


@dataclass(frozen=True)
class SparseRows:
    """B rows with at most P non-zero features out of D.

    Attributes
    ----------
    columns : Tensor (B, P), int64
        Feature numbers; padding points at column 0 with value 0.
    values : Tensor (B, P)
    width : int
        D, the number of features.
    """

    columns: Tensor
    values: Tensor
    width: int

    @classmethod
    def from_csr(
        cls, matrix: sp.csr_array, dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> SparseRows:
        """Pad the rows of a CSR matrix (B, D)."""
        lengths = np.diff(matrix.indptr)
        filled = np.arange(max(int(lengths.max(initial=0)), 1)) < lengths[:, None]  # (B, P)
        columns = np.zeros(filled.shape, dtype=np.int64)
        values = np.zeros(filled.shape, dtype=np.float64)
        columns[filled] = matrix.indices
        values[filled] = matrix.data
        return cls(
            torch.from_numpy(columns).to(device),
            torch.from_numpy(values).to(device=device, dtype=dtype),
            int(matrix.shape[1]),
        )

    @classmethod
    def stack(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """Stack rows of one width, padded to the longest."""
        longest = max(part.columns.shape[1] for part in parts)

        def padded(values: Tensor) -> Tensor:
            return F.pad(values, (0, longest - values.shape[1]))

        columns = torch.cat([padded(part.columns) for part in parts])
        return cls(columns, torch.cat([padded(part.values) for part in parts]), parts[0].width)

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, rows: slice | Tensor) -> SparseRows:
        """Return some of the rows; without a copy where they are a slice."""
        return SparseRows(self.columns[rows], self.values[rows], self.width)

    def to_dense(self) -> Tensor:
        """Rows as a dense tensor (B, D)."""
        dense = self.values.new_zeros(len(self), self.width)
        return dense.scatter_add_(1, self.columns, self.values)


def affine(x: Tensor | SparseRows, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x weight^T + bias``: (B, D) and (C, D) to (B, C), on dense or sparse rows."""
    if isinstance(x, SparseRows) and len(weight) * x.columns.shape[1] > x.width:
        x = x.to_dense()  # many outputs: the gathered weights would be larger than the dense rows
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
    spread = x.values * delta.t().unsqueeze(-1)  # (C, B, P)
    total = delta.new_zeros(delta.shape[1], x.width)
    return total.scatter_add_(1, _flat(x, delta.shape[1]), spread.flatten(1))


def _flat(x: SparseRows, n_classes: int) -> Tensor:
    """Feature numbers (C, B P), the same for every class, as gather and scatter want them."""
    return x.columns.reshape(1, -1).expand(n_classes, -1)
