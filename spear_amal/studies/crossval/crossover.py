"""With rules and without, against the number of labels: where plain supervision catches up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.checks import check_positive, check_share, check_whole
from spear_amal.errors import InputError
from spear_amal.studies.crossval.advice import CrossoverAdvice
from spear_amal.studies.crossval.compare import (
    ComparisonPlan,
    check_comparison,
    run_warnings,
    without_known_test_rows,
)
from spear_amal.studies.crossval.intervals import Interval, Z, wilson_of
from spear_amal.studies.crossval.label_curve import (
    FARTHEST,
    LabelCurves,
    LabelNumber,
    first_number,
    fit_label_curves,
    number_of,
)
from spear_amal.studies.crossval.outcome import fair_rival, plain_title
from spear_amal.studies.crossval.subsamples import DrawnPredictions, LabelDraws, Weights
from spear_amal.studies.crossval.table import ComparedTable
from spear_amal.studies.crossval.verdict import SMALLEST_GAIN
from spear_amal.studies.engine import ReportProgress, execute
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.results_file import StudyFile
from spear_amal.training import reported_metric

SIZES, FOLDS, REPEATS, REPEATS_ON_TEST = 5, 5, 1, 5
#: How many labels take as long as writing one labelling function, unless a user knows better.
LABELS_PER_RULE = 20
_BOOTSTRAP = 400
_POINTS = 60  # of a curve, for its figure


@dataclass(frozen=True)
class CrossoverPlan:
    """What is asked, and how.

    Attributes
    ----------
    rules, baseline : MethodSpec
        A method with rules, and its equal without.
    metric : str
    sizes : int
        How many numbers of labels.
    largest : int, optional
        Labels at most; default: those that training has while a fold is held out.
    folds, repeats, seed : int
    settings : dict
        Passed to every estimator that knows them.
    smallest_gain : float
        A share: what is worth having.
    labels_per_rule : float
        Labels that take as long as writing one labelling function.
    """

    rules: MethodSpec
    baseline: MethodSpec
    metric: str = "accuracy"
    sizes: int = SIZES
    largest: int | None = None
    folds: int = FOLDS
    repeats: int = REPEATS
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    smallest_gain: float = SMALLEST_GAIN
    labels_per_rule: float = LABELS_PER_RULE


def plan_rules(method: str) -> tuple[MethodSpec, MethodSpec]:
    """Read a method with rules; return it and the classifier without rules that is its equal.

    Raises
    ------
    InputError
        For an unknown method, or one without rules.
    """
    spec = parse_method(method)
    if not spec.method.uses_votes:
        raise InputError(
            f"{method!r} uses no rules, and the question is what rules are worth in labels; name a "
            "method with rules, such as recommended"
        )
    return spec, fair_rival(spec)


def usual_repeats(table: ComparedTable) -> int:
    """Return how often labels are drawn unless a user says so: more often on test rows."""
    return REPEATS if table.test is None else REPEATS_ON_TEST


@dataclass(frozen=True)
class CrossoverResult:
    """What came out, scores and gains as shares.

    Attributes
    ----------
    table : DataFrame
        One row for each number of labels: ``labels``, ``plain`` and ``rules`` (scores, each with
        ``_low`` and ``_high``), ``gain`` with ``gain_low`` and ``gain_high``.
    curves : DataFrame
        ``method, labels, score, low, high`` of the fitted curves, and ``measured``: False beyond
        the numbers of labels that were tried.
    crossing : LabelNumber
        Labels from which on rules add less than the smallest gain worth having.
    worth : LabelNumber
        Labels with which plain supervision is as good as the rules are with those at hand.
    advice : CrossoverAdvice
        What to do next, in one sentence.
    notes : list of str
        How it was measured, what runs warned of.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    crossing: LabelNumber
    worth: LabelNumber
    advice: CrossoverAdvice
    notes: list[str]

    @property
    def sentences(self) -> list[str]:
        """Where plain supervision catches up, and what the rules are worth."""
        caught = "Plain supervision catches up"
        crossing = f"{caught} at {self.crossing.text}."
        if not self.crossing.known:
            crossing = f"Where plain supervision catches up lies {self.crossing.text}."
        worth = (
            f"Without rules it would take {self.worth.text} to be as good as with them and "
            f"{self.advice.n_labels:,}."
        )
        if not self.worth.known:
            worth = f"How many labels would make up for the rules lies {self.worth.text}."
        return [crossing, worth]


def find_crossover(
    table: ComparedTable,
    plan: CrossoverPlan,
    store: StudyFile | None = None,
    jobs: int = 1,
    progress: ReportProgress | None = None,
) -> CrossoverResult:
    """Train with few of the labels and with more, run what a store lacks, and read off curves.

    Parameters
    ----------
    table, store, jobs, progress
        As for :func:`compare_methods`.
    plan : CrossoverPlan

    Raises
    ------
    InputError
        For what cannot be asked, before anything is trained; an error of a run ends all, finished
        runs are kept.
    """
    check_whole("sizes", plan.sizes, 3)
    check_share("smallest_gain", plan.smallest_gain)
    check_positive("labels_per_rule", plan.labels_per_rule)
    if plan.largest is not None:
        check_whole("largest", plan.largest, 1)
    specs = [plan.baseline, plan.rules]
    as_comparison = ComparisonPlan(
        specs, plan.baseline, plan.metric, plan.folds, plan.repeats, plan.seed
    )
    check_comparison(table, as_comparison)
    table, _, notes = without_known_test_rows(table)
    draws = LabelDraws.draw(table, plan.folds, plan.repeats, plan.seed, plan.sizes, plan.largest)
    runs = draws.runs(specs, plan.metric, plan.settings)
    store = StudyFile() if store is None else store
    rows = execute(runs, store, jobs=jobs, progress=progress, fatal=(Exception,))
    predictions = DrawnPredictions.gather(table, draws, rows)
    notes = [_how(table, draws), *notes, *run_warnings(rows)]
    return read_off(table, plan, draws.sizes, predictions, notes)


