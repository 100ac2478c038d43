"""Methods compared on corpora: tasks, scorers that alone see test rows, and tables."""

from spear_amal.studies.compare import Comparison, Row, compare, fit_method
from spear_amal.studies.methods import METHODS, Method, find_method
from spear_amal.studies.seeds import compare_seeds, summarise
from spear_amal.studies.task import Scorer, Task, calibration_error, make_task, score_table

__all__ = [
    "METHODS",
    "Comparison",
    "Method",
    "Row",
    "Scorer",
    "Task",
    "calibration_error",
    "compare",
    "compare_seeds",
    "find_method",
    "fit_method",
    "make_task",
    "score_table",
    "summarise",
]
