"""Tables and figures of a run, and the one HTML file that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spear_amal._lazy import lazy_names

if TYPE_CHECKING:
    from spear_amal.report.card import model_card, write_model_card
    from spear_amal.report.comparison_report import write_comparison_report
    from spear_amal.report.crossover_report import CrossoverContent, write_crossover_report
    from spear_amal.report.figures.style import require_report_extra
    from spear_amal.report.page import is_own_report
    from spear_amal.report.run_content import (
        ComparisonContent,
        Estimate,
        Evaluation,
        Examples,
        ReportContent,
    )
    from spear_amal.report.run_report import write_report
    from spear_amal.report.run_tables import (
        comparison_table,
        extreme_rows,
        lf_table,
        readable_accuracy,
        readable_coverage,
        votes_sentence,
    )

_LAZY = {
    "comparison_report": ("write_comparison_report",),
    "crossover_report": ("CrossoverContent", "write_crossover_report"),
    "figures.style": ("require_report_extra",),
    "card": ("model_card", "write_model_card"),
    "page": ("is_own_report",),
    "run_content": (
        "ComparisonContent",
        "Estimate",
        "Evaluation",
        "Examples",
        "ReportContent",
    ),
    "run_report": ("write_report",),
    "run_tables": (
        "comparison_table",
        "extreme_rows",
        "lf_table",
        "readable_accuracy",
        "readable_coverage",
        "votes_sentence",
    ),
}

__all__ = [
    "ComparisonContent",
    "CrossoverContent",
    "Estimate",
    "Evaluation",
    "Examples",
    "ReportContent",
    "comparison_table",
    "extreme_rows",
    "is_own_report",
    "lf_table",
    "model_card",
    "readable_accuracy",
    "readable_coverage",
    "require_report_extra",
    "votes_sentence",
    "write_comparison_report",
    "write_crossover_report",
    "write_model_card",
    "write_report",
]


if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
