"""In small what ``python tests/kill`` does at length."""

import subprocess
import sys
from pathlib import Path

import pytest
from flips import DETECTED, FILES, SAME, flip_bits
from kill_cases import COMMANDS, SHARES

QUICK = [case for case in COMMANDS if case not in SHARES]


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_a_flipped_bit_never_gives_another_answer(make, tmp_path):
    counts = flip_bits(*make(tmp_path), 23, seed=1)
    assert counts.keys() <= {DETECTED, SAME}, counts


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
def test_killed_commands_leave_nothing_and_go_on():
    harness = str(Path(__file__).parent)
    cases = [word for case in QUICK for word in ("--case", case)]
    command = [sys.executable, harness, "--kills", "12", "--flips", "1", *cases]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 kills" in done.stdout and "0 faults" in done.stdout
