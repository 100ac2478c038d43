"""The one loop that trains everything, and what it needs."""

from spear_amal.training.callbacks import Callback, ProgressBar
from spear_amal.training.config import TrainerConfig
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.parquet_table import ParquetRows
from spear_amal.training.run import DivergedError
from spear_amal.training.state import CHOICES, METRICS, TrainingResult, reported_metric, score
from spear_amal.training.table import Table, predict_logits
from spear_amal.training.trainer import Trainer
from spear_amal.training.validation_loss import ValidationLoss

__all__ = [
    "CHOICES",
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
    "reported_metric",
    "score",
]
