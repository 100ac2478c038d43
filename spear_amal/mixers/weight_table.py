"""Weights by row number: what a mixer that learns one per row and loss looks up and changes.

Half precision: a step below half the distance between two neighbouring numbers (0.0005 near
weight 1) would never move a weight if values were rounded to the nearest. They are rounded up or
down at random instead, with the chances that make the mean exact, so that small steps add up.

A weight table in a file that is mapped into memory: for more rows than memory holds.

The file holds by which bits a weight differs from its start, so that a new table is a file of
zeros, which takes no room until weights are learnt.

A version that a state refers to is never changed: the next change goes to a copy. So a checkpoint
names a file that stays what it was, whenever the process is killed.
"""

from __future__ import annotations

import copy
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Set
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError

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
        """Restore what :meth:`state_dict` returned."""
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


_BITS = {torch.float32: torch.int32, torch.float16: torch.int16}
_NAME = re.compile(r"weights-\w+/\d+\.bin")
_BLOCK = 1 << 20


class MappedTable(WeightTable):
    """Weights (n_rows, K) in a folder, in a subfolder of this table's own.

    Parameters
    ----------
    n_rows : int
    start : Tensor (K,)
        First weight of each loss; lookups go to its device.
    dtype : {"float32", "float16"}
    folder : path
        Made where it is missing.

    Raises
    ------
    OSError
        If the disk has less room than all weights may come to take.
    """

    def __init__(self, n_rows: int, start: Tensor, dtype: str, folder: PathLike) -> None:
        self.folder = Path(folder)
        super().__init__(n_rows, start, dtype)

    def _open(self) -> None:
        self._start_bits = self.start.cpu().view(_BITS[self.dtype])
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_room()
        run = tempfile.mkdtemp(prefix="weights-", dir=self.folder)
        self.path = Path(run) / "0.bin"
        with open(self.path, "wb") as file:
            file.truncate(self._size)
        self._map()

    @property
    def _size(self) -> int:
        return self.shape[0] * self.shape[1] * self._start_bits.element_size()

    def _check_room(self) -> None:
        # A mapped file that outgrows the disk ends the process: better to say so beforehand.
        free = shutil.disk_usage(self.folder).free
        if free < self._size:
            raise OSError(
                errno.ENOSPC,
                f"{self.shape[0]} rows x {self.shape[1]} weights may take {self._size} bytes, "
                f"{free} are free; give a table_path on another disk",
                str(self.folder),
            )

    def _map(self) -> None:
        self._pinned = False  # no state refers to this version
        if self._size == 0:  # an empty file cannot be mapped
            self._bits = torch.zeros(self.shape, dtype=_BITS[self.dtype])
            return
        kind = np.dtype(f"i{self._start_bits.element_size()}")
        self._file = np.memmap(self.path, kind, "r+", shape=self.shape)
        self._bits = torch.from_numpy(self._file)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Weights (B, K) of some rows, float32."""
        bits = self._bits[_on_cpu(rows)] ^ self._start_bits
        return bits.view(self.dtype).float().to(self.device)

    def __setitem__(self, rows: Tensor | slice, weights: Tensor) -> None:
        """Change the weights of some rows to (B, K)."""
        if self._pinned:
            self._advance()
        bits = self._rounded(weights).cpu().contiguous().view(_BITS[self.dtype])
        self._bits[_on_cpu(rows)] = bits ^ self._start_bits
        self.changes += 1

    def _advance(self) -> None:
        """Switch to a copy of the file; what refers to the present one finds it unchanged."""
        self._check_room()
        following = self.path.with_name(f"{int(self.path.stem) + 1}.bin")
        _copy_sparse(self.path, following)
        self.path = following
        self._map()

    def whole(self) -> Tensor:
        """All weights (n_rows, K) as one float32 tensor in memory."""
        return self[:]

    def snapshot(self) -> MappedTable:
        """Return this version to read from, on the CPU; later changes do not reach it."""
        self._pin()
        taken = copy.copy(self)
        taken.device = torch.device("cpu")
        return taken

    def _pin(self) -> None:
        if self._size and not self._pinned:
            self._file.flush()
        self._pinned = True

    @property
    def name(self) -> str:
        """The present file, within the folder."""
        return f"{self.path.parent.name}/{self.path.name}"

    def state_dict(self) -> dict[str, Tensor]:
        """Return the name of the present file, which from here on is not changed."""
        self._pin()
        return {"file": torch.tensor(list(self.name.encode())).byte(), **self._rounding_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the table from a file that :meth:`state_dict` named.

        Raises
        ------
        FileFormatError
            If the file is missing or of another size; names it.
        """
        name = file_of(state)
        path = self.folder / name
        size = path.stat().st_size if path.is_file() else None
        if not _NAME.fullmatch(name) or size != self._size:
            problem = "is missing" if size is None else f"has {size} bytes"
            raise FileFormatError(
                f"{path} {problem}, the checkpoint needs {self._size} bytes of weights in it; put "
                "it back, or remove the checkpoint to start afresh"
            )
        if path.parent != self.path.parent:  # begun before it was known that a run goes on
            shutil.rmtree(self.path.parent)
        self.path = path
        self._map()
        self._pinned = True
        self._take_rounding(state)

    def keep_files(self, names: Set[str]) -> None:
        """Remove the versions that are neither named nor the present one."""
        run = self.path.parent
        for path in run.glob("*.bin"):
            if path != self.path and f"{run.name}/{path.name}" not in names:
                path.unlink()


def file_of(state: Mapping[str, Tensor]) -> str:
    """File that a state of a mapped table names; empty for other states."""
    return bytes(state["file"].tolist()).decode(errors="replace") if "file" in state else ""


def _on_cpu(rows: Tensor | slice) -> Tensor | slice:
    return rows.cpu() if isinstance(rows, Tensor) else rows


def _copy_sparse(source: Path, target: Path) -> None:
    """Copy a file; blocks of zeros take no room."""
    with open(source, "rb") as old, open(target, "wb") as new:
        while block := old.read(_BLOCK):
            if block.count(0) == len(block):
                new.seek(len(block), os.SEEK_CUR)
            else:
                new.write(block)
        new.truncate()
