"""Methods on one partly labelled table: runs, their summary, and what is to be said about both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.checks import check_metric, check_name, check_whole
from spear_amal.errors import InputError
from spear_amal.studies.crossval.folds import training_rows
from spear_amal.studies.crossval.outcome import (
    Outcome,
    Predictions,
    fair_rival,
    gather,
    judged_method,
    summarise_folds,
)
from spear_amal.studies.crossval.runs import OuterFolds, comparison_runs
from spear_amal.studies.crossval.table import ComparedTable
from spear_amal.studies.crossval.verdict import SMALLEST_GAIN
from spear_amal.studies.engine import ReportProgress, execute
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.results_file import RunRow, StudyFile
from spear_amal.training import CHOICES, reported_metric

#: What is compared unasked: gold alone, majority vote and AMAL.
DEFAULT_METHODS = ("only-lv:crossfit=5", "majority", "recommended")
FOLDS, REPEATS = 5, 2


@dataclass(frozen=True)
class ComparisonPlan:
    """What is compared, and how.

    Attributes
    ----------
    specs : list of MethodSpec
        The baseline among them.
    baseline : MethodSpec
    metric : str
    folds, repeats, seed : int
    settings : dict
        Passed to every estimator that knows them.
    smallest_gain : float
        As a share; see :class:`RulesVerdict`.
    """

    specs: list[MethodSpec]
    baseline: MethodSpec
    metric: str = "accuracy"
    folds: int = FOLDS
    repeats: int = REPEATS
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    smallest_gain: float = SMALLEST_GAIN

    @property
    def reported(self) -> str:
        """Metric of the scores; another one than `metric` where that is "auto"."""
        return reported_metric(self.metric)


@dataclass(frozen=True)
class ComparisonResult:
    """What came out.

    Attributes
    ----------
    outcome : Outcome
    predictions : Predictions
    folds : OuterFolds
    notes : list of str
        What was held out from what, what could not be done as asked, what runs warned of.
    """

    outcome: Outcome
    predictions: Predictions
    folds: OuterFolds
    notes: list[str]


def plan_methods(
    methods: Sequence[str | MethodSpec], baseline: str | MethodSpec | None = None
) -> tuple[list[MethodSpec], MethodSpec]:
    """Read methods, each once, and the baseline, which comes first if it is not among them.

    Two names of one training (only-l and only-lv, both in folds) count as one. Default for the
    baseline: the equal without rules of the method that is judged.

    Raises
    ------
    InputError
        For an unknown method, or one that is given gold that nobody has.
    """
    if isinstance(methods, str) or not methods:
        raise InputError(f"methods must be a list of names, found {methods!r}")
    read = [one if isinstance(one, MethodSpec) else parse_method(one) for one in methods]
    for spec in read:
        if spec.method.gold == "all":
            raise InputError(
                f"{spec.text!r} is trained on gold of every row, which a partly labelled table "
                "does not have; take only-lv"
            )
    if baseline is None:
        judged = judged_method(read)
        rival = read[0] if judged is None else fair_rival(judged)
    else:
        rival = baseline if isinstance(baseline, MethodSpec) else parse_method(baseline)
    specs: dict[tuple[Any, ...], MethodSpec] = {}
    for spec in read:
        specs.setdefault(_training(spec), spec)
    key = _training(rival)
    specs = specs | {key: rival} if key in specs else {key: rival, **specs}
    return list(specs.values()), rival


def _training(spec: MethodSpec) -> tuple[Any, ...]:
    """Return what tells trainings apart: only-l and only-lv are one under cross-fitting."""
    return spec.method.estimator, repr(sorted(spec.settled.items()))


def check_comparison(table: ComparedTable, plan: ComparisonPlan) -> None:
    """Raise InputError for what cannot be compared, before anything is trained."""
    check_name("metric", plan.metric, CHOICES)
    check_whole("folds", plan.folds, 2)
    check_whole("repeats", plan.repeats, 1)
    check_whole("random_state", plan.seed, 0)
    codes = np.unique(table.rows.y[table.gold])
    if len(codes) < 2:
        names = [str(table.classes[code]) for code in codes]
        raise InputError(
            "a comparison needs gold rows of two classes at least, found those of "
            f"{', '.join(names) or 'none'}; label some rows of every class"
        )
    check_metric(plan.metric, len(table.classes))
    if table.rows.votes is None and any(spec.method.uses_votes for spec in plan.specs):
        raise InputError("methods with rules need labelling functions or votes, found none")
    if table.test is not None and (table.test.y < 0).any():
        row = int(np.flatnonzero(table.test.y < 0)[0])
        raise InputError(f"row {row} (counted from 0) of the test rows has no label")


def compare_methods(
    table: ComparedTable,
    plan: ComparisonPlan,
    store: StudyFile | None = None,
    jobs: int = 1,
    progress: ReportProgress | None = None,
) -> ComparisonResult:
    """Run what a store lacks, and summarise.

    Parameters
    ----------
    table : ComparedTable
    plan : ComparisonPlan
    store : StudyFile, optional
        Every run is stored as it ends; runs that are there are not repeated.
    jobs : int
        Processes, of one thread each.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Raises
    ------
    InputError
        For what cannot be compared; an error of a run ends the comparison, finished runs are kept.
    """
    check_comparison(table, plan)
    table, kept, notes = without_known_test_rows(table)
    folds = OuterFolds.draw(table, plan.folds, plan.repeats, plan.seed)
    runs = comparison_runs(table, folds, plan.specs, plan.metric, plan.settings)
    store = StudyFile() if store is None else store
    rows = execute(runs, store, jobs=jobs, progress=progress, fatal=(Exception,))
    predictions = gather(table, folds, rows, kept)
    outcome = summarise_folds(
        table,
        folds,
        predictions,
        plan.specs,
        plan.baseline,
        plan.reported,
        plan.smallest_gain,
    )
    notes = [_held_out(table, folds), *notes, *_unseen_classes(table, folds)]
    notes += run_warnings(rows)
    return ComparisonResult(outcome, predictions, folds, notes)


def without_known_test_rows(
    table: ComparedTable,
) -> tuple[ComparedTable, np.ndarray, list[str]]:
    """Leave test rows out whose texts are in the data: models saw them.

    Return the table, the numbers of the rows that are scored, and what is to be said.
    """
    if table.test is None:
        return table, table.gold, []
    others = [rows.groups for rows in (table.rows, table.validation) if rows is not None]
    known = np.isin(table.test.groups, np.concatenate(others))
    if not known.any():
        return table, np.arange(len(known)), []
    if known.all():
        raise InputError(
            "the text of every test row is also in the data, so that nothing is left to score on; "
            "take other test rows, or leave the test table out to compare in folds"
        )
    note = f"{int(known.sum())} test rows were left out, as their texts are in the data as well."
    return replace(table, test=table.test.take(~known)), np.flatnonzero(~known), [note]


def _held_out(table: ComparedTable, folds: OuterFolds) -> str:
    """Return what was held out from what."""
    if table.test is not None:
        times = "" if len(folds.seeds) == 1 else f", by {len(folds.seeds)} models of other seeds"
        return (
            f"Scored on {len(table.test)} rows of the test table, which no model saw{times}. The "
            "intervals are about new rows, and these models."
        )
    gold = table.gold
    groups = table.rows.groups
    shared = len(gold) - len(np.unique(groups[gold]))
    fold = folds.fold[0]
    unlabelled = sum(
        int((~training_rows(fold, groups, number) & (table.rows.y < 0)).sum())
        for number in range(folds.n_folds)
    )
    times = "" if len(folds.seeds) == 1 else f", {len(folds.seeds)} times"
    text = (
        f"Each of the {len(gold)} labelled rows was scored only by models that never saw it: "
        f"{folds.n_folds} folds{times}."
    )
    if shared or unlabelled:
        text += (
            f" Rows with the same text share a fold ({shared} repeat another one's), and "
            f"{unlabelled} unlabelled rows with such texts were left out as well."
        )
    return text


def _unseen_classes(table: ComparedTable, folds: OuterFolds) -> list[str]:
    """Return which classes are too rare to be held out and trained on at once."""
    names = ", ".join(repr(str(table.classes[code])) for code in folds.unseen)
    if not names:
        return []
    return [
        f"Too few gold rows of {names}: some were scored by models that had none to learn from; "
        "label more of them."
    ]


def run_warnings(rows: Sequence[RunRow]) -> list[str]:
    """Return once for each method what its runs warned of; numbers in the words may differ."""
    frame = pd.DataFrame(
        [
            {"title": row["title"], "kind": re.sub(r"\d+", "", text), "text": text}
            for row in rows
            for text in row.get("warnings") or ()
        ]
    )
    if frame.empty:
        return []
    groups = frame.groupby(["title", "kind"], sort=False)
    return [
        f"{title}, {len(group)} of its trainings: {group['text'].iloc[0]}"
        for (title, _), group in groups
    ]
