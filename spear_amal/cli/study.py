"""The commands under ``study``: run methods over seeds, print tables and verdicts, draw."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

from spear_amal import studies
from spear_amal.cli.console import print_result, print_status, show_table
from spear_amal.cli.options.studies import GridStudyOptions, StudyOptions, StudyReportOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.study_progress import study_progress
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.io.atomic import write_aside, written_together
from spear_amal.report import require_report_extra
from spear_amal.report.figures.style import png
from spear_amal.report.formatting import escape_markdown
from spear_amal.report.formatting import markdown as as_markdown
from spear_amal.report.grid_report import grid_figures, write_grid_report
from spear_amal.report.grid_tables import (
    conditions,
    grid_table,
    note_of,
    of_grid_study,
    readable_grid,
    verdicts_of,
)
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


# -- running --------------------------------------------------------------------------------------


def run(options: StudyOptions) -> None:
    """Run methods over seeds on a corpus and print the table.

    Raises
    ------
    FailedRunsError
        After everything else is done, if runs failed.
    """
    specs = studies.study_methods(options.method or METHODS, options.only)
    _check_baseline(options.baseline, [spec.text for spec in specs])
    settings = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    check_outputs(False, continued=options.output)
    with study_progress(options.output) as progress:
        runs = studies.run_study(
            options.source,
            specs,
            options.seeds,
            n_labelled=options.n_labelled,
            features=options.features,
            protocol=options.protocol,
            tune=options.tune,
            trials_at_once=options.trials_at_once,
            jobs=options.jobs,
            output=options.output,
            data_dir=options.data_dir,
            lfs=options.lfs,
            progress=progress,
            placebo=options.placebo,
            only=True,  # the others are among the specs
            **settings,
        )
    _print_outcome(runs, options)


def run_grid(name: str, options: GridStudyOptions) -> None:
    """Run a study that has a name and print its tables.

    Raises
    ------
    InputError
        For an option that the study lacks.
    FailedRunsError
        After everything else is done, if runs failed.
    """
    study = load_study(name)
    settings = _settings(study, options)
    if options.baseline is not None:
        methods = dict.fromkeys(spec.method for spec in study.run_specs([0], **settings))
        taken = [method for method in methods if not options.method or method in options.method]
        _check_baseline(options.baseline, taken)
    check_outputs(False, continued=options.output)
    with study_progress(options.output, ", teachers in a folder beside it") as progress:
        runs = studies.run_grid_study(
            study,
            options.output,
            options.seeds,
            jobs=options.jobs,
            methods=options.method or None,
            progress=progress,
            **settings,
        )
    _print_outcome(runs, options)


def _print_outcome(runs: pd.DataFrame, options: StudyOptions | GridStudyOptions) -> None:
    failed = runs[runs["score"].isna()]
    if len(failed) < len(runs):
        _print_tables(runs, options.baseline)
    print_result(f"Runs are in {options.output}")
    if len(failed):
        raise FailedRunsError(_failures(failed, len(runs)))


def _check_baseline(baseline: str | None, methods: Sequence[str]) -> None:
    """Raise InputError for a baseline that was not run."""
    if baseline is not None and baseline not in methods:
        raise InputError(
            f"the baseline {baseline!r} is not among the methods of this study: "
            f"{', '.join(methods)}"
        )


def _failures(failed: pd.DataFrame, n: int) -> str:
    """Return the runs that failed, with their errors."""
    lines = [
        f"  {row.method}, seed {row.seed}: {row.error}" for row in failed.itertuples(index=False)
    ]
    head = f"{len(failed)} of {n} runs failed; the command that ran the study tries them again:"
    return "\n".join([head, *lines])


# -- options that some studies have and others lack -----------------------------------------------

_FLAGS = ("data_dir", "scale", "max_epochs", "corpus")  # the others are given with --set


def _settings(study: GridStudy, options: GridStudyOptions) -> dict[str, Any]:
    """Return the keyword arguments of a study.

    Raises
    ------
    InputError
        For one that it does not take; says what it takes.
    """
    settings = {name: getattr(options, name) for name in _FLAGS}
    settings = {name: value for name, value in settings.items() if value is not None}
    if options.data_dir is not None:
        settings["data_dir"] = str(options.data_dir)  # it stands in the results file
    settings |= dict(_parsed(text) for text in options.settings)
    known = study.options
    for name in settings:
        if name not in known:
            label = f"--{name.replace('_', '-')}" if name in _FLAGS else name
            flags = [f"--{flag.replace('_', '-')}" for flag in _FLAGS if flag in known]
            others = [name for name in known if name not in _FLAGS]
            raise InputError(
                f"study {study.name} has no option {label}; its own are "
                f"{', '.join(flags) or 'none'}, and with --set: {', '.join(others) or 'none'}"
            )
    return settings


def _parsed(text: str) -> tuple[str, Any]:
    """Split OPTION=VALUE; the value is JSON or a plain word.

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
    except RecursionError:
        raise InputError(f"--set {name}: the value is nested too deeply to be read") from None


