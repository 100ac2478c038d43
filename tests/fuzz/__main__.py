"""The long mode: thousands of inputs over all doors, and a table of what became of them.

    python tests/fuzz --inputs 10000 [--seed 0] [--only NAME]

Ends with 1 if an input raised what no door documents, took over 5 s of processor time, or over
1 GB of memory, or came out as something that it is not; faults are shown by place.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from doors.files import whole
from every_door import DOORS, Door
from guard import Tally, run
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st


def fuzz(door: Door, inputs: int, start: int) -> tuple[Tally, dict[str, Finding]]:
    """Send many inputs through one door; return the tally and its faults by place."""
    tally, findings = Tally(), {}

    @seed(start)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def all_inputs(data: st.DataObject) -> None:
        drawn: list[Any] = []

        def draw(strategy: Any) -> Any:
            drawn.append(data.draw(strategy))
            return drawn[-1]

        with tempfile.TemporaryDirectory() as folder:
            try:
                run(door.enter, draw, Path(folder), tally, door.raises)
            except AssertionError as fault:
                findings.setdefault(place(fault), Finding(shown(drawn))).count += 1

    all_inputs()
    return tally, findings


@dataclass
class Finding:
    """A fault: what was drawn when it was seen first, and how often it was."""

    drawn: str
    count: int = 0


def place(fault: BaseException) -> str:
    """Return what went wrong and where, without what differs from input to input."""
    error = fault.__cause__ or fault
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f[0]]
    own = [f for f in frames if "/spear_amal/" in f.filename] or frames
    where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(own[-3:]))
    return f"{type(error).__name__}: {str(error)[:90]!r} at {where}"


def shown(drawn: list[Any]) -> str:
    """Return what was drawn, short, in ASCII."""
    return " | ".join(" ".join(ascii(value).split())[:160] for value in drawn)[-500:]


def main() -> int:
    """Run the doors and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000, help="inputs over all doors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--refused", action="store_true", help="show the commonest refusals")
    parser.add_argument("--only", help="doors whose name contains this")
    options = parser.parse_args()
    chosen = {name: d for name, d in sorted(DOORS.items()) if (options.only or "") in name}
    each = math.ceil(options.inputs / len(chosen))
    whole()
    faults = 0
    print(f"{'door':24}{'accepted':>9}{'refused':>9}{'slowest s':>10}{'MB':>6}")
    for name, door in chosen.items():
        tally, findings = fuzz(door, each, options.seed)
        row = f"{name:24}{tally.accepted:9}{tally.refused:9}{tally.seconds:10.2f}"
        print(f"{row}{tally.bytes / 1e6:6.0f}", flush=True)
        faults += len(findings)
        if options.refused:
            for message, count in sorted(tally.errors.items(), key=lambda e: -e[1])[:8]:
                print(f"  {count}x {message}")
        for where, finding in findings.items():
            print(f"  FAULT {finding.count}x {where}\n      {finding.drawn}", flush=True)
    print(f"{len(chosen)} doors, {each} inputs each, {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
