"""What ``study`` does: run, show the way, print tables and a verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

from spear_amal import studies
from spear_amal.cli.console import is_watched, print_result, print_status, show_table
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import need_matplotlib
from spear_amal.report.figures.style import png
from spear_amal.report.grid_report import kd_figures, write_kd_report
from spear_amal.report.grid_tables import (
    conditions,
    kd_table,
    note_of,
    of_distillation,
    readable_kd,
    verdicts_of,
)
from spear_amal.report.study_report import markdown as as_markdown
from spear_amal.report.study_report import (
    readable_summary,
    study_tables,
    tuning_table,
    write_study_report,
)
from spear_amal.studies import load_study, read_study, verdicts
from spear_amal.studies.results_file import read_content

if TYPE_CHECKING:
    from spear_amal.studies import GridStudy

# What a study compares unasked: single models, and both sides of the fair question in folds.
METHODS = ("majority", "spear", "amal", "only-lv:crossfit=5", "recommended")


class FailedRunsError(SpearAmalError):
    """Some runs of a study failed; the others are stored."""


@dataclass(frozen=True)
class StudyOptions:
    """What the user asked for."""

    source: str
    output: Path
    methods: tuple[str, ...] | None = None
    seeds: int = 5
    labels: int | None = None
    features: str | None = None
    protocol: str = "random"
    tune: int = 0
    jobs: int = 1
    lfs: Path | None = None
    data_dir: Path | None = None
    max_epochs: int | None = None
    placebo: bool = False
    only: bool = False
    baseline: str | None = None


def run(options: StudyOptions) -> None:
    """Run a study and print its table.

    Raises
    ------
    FailedRunsError
        After everything else is done, if runs failed.
    """
    specs = studies.study_methods(options.methods or METHODS, options.only)
    check_baseline(options.baseline, [spec.text for spec in specs])
    settings = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    with study_progress(options.output) as progress:
        runs = studies.run_study(
            options.source,
            specs,
            options.seeds,
            n_labelled=options.labels,
            features=options.features,
            protocol=options.protocol,
            tune=options.tune,
            jobs=options.jobs,
            output=options.output,
            data_dir=options.data_dir,
            lfs=options.lfs,
            progress=progress,
            placebo=options.placebo,
            only=True,  # the others are among the specs
            **settings,
        )
    failed = runs[runs["score"].isna()]
    if len(failed) < len(runs):
        _show(runs, options.baseline)
    print_result(f"Runs are in {options.output}")
    if len(failed):
        raise FailedRunsError(failures(failed, len(runs)))


def check_baseline(asked: str | None, methods: list[str]) -> None:
    """Raise InputError for a baseline that was not run."""
    if asked is not None and asked not in methods:
        raise InputError(
            f"the baseline {asked!r} is not among the methods of this study: {', '.join(methods)}"
        )


def show_kd(runs: pd.DataFrame, baseline: str | None, markdown: bool = False) -> None:
    """Print the tables and verdicts of studies of runs, and what their runs warned of."""
    for condition in conditions(runs):
        table = readable_kd(condition, kd_table(condition, baseline))
        show_one(condition.title, table, markdown)
        print_result(condition.settings)
        for text in filter(None, [note_of(condition), *verdicts_of(condition)]):
            print_result(text)
    _note_warnings(runs)


def show_all(runs: pd.DataFrame, baseline: str | None, markdown: bool) -> None:
    """Print what a file holds; one file may hold studies of both kinds."""
    kd = of_distillation(runs)
    for some, show in ((runs[kd], show_kd), (runs[~kd], _show)):
        if some["score"].notna().any():
            show(some, baseline, markdown)


def _show(runs: pd.DataFrame, baseline: str | None, markdown: bool = False) -> None:
    for title, study, table in study_tables(runs, baseline):
        show_one(title, readable_summary(table), markdown)
        print_result(study)
    for verdict in verdicts(runs):
        print_result(verdict.text)
    _note_warnings(runs)


def _note_warnings(runs: pd.DataFrame) -> None:
    """Say once for each method what its runs warned of; numbers in the words may differ."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in runs.to_dict(orient="records"):
        found = row.get("warnings")  # not-a-number in rows of a file that lack it
        for text in found if isinstance(found, list) else ():
            told.setdefault((row["method"], re.sub(r"\d+", "", text)), []).append(text)
    for (method, _), texts in told.items():
        print_status(f"{method}, {len(texts)} of its runs: {texts[0]}")


def show_one(title: str, table: pd.DataFrame, markdown: bool) -> None:
    """Print a table of strings."""
    if markdown:
        typer.echo(f"\n**{title}**\n\n{as_markdown(table)}\n")  # no line may be wrapped
    else:
        show_table(table, title)


def failures(failed: pd.DataFrame, n: int) -> str:
    """Name the runs that failed, with their errors."""
    named = [
        f"  {row.method}, seed {row.seed}: {row.error}" for row in failed.itertuples(index=False)
    ]
    head = f"{len(failed)} of {n} runs failed; the command that ran the study tries them again:"
    return "\n".join([head, *named])


_SHARED = ("data_dir", "scale", "max_epochs", "corpus")


@dataclass(frozen=True)
class GridOptions:
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


