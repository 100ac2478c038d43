"""The engine: what is run, what is stored, what ends a study."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

import spear_amal
from spear_amal.errors import InputError
from spear_amal.estimators import together
from spear_amal.studies import engine
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


@dataclass(frozen=True)
class Model:
    """Stands for a model to be trained."""

    label: str
    within: tuple[str, ...] = ()


def in_steps(log, seed):
    """Ask twice for one model to be trained; odd seeds fail after the first."""
    log.append(f"{seed} begins")
    for time in (1, 2):
        yield [Model(f"model {seed}.{time}")]
        if seed % 2:
            warnings.warn(f"seed {seed} is odd", UserWarning, stacklevel=2)
            raise ArithmeticError("odd")
    log.append(f"{seed} ends")
    return {"score": seed / 10, "val_score": None, "seconds": 7.0}


@pytest.fixture
def pooled(monkeypatch):
    """What was trained together, in order."""
    calls = []
    monkeypatch.setattr(together, "bytes_of", lambda members: 1)

    def record(members):
        calls.append([member.label for member in members])
        assert all(len(member.within) == 1 for member in members), "each is named by its run"
        return [None] * len(members)

    monkeypatch.setattr(together, "fit_members", record)
    monkeypatch.setattr(together, "_spread", lambda members: False)
    return calls


def test_runs_of_a_group_are_trained_together_and_fail_alone(pooled):
    log = []
    runs = [run_of(seed, partial(in_steps, log), group=group) for seed, group in GROUPED]
    rows = execute(runs, StudyFile())
    assert pooled == [
        ["model 2.1", "model 3.1", "model 6.1"],
        ["model 2.2", "model 6.2"],
        ["model 4.1", "model 8.1"],
        ["model 4.2", "model 8.2"],
        ["model 1.1"],
    ]
    assert [row["score"] for row in rows] == [0.2, 0.4, None, None, 0.6, 0.8]
    assert [row["error"] for row in rows][2:4] == 2 * ["ArithmeticError: odd"]
    assert [row["warnings"] for row in rows][2:4] == [["seed 1 is odd"], ["seed 3 is odd"]]
    assert all(row["build"].startswith(spear_amal.__version__) for row in rows)


GROUPED = [(2, "a"), (4, "b"), (1, ""), (3, "a"), (6, "a"), (8, "b")]


def test_a_fatal_error_leaves_those_trained_with_it(pooled):
    store = StudyFile()
    runs = [run_of(seed, partial(in_steps, []), group=group) for seed, group in GROUPED]
    with pytest.raises(ArithmeticError, match="odd"):
        execute(runs, store, fatal=(ArithmeticError,))
    assert [row["seed"] for row in store.rows] == [2, 6]


def test_batches_are_of_one_group_and_shared_by_processes():
    runs = [run_of(seed, group="a" if seed % 3 else "") for seed in range(7)]
    seeds = [[run.row["seed"] for run in batch] for batch in engine.batches_of(runs)]
    assert seeds == [[0], [1, 2, 4, 5], [3], [6]]
    halves = [[run.row["seed"] for run in batch] for batch in engine.batches_of(runs, 3)]
    assert halves == [[0], [1, 2, 4], [5], [3], [6]]
    many = engine.batches_of([run_of(seed, group="a") for seed in range(3 * engine.BATCH)])
    assert [len(batch) for batch in many] == 3 * [engine.BATCH]
