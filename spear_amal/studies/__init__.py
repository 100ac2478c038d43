"""Methods compared on corpora: tasks, scorers that alone see test rows, studies and tables."""

from spear_amal.studies.comparison import Comparison, Row, compare, fit_method
from spear_amal.studies.corpus_votes import Source, load_source
from spear_amal.studies.methods import (
    METHODS,
    Method,
    MethodSpec,
    find_method,
    parse_method,
    register,
)
from spear_amal.studies.placebo import shuffled_votes
from spear_amal.studies.runner import run_study
from spear_amal.studies.split import Scorer, Task, calibration_error, make_task, score_table
from spear_amal.studies.summary import read_study, summarise
from spear_amal.studies.verdict import Verdict, verdicts
from spear_amal.studies.workers import one_thread

__all__ = [
    "METHODS",
    "Comparison",
    "Method",
    "MethodSpec",
    "Row",
    "Scorer",
    "Source",
    "Task",
    "Verdict",
    "calibration_error",
    "compare",
    "find_method",
    "fit_method",
    "load_source",
    "make_task",
    "one_thread",
    "parse_method",
    "read_study",
    "register",
    "run_study",
    "score_table",
    "shuffled_votes",
    "summarise",
    "verdicts",
]
