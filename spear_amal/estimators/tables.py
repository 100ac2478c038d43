"""Tables of a pool's rows: of training rows those that are here, of validation rows all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.estimators.door import Pool
from spear_amal.training import Table

if TYPE_CHECKING:
    from spear_amal.estimators.engine import Recipe


class Tables:
    """What a recipe trains on and judges by.

    Where several processes train together, features, votes, teachers and weights of training rows
    are spread over them; validation rows are few and complete in each.

    Raises
    ------
    InputError
        If there are fewer rows than processes.
    """

    def __init__(self, pool: Pool, recipe: Recipe) -> None:
        self.pool, self.recipe = pool, recipe
        n, world = len(pool.y), recipe.shard.world
        if n < world:
            raise InputError(f"{n} rows cannot be spread over {world} processes; start fewer")
        self.rows = None if world == 1 else recipe.shard.rows(n).numpy()
        self.held = self._table(self.rows)
        self.held.augment, self.held.live = recipe.augment, recipe.live

    def training(self, teachers: np.ndarray | None) -> Table:
        """Rows that are here, with logits (n, T, C) of teachers."""
        here = teachers if self.rows is None or teachers is None else teachers[self.rows]
        return self.held.with_teachers(here)

    def of(self, rows: np.ndarray, teachers: np.ndarray | None) -> Table:
        """Make a table of some rows of the pool, without augmentation."""
        if self.rows is None:
            return self.held.with_teachers(teachers).subset(rows)
        return self._table(rows, None if teachers is None else teachers[rows])

    def own(self, weights: torch.Tensor) -> torch.Tensor:
        """Pick from weights of the whole pool those of the rows that are here."""
        return weights if self.rows is None else weights[self.rows]

    def _table(self, rows: np.ndarray | None, teachers: np.ndarray | None = None) -> Table:
        pool, recipe = self.pool, self.recipe
        chosen = slice(None) if rows is None else rows
        x, labels = pool.x, pool.labels
        return Table(
            x if rows is None else x[rows],
            pool.y[chosen],
            labels if rows is None or labels is None else labels[rows],
            teachers,
            tasks={name: held[chosen] for name, held in recipe.tasks.items()},
            n_classes=len(pool.classes),
            dtype=recipe.dtype,
            device=recipe.device,
        )
