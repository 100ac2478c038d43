"""Training on more rows than memory holds: a large weight table, and rows in Parquet shards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Case, benchmark

from spear_amal import SpearClassifier
from spear_amal.data import synthetic_votes
from spear_amal.mixers.weight_table import MappedTable
from spear_amal.training import ParquetRows
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, finish_votes, write_part

BATCH, BATCHES, LOSSES = 512, 1000, 4
SHARD, FEATURES = 16_384, 256


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
    return Case(ours=run, check=check, size=size, repeats=1 if small else 2)


def _remove(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


@benchmark("train-parquet", peer="fit on the rows in memory", memory_goal=1.5)
def train_parquet(small: bool) -> Case:
    """AMAL on rows in Parquet shards, two in memory; the peer reads all files and then trains."""
    n = 2_000 if small else 8 * SHARD
    folder = tempfile.TemporaryDirectory()
    _write(Path(folder.name), n)
    source = ParquetRows(folder.name, features="x", shard_rows=SHARD)
    votes = VoteFiles(Path(folder.name) / "votes")
    options: dict[str, Any] = {"lr": 0.01, "max_epochs": 2, "batch_size": 512, "guard": False}
    options["mixer_options"] = {"warmup": 1}

    def ours(held: tempfile.TemporaryDirectory[str] = folder) -> float:
        return (
            SpearClassifier.from_options(**options).fit_parquet(source, votes, window=2).val_score_
        )

    def peer(held: tempfile.TemporaryDirectory[str] = folder) -> float:
        x = np.concatenate([source.read(i)[0] for i in range(len(source.blocks))])
        y = np.concatenate([labels for _, labels in source.labels()])
        return (
            SpearClassifier.from_options(**options).fit(x, y, L=votes.to_label_matrix()).val_score_
        )

    def check(one: float, other: float) -> None:
        if abs(one - other) > 0.05:
            raise ValueError(f"validation scores {one} and {other} differ")

    return Case(ours, peer, check, f"{n:,} rows x {FEATURES} features", repeats=1 if small else 2)


def _write(folder: Path, n: int) -> None:
    """Write rows, one file a shard, and votes on them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "votes").mkdir()
    parts, names = [], ()
    for i, start in enumerate(range(0, n, SHARD)):
        size = min(SHARD, n - start)
        votes, gold = synthetic_votes(size, 10, 2, accuracies=0.8, coverages=0.3, seed=i)
        rng = np.random.default_rng(i)
        x = rng.normal(size=(size, FEATURES)).astype(np.float32)
        x[:, 0] += gold
        column = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), FEATURES)
        y = np.where(rng.random(size) < 1000 / n, gold, -1)
        pq.write_table(pa.table({"x": column, "y": y}), folder / f"rows-{i:03d}.parquet")
        names = votes.lf_names
        ids = range(start, start + size)
        matrix = LabelMatrix(votes.codes, lf_names=names, row_ids=ids)
        parts.append(write_part(folder / "votes", i, matrix))
    finish_votes(folder / "votes", parts, lf_names=names)
