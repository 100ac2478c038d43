"""What can be expected of one method on new rows, with or without its rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spear_amal.studies.crossval.compare import ComparisonPlan, ComparisonResult, compare_methods
from spear_amal.studies.crossval.outcome import fair_rival
from spear_amal.studies.crossval.table import ComparedTable
from spear_amal.studies.crossval.verdict import RulesVerdict
from spear_amal.studies.engine import ReportProgress
from spear_amal.studies.methods import MethodSpec
from spear_amal.studies.results_file import IN_FOLDS, ON_TEST, StudyFile
from spear_amal.training import reported_metric

FOLDS, REPEATS = 5, 1


@dataclass(frozen=True)
class ScoreEstimate:
    """A score to expect on new rows.

    Attributes
    ----------
    metric : str
    score, low, high : float
        Shares; the bounds are those of a 95% interval.
    rows : int
        Gold rows that it rests on.
    source : {"outer folds", "test table"}
    method : str
        The text of the method.
    positive : int
        Code of the class whose F1 the metric "f1" is.
    rules : RulesVerdict or None
        What the rules add; None for a method without rules.
    result : ComparisonResult
        What it was taken from.
    """

    metric: str
    score: float
    low: float
    high: float
    rows: int
    source: str
    method: str
    positive: int
    rules: RulesVerdict | None
    result: ComparisonResult

    @property
    def in_folds(self) -> bool:
        """True if it rests on the labelled rows themselves, False if on test rows."""
        return self.source == IN_FOLDS

    @property
    def rules_add_nothing(self) -> bool:
        """True if it can be said that the method is no better than gold alone."""
        return self.rules is not None and self.rules.answer == "nothing"

    def as_json(self) -> dict[str, Any]:
        """Return what a model file keeps of it."""
        stored: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("metric", "score", "low", "high", "rows", "source")
        }
        if self.rules is not None:
            gain = self.rules.gain
            stored |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
            stored["rules"] = self.rules.text
        per_class = self.result.outcome.per_class
        columns = ["class", "rows", "precision", "recall", "f1"]
        scores = per_class.loc[per_class["method"] == self.method, columns]
        return stored | {"per_class": scores.to_dict(orient="records")}


def estimate_score(
    table: ComparedTable,
    spec: MethodSpec,
    metric: str = "accuracy",
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    folds: int = FOLDS,
    repeats: int = REPEATS,
    store: StudyFile | None = None,
    progress: ReportProgress | None = None,
) -> ScoreEstimate:
    """Estimate the score of a method on new rows by outer folds, or on a table's test rows.

    A method with rules is trained beside its equal without them, so that their gain is known.

    Parameters
    ----------
    table, metric, seed, settings, store, progress
        As for :func:`compare_methods` and its plan.
    spec : MethodSpec
    folds, repeats : int
        Each fold costs a training of the method and one of its equal.
    """
    rival = fair_rival(spec)
    specs = [rival, spec] if spec.method.uses_votes else [spec]
    plan = ComparisonPlan(specs, specs[0], metric, folds, repeats, seed, settings or {})
    result = compare_methods(table, plan, store, progress=progress)
    row = result.outcome.table.set_index("method").loc[spec.text]
    return ScoreEstimate(
        metric=reported_metric(metric),
        score=float(row["score"]),
        low=float(row["low"]),
        high=float(row["high"]),
        rows=len(result.predictions.y),
        source=IN_FOLDS if table.test is None else ON_TEST,
        method=spec.text,
        positive=table.positive,
        rules=result.outcome.verdict,
        result=result,
    )
