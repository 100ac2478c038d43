"""Studies that are a grid of runs: what one run is, how a study makes them, and running it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import spear_amal
from spear_amal.errors import InputError
from spear_amal.studies.catalogue import load_study
from spear_amal.studies.engine import (
    ReportProgress,
    RowSteps,
    StudyRun,
    check_seeds,
    execute,
)
from spear_amal.studies.grid.config import Plan, change_plan
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.results_file import RunRow, StudyFile

if TYPE_CHECKING:
    from spear_amal.studies.grid.students import TeacherSpec


@dataclass(frozen=True)
class RunSpec:
    """One method under one condition and seed.

    Attributes
    ----------
    condition : str
        What distinguishes it from other conditions of the study; methods are compared within one.
    method, title : str
    data : DataSpec
    settings : dict
        Everything else that decides the result, as JSON.
    row_fields : dict
        Fields of the row that are not those of images: "metric", "labels", "features".
    seed : int
    """

    condition: str
    method: str
    title: str
    data: DataSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    row_fields: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class GridStudy:
    """A study of distillation or of mixers: a list of runs, and how one of them is done.

    Attributes
    ----------
    name : str
        As in the catalogue, e.g. "kd-noise".
    specs : function (plan, **options) -> list of RunSpec
        The runs of one seed; without a plan where there are no `scales`.
    run : function (spec, folder) -> dict
        Train and score; a module-level function, since it goes to other processes. `folder` is
        where trained teachers are kept.
    teachers : function (spec) -> list of TeacherSpec
        Models that the run needs; they are trained first, once each.
    scales : dict of str to Plan
        Sizes that the study comes in, the first is the default. Every field of a plan is an option
        of the study.
    seeds : int
        How many, unless the user says.
    together : bool
        Whether `run` goes in steps, so that the seeds of a method are trained together.
    """

    name: str
    specs: Callable[..., list[RunSpec]]
    run: Callable[[RunSpec, str], RunRow | RowSteps]
    teachers: Callable[[RunSpec], list[TeacherSpec]] = field(default=lambda spec: [])
    scales: Mapping[str, Plan] = field(default_factory=dict)
    seeds: int = 5
    together: bool = False

    @property
    def options(self) -> list[str]:
        """Names of the options of :meth:`run_specs`."""
        known = list(signature(self.specs).parameters)
        if self.scales:
            known[:1] = ["scale", *(option.name for option in fields(Plan))]
        return known

    def run_specs(self, seeds: Sequence[int], **options: Any) -> list[RunSpec]:
        """Make the runs of some seeds.

        Raises
        ------
        InputError
            For an option that the study does not have, or a value that nothing can be trained
            with.
        """
        known = self.options
        for name in options:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise InputError(
                    f"the study has no option {name!r}; {hint}it has {', '.join(known)}"
                )
        plan = [change_plan(self.scales, options)] if self.scales else []
        specs = self.specs(*plan, **options)
        return [replace(spec, seed=seed) for seed in seeds for spec in specs]

    def identify(self, spec: RunSpec) -> RunRow:
        """Return the title and the identifying fields of a run's row."""
        data = {k: v for k, v in asdict(spec.data).items() if v is not None and k != "data_dir"}
        return {
            "corpus": spec.data.corpus,
            "method": spec.method,
            "title": spec.title,
            "seed": spec.seed,
            "metric": "accuracy",
            "labels": spec.data.n_train or 0,
            "features": "pixels" if spec.data.corpus != "kd-synthetic" else "published",
            "protocol": f"{self.name}: {spec.condition}",
            "config": {
                "data": data,
                "settings": json.loads(json.dumps(spec.settings, sort_keys=True)),
                "version": spear_amal.__version__,
            },
            **spec.row_fields,
        }


def run_grid_study(
    study: str | GridStudy,
    output: str | os.PathLike[str],
    seeds: int | Sequence[int] | None = None,
    *,
    jobs: int = 1,
    models: str | os.PathLike[str] | None = None,
    methods: Sequence[str] | None = None,
    progress: ReportProgress | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Run a study; what its file holds already is not run again.

    Parameters
    ----------
    study : str or GridStudy
        A name of :data:`spear_amal.studies.CATALOGUE`, or a study.
    output : path
        JSON file with one row a run.
    seeds : int or sequence of int, optional
        A number N stands for 0 to N-1; default: that of the study.
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
    study = load_study(study) if isinstance(study, str) else study
    specs = study.run_specs(check_seeds(study.seeds if seeds is None else seeds), **options)
    if methods is not None:
        known = list(dict.fromkeys(spec.method for spec in specs))
        unknown = [name for name in methods if name not in known]
        if unknown:
            raise InputError(f"{study.name} has no method {unknown[0]!r}; it has {known}")
        specs = [spec for spec in specs if spec.method in methods]
    path = Path(output)
    folder = os.fspath(path.with_name(f"{path.stem}-models") if models is None else models)
    runs = [
        StudyRun(
            study.identify(spec),
            study.run,
            (spec, folder),
            f"{spec.title}, {study.name}: {spec.condition}, seed {spec.seed}",
            tuple(teacher.prerequisite(folder) for teacher in study.teachers(spec)),
            group=f"{spec.condition}: {spec.method}" if study.together else "",
        )
        for spec in specs
    ]
    # What the user asked for cannot be run: no row would help.
    fatal = (InputError,)
    store = StudyFile(output)
    return pd.DataFrame(execute(runs, store, jobs=jobs, progress=progress, fatal=fatal))
