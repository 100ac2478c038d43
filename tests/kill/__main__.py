"""The long mode: ``python tests/kill`` kills 300 times and flips 200 bits of each kind of file."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from harness import campaign, warm_up
from kill_cases import COMMANDS


def show(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def flip_all(root: Path, n: int) -> bool:
    """Flip bits of every kind of file; return whether all flips were detected or harmless."""
    from flips import DETECTED, FILES, SAME, flip_bits

    good = True
    for make in FILES:
        folder = root / make.__name__
        folder.mkdir(parents=True)
        counts = flip_bits(*make(folder), n, seed=0)
        show(f"{make.__name__}: {dict(counts)}")
        good &= counts.keys() <= {DETECTED, SAME}
    return good


def main() -> int:
    """Run the long mode; the exit code is 1 for any fault."""
    parser = argparse.ArgumentParser(prog="python tests/kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="of all commands together")
    parser.add_argument("--flips", type=int, default=200, help="of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", action="append", choices=list(COMMANDS), help="not all commands")
    options = parser.parse_args()
    warm_up()
    root = Path(tempfile.mkdtemp(prefix="kill-"))
    try:
        good = flip_all(root / "flips", options.flips)
        cases = options.case or list(COMMANDS)
        outcome = campaign(root / "kills", options.kills, options.seed, cases, show)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    show(str(outcome))
    return int(bool(outcome.faults) or not good)


if __name__ == "__main__":
    sys.exit(main())
