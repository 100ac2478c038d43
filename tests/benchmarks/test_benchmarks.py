"""The benchmarks run, in small, and both sides of each give the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "benchmarks"
# One of each kind; those against Snorkel, crowd-kit or higher are skipped where these are missing.
CHECKED = ("lf-numeric", "lf-declarative", "majority-vote", "cage-step", "meta-gradient", "import")


def run(script, *arguments):
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, FOLDER / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_both_sides_agree_in_small(tmp_path):
    path = tmp_path / "rows.json"
    only = [word for name in CHECKED for word in ("--only", name)]
    done = run("run.py", "--small", "--no-memory", "--threads", 1, "--json", path, *only)
    assert path.is_file(), done.stdout + done.stderr
    rows = {row["benchmark"]: row for row in json.loads(path.read_text())}
    assert set(rows) <= set(CHECKED)
    assert {"cage-step", "meta-gradient"} <= set(rows), done.stdout
    for row in rows.values():
        assert row["ours_s"] > 0
        assert row["peer_s"] is None or row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"])


def test_every_benchmark_of_the_folder_is_listed():
    done = run("run.py", "--list")
    assert done.returncode == 0, done.stderr
    for path in FOLDER.glob("bench_*.py"):
        names = [line.split('"')[1] for line in path.read_text().split("\n@benchmark(")[1:]]
        for name in names:
            assert name in done.stdout


def test_growth_is_drawn(tmp_path):
    picture = tmp_path / "growth.png"
    done = run("growth.py", "--small", "--threads", 1, "--output", picture)
    assert done.returncode == 0, done.stderr
    assert "slopes" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
