"""How to train: rates, batches, epochs, selection and the rest of the trainer's options."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainerConfig:
    """How to train; see the estimators for meanings and defaults.

    Attributes
    ----------
    keep_epochs : tuple of int
        Epochs (from 1) after which the model is kept beside the chosen one.
    precision, compile
        Of the feature model's forward pass in training (see :class:`.forward.Forward`).
    """

    lr: float = 1e-2
    lr_rules: float = 1e-2
    batch_size: int = 32
    max_epochs: int = 100
    patience: int = 10
    metric: str = "accuracy"
    weight_decay: float = 0.0
    optimiser: str = "adam"
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    keep_epochs: tuple[int, ...] = ()
    seed: int = 0
    precision: str = "fp32"
    compile: bool | str = False
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: int = 1
