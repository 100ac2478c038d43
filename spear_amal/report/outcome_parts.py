"""The parts that pages of runs and of comparisons share: estimates, and scores class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.report.class_table import class_table, readable_class_table, scores_sentence
from spear_amal.report.run_content import Estimate, Evaluation


def outcome_parts(outcome: Evaluation | None, class_names: Sequence[Any]) -> dict[str, Any] | None:
    """Return what the template shows of a model on rows with gold; None without such rows."""
    from spear_amal.report.charts import outcome as charts

    if outcome is None or not outcome.confusion.sum():
        return None
    return {
        "model": outcome.model,
        "rows": outcome.rows,
        "sentence": f"{scores_sentence(outcome.confusion, outcome.rows)} {outcome.note}".strip(),
        "classes": readable_class_table(class_table(outcome.confusion, class_names)),
        "confusion": charts.confusion_map(outcome.confusion, class_names),
        "calibration": charts.calibration_chart(outcome.confidence, outcome.right),
        "confidence": charts.confidence_chart(outcome.confidence, outcome.right),
    }


def estimate_parts(estimate: Estimate | None) -> dict[str, Any] | None:
    """Return what the template shows of an estimate; None without one."""
    from spear_amal.report.charts import comparison

    if estimate is None:
        return None
    scores, gains = estimate.scores, estimate.gains
    label = f"{estimate.metric}, points"
    has_gains = gains is not None and gains["gain"].notna().any()
    return {
        "sentences": estimate.sentences,
        "scores": None if scores is None else comparison.score_dots(scores, label),
        "gains": comparison.gain_dots(gains, estimate.baseline) if has_gains else None,
        "baseline": estimate.baseline,
    }
