"""Tables and figures of a run, and the one HTML file that holds them."""

from spear_amal.report.comparison_report import write_comparison_report
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

__all__ = [
    "ComparisonContent",
    "Estimate",
    "Evaluation",
    "Examples",
    "ReportContent",
    "comparison_table",
    "extreme_rows",
    "is_own_report",
    "lf_table",
    "readable_accuracy",
    "readable_coverage",
    "require_report_extra",
    "votes_sentence",
    "write_comparison_report",
    "write_report",
]
