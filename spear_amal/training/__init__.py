"""The one loop that trains everything, and what it needs."""

from spear_amal.training.callbacks import Callback, ProgressBar
from spear_amal.training.inference import predict_logits
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.metrics import METRICS, score
from spear_amal.training.outer import Outer
from spear_amal.training.parquet_rows import ParquetRows
from spear_amal.training.result import Result
from spear_amal.training.table import Table
from spear_amal.training.trainer import DivergedError, Settings, Trainer

__all__ = [
    "METRICS",
    "Callback",
    "DivergedError",
    "LookAhead",
    "Outer",
    "ParquetRows",
    "ProgressBar",
    "Result",
    "Settings",
    "Table",
    "Trainer",
    "predict_logits",
    "score",
]
