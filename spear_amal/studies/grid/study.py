"""Runs the cells of a study: teachers first, then all methods; each row is stored at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from spear_amal.errors import InputError
from spear_amal.studies.grid.run_spec import RunSpec, run_cell
from spear_amal.studies.grid.students import TeacherSpec, trained
from spear_amal.studies.results_file import StudyFile, identity, plain_json
from spear_amal.studies.workers import in_parallel

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class GridStudy:
    """A study of distillation or of mixers: a list of runs, and how one of them is done.

    Attributes
    ----------
    name : str
        As on the command line, e.g. "kd-noise".
    about : str
        One line on what it shows.
    cells : function of seeds and options -> list of RunSpec
    run : function (cell, folder) -> dict
        Train and score; a module-level function, since it goes to other processes.
    teachers : function (cell) -> list of TeacherSpec
        Models that the cell needs; they are trained first, once each.
    seeds : int
        How many, if not asked for.
    note : str
        What its tables are shown with, such as methods that do not apply and why.
    """

    name: str
    about: str
    cells: Callable[..., list[RunSpec]]
    run: Callable[[RunSpec, str], dict[str, Any]]
    teachers: Callable[[RunSpec], list[TeacherSpec]] = field(default=lambda cell: [])
    seeds: int = 5
    note: str = ""


def run_grid_study(
    study: GridStudy,
    output: str | os.PathLike[str],
    seeds: int | Sequence[int] | None = None,
    *,
    jobs: int = 1,
    models: str | os.PathLike[str] | None = None,
    methods: Sequence[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Run a study; what its file holds already is not run again.

    Parameters
    ----------
    study : GridStudy
    output : path
        JSON file with one row a run.
    seeds : int or sequence of int, optional
        A number N stands for 0 to N-1.
    jobs : int
        Processes, of one thread each.
    models : path, optional
        Folder for trained teachers; default: beside `output`, of the same name with "-models".
    methods : sequence of str, optional
        Only these.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    **options
        Of the study.

    Returns
    -------
    DataFrame
        The rows of this study, in order; ``error`` is not None where a run failed.
    """
    cells = study.cells(_seeds(seeds, study.seeds), **options)
    if methods is not None:
        known = list(dict.fromkeys(cell.method for cell in cells))
        strangers = [name for name in methods if name not in known]
        if strangers:
            raise InputError(f"{study.name} has no method {strangers[0]!r}; it has {known}")
        cells = [cell for cell in cells if cell.method in methods]
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, found {jobs}")
    store = StudyFile(output)
    folder = os.fspath(models) if models is not None else _folder(output)
    wanted = {identity(plain_json(cell.row())): cell for cell in cells}
    done = store.finished()
    left = [cell for key, cell in wanted.items() if key not in done]
    specs = {one.path(folder): one for cell in left for one in study.teachers(cell)}
    missing = [one for path, one in specs.items() if not path.exists()]
    total = len(cells) + len(missing)
    count = len(cells) - len(left)
    tell = progress or (lambda done, total, what: None)
    tell(count, total, "")
    for spec in in_parallel(jobs, [(_train, (one, folder)) for one in missing]):
        count += 1
        tell(count, total, f"teacher {spec.network}, seed {spec.seed}")
    for row in in_parallel(jobs, [(run_cell, (study.run, cell, folder)) for cell in left]):
        store.add(row)
        count += 1
        tell(count, total, f"{row['title']}, {row['protocol']}, seed {row['seed']}")
    rows = {identity(row): row for row in store.rows}
    return pd.DataFrame([rows[key] for key in wanted])


def _train(spec: TeacherSpec, folder: str) -> TeacherSpec:
    trained(spec, folder)
    return spec


def _folder(output: str | os.PathLike[str]) -> str:
    path = Path(output)
    return os.fspath(path.with_name(f"{path.stem}-models"))


def _seeds(asked: int | Sequence[int] | None, default: int) -> list[int]:
    given = default if asked is None else asked
    seeds = list(range(given)) if isinstance(given, int) else [int(seed) for seed in given]
    if len(seeds) < 2 or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise InputError(f"a study needs two or more different seeds from 0 on, found {seeds}")
    return seeds