def _how(table: ComparedTable, draws: LabelDraws) -> str:
    sizes = ", ".join(map(str, draws.sizes))
    where = (
        f"the {len(table.gold)} labelled rows, {draws.folds.n_folds} folds held out one by one"
        if table.test is None
        else f"{len(table.test)} test rows"
    )
    return (
        f"Trained with {sizes} of the labels, {len(draws.held_out)} draws each, every draw within "
        f"the next larger one; scored on {where}. Rows of other labels stayed as unlabelled ones."
    )


def read_off(
    table: ComparedTable,
    plan: CrossoverPlan,
    sizes: Sequence[int],
    predictions: DrawnPredictions,
    notes: list[str],
) -> CrossoverResult:
    """Fit curves to predictions and to bootstrap samples of them, and read off what was asked."""
    weights = Weights.bootstrap(predictions.groups, len(predictions.rows), _BOOTSTRAP, plan.seed)
    plain, rules = (
        np.stack(
            [
                predictions.scores(spec.text, n, reported_metric(plan.metric), weights)
                for n in sizes
            ],
            axis=1,
        )
        for spec in (plan.baseline, plan.rules)
    )  # (B, S)
    numbers = np.array(sizes, dtype=float)
    fitted = [fit_label_curves(numbers, one, one[1:].std(0)) for one in (plain, rules)]
    n_labels = min(len(table.gold), plan.largest or len(table.gold))
    farthest = FARTHEST * max(sizes)
    crossing = first_number(lambda n: _gain(fitted, n) < plan.smallest_gain, min(sizes), farthest)
    level = fitted[1].at(n_labels)
    worth = first_number(lambda n: fitted[0].at(n) >= level, min(sizes), farthest)
    worth_in_labels = number_of(worth, min(sizes), farthest)
    return CrossoverResult(
        table=_table(sizes, plain, rules, len(np.unique(predictions.groups))),
        curves=_curves(fitted, [plain_title(spec) for spec in (plan.baseline, plan.rules)], sizes),
        crossing=number_of(crossing, min(sizes), farthest),
        worth=worth_in_labels,
        advice=_advice(table, plan, fitted, n_labels, worth_in_labels),
        notes=notes,
    )


def _table(
    sizes: Sequence[int], plain: np.ndarray, rules: np.ndarray, n_groups: int
) -> pd.DataFrame:
    """Return scores and gains with intervals, in the forms of a comparison.

    Standard errors are those of the bootstrap. No interval is narrower than that of so many rows
    that are all right, or on which both methods do the same.
    """
    columns: dict[str, Any] = {"labels": list(sizes)}
    for name, values in (("plain", plain), ("rules", rules)):
        bounds = [
            wilson_of(*pair, n_groups) for pair in zip(values[0], values[1:].var(0), strict=True)
        ]
        low, high = np.array(bounds).T
        columns |= {name: values[0], f"{name}_low": low, f"{name}_high": high}
    gain = rules - plain
    half = Z * np.sqrt(gain[1:].var(0) + 2 / n_groups**2)
    return pd.DataFrame(
        {**columns, "gain": gain[0], "gain_low": gain[0] - half, "gain_high": gain[0] + half}
    )


def _gain(fitted: Sequence[LabelCurves], n: np.ndarray | float) -> np.ndarray:
    return fitted[1].at(n) - fitted[0].at(n)


def _curves(
    fitted: Sequence[LabelCurves], titles: Sequence[str], sizes: Sequence[int]
) -> pd.DataFrame:
    numbers = np.unique(np.geomspace(min(sizes), 2 * max(sizes), _POINTS).round())
    parts = []
    for title, curves in zip(titles, fitted, strict=True):
        values = np.clip(curves.at(numbers), 0, 1)
        low, high = np.quantile(values, (0.025, 0.975), axis=0)
        part = {"method": title, "labels": numbers.astype(int), "score": values[0]}
        part |= {"low": low, "high": high, "measured": numbers <= max(sizes)}
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def _advice(
    table: ComparedTable,
    plan: CrossoverPlan,
    fitted: Sequence[LabelCurves],
    n_labels: int,
    worth: LabelNumber,
) -> CrossoverAdvice:
    gains = _gain(fitted, n_labels)[:, 0]
    low, high = np.quantile(gains, (0.025, 0.975))
    gain = Interval(float(gains[0]), float(low), float(high), float(gains[1:].std()))

    def better(n: np.ndarray | float) -> np.ndarray:
        return np.maximum(fitted[0].at(n)[:1], fitted[1].at(n)[:1])

    wanted = better(n_labels) + plan.smallest_gain
    farthest = FARTHEST * n_labels
    reached = first_number(lambda n: better(n) >= wanted, n_labels, farthest)[0]
    votes = table.rows.votes
    return CrossoverAdvice(
        gain=gain,
        worth=worth,
        n_labels=n_labels,
        n_rules=0 if votes is None else votes.shape[1],
        labels_for_more=float(max(reached - n_labels, 1)),
        farthest=farthest - n_labels,
        n_unlabelled=int((table.rows.y < 0).sum()) + len(table.gold) - n_labels,
        smallest_gain=plan.smallest_gain,
        labels_per_rule=plan.labels_per_rule,
    )
