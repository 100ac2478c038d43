"""The one loop that trains everything, and what it needs."""

from spear_amal.training.callbacks import Callback, ProgressBar
from spear_amal.training.config import TrainerConfig
from spear_amal.training.last_layer import predict_logits
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.metrics import METRICS, score
from spear_amal.training.outer_loss import ValidationLoss
from spear_amal.training.parquet_table import ParquetRows
from spear_amal.training.state import TrainingResult
from spear_amal.training.table import Table
from spear_amal.training.trainer import DivergedError, Trainer

__all__ = [
    "METRICS",
    "Callback",
    "DivergedError",
    "LookAhead",
    "ParquetRows",
    "ProgressBar",
    "Table",
    "Trainer",
    "TrainerConfig",
    "TrainingResult",
    "ValidationLoss",
    "predict_logits",
    "score",
]
