"""What ``train`` says of the score to expect on new rows, and of what the rules add to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spear_amal.cli.compare import score_figures
from spear_amal.cli.console import (
    add_to_json,
    print_result,
    print_status,
    print_warning,
    warnings_as_notes,
)
from spear_amal.cli.events import with_events, write_event
from spear_amal.cli.options.project import TrainOptions
from spear_amal.cli.training_data import read_test_rows
from spear_amal.errors import InputError
from spear_amal.progress import Progress
from spear_amal.report import Estimate
from spear_amal.report.formatting import METRIC_NAMES
from spear_amal.studies import MethodSpec
from spear_amal.studies.crossval.estimate import FOLDS, ScoreEstimate, estimate_score
from spear_amal.studies.crossval.table import compared_table
from spear_amal.studies.results_file import StudyFile
from spear_amal.training_rows import LabelledTable, TrainingData


def read_estimate_rows(
    settings: TrainOptions, spec: MethodSpec, data: TrainingData
) -> LabelledTable | None:
    """Read the test rows that the score is estimated on; None where it is not on such rows.

    Before the training, so that a fault in them does not cost it.
    """
    wanted = settings.estimate == "test" or (settings.estimate is None and bool(settings.test))
    if not wanted or not (data.train.y >= 0).any():
        return None
    return read_test_rows(settings, data, spec.method.uses_votes)


def estimate_of(
    settings: TrainOptions, spec: MethodSpec, data: TrainingData, test: LabelledTable | None
) -> ScoreEstimate | None:
    """Estimate the score of a method on new rows, on test rows where there are some.

    Return None where none is wanted, or none can be had; why is printed.
    """
    if settings.estimate == "none" or not (data.train.y >= 0).any():
        return None
    write_event("stage", name="estimating")
    name = ", ".join(path.name for path in settings.data)
    table = compared_table(data, name, settings.features, test)
    if test is None:
        print_status(
            f"Estimating the score on new rows: {FOLDS} more trainings"
            f"{', and as many without rules' if spec.method.uses_votes else ''} (--estimate none "
            "leaves it out)"
        )
    try:
        with warnings_as_notes(), Progress("estimating", unit="") as bar:
            return estimate_score(
                table,
                spec,
                settings.metric,
                settings.seed,
                {"max_epochs": settings.max_epochs},
                store=StudyFile(_kept_runs(settings.checkpoint)),
                progress=with_events(bar.follow),
            )
    except InputError as error:  # the model is there all the same
        print_warning(f"The score on new rows cannot be estimated: {error}")
        return None


def _kept_runs(checkpoint: Path | None) -> Path | None:
    """Return the file of finished folds beside a checkpoint."""
    return None if checkpoint is None else checkpoint.with_name(f"{checkpoint.stem}-estimate.json")


def print_estimate(estimate: ScoreEstimate | None, settings: TrainOptions) -> None:
    """Print the estimate, what the rules add, and a warning where they add nothing."""
    if estimate is None:
        if settings.estimate == "none":
            print_result("The score on new rows was not estimated (--estimate none)")
        return
    add_to_json(estimate=estimate.as_json())
    for line in estimate_sentences(estimate):
        print_result(line)
    if estimate.rules_add_nothing:
        print_warning(
            "Warning: the rules add nothing here; mend them (spear-amal analyze), or train "
            "without them: --method only-lv:crossfit=5"
        )


def estimate_sentences(estimate: ScoreEstimate) -> list[str]:
    """Return the estimate in words, as it is printed and stands in the report."""
    metric = METRIC_NAMES[estimate.metric]
    interval = f"95% interval {estimate.low:.2f} to {estimate.high:.2f}"
    if estimate.in_folds:
        text = (
            f"Estimated {metric} on new rows {estimate.score:.2f} ({interval}), from "
            f"{estimate.rows} labelled rows, each scored by models that never saw it"
        )
    else:
        text = (
            f"Estimated {metric} on new rows {estimate.score:.2f} ({interval}), from "
            f"{estimate.rows} test rows, which the model never saw"
        )
    rules = [] if estimate.rules is None else [estimate.rules.text]
    return [text, *rules, *estimate.result.notes[1:]]


def estimate_content(estimate: ScoreEstimate | None) -> Estimate | None:
    """Return what the report shows of an estimate."""
    if estimate is None:
        return None
    figures = score_figures(estimate.result.outcome.table, estimate.metric)
    return replace(figures, sentences=estimate_sentences(estimate))
