"""What a plan trains on and judges by, as tables, and the mark that tells one run from another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.estimators.validation import TrainingPool
from spear_amal.training import Table
from spear_amal.training.distributed_checks import check_same

if TYPE_CHECKING:
    from spear_amal.estimators.cross_fitting import FitPlan


class TableFactory:
    """What a plan trains on and judges by.

    Where several processes train together, features, votes, teachers and weights of training rows
    are spread over them; validation rows are few and complete in each.

    Raises
    ------
    InputError
        If there are fewer rows than processes.
    """

    def __init__(self, pool: TrainingPool, plan: FitPlan) -> None:
        self.pool, self.plan = pool, plan
        n, world = len(pool.y), plan.shard.world
        if n < world:
            raise InputError(f"{n} rows cannot be spread over {world} processes; start fewer")
        self.rows = None if world == 1 else plan.shard.rows(n).numpy()
        self.table = self._table(self.rows)
        self.table.augment, self.table.online_teachers = plan.augment, plan.online_teachers

    def training(self, teachers: np.ndarray | None) -> Table:
        """Rows that are here, with logits (n, T, C) of teachers."""
        here = teachers if self.rows is None or teachers is None else teachers[self.rows]
        return self.table.with_teachers(here)

    def of(self, rows: np.ndarray, teachers: np.ndarray | None) -> Table:
        """Make a table of some rows of the pool, without augmentation."""
        if self.rows is None:
            return self.table.with_teachers(teachers).subset(rows)
        return self._table(rows, None if teachers is None else teachers[rows])

    def own(self, weights: torch.Tensor) -> torch.Tensor:
        """Pick from weights of the whole pool those of the rows that are here."""
        return weights if self.rows is None else weights[self.rows]

    def _table(self, rows: np.ndarray | None, teachers: np.ndarray | None = None) -> Table:
        pool, plan = self.pool, self.plan
        chosen = slice(None) if rows is None else rows
        x, votes = pool.x, pool.votes
        return Table(
            x if rows is None else x[rows],
            pool.y[chosen],
            votes if rows is None or votes is None else votes[rows],
            teachers,
            tasks={name: targets[chosen] for name, targets in plan.tasks.items()},
            n_classes=len(pool.classes),
            weights=None if pool.weights is None else pool.weights[chosen],
            dtype=plan.dtype,
            device=plan.device,
        )


# What changes nothing in the result: a run may go on with another value.
NO_MATTER = ("verbose",)


def run_mark(pool: TrainingPool, plan: FitPlan) -> str:
    """Return the hash of data, roles and settings where something is held to it, else "".

    A checkpoint is only used by its own run, and processes that train together must have been
    given the same; all rows are read for it, so nothing else asks.
    """
    if plan.trainer.checkpoint is None and plan.shard.world == 1:
        return ""
    config = {k: v for k, v in plan.config().items() if k not in NO_MATTER}
    mark = fingerprint(pool, config)
    if plan.shard.world > 1:
        check_same(plan.shard, mark)
    return mark


def fingerprint(pool: TrainingPool, config: dict[str, Any]) -> str:
    """Return the hash of a pool and of settings as JSON."""
    parts = [pool.y, pool.validation, np.array([len(pool.classes), *pool.x.shape])]
    parts += [pool.x] if isinstance(pool.x, np.ndarray) else _csr_parts(pool.x)
    parts += [] if pool.weights is None else [pool.weights]
    if pool.votes is not None:
        parts += [*_csr_parts(pool.votes.codes), pool.votes.continuous, pool.votes.lf_classes]
        parts += [] if pool.votes.scores is None else _csr_parts(pool.votes.scores)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=repr).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)  # in place: images may fill the memory
        digest.update(b"|")
    return digest.hexdigest()[:32]


def _csr_parts(matrix: Any) -> list[np.ndarray]:
    return [matrix.data, matrix.indices, matrix.indptr]
