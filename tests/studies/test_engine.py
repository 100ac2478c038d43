"""The engine: what is run, what is stored, what ends a study."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from spear_amal.errors import InputError
from spear_amal.studies.engine import Prerequisite, StudyRun, execute
from spear_amal.studies.results_file import StudyFile


def run_of(seed, function=lambda seed: {"score": seed / 10, "val_score": None}, **more):
    row = {"corpus": "toy", "method": "m", "title": "M", "seed": seed, "metric": "f1"}
    row |= {"features": "none", "protocol": "random", "labels": 3, "config": {}}
    return StudyRun(row, function, (seed,), f"M, seed {seed}", **more)


def test_rows_come_in_order_and_are_stored_as_they_end(tmp_path):
    store, told = StudyFile(tmp_path / "a.json"), []
    rows = execute(
        (run_of(seed) for seed in (3, 1, 2)), store, progress=lambda *said: told.append(said)
    )
    assert [row["score"] for row in rows] == [0.3, 0.1, 0.2]
    assert told == [
        (0, 3, ""),
        (1, 3, "M, seed 3"),
        (2, 3, "M, seed 1"),
        (3, 3, "M, seed 2"),
    ]
    assert json.loads((tmp_path / "a.json").read_text())["rows"] == rows


def test_what_is_stored_is_not_run_again(tmp_path):
    ran = []

    def counted(seed):
        ran.append(seed)
        return {"score": 0.5, "val_score": 0.5, "seconds": 7.0}

    execute([run_of(1, counted)], StudyFile(tmp_path / "a.json"))
    told = []
    rows = execute(
        [run_of(seed, counted) for seed in (1, 2)],
        StudyFile(tmp_path / "a.json"),
        progress=lambda *said: told.append(said),
    )
    assert ran == [1, 2] and told[0] == (1, 2, "")
    assert [row["seconds"] for row in rows] == [7.0, 7.0]


def test_a_failure_becomes_a_row_with_its_warnings_and_is_tried_again():
    def failing(seed):
        warnings.warn("feels unwell", UserWarning, stacklevel=2)
        raise ArithmeticError("singular")

    store = StudyFile()
    (row,) = execute([run_of(1, failing)], store)
    assert row["error"] == "ArithmeticError: singular" and row["warnings"] == ["feels unwell"]
    assert row["score"] is None and row["seconds"] >= 0
    (row,) = execute([run_of(1)], store)
    assert row["error"] is None and store.rows == [row]


def test_a_fatal_error_ends_the_study_and_keeps_what_is_done():
    def refused(seed):
        raise InputError("cannot be had")

    store = StudyFile()
    with pytest.raises(InputError, match="cannot be had"):
        execute([run_of(1), run_of(2, refused), run_of(3)], store, fatal=(InputError,))
    assert [row["seed"] for row in store.rows] == [1]
    with pytest.raises(InputError, match="jobs must be at least 1"):
        execute([run_of(1)], store, jobs=0)


def test_files_that_runs_need_are_made_first_and_once(tmp_path):
    made = []

    def make(path):
        made.append(path.name)
        path.touch()

    def needs(*names):
        return tuple(
            Prerequisite(tmp_path / name, make, (tmp_path / name,), f"file {name}")
            for name in names
        )

    def score(seed):
        assert Path(tmp_path / "b").exists()
        return {"score": 0.5, "val_score": 0.5}

    (tmp_path / "a").touch()
    told = []
    runs = [
        run_of(1, score, prerequisites=needs("a", "b")),
        run_of(2, score, prerequisites=needs("b")),
    ]
    store = StudyFile()
    execute(runs, store, progress=lambda *said: told.append(said))
    assert made == ["b"] and told[:2] == [(0, 3, ""), (1, 3, "file b")]
    # Runs that are stored need nothing any more.
    (tmp_path / "b").unlink()
    execute(runs, store)
    assert made == ["b"]