# -- tables, page and figures ---------------------------------------------------------------------


def report(options: StudyReportOptions) -> None:
    """Print the tables of a study file, write its HTML report and its figures.

    Raises
    ------
    FailedRunsError
        If there is nothing to print, since all runs failed.
    """
    check_outputs(options.force, report=options.html)
    runs = read_study(options.file)
    _check_baseline(options.baseline, list(dict.fromkeys(runs["method"])))
    tuning = read_content(options.file)["tuning"]
    failed = runs[runs["score"].isna()]
    if len(failed) == len(runs):
        raise FailedRunsError(_failures(failed, len(runs)))
    distilled = _is_distillation(runs, options)
    figures = _figures(runs, options)
    _print_tables(runs, options.baseline, options.markdown)
    if tuning:
        _print_table("What tuning chose", tuning_table(tuning), options.markdown)
    if len(failed):
        print_status(_failures(failed, len(runs)))
    lines = [] if options.html is None else [f"Report written to {options.html}"]
    with written_together():
        if options.html is not None:
            if distilled:
                write_grid_report(options.html, runs, options.baseline, options.force)
            else:
                write_study_report(options.html, runs, tuning, options.baseline, options.force)
        for path, image in figures.items():
            with write_aside(path) as temporary:
                temporary.write_bytes(image)
            lines.append(f"Figure written to {path}")
    for line in lines:
        print_result(line)


def _is_distillation(runs: pd.DataFrame, options: StudyReportOptions) -> bool:
    """Return whether all studies of a file are of distillation.

    Raises
    ------
    InputError
        If a page or figures are asked for that the kinds of studies do not allow.
    """
    kd = of_grid_study(runs)
    if options.html is not None and kd.any() and not kd.all():
        raise InputError(
            "the file holds studies of distillation and others, and a page shows one kind; write "
            "them to separate files, or leave --html out"
        )
    if options.figures is not None and not kd.any():
        raise InputError(
            "--figures is for studies of distillation, and the file holds none; use --html"
        )
    return bool(kd.all())


def _figures(runs: pd.DataFrame, options: StudyReportOptions) -> dict[Path, bytes]:
    """Return pictures by path, before anything is written; all the paths are free."""
    folder = options.figures
    if folder is None:
        return {}
    require_report_extra()
    figures = grid_figures(runs[of_grid_study(runs)], options.baseline)
    paths = {name: folder / f"{name}.png" for name in figures}
    check_outputs(options.force, *paths.values())
    return {paths[name]: png(figure) for name, figure in figures.items()}


def _print_tables(runs: pd.DataFrame, baseline: str | None, markdown: bool = False) -> None:
    """Print tables and verdicts of studies of both kinds, and what their runs warned of."""
    kd = of_grid_study(runs)
    for part, print_part in ((runs[kd], _print_grids), (runs[~kd], _print_corpora)):
        if part["score"].notna().any():
            print_part(part, baseline, markdown)
            _print_warnings(part)


def _print_grids(runs: pd.DataFrame, baseline: str | None, markdown: bool) -> None:
    for condition in conditions(runs):
        table = grid_table(condition, baseline)
        readable = readable_grid(condition, table)
        _print_table(condition.title, readable, markdown, table.reset_index())
        _print_text(condition.settings, markdown)
        for text in filter(None, [note_of(condition), *verdicts_of(condition)]):
            _print_text(text, markdown)


def _print_corpora(runs: pd.DataFrame, baseline: str | None, markdown: bool) -> None:
    for title, study, table in study_tables(runs, baseline):
        _print_table(title, readable_summary(table), markdown, table.reset_index())
        _print_text(study, markdown)
    for verdict in verdicts(runs):
        _print_text(verdict.text, markdown)


def _print_table(
    title: str, table: pd.DataFrame, markdown: bool, values: pd.DataFrame | None = None
) -> None:
    """Print a table of strings; `values` are the same in numbers."""
    if markdown:
        head = escape_markdown(title)
        typer.echo(f"\n**{head}**\n\n{as_markdown(table)}\n")  # no line may be wrapped
    else:
        show_table(table, title, values)


def _print_text(text: str, markdown: bool) -> None:
    if markdown:
        typer.echo(escape_markdown(text))
    else:
        print_result(text)


def _print_warnings(runs: pd.DataFrame) -> None:
    """Print once for each method what its runs warned of; numbers in the words may differ."""
    texts_by_method: dict[tuple[str, str], list[str]] = {}
    for row in runs.to_dict(orient="records"):
        texts = row.get("warnings")  # not-a-number in rows of a file that lack it
        for text in texts if isinstance(texts, list) else ():
            key = (row["method"], re.sub(r"\d+", "", text))
            texts_by_method.setdefault(key, []).append(text)
    for (method, _), texts in texts_by_method.items():
        print_status(f"{method}, {len(texts)} of its runs: {texts[0]}")
