"""Ten keyword and regex LFs on texts in Parquet files, against Polars' lazy scan, votes equal."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import numpy as np
from bench_labelling import PATTERNS, WORDS, frame

from spear_amal.labeling import ColumnLFApplier, ParquetLFApplier, keyword_lf, regex_lf

ONE_FILE = 1_000_000
# In a process of its own: what it frees would be used again unseen where memory is measured.
WRITE = (
    "import sys; from bench_parquet import write_texts; write_texts(sys.argv[1], int(sys.argv[2]))"
)


def declared_lfs() -> list[Any]:
    """Seven LFs of keywords, three of patterns."""
    words = [keyword_lf(f"lf{j}", words, 1) for j, words in enumerate(WORDS)]
    return words + [regex_lf(f"lf{j}", p, 0) for j, p in enumerate(PATTERNS, len(words))]


def polars_tests() -> list[Any]:
    """The same as expressions of Polars, lower case made once: the fastest of the ways tried."""
    import polars as pl

    text = pl.col("text").str
    words = [text.to_lowercase().str.contains(rf"\b(?:{'|'.join(words)})\b") for words in WORDS]
    tests = [*words, *map(text.contains, PATTERNS)]
    return [test.alias(f"lf{j}") for j, test in enumerate(tests)]


def write_texts(folder: str, n: int) -> None:
    """Write n texts of about 100 letters in files of a million at most."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": pa.array(frame(min(n, ONE_FILE))["text"])})
    for start in range(0, n, ONE_FILE):
        rows = table.slice(0, min(ONE_FILE, n - start))
        pq.write_table(rows, Path(folder) / f"{start // ONE_FILE:02d}.parquet")


class Texts:
    """A folder of such files, and one for votes, as long as this object is there."""

    def __init__(self, n: int) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self.rows, self.votes = (Path(self._scratch.name) / name for name in ("rows", "votes"))
        self.rows.mkdir()
        command = [sys.executable, "-c", WRITE, str(self.rows), str(n)]
        subprocess.run(command, check=True, cwd=Path(__file__).parent)

    def cleared(self) -> Path:
        """Return the folder for votes, which is not there."""
        shutil.rmtree(self.votes, ignore_errors=True)
        return self.votes


def same_votes(ours: Any, tests: Any) -> None:
    """Raise unless our votes stand where the tests are true."""
    votes = ours if hasattr(ours, "codes") else ours.to_label_matrix()
    np.testing.assert_array_equal(votes.codes.toarray() > 0, tests.to_numpy())


def from_parquet(n: int) -> harness.Case:
    """Votes in memory, and columns of truth values in memory."""
    import polars as pl

    texts, lfs, tests = Texts(n), declared_lfs(), polars_tests()
    applier = ColumnLFApplier(lfs, classes=2)
    return harness.Case(
        ours=lambda: applier.apply(texts.rows, progress_bar=False),
        peer=lambda: pl.scan_parquet(texts.rows).select(tests).collect(),
        check=same_votes,
        size=f"{n:,} rows x {len(lfs)} LFs",
        repeats=5 if n <= ONE_FILE else 3,
    )


@harness.benchmark("lf-parquet-1000000", peer="Polars' lazy scan", goal=1.5)
def lf_parquet(small: bool) -> harness.Case:
    """A million rows."""
    return from_parquet(10**4 if small else 10**6)


@harness.benchmark("lf-parquet-10000000", peer="Polars' lazy scan", goal=1.5)
def lf_parquet_large(small: bool) -> harness.Case:
    """Ten million rows."""
    return from_parquet(10**4 if small else 10**7)


def to_parquet(n: int) -> harness.Case:
    """Votes in a folder, and truth values in a file: nothing grows with the rows."""
    import polars as pl

    texts, lfs, tests = Texts(n), declared_lfs(), polars_tests()
    applier = ParquetLFApplier(lfs, classes=2)
    file = texts.votes.with_suffix(".parquet")

    def sink() -> Any:
        pl.scan_parquet(texts.rows).select(tests).sink_parquet(file)
        return file

    return harness.Case(
        ours=lambda: applier.apply(texts.rows, texts.cleared(), progress_bar=False),
        peer=sink,
        check=lambda ours, written: same_votes(ours, pl.read_parquet(written)),
        size=f"{n:,} rows x {len(lfs)} LFs",
        repeats=5 if n <= ONE_FILE else 3,
    )


@harness.benchmark("lf-parquet-folder-1000000", peer="Polars' lazy scan to a file")
def lf_parquet_folder(small: bool) -> harness.Case:
    """A million rows."""
    return to_parquet(10**4 if small else 10**6)


@harness.benchmark("lf-parquet-folder-10000000", peer="Polars' lazy scan to a file")
def lf_parquet_folder_large(small: bool) -> harness.Case:
    """Ten million rows."""
    return to_parquet(10**4 if small else 10**7)


@harness.benchmark("lf-parquet-overlap", peer="the same from memory", goal=1 / 1.3)
def lf_parquet_overlap(small: bool) -> list[dict[str, Any]]:
    """By the clock, which alone shows that reading and searching overlap: needs two idle cores.

    The quickest turn of each side counts, since other programs can only lengthen one.
    """
    import pyarrow.parquet as pq

    n = 10**4 if small else 10**6
    texts, applier = Texts(n), ColumnLFApplier(declared_lfs(), classes=2)
    table = pq.read_table(texts.rows)
    sides: dict[str, Callable[[], Any]] = {
        "files": lambda: applier.apply(texts.rows, progress_bar=False),
        "memory": lambda: applier.apply(table, progress_bar=False),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(3 if small else 9):
        for side, call in sides.items():
            began = time.perf_counter()
            call()
            seconds[side].append(time.perf_counter() - began)
    one = harness.BENCHMARKS["lf-parquet-overlap"]
    size = f"{n:,} rows x 10 LFs, by the clock"
    return [harness.row_of(one, size, min(seconds["files"]), min(seconds["memory"]))]
