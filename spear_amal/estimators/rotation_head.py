"""SSKD's first stage: a projection head over a frozen teacher, trained to match turned images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spear_amal.estimators.door import Pool
from spear_amal.estimators.engine import Recipe
from spear_amal.losses import ComponentSet
from spear_amal.losses.self_supervised import ViewMatching
from spear_amal.mixers import Fixed
from spear_amal.models import JointModel
from spear_amal.models.rotations import RotationModel, projection_head
from spear_amal.teachers.features import FrozenFeatures
from spear_amal.training import Callback, Settings, Table, Trainer

HEAD_RATE, HEAD_DECAY = 0.05, 5e-4


def train_head(
    features: FrozenFeatures,
    pool: Pool,
    recipe: Recipe,
    n_epochs: int,
    fingerprint: str,
    callbacks: tuple[Callback, ...] = (),
) -> tuple[RotationModel, list[float]]:
    """Train the teacher's projection head on the images that are not validation rows.

    Labels are not looked at. Augmentation, batch size, seed and device are those of the recipe;
    the checkpoint is its own, beside that of the recipe.

    Returns
    -------
    model : RotationModel
        Frozen teacher and trained head; only the head has parameters.
    losses : list of float
        Mean loss of each epoch.
    """
    table = Table(pool.x, dtype=recipe.dtype, device=recipe.device)
    table.augment = recipe.augment
    generator = torch.Generator().manual_seed(recipe.settings.seed)
    width = features(table.x[:1])[1].shape[1]
    model = RotationModel(features, projection_head(width, generator))
    joint = JointModel(model).to(recipe.device, recipe.dtype)
    result = Trainer(head_settings(recipe.settings, n_epochs), callbacks).fit(
        joint,
        ComponentSet([ViewMatching()]),
        Fixed(),
        table,
        _rows(pool),
        fingerprint=f"{fingerprint}-head-{n_epochs}",
    )
    return model.requires_grad_(False), [record["loss/matching"] for record in result.history]


def head_settings(student: Settings, n_epochs: int) -> Settings:
    """SGD at 0.05, a tenth of it from half and a hundredth from three quarters of the epochs."""
    path = student.checkpoint
    if path is not None:
        path = Path(path).with_name(f"{Path(path).stem}-head{Path(path).suffix}")
    return Settings(
        lr=HEAD_RATE,
        batch_size=student.batch_size,
        max_epochs=n_epochs,
        patience=n_epochs,
        weight_decay=HEAD_DECAY,
        optimiser="sgd",
        schedule="steps",
        milestones=(-(-n_epochs // 2), -(-3 * n_epochs // 4)),
        seed=student.seed,
        checkpoint=path,
        checkpoint_every=student.checkpoint_every,
    )


def _rows(pool: Pool) -> np.ndarray:
    everything = np.arange(len(pool.y))
    rows = np.setdiff1d(everything, pool.validation)
    return rows if len(rows) else everything
