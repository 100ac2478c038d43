"""What studies that are lists of runs do: run, show the way, print tables and verdicts."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spear_amal.cli.commands_kd import STUDIES
from spear_amal.cli.console import say
from spear_amal.cli.study import FailedRunsError, failures, show_kd
from spear_amal.cli.study_progress import study_progress
from spear_amal.errors import InputError
from spear_amal.studies.catalogue import CATALOGUE
from spear_amal.studies.kd import KdStudy, run_kd_study

_SHARED = ("data_dir", "scale", "max_epochs", "corpus")


@dataclass(frozen=True)
class KdOptions:
    """What the user asked for; `given` goes to the study.

    Attributes
    ----------
    study : str
    output : Path
    seeds : int, optional
    jobs : int
    methods : tuple of str, optional
    baseline : str, optional
    given : dict
        Options that some studies have and others lack, only those that were given.
    further : tuple of str
        More of them as OPTION=VALUE, values as JSON or plain words.
    """

    study: str
    output: Path
    seeds: int | None = None
    jobs: int = 1
    methods: tuple[str, ...] | None = None
    baseline: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    further: tuple[str, ...] = ()


def run(options: KdOptions) -> None:
    """Run a study and print its tables.

    Raises
    ------
    InputError
        For an option that the study lacks.
    FailedRunsError
        After everything else is done, if runs failed.
    """
    study = _study(options.study)
    given = {**options.given, **dict(_parsed(text) for text in options.further)}
    _check_options(study, given)
    _check_baseline(study, options, given)
    with study_progress(options.output, ", teachers in a folder beside it") as progress:
        runs = run_kd_study(
            study,
            options.output,
            options.seeds,
            jobs=options.jobs,
            methods=options.methods,
            progress=progress,
            **given,
        )
    failed = runs[runs["score"].isna()]
    if len(failed) < len(runs):
        show_kd(runs, options.baseline)
    say(f"Runs are in {options.output}")
    if len(failed):
        raise FailedRunsError(failures(failed, len(runs)))


def _study(name: str) -> KdStudy:
    if name not in CATALOGUE:
        known = ", ".join(one for one in STUDIES if one in CATALOGUE)
        raise InputError(f"there is no study {name!r} in this installation; it has {known}")
    return CATALOGUE[name]


def _parsed(text: str) -> tuple[str, Any]:
    """Split OPTION=VALUE.

    Examples
    --------
    >>> _parsed("n_train=500"), _parsed("rates=[0.2, 0.4]"), _parsed("student=mlp:50")
    (('n_train', 500), ('rates', [0.2, 0.4]), ('student', 'mlp:50'))
    """
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise InputError(f"--set needs OPTION=VALUE, found {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _check_options(study: KdStudy, given: Mapping[str, Any]) -> None:
    """Refuse what the study has no parameter for, and say what it has."""
    known = list(inspect.signature(study.cells).parameters)[1:]  # the first are the seeds
    for name in given:
        if name not in known:
            said = f"--{name.replace('_', '-')}" if name in _SHARED else name
            options = [f"--{one.replace('_', '-')}" for one in _SHARED if one in known]
            settable = [one for one in known if one not in _SHARED]
            raise InputError(
                f"study {study.name} has no option {said}; its own are "
                f"{', '.join(options) or 'none'}, and with --set: {', '.join(settable) or 'none'}"
            )


def _check_baseline(study: KdStudy, options: KdOptions, given: Mapping[str, Any]) -> None:
    if options.baseline is None:
        return
    cells = study.cells([0], **given)
    known = list(dict.fromkeys(cell.method for cell in cells))
    taken = [name for name in known if not options.methods or name in options.methods]
    if options.baseline not in taken:
        raise InputError(
            f"the baseline {options.baseline!r} is not among the methods of this study: "
            f"{', '.join(taken)}"
        )
