"""Prompted LFs in processes that are killed: same votes, and hardly a row asked twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from killed_apply import AT_ONCE, killed_runs
counts = killed_runs(4, n_rows=101)
assert counts.kills >= 4 and not counts.faults, counts
assert 0 <= counts.extra <= counts.kills * AT_ONCE, counts
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks processes")
def test_votes_are_those_of_an_undisturbed_run() -> None:
    # Forks must come from a process without threads of its own.
    code = SCRIPT.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
