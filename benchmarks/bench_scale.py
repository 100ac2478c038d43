"""Labelling at scale: rows from 10^4 to 10^7 in a stream, two processes, votes kept on disk."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness
import numpy as np
import pandas as pd

from spear_amal.labeling import LabelingFunction, PandasLFApplier, keyword_lf, regex_lf

GROUP = 65_536  # rows of a row group, and of a part
ONE_FILE = 20 * GROUP
VOCABULARY = 3000


def word_lfs() -> list[Any]:
    """Five keyword and five regex LFs on made-up words."""
    keywords = [keyword_lf(f"k{i}", [f"w{7 * i + k}" for k in range(4)], i % 2) for i in range(5)]
    patterns = [rf"w{i}\d\b.*w{i + 1}" for i in range(11, 16)]
    return keywords + [regex_lf(f"r{i}", one, i % 2) for i, one in enumerate(patterns)]


def texts(n: int, seed: int) -> list[str]:
    """Texts of ten words."""
    words = np.array([f"w{i}" for i in range(VOCABULARY)], dtype=object)
    drawn = words[np.random.default_rng(seed).integers(0, VOCABULARY, (n, 10))]
    return [" ".join(row) for row in drawn.tolist()]


def write_rows(folder: Path, n: int) -> None:
    """Write n rows in files of at most ONE_FILE; the same texts again and again, drawn once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    table = pa.table({"text": texts(min(n, GROUP), 0)})
    for number, start in enumerate(range(0, n, ONE_FILE)):
        with pq.ParquetWriter(folder / f"rows-{number:03d}.parquet", table.schema) as writer:
            for begin in range(start, min(start + ONE_FILE, n), GROUP):
                writer.write_table(table.slice(0, min(GROUP, n - begin)))


# A process of its own for each size: its peak is that of this size alone.
ONE_RUN = """
import json, resource, sys, time
from bench_scale import word_lfs
from spear_amal.labeling import ParquetLFApplier
began = time.perf_counter()
votes = ParquetLFApplier(word_lfs()).apply(sys.argv[1], sys.argv[2], progress_bar=False)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([len(votes), seconds, peak]))
"""


def one_run(source: Path, output: Path) -> tuple[int, float, float]:
    """Rows, seconds and peak megabytes (those of Python and its libraries included)."""
    command = [sys.executable, "-c", ONE_RUN, str(source), str(output)]
    folder = str(Path(__file__).parent)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


@harness.benchmark("lf-scaling", peer="line through 10^4 and 655,360 rows", goal=1 / 1.15)
def lf_scaling(small: bool) -> list[dict[str, Any]]:
    """Time and memory of ten LFs by rows.

    The peer of a size is the straight line (fixed cost + slope) through the smallest size and ten
    parts: what the time would be if it grew with the rows alone. A ratio of 0.87 is 15% above it.
    """
    sizes = [10**4, 10**5] if small else [10**4, 10**5, 10**6, 10**7]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        measured = [measure(Path(name), n, 1 if n > 10**5 else 3) for n in [*sizes, 10 * GROUP]]
    (low, low_s, _), (high, high_s, _) = measured[0], measured.pop()
    slope = (high_s - low_s) / (high - low)
    one = harness.BENCHMARKS["lf-scaling"]
    for n, seconds, peak in measured:
        line = low_s + slope * (n - low)
        rows.append(harness.row_of(one, f"{n:,} rows x 10 LFs", seconds, line) | {"ours_mb": peak})
    return rows


def measure(folder: Path, n: int, repeats: int) -> tuple[int, float, float]:
    """Rows, median seconds, largest peak."""
    source = folder / f"rows-{n}"
    write_rows(source, n)
    runs = [one_run(source, folder / f"votes-{n}-{i}") for i in range(repeats)]
    if any(found != n for found, _, _ in runs):
        raise ValueError(f"votes on {[found for found, _, _ in runs]} rows, needed {n}")
    return n, statistics.median(s for _, s, _ in runs), max(peak for _, _, peak in runs)


def slow_lfs() -> list[Any]:
    """Row LFs that count letters in Python, as slow functions of users do."""

    def counting(letter: str) -> Any:
        def vote(x: Any) -> int:
            return int(sum(one == letter for one in x.text) > 2)

        return vote

    return [LabelingFunction(f"count_{letter}", counting(letter)) for letter in "0123456789"]


def same_votes(ours: Any, peer: Any) -> None:
    np.testing.assert_array_equal(ours.to_dense(), peer.to_dense())


@harness.benchmark("lf-pool", peer="one process", goal=1.0)
def lf_pool(small: bool) -> harness.Case:
    n = 2_000 if small else 200_000
    frame = pd.DataFrame({"text": texts(n, 1)})
    applier = PandasLFApplier(slow_lfs())
    return harness.Case(
        ours=lambda: applier.apply(frame, progress_bar=False, n_jobs=2),
        peer=lambda: applier.apply(frame, progress_bar=False),
        check=same_votes,
        size=f"{n:,} rows x 10 row LFs, 2 processes",
        repeats=1,
    )


@harness.benchmark("lf-cache", peer="all ten LFs", goal=3.0)
def lf_cache(small: bool) -> harness.Case:
    """One LF of ten edited, nine kept on disk."""
    n = 2_000 if small else 20_000
    frame = pd.DataFrame({"text": texts(n, 2)})
    folder = tempfile.TemporaryDirectory()
    lfs = slow_lfs()
    PandasLFApplier(lfs).apply(frame, progress_bar=False, cache=folder.name)
    edits = iter(range(1000))

    def edited() -> list[Any]:
        most = 3 - next(edits) / 1e6  # another function each time, with the same votes
        return [*lfs[:9], LabelingFunction("count_9", lambda x: int(x.text.count("9") >= most))]

    def ours() -> Any:
        return PandasLFApplier(edited()).apply(frame, progress_bar=False, cache=folder.name)

    return harness.Case(
        ours=ours,
        peer=lambda held=folder: PandasLFApplier(lfs).apply(frame, progress_bar=False),
        check=same_votes,
        size=f"{n:,} rows x 10 row LFs, 1 edited",
        repeats=3,
    )
