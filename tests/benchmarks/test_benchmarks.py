"""The benchmarks run, in small, and both sides of each give the same."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spear_amal.data.formats.spear import read_spear_pickle
from spear_amal.votes.label_matrix import LabelMatrix

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


def test_the_build_before_is_a_peer(tmp_path):
    path, tree = tmp_path / "rows.json", FOLDER.parent
    only = ("--only", "drawn-dawid-skene", "--small", "--json", path)
    assert "skipped (needs --against" in run("run.py", *only).stdout
    done = run("run.py", *only, "--against", tree)
    (row,) = json.loads(path.read_text())
    assert row["peer"] == "the build before", done.stdout + done.stderr
    assert row["ratio"] == pytest.approx(row["peer_s"] / row["ours_s"])


def test_a_worker_refuses_the_package_of_another_tree(tmp_path):
    done = run("side_jobs.py", "drawn-dawid-skene", tmp_path)
    assert done.returncode == 1
    assert f"needed that of {tmp_path}" in done.stderr


def test_files_for_decile_spear_are_read_back(tmp_path, monkeypatch):
    """By our reader of its pickles, which was written against files that the package wrote."""
    monkeypatch.syspath_prepend(FOLDER)
    decile = importlib.import_module("decile")
    votes = LabelMatrix.from_dense(
        [[0, -1], [-1, 1], [0, 1], [-1, -1], [0, -1]], classes=["a", "b"]
    )
    x = np.arange(15.0).reshape(5, 3)
    split = SimpleNamespace(
        x_train=x[:3], y_train=np.array([0, -1, 1]), votes_train=votes[:3], x_val=x[3:]
    )
    split.y_val, split.votes_val = np.array([1, 0]), votes[3:]
    paths = decile.write_files(split, tmp_path)
    assert json.loads(Path(paths["classes"]).read_text()) == {"0": "a", "1": "b"}
    for part, rows, gold in (("L", [0, 2], [0, 1]), ("U", [1], [-1]), ("V", [3, 4], [1, 0])):
        read = read_spear_pickle(paths[part])
        np.testing.assert_array_equal(read["x"], x[rows])
        np.testing.assert_array_equal(read["L"].ravel(), gold)
        np.testing.assert_array_equal(read["l"], votes.to_dense()[rows])
        assert read["k"].tolist() == [0, 1]


def test_growth_is_drawn(tmp_path):
    picture, numbers = tmp_path / "growth.png", tmp_path / "growth.json"
    asked = ("--small", "--threads", 1, "--output", picture, "--json", numbers)
    done = run("growth.py", *asked)
    assert done.returncode == 0, done.stderr
    first = json.loads(numbers.read_text())
    assert done.stdout.count("slopes") == len(first)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run("growth.py", *asked, "--only", "Label models").stdout.count("slopes") == 1
    again = json.loads(numbers.read_text())
    assert [title for title in first if again[title] != first[title]] == ["Label models, 20 steps"]


def test_options_of_amal_are_held_against_its_defaults(tmp_path):
    path = tmp_path / "scores.json"
    asked = ("--corpus", "topics-weak", "--draws", 1, "--seeds", 2, "--output", path)
    done = run("amal_options.py", *asked)
    assert done.returncode == 0, done.stderr
    scores = json.loads(path.read_text())
    first, second = scores["topics-weak-0: AMAL, one model"]
    cut = scores["topics-weak-0: cut statistic, 0.6 of the rows"]
    gain = (cut[0] - first + cut[1] - second) / 2
    (line,) = {line for line in done.stdout.splitlines() if line.startswith("cut statistic")}
    assert line.split()[6] == f"{gain:+.1f}"
