"""The command ``crossover``: what would help most, a rule, more labels, or neither."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spear_amal.cli.console import add_to_json, print_result, print_status, show_table
from spear_amal.cli.options.project import CrossoverOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.study_progress import study_progress
from spear_amal.cli.training_data import read_test_rows, read_training_data, require_gold
from spear_amal.report import CrossoverContent
from spear_amal.report.comparison_tables import readable_crossover
from spear_amal.report.formatting import METRIC_NAMES
from spear_amal.studies.crossval.corpus_table import corpus_table
from spear_amal.studies.crossval.crossover import (
    CrossoverPlan,
    CrossoverResult,
    find_crossover,
    plan_rules,
    usual_repeats,
)
from spear_amal.studies.crossval.outcome import plain_title
from spear_amal.studies.crossval.table import ComparedTable, compared_table
from spear_amal.studies.results_file import StudyFile
from spear_amal.training import reported_metric


def crossover(options: CrossoverOptions) -> None:
    """Train with few labels and with more, print scores, where they meet, and what to do next."""
    rules, baseline = plan_rules(options.method)
    check_outputs(options.force, report=options.html, continued=options.runs, inputs=options.data)
    table, metric, largest = _read(options)
    plan = CrossoverPlan(
        rules,
        baseline,
        metric=metric,
        sizes=options.sizes,
        largest=largest,
        folds=options.folds,
        repeats=usual_repeats(table) if options.repeats is None else options.repeats,
        seed=options.seed,
        settings={"max_epochs": options.max_epochs},
        smallest_gain=options.smallest_gain / 100,
        labels_per_rule=options.labels_per_rule,
    )
    draws = plan.repeats * (plan.folds if table.test is None else 1)
    print_status(
        f"{len(table.rows):,} rows, {len(table.gold):,} of them labelled; "
        f"{2 * plan.sizes * draws} trainings"
    )
    with study_progress(options.runs) as progress:
        result = find_crossover(table, plan, StudyFile(options.runs), options.jobs, progress)
    if options.html is not None:
        from spear_amal.report import write_crossover_report

        write_crossover_report(options.html, _content(table, plan, result, options), options.force)
    _print(plan, result, options)


def _read(options: CrossoverOptions) -> tuple[ComparedTable, str, int | None]:
    """Return the rows, the metric, and how many labels there are to be at most."""
    if options.source is not None:
        features = options.features if options.has_flag("features") else None
        table, metric, usual = corpus_table(options.source, features, options.lfs, options.data_dir)
        metric = options.metric if options.has_flag("metric") else metric
        return table, metric, options.largest or usual
    data = read_training_data(options, with_votes=True)
    require_gold(data)
    test = None
    if options.test and not options.in_folds:
        test = read_test_rows(options, data, with_votes=True)
    name = ", ".join(path.name for path in options.data)
    return compared_table(data, name, options.features, test), options.metric, options.largest


def _print(plan: CrossoverPlan, result: CrossoverResult, options: CrossoverOptions) -> None:
    what = f"{METRIC_NAMES[reported_metric(plan.metric)]} on rows that no training saw, in points"
    show_table(readable_crossover(result.table), f"With rules and without, {what}", result.table)
    for line in (*result.notes, *result.sentences):
        print_result(line)
    print_result(f"Runs are in {options.runs}")
    if options.html is not None:
        print_result(f"Page written to {options.html}")
    print_result(result.advice.text)
    more = result.advice.labels_for_more
    add_to_json(
        verdict=result.advice.text,
        answer=result.advice.answer,
        rows_to_label=int(more) if np.isfinite(more) else None,
        catches_up=result.crossing.as_json(),
        worth=result.worth.as_json(),
    )


def _content(
    table: ComparedTable, plan: CrossoverPlan, result: CrossoverResult, options: CrossoverOptions
) -> CrossoverContent:
    labels, points = result.table["labels"], result.table.drop(columns="labels") * 100
    methods = {"plain": plain_title(plan.baseline), "rules": plain_title(plan.rules)}
    return CrossoverContent(
        title=f"Labels or rules on {table.name}",
        verdict=result.advice.text,
        sentences=result.sentences,
        table=readable_crossover(result.table),
        curves=result.curves.assign(
            **{name: 100 * result.curves[name] for name in ("score", "low", "high")}
        ),
        points=pd.concat(
            pd.DataFrame({"method": title, "labels": labels, "score": points[name]})
            for name, title in methods.items()
        ),
        gains=pd.DataFrame(
            {
                "labels": labels,
                "gain": points["gain"],
                "low": points["gain_low"],
                "high": points["gain_high"],
            }
        ),
        metric=METRIC_NAMES[reported_metric(plan.metric)],
        notes=result.notes,
        settings=options.as_text(),
    )
