"""What ``study`` does: run, show the way, print tables and a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import typer

from spear_amal.cli.console import note, say, show_table
from spear_amal.cli.study_progress import study_progress
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.report.kd_rows import conditions, of_distillation
from spear_amal.report.kd_tables import kd_table, readable_kd
from spear_amal.report.mixing_verdicts import note_of, verdicts_of
from spear_amal.report.study_tables import markdown as as_markdown
from spear_amal.report.study_tables import readable_summary, study_tables
from spear_amal.studies import run_study
from spear_amal.studies.runner import study_methods
from spear_amal.studies.verdict import verdicts

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
    specs = study_methods(options.methods or METHODS, options.only)
    check_baseline(options.baseline, [spec.text for spec in specs])
    settings = {} if options.max_epochs is None else {"max_epochs": options.max_epochs}
    with study_progress(options.output) as progress:
        runs = run_study(
            options.source,
            specs,
            options.seeds,
            labels=options.labels,
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
    say(f"Runs are in {options.output}")
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
        say(condition.settings)
        for text in filter(None, [note_of(condition), *verdicts_of(condition)]):
            say(text)
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
        say(study)
    for verdict in verdicts(runs):
        say(verdict.text)
    _note_warnings(runs)


def _note_warnings(runs: pd.DataFrame) -> None:
    """Say once for each method what its runs warned of; numbers in the words may differ."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in runs.to_dict(orient="records"):
        found = row.get("warnings")  # not-a-number in rows of a file that lack it
        for text in found if isinstance(found, list) else ():
            told.setdefault((row["method"], re.sub(r"\d+", "", text)), []).append(text)
    for (method, _), texts in told.items():
        note(f"{method}, {len(texts)} of its runs: {texts[0]}")


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