def run_grid(options: GridOptions) -> None:
    """Run a study and print its tables.

    Raises
    ------
    InputError
        For an option that the study lacks.
    FailedRunsError
        After everything else is done, if runs failed.
    """
    study = load_study(options.study)
    given = {**options.given, **dict(_parsed(text) for text in options.further)}
    _check_options(study, given)
    _check_baseline(study, options, given)
    with study_progress(options.output, ", teachers in a folder beside it") as progress:
        runs = studies.run_grid_study(
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
    print_result(f"Runs are in {options.output}")
    if len(failed):
        raise FailedRunsError(failures(failed, len(runs)))


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


def _check_options(study: GridStudy, given: Mapping[str, Any]) -> None:
    """Refuse what the study has no parameter for, and say what it has."""
    known = study.options
    for name in given:
        if name not in known:
            said = f"--{name.replace('_', '-')}" if name in _SHARED else name
            options = [f"--{one.replace('_', '-')}" for one in _SHARED if one in known]
            settable = [one for one in known if one not in _SHARED]
            raise InputError(
                f"study {study.name} has no option {said}; its own are "
                f"{', '.join(options) or 'none'}, and with --set: {', '.join(settable) or 'none'}"
            )


def _check_baseline(study: GridStudy, options: GridOptions, given: Mapping[str, Any]) -> None:
    if options.baseline is None:
        return
    specs = study.run_specs([0], **given)
    known = list(dict.fromkeys(spec.method for spec in specs))
    taken = [name for name in known if not options.methods or name in options.methods]
    if options.baseline not in taken:
        raise InputError(
            f"the baseline {options.baseline!r} is not among the methods of this study: "
            f"{', '.join(taken)}"
        )


Progress = Callable[[int, int, str], None]

# Seconds over which speed is taken: one run may last many minutes.
_PERIOD = 24 * 3600.0


@contextmanager
def study_progress(output: Path, further: str = "") -> Iterator[Progress]:
    """Give what tells how far a study is; who stops it hears that nothing finished is lost.

    `further` says what is kept besides the runs.
    """
    shown = _bar() if is_watched() else nullcontext(_tell)
    try:
        with shown as progress:
            yield progress
    except KeyboardInterrupt:
        print_status(
            f"Finished runs are kept in {output}{further}; the same command goes on from there"
        )
        raise


def _tell(done: int, total: int, what: str) -> None:
    if what:
        print_status(f"{done}/{total} {what}")


@contextmanager
def _bar() -> Iterator[Progress]:
    """Give a bar with the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Bar(
        *columns, TimeRemainingColumn(), console=console, speed_estimate_period=_PERIOD
    ) as bar:
        task = bar.add_task("loading", total=None)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what or "training")

        yield advance


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    baseline: str | None = None
    markdown: bool = False
    html: Path | None = None
    figures: Path | None = None
    force: bool = False


def report(file: Path, wanted: Wanted) -> None:
    """Print the tables of a study file, write its HTML report and its figures.

    Raises
    ------
    FailedRunsError
        If there is nothing to print, since all runs failed.
    """
    if wanted.html is not None:
        need_matplotlib()
        refuse_existing(wanted.html, wanted.force)
    runs = read_study(file)
    check_baseline(wanted.baseline, list(dict.fromkeys(runs["method"])))
    tuning = read_content(file)["tuning"]
    failed = runs[runs["score"].isna()]
    if len(failed) == len(runs):
        raise FailedRunsError(failures(failed, len(runs)))
    distilled = _kind(runs, wanted)
    drawn = _draw(runs, wanted)
    show_all(runs, wanted.baseline, wanted.markdown)
    if tuning:
        show_one("What tuning chose", tuning_table(tuning), wanted.markdown)
    if len(failed):
        print_status(failures(failed, len(runs)))
    if wanted.html is not None:
        if distilled:
            write_kd_report(wanted.html, runs, wanted.baseline, wanted.force)
        else:
            write_study_report(wanted.html, runs, tuning, wanted.baseline, wanted.force)
        print_result(f"Report written to {wanted.html}")
    for path, image in drawn.items():
        with write_aside(path) as temporary:
            temporary.write_bytes(image)
        print_result(f"Figure written to {path}")


def _kind(runs: pd.DataFrame, wanted: Wanted) -> bool:
    """Tell a file of distillation studies; what is drawn must be of one kind."""
    kd = of_distillation(runs)
    if wanted.html is not None and kd.any() and not kd.all():
        raise InputError(
            "the file holds studies of distillation and others, and a page shows one kind; write "
            "them to separate files, or leave --html out"
        )
    if wanted.figures is not None and not kd.any():
        raise InputError(
            "--figures is for studies of distillation, and the file holds none; use --html"
        )
    return bool(kd.all())


def _draw(runs: pd.DataFrame, wanted: Wanted) -> dict[Path, bytes]:
    """Pictures by path, before anything is written; all the paths are free."""
    folder = wanted.figures
    if folder is None:
        return {}
    need_matplotlib()
    drawn = kd_figures(runs[of_distillation(runs)], wanted.baseline)
    return {
        refuse_existing(folder / f"{name}.png", wanted.force): png(figure)
        for name, figure in drawn.items()
    }
