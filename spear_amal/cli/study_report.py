"""What ``study report`` does: tables of a study file, its HTML report, its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spear_amal.cli.console import note, say
from spear_amal.cli.study import FailedRunsError, check_baseline, failures, show_all, show_one
from spear_amal.errors import InputError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.report import need_matplotlib
from spear_amal.report.canvas import png
from spear_amal.report.kd_figures import kd_figures
from spear_amal.report.kd_page import write_kd_report
from spear_amal.report.kd_rows import of_distillation
from spear_amal.report.study_page import write_study_report
from spear_amal.report.study_tables import tuning_table
from spear_amal.studies import read_study
from spear_amal.studies.store import read_content


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
        note(failures(failed, len(runs)))
    if wanted.html is not None:
        if distilled:
            write_kd_report(wanted.html, runs, wanted.baseline, wanted.force)
        else:
            write_study_report(wanted.html, runs, tuning, wanted.baseline, wanted.force)
        say(f"Report written to {wanted.html}")
    for path, image in drawn.items():
        with write_aside(path) as temporary:
            temporary.write_bytes(image)
        say(f"Figure written to {path}")


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
