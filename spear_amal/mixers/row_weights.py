"""Base of AMAL and ALM-KD: a table of weights by row, learnt from look-aheads on groups of rows.

It looks weights up, keeps the schedule of refreshes, scales gradients and goes to disk and back.
What a refresh does with the look-ahead is the mixer's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor

from spear_amal._typing import PathLike
from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions, Mixer, check_look_ahead
from spear_amal.mixers.loss_roles import TEACHER, in_role
from spear_amal.mixers.weight_table import DTYPES, MappedTable, WeightTable, file_of
from spear_amal.params import (
    check_choice,
    check_flag,
    check_not_negative,
    check_positive,
    check_whole,
)
from spear_amal.tensors.bool_table import PackedBools

MEAN_ROWS = 1 << 20  # rows whose weights are held at once where means are taken


class LearnedRowWeights(Mixer):
    """One weight per row and loss; options of the refresh as documented by the mixers."""

    needs_look_ahead = True
    spreads = True

    weight_lr: float
    refresh_every: int
    warmup: int
    lookahead_lr: float
    inner_repeats: int
    group_size: int | None
    normalise: str
    outer: str
    look_ahead: str
    table_dtype: str = "float32"
    table_path: PathLike | None = None
    reuse_states: bool = False
    #: Whether means over epochs are kept, in memory; a refit asks for it.
    averages: bool = False
    label_aware: bool = False
    #: Probability (n_rows, T) that each teacher gives the label of each row, NaN where there is no
    #: such thing; whoever knows the rows sets it before `attach` where `label_aware` asks for it.
    told: Tensor | None = None

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        for name, least in (("refresh_every", 1), ("warmup", 0), ("inner_repeats", 1)):
            check_whole(name, getattr(self, name), least)
        if self.group_size is not None:
            check_whole("group_size", self.group_size, 1)
        check_positive("lookahead_lr", self.lookahead_lr)
        check_look_ahead(self.look_ahead)
        check_flag("label_aware", self.label_aware)
        check_flag("reuse_states", self.reuse_states)
        check_not_negative("weight_lr", self.weight_lr)
        check_choice("normalise", self.normalise, ("none", "features", "max-abs", "l2"))
        check_choice("table_dtype", self.table_dtype, sorted(DTYPES))
        if not isinstance(self.table_path, str | os.PathLike | None):
            raise InputError(f"table_path must be a folder or None, found {self.table_path!r}")

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Lay out one weight per row and loss."""
        super().attach(n_rows, names, domain, mixable)
        # On the table's device: looking weights up costs no transfer per step.
        start = self._starts(names, mixable).to(domain.device)
        self.lambdas = self._new_table(n_rows, start)  # (n_rows, K)
        if self.label_aware:
            self._begin_by_labels(n_rows, names, domain, mixable)
        self.learnt = PackedBools.pack(domain, mixable)  # (n_rows, K)
        self._means: tuple[Tensor, int, dict[str, float]] | None = None
        self._mean, self._epochs = torch.zeros(0), 0

    def _begin_by_labels(
        self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor
    ) -> None:
        """Multiply each teacher's first weight by the probability that it gives the row's label."""
        teachers = in_role(names, TEACHER) & mixable.cpu()
        if self.told is None or self.told.shape != (n_rows, int(teachers.sum())):
            raise InputError(
                "label_aware needs labels and teachers, of all rows in one process: use it with "
                "DistilledClassifier, or leave it out"
            )
        every = torch.arange(n_rows, device=domain.device)
        begun = self.lambdas[every]
        begun[:, teachers] *= torch.nan_to_num(self.told, nan=1.0).to(begun)
        self.lambdas[every] = begun

    def _starts(self, names: Sequence[str], mixable: Tensor) -> Tensor:
        """First weights (K,)."""
        return torch.ones(len(names))

    def _new_table(self, n_rows: int, start: Tensor) -> WeightTable:
        if self.table_path is None:
            return WeightTable(n_rows, start, self.table_dtype)
        return MappedTable(n_rows, start, self.table_dtype, self.table_path)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Return the weights (B, K) of the batch's rows, from the table."""
        return self.row_weights(batch.index).to(losses)

    def row_weights(self, rows: Tensor) -> Tensor:
        """Return the weights (B, K) of rows, from the table."""
        return self.lambdas[rows]

    def should_refresh(self, epoch: int) -> bool:
        """Every `refresh_every` epochs from `warmup` on."""
        return epoch >= self.warmup and (epoch - self.warmup) % self.refresh_every == 0

    def _scaled(self, gradient: Tensor, look_ahead: LookAheadLike) -> Tensor:
        gradient = gradient.to(self.lambdas.device, torch.float32)
        if self.normalise == "none":
            return gradient
        if self.normalise == "features":
            return gradient / look_ahead.feature_scale()
        everywhere, _ = self.shard.stacked(gradient)  # the whole group's
        size = everywhere.abs().amax(0) if self.normalise == "max-abs" else everywhere.norm(dim=0)
        return gradient / size.clamp(min=torch.finfo(gradient.dtype).tiny)

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead."""
        return LookAheadOptions(
            self.lookahead_lr,
            self.look_ahead,
            self.outer,
            group_size=self.group_size,
            reuse_states=self.reuse_states,
        )

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean weight of each loss over its domain within `rows`.

        Between two refreshes the same rows are not gone through again.
        """
        if self._means is None or not (
            self._means[0] is rows and self._means[1] == self.lambdas.changes
        ):
            self._means = (rows, self.lambdas.changes, self._mean_weights(rows))
        return dict(self._means[2])

    def _mean_weights(self, rows: Tensor) -> dict[str, float]:
        sums = torch.zeros(2, len(self.names), dtype=torch.float64, device=self.lambdas.device)
        for part in rows.split(MEAN_ROWS):
            learnt = self.learnt[part]
            sums += torch.stack([(self.lambdas[part] * learnt).sum(0), learnt.sum(0)])
        sums = self.shard.total([sums])[0]
        means = (sums[0] / sums[1].clamp(min=1)).float()
        return dict(zip(self.names, means.tolist(), strict=True))

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.lambdas.whole()

    def snapshot(self) -> Any:
        """Weights by row that later refreshes leave alone; of a table on disk a view, not a copy.

        Rows of both are looked up as ``snapshot[rows]``.
        """
        if isinstance(self.lambdas, MappedTable):
            return self.lambdas.snapshot()
        return super().snapshot()

    def end_epoch(self) -> None:
        """Add the weights of an epoch to the mean, if it is wanted."""
        if not self.averages:
            return
        self._epochs += 1
        weights = self.table()
        mean = torch.zeros_like(weights) if self._epochs == 1 else self._mean
        self._mean = mean + (weights - mean) / self._epochs

    def mean_over_epochs(self) -> Tensor | None:
        """Mean (n_rows, K) of the weights over the epochs so far, None if it was not kept."""
        return self._mean.cpu().clone() if self._epochs else None

    def files(self, state: dict[str, Tensor]) -> set[str]:
        """Return the file of a table on disk."""
        return {file_of(state)} - {""}

    def keep_files(self, names: Set[str]) -> None:
        """Remove versions of a table on disk that nothing refers to."""
        if isinstance(self.lambdas, MappedTable):
            self.lambdas.keep_files(names)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weight table."""
        state = self.lambdas.state_dict()
        if self._epochs:
            state |= {"mean": self._mean, "epochs": torch.tensor(self._epochs)}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the weight table."""
        self.lambdas.load_state_dict(state)
        if "mean" in state:
            self._mean = state["mean"].to(self.lambdas.device)
            self._epochs = int(state["epochs"])
