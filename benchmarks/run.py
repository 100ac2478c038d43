"""Run the benchmarks and print a table of ratios: the peer's time over ours, and peak memory.

    python benchmarks/run.py                      # everything, some minutes to half an hour
    python benchmarks/run.py --only majority-vote --only import
    python benchmarks/run.py --small              # sizes for a quick look; ratios mean little
    python benchmarks/run.py --json benchmarks.json

A row is written to the JSON file as soon as it is there. Results are checked equal before they
are timed. A benchmark that cannot run here is named with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def main() -> int:
    """Run what was asked for."""
    asked = arguments()
    for name in THREADS:  # before anything that reads them is imported
        os.environ[name] = str(asked.threads)
    import harness  # after the thread counts are set

    harness.load_all()
    unknown = set(asked.only) - set(harness.BENCHMARKS)
    if unknown:
        print(f"no benchmark {sorted(unknown)}; there are {sorted(harness.BENCHMARKS)}")
        return 2
    chosen = [b for n, b in harness.BENCHMARKS.items() if not asked.only or n in asked.only]
    if asked.list:
        print("\n".join(one.name for one in chosen))
        return 0
    if asked.side:
        print(json.dumps(harness.peak_memory(getattr(chosen[0].make(asked.small), asked.side))))
        return 0
    set_threads(asked.threads)
    rows = [row for one in chosen for row in run_one(one, asked)]
    show(rows)
    return 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", action="append", default=[], help="name; may be repeated")
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick look")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    return parser.parse_args()


def set_threads(threads: int) -> None:
    """Give both sides the same number of threads."""
    import torch

    torch.set_num_threads(threads)
    try:
        import pyarrow

        pyarrow.set_cpu_count(threads)
    except ImportError:
        pass


def run_one(one: Any, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one benchmark; none, with a line that says why, where it cannot run."""
    import harness

    print(f"{one.name} ...", file=sys.stderr, flush=True)
    try:
        made = one.make(asked.small)
        rows = made if isinstance(made, list) else [harness.run_case(one, made)]
    except (harness.Skip, ImportError) as reason:
        print(f"{one.name}: skipped ({reason})", flush=True)
        return []
    if not isinstance(made, list) and not asked.no_memory:
        add_memory(rows[0], made, asked)
    for row in rows:
        row["threads"] = asked.threads
        row["met"] = harness.met(row)
    if asked.json is not None:
        keep(asked.json, rows)
    return rows


def add_memory(row: dict[str, Any], case: Any, asked: argparse.Namespace) -> None:
    """Measure each side's peak in a fresh process, where nothing else has been allocated."""
    for side in ("ours", "peer"):
        if getattr(case, side) is not None:
            row[f"{side}_mb"] = memory_of(row["benchmark"], side, asked)
    if row["ours_mb"] and row["peer_mb"] is not None:
        row["memory_ratio"] = row["peer_mb"] / row["ours_mb"]


def memory_of(name: str, side: str, asked: argparse.Namespace) -> float | None:
    """Peak megabytes of one side."""
    command = [sys.executable, __file__, "--only", name, "--side", side]
    command += ["--threads", str(asked.threads)] + ["--small"] * asked.small
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def keep(path: Path, rows: list[dict[str, Any]]) -> None:
    """Put rows into the file, in place of older ones of the same benchmark and size."""
    held = json.loads(path.read_text()) if path.exists() else []
    new = {(row["benchmark"], row["size"]) for row in rows}
    held = [row for row in held if (row["benchmark"], row["size"]) not in new] + rows
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(held, indent=1) + "\n")
    aside.replace(path)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Peer's time over ours: higher is better")
    for name in ("benchmark", "size", "ours", "peer", "", "ratio", "goal", "MB ours", "MB peer"):
        table.add_column(name, justify="left" if name in ("benchmark", "size", "") else "right")
    for row in rows:
        table.add_row(
            *(row["benchmark"], row["size"], seconds(row["ours_s"]), seconds(row["peer_s"])),
            *(row["peer"], number(row["ratio"]), goal(row)),
            *(number(row["ours_mb"]), number(row["peer_mb"])),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def seconds(value: float | None) -> str:
    """Write a time in the unit that suits it."""
    if value is None:
        return ""
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def number(value: float | None) -> str:
    """Three digits, or nothing."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def goal(row: dict[str, Any]) -> str:
    """Say what was wanted, and whether it was reached."""
    wanted = [
        f"{sign} {number(row[name])}{unit}"
        for name, sign, unit in (("goal", "≥", ""), ("limit_s", "≤", " s"))
        if row[name] is not None
    ]
    return " ".join([*wanted, {True: "✓", False: "✗", None: ""}[row["met"]]])


if __name__ == "__main__":
    sys.exit(main())
