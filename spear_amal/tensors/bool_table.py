"""A bool matrix by row, one bit per entry: tables of many rows ask where a loss is defined."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class PackedBools:
    """Rows of bools (n, K), eight entries to a byte.

    Examples
    --------
    >>> bits = PackedBools.pack(torch.tensor([[True, False, True], [False, False, True]]))
    >>> bits[torch.tensor([1, 0])].tolist(), bits.shape
    ([[False, False, True], [True, False, True]], (2, 3))
    """

    def __init__(self, packed: Tensor, width: int) -> None:
        self.packed = packed  # (n, ceil(K / 8)), uint8
        self.shape = (len(packed), width)
        places = torch.arange(width, device=packed.device)
        self._byte, self._bit = places // 8, (places % 8).to(torch.uint8)

    @classmethod
    def pack(cls, matrix: Tensor, columns: Tensor | None = None) -> PackedBools:
        """Pack bools (n, K); of columns where `columns` (K,) is False every entry is False."""
        n, width = matrix.shape
        columns = None if columns is None else columns.to(matrix.device)
        packed = torch.zeros(n, -(-width // 8), dtype=torch.uint8, device=matrix.device)
        for k in range(width):
            column = matrix[:, k] if columns is None else matrix[:, k] & columns[k]
            packed[:, k // 8] |= column.to(torch.uint8) << (k % 8)
        return cls(packed, width)

    @classmethod
    def stack(cls, parts: Sequence[PackedBools]) -> PackedBools:
        """Stack parts of one width."""
        return cls(torch.cat([part.packed for part in parts]), parts[0].shape[1])

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Bools (B, K) of some rows."""
        return ((self.packed[rows][:, self._byte] >> self._bit) & 1).bool()

    def cpu(self) -> PackedBools:
        """Copy the table to main memory."""
        return PackedBools(self.packed.cpu(), self.shape[1])
