"""Tables and figures of a run, and the one HTML file that holds them."""

from spear_amal.report.figures.style import need_matplotlib
from spear_amal.report.run_content import Evaluation, Examples, ReportContent
from spear_amal.report.run_report import is_own_report, write_report
from spear_amal.report.run_tables import (
    comparison_table,
    extreme_rows,
    lf_table,
    readable,
    readable_check,
    votes_sentence,
)

__all__ = [
    "Evaluation",
    "Examples",
    "ReportContent",
    "comparison_table",
    "extreme_rows",
    "is_own_report",
    "lf_table",
    "need_matplotlib",
    "readable",
    "readable_check",
    "votes_sentence",
    "write_report",
]
