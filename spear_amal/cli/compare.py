"""The command ``compare``: what the rules add on the user's own, partly labelled table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from spear_amal.cli.console import add_to_json, print_result, print_status, show_table
from spear_amal.cli.events import event_file, with_events, write_event
from spear_amal.cli.options.project import CompareOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.study_progress import study_progress
from spear_amal.cli.training_data import read_test_rows, read_training_data, require_gold
from spear_amal.report import ComparisonContent, Estimate, Evaluation
from spear_amal.report.comparison_tables import readable_class_scores, readable_scores
from spear_amal.report.formatting import METRIC_NAMES
from spear_amal.studies.crossval.compare import (
    DEFAULT_METHODS,
    ComparisonPlan,
    ComparisonResult,
    compare_methods,
    plan_methods,
)
from spear_amal.studies.crossval.outcome import plain_title
from spear_amal.studies.crossval.table import ComparedTable, compared_table
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.results_file import StudyFile
from spear_amal.training import score

NO_VERDICT = "No method with rules was compared with gold alone in the same folds."


def compare(options: CompareOptions) -> None:
    """Score methods on rows that their models never saw, print tables and verdict."""
    with event_file(options.events, "compare", options.force, methods=_methods(options)):
        _compare(options)


def _compare(options: CompareOptions) -> None:
    specs, baseline = plan_methods(_methods(options), options.baseline)
    check_outputs(options.force, report=options.html, continued=options.runs, inputs=options.data)
    plan = ComparisonPlan(
        specs,
        baseline,
        metric=options.metric,
        folds=options.folds,
        repeats=options.repeats,
        seed=options.seed,
        settings={"max_epochs": options.max_epochs},
        smallest_gain=options.smallest_gain / 100,
    )
    table = _read(options, any(spec.method.uses_votes for spec in specs))
    trainings = len(specs) * plan.repeats * (1 if table.test is not None else plan.folds)
    print_status(
        f"{len(table.rows):,} rows, {len(table.gold)} of them labelled; {trainings} trainings"
    )
    write_event("stage", name="comparing")
    with study_progress(options.runs) as progress:
        follow = with_events(progress)
        result = compare_methods(table, plan, StudyFile(options.runs), options.jobs, follow)
    content = comparison_content(table, plan, result, options)
    if options.html is not None:
        from spear_amal.report import write_comparison_report

        write_comparison_report(options.html, content, options.force)
    _print(content, result, options)


def _methods(options: CompareOptions) -> list[str]:
    """Return the names of what is compared: the defaults, what train would train, and others."""
    trained = parse_method(options.method)
    [*others, recommended] = DEFAULT_METHODS[1:]
    judged = [options.method] if trained.method.uses_votes else [options.method, recommended]
    return list(dict.fromkeys([*others, *judged, *options.further]))


def _read(options: CompareOptions, with_votes: bool) -> ComparedTable:
    data = read_training_data(options, with_votes)
    require_gold(data)
    name = ", ".join(path.name for path in options.data)
    test = None
    if options.test and not options.in_folds:
        test = read_test_rows(options, data, with_votes)
    return compared_table(data, name, options.features, test)


def _print(content: ComparisonContent, result: ComparisonResult, options: CompareOptions) -> None:
    # The name of the baseline would make a column of five lines: it goes into the title.
    over = next(name for name in content.table if name.startswith("gain over"))
    scores = content.table.rename(columns={over: "gain"})
    title = f"Scores on rows that no model saw, in points; {over}"
    show_table(scores, title, result.outcome.table)
    per_class = result.outcome.per_class
    show_table(readable_class_scores(per_class), "Class by class, in points", per_class)
    for note in content.notes:
        print_result(note)
    print_result(f"Runs are in {options.runs}")
    if options.html is not None:
        print_result(f"Page written to {options.html}")
    print_result(content.verdict)
    verdict = result.outcome.verdict
    add_to_json(verdict=content.verdict, answer=None if verdict is None else verdict.answer)
    if verdict is not None:
        add_to_json(rows_to_label=verdict.more_rows if verdict.answer == "unclear" else 0)


# -- the page -------------------------------------------------------------------------------------


def comparison_content(
    table: ComparedTable, plan: ComparisonPlan, result: ComparisonResult, options: CompareOptions
) -> ComparisonContent:
    """Return what the page of a comparison shows."""
    outcome = result.outcome
    what = ", ".join(plain_title(spec) for spec in plan.specs)
    size = f"{len(table.rows):,} rows, {len(table.gold)} of them labelled"
    return ComparisonContent(
        title=f"What the rules add on {table.name}",
        verdict=NO_VERDICT if outcome.verdict is None else outcome.verdict.text,
        summary=[f"{size}. Compared: {what}."],
        table=readable_scores(outcome.table, plan.reported),
        estimate=score_figures(outcome.table, plan.reported),
        by_draw=_by_draw(table, plan, result),
        outcomes=[evaluation_of(spec, result, len(table.classes)) for spec in plan.specs],
        class_names=table.classes,
        notes=result.notes,
        settings=options.as_text(),
    )


def score_figures(table: pd.DataFrame, metric: str) -> Estimate:
    """Return scores and gains in points, for figures."""
    baseline = table.loc[table["gain"].isna(), "title"].iloc[0]
    points = 100 * table[["score", "low", "high", "gain", "gain_low", "gain_high"]]
    points.insert(0, "method", table["title"])
    gains = points[["method", "gain", "gain_low", "gain_high"]].dropna()
    return Estimate(
        sentences=(),
        scores=points[["method", "score", "low", "high"]],
        gains=gains.rename(columns={"gain_low": "low", "gain_high": "high"}),
        baseline=baseline,
        metric=METRIC_NAMES[metric],
    )


def _by_draw(
    table: ComparedTable, plan: ComparisonPlan, result: ComparisonResult
) -> pd.DataFrame | None:
    """Return the score of every method in every fold, in points; None where there are no folds."""
    if table.test is not None:
        return None
    predictions = result.predictions
    rows = []
    for spec in plan.specs:
        for repeat, predicted in enumerate(predictions.by_method[spec.text]):
            for fold in range(result.folds.n_folds):
                held_out = predictions.folds[repeat] == fold
                value = score(
                    plan.reported, predictions.y[held_out], predicted[held_out], table.positive
                )
                draw = f"{repeat + 1}.{fold + 1}"
                rows.append({"method": plain_title(spec), "draw": draw, "score": 100 * value})
    return pd.DataFrame(rows)


OF_ROWS_ALONE = (
    "The intervals here are those of the rows alone; those of the scores above are wider, as they "
    "allow for models that share rows."
)


def evaluation_of(spec: MethodSpec, result: ComparisonResult, n_classes: int) -> Evaluation:
    """Return how a method did on the rows that its models never saw, in the first repeat."""
    predictions = result.predictions
    repeats = predictions.by_method[spec.text]
    predicted = repeats[0]
    first = f", in the first of {len(repeats)} repeats" if len(repeats) > 1 else ""
    return Evaluation(
        model=plain_title(spec),
        rows=f"{len(predicted)} rows that its models never saw{first}",
        confusion=confusion_matrix(predictions.y, predicted, labels=np.arange(n_classes)),
        confidence=predictions.confidence[spec.text][0],
        right=predicted == predictions.y,
        note=OF_ROWS_ALONE if result.folds.n_folds > 1 else "",
    )
