"""Peak memory and speed of ``predict --stream`` as the table grows: memory must not grow with it.

    python benchmarks/streaming.py                    # 200,000 and 2,000,000 rows
    python benchmarks/streaming.py --rows 2000 20000

Each size runs in a process of its own. The tables are made up and written in row groups.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spear_amal import TextClassifier, predict_stream

WORDS = 20_000
PER_ROW = 12
GROUP = 50_000


def main() -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 2_000_000])
    parser.add_argument("--child", nargs=3, metavar=("MODEL", "IN", "OUT"))
    asked = parser.parse_args()
    if asked.child:
        measure(*asked.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.safetensors")
        train(model)
        peaks = []
        for n_rows in asked.rows:
            source, target = Path(folder, "in.parquet"), Path(folder, "out.parquet")
            write_rows(source, n_rows)
            command = [sys.executable, __file__, "--child", str(model), str(source), str(target)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(out)
            peaks.append(found["peak"])
            rate = found["rows"] / found["seconds"]
            print(
                f"{found['rows']:>9,} rows: peak {found['peak'] / 1e6:,.0f} MB, of which "
                f"{found['before'] / 1e6:,.0f} MB with the model loaded; {rate:,.0f} rows per "
                "second of processor time"
            )
            target.unlink()
        print(f"peak of the largest over that of the smallest: {peaks[-1] / peaks[0]:.3f}")


def texts(n_rows: int, seed: int) -> list[str]:
    """Return made-up texts of words with a long tail."""
    draw = np.random.default_rng(seed)
    words = (WORDS * draw.random((n_rows, PER_ROW)) ** 3).astype(int).tolist()
    return [" ".join(f"word{number}" for number in row) for row in words]


def train(path: Path) -> None:
    """Write a small model: TF-IDF and a linear classifier."""
    frame = pd.DataFrame({"text": texts(4_000, 0)})
    few = frame["text"].str.count("word1") > 4
    frame["label"] = np.where(few, "few", "many")
    TextClassifier("only-l", max_epochs=3).fit(frame).save(path)


def write_rows(path: Path, n_rows: int) -> None:
    """Write rows, a group at a time."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, n_rows, GROUP):
            n = min(GROUP, n_rows - first)
            columns = {"id": range(first, first + n), "text": texts(n, first + 1)}
            writer.write_table(pa.table(columns, schema))


def measure(model: str, source: str, target: str) -> None:
    """Predict in this process and print what it took, as JSON."""
    loaded = TextClassifier.load(model)
    before = peak()
    started = time.process_time()
    rows = predict_stream(loaded, source, target)
    seconds = time.process_time() - started
    print(json.dumps({"rows": rows, "seconds": seconds, "before": before, "peak": peak()}))


def peak() -> int:
    """Return the most memory that this process has had, in bytes.

    Of the program alone: what getrusage says of a new process begins with its parent's memory.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


if __name__ == "__main__":
    main()
