"""Run the benchmarks and print a table of ratios: the peer's time over ours, and peak memory.

    python benchmarks/run.py                      # everything, some minutes to half an hour
    python benchmarks/run.py --only majority-vote --only import
    python benchmarks/run.py --small              # sizes for a quick look; ratios mean little
    python benchmarks/run.py --against ../before  # a checkout of the build before as a peer
    python benchmarks/run.py --json benchmarks.json
    python benchmarks/run.py --report benchmarks.json                              # Markdown
    python benchmarks/run.py --report benchmarks.json --into docs/performance.md

A row is written to the JSON file as soon as it is there. Results are checked equal before they
are timed. A benchmark that cannot run here is named with the reason; one whose results differ, or
that raises, is named too, the others still run, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import harness
import machine
import rendering


def main() -> int:
    """Run what was asked for."""
    asked = arguments()
    if asked.report is not None:
        return report(asked)
    machine.pin_threads(asked.threads)
    harness.BUILD_BEFORE = asked.against
    failed = [failure(name, error) for name, error in harness.load_all().items()]
    unknown = set(asked.only) - set(harness.BENCHMARKS)
    if unknown:
        print(f"no benchmark {sorted(unknown)}; there are {sorted(harness.BENCHMARKS)}")
        return 2
    chosen = [b for n, b in harness.BENCHMARKS.items() if not asked.only or n in asked.only]
    if asked.list:
        print("\n".join(one.name for one in chosen))
    elif asked.side:
        print(json.dumps(harness.side_memory(chosen[0], asked.side, asked.small)))
    else:
        failed += run_all(chosen, asked)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", action="append", default=[], help="name; may be repeated")
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick look")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--against", type=Path, help="a checkout of the build before, as a peer")
    parser.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--report", type=Path, help="print this file of rows as Markdown and stop")
    parser.add_argument("--into", type=Path, help="page to put the --report into")
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    return parser.parse_args()


def report(asked: argparse.Namespace) -> int:
    """Write rows that were measured before as Markdown."""
    rows = json.loads(asked.report.read_text(encoding="utf-8"))
    if asked.into is None:
        print(rendering.markdown(rows))
    else:
        rendering.fill(asked.into, rows)
    return 0


def run_all(chosen: list[harness.Benchmark], asked: argparse.Namespace) -> list[str]:
    """Run benchmarks, print their table and what it leaves open; the names of those that failed."""
    rows: list[dict[str, Any]] = []
    skipped, failed = [], []
    for one in chosen:
        print(f"{one.name} ...", file=sys.stderr, flush=True)
        try:
            made = run_one(one, asked)
        except Exception as error:
            if harness.cannot_run(error):
                skipped.append(f"{one.name}: skipped ({error})")
                continue
            made = []
            failed.append(failure(one.name, error))
        rows += made
        if asked.json is not None:
            keep(asked.json, one.name, made)
    rendering.show(rows)
    missed = [row["benchmark"] for row in rows if row["met"] is False]
    print("\n".join([*skipped, *(["goals not reached: " + ", ".join(missed)] if missed else [])]))
    return failed


def failure(name: str, error: Exception) -> str:
    """Say aloud that a benchmark failed; its name."""
    print(f"{name}: FAILED", file=sys.stderr)
    traceback.print_exception(error)
    return name


def run_one(one: harness.Benchmark, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one benchmark."""
    made = one.make(asked.small)
    rows = made if isinstance(made, list) else [harness.run_case(one, made)]
    if isinstance(made, harness.Case) and made.memory and not asked.no_memory:
        add_memory(rows[0], made, asked)
    about = machine.about()
    return [row | {"threads": asked.threads, "met": harness.met(row), **about} for row in rows]


def add_memory(row: dict[str, Any], case: harness.Case, asked: argparse.Namespace) -> None:
    """Measure each side's peak in a fresh process, where nothing else has been allocated."""
    for side in ("ours", "peer"):
        if getattr(case, side) is not None:
            row[f"{side}_mb"] = memory_of(row["benchmark"], side, asked)
    if row["ours_mb"] and row["peer_mb"] is not None:
        row["memory_ratio"] = row["peer_mb"] / row["ours_mb"]


def memory_of(name: str, side: str, asked: argparse.Namespace) -> float | None:
    """Peak megabytes of one side.

    Raises
    ------
    RuntimeError
        If it fails there, though it did not here.
    """
    command = [sys.executable, __file__, "--only", name, "--side", side]
    command += ["--threads", str(asked.threads)] + ["--small"] * asked.small
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"memory of {name}, {side}, by {command}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def keep(path: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Put rows into the file, in place of older ones of the same benchmark and size.

    Where there are none, the benchmark failed: what stood there says nothing of this code.
    """
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    sizes = {row["size"] for row in rows}
    held = [row for row in held if row["benchmark"] != name or (rows and row["size"] not in sizes)]
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(held + rows, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
