"""A weight table of more rows than other things of a run fit beside: made, looked up, changed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from harness import Case, benchmark

from spear_amal.mixers.mapped_table import MappedTable

BATCH, BATCHES, LOSSES = 512, 1000, 4


@benchmark("weights-large", limit_s=60)
def weights_large(small: bool) -> Case:
    """Half precision in a mapped file: 1,000 random batches of 512 looked up and changed.

    Peak memory counts pages of the file that were touched, which the system can take back.
    """
    n = 1_000_000 if small else 100_000_000
    folder = tempfile.TemporaryDirectory()

    def run(held: tempfile.TemporaryDirectory[str] = folder) -> tuple[float, float]:
        table = MappedTable(n, torch.ones(LOSSES), "float16", held.name)
        generator = torch.Generator().manual_seed(0)
        for _ in range(10 if small else BATCHES):
            rows = torch.randint(n, (BATCH,), generator=generator)
            table[rows] = table[rows] - 0.125  # exact in half precision
        last, untouched = table[rows], table[:: n // 97]
        _remove(table.path)
        return float(last.max()), float(untouched.max())

    def check(ours: tuple[float, float], _: None) -> None:
        if not (0.0 <= ours[0] <= 0.875 and ours[1] == 1.0):
            raise ValueError(f"weights are {ours}, needed at most 0.875 and 1.0")

    size = f"{n:,} rows x {LOSSES} losses"
    return Case(ours=run, check=check, size=size, repeats=1 if small else 3)


def _remove(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
