"""Fitting on rows that stay in Parquet files, and what a fit must know of them beforehand.

Labelled rows are few and drive all that a fit settles before it starts (rates, guides, the test of
the votes), so they are read into memory; unlabelled rows stay where they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.estimators import validation
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult, fit_plan, fit_streamed
from spear_amal.estimators.together import finish
from spear_amal.estimators.validation import FitInputs, TrainingPool, make_pool
from spear_amal.params import check_whole
from spear_amal.training import ParquetRows
from spear_amal.training.parquet_table import ShardTable, ShardVotes
from spear_amal.votes.gold import has_label
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles


def fit_parquet(
    estimator: BaseSpearEstimator, rows: ParquetRows, L: Any, validation: FitInputs, window: int
) -> tuple[TrainingPool, FitPlan, list[FoldResult]]:
    """Train on rows in Parquet files; see :meth:`.spear.SpearClassifier.fit_parquet`."""
    _check_streaming(estimator, rows, window)
    votes = as_vote_files(L)
    known = read_labelled(rows, votes)
    inputs = validation._replace(X=known.x, y=known.y, L=known.votes)
    pool = make_pool(estimator, inputs, known.plan)
    plan = estimator._plan(pool)
    if pool.votes is None:  # the guard left the votes out: gold rows are all there is
        return pool, plan, finish(fit_plan(pool, plan))
    config = plan.config
    plan = replace(plan, config=lambda: config() | {"window": window, **marks(rows, votes)})
    codes = pool.y[: pool.n_train]
    stream = ParquetStream(
        rows,
        votes,
        known,
        codes,
        window,
        n_classes=len(pool.classes),
        dtype=plan.dtype,
        device=plan.device,
    )
    return pool, plan, finish(fit_streamed(pool, plan, stream))


def _check_streaming(estimator: BaseSpearEstimator, rows: Any, window: Any) -> None:
    if not isinstance(rows, ParquetRows):
        raise InputError(
            f"rows must be ParquetRows, found {type(rows).__name__}; rows in memory go to fit"
        )
    if estimator._options_of("trainer").distributed is not None:
        raise InputError("fit_parquet trains in one process: use distributed=None, or fit")
    if estimator.fit_strategy != "single":
        raise InputError(
            f"fit_parquet trains one model, found fit_strategy={estimator.fit_strategy!r}; "
            "use fit_strategy='single'"
        )
    if estimator.cut_statistic is not None:
        raise InputError("cut_statistic compares rows in memory: leave it out, or use fit")
    if estimator._options_of("rule_model").drop_copies is not None:
        raise InputError("drop_copies compares votes in memory: leave it out, or use fit")
    check_whole("window", window, 1)


@dataclass
class LabelledRows:
    """The rows with gold, in memory, and what was seen of all others on the way.

    Attributes
    ----------
    numbers : ndarray of int (g,)
        Their places among all rows.
    x, y, votes : features, labels as given, and LabelMatrix of these rows
    covered : ndarray of bool (n,)
        Rows on which an LF fired.
    plan : list of (LF, class)
        Columns of the unipolar form of all votes.
    """

    numbers: np.ndarray
    x: Any
    y: np.ndarray
    votes: LabelMatrix
    covered: np.ndarray
    plan: list[tuple[int, int]]


def read_labelled(source: ParquetRows, votes: VoteFiles) -> LabelledRows:
    """Go through labels and votes once, and through the features of shards with gold.

    Raises
    ------
    InputError
        If votes and rows differ in number, no LF fires, or no row has gold.
    FileFormatError
        If a file is truncated or damaged; names it.
    """
    if len(votes) != len(source):
        raise InputError(
            f"{votes.folder} has votes on {len(votes)} rows, the Parquet files have {len(source)}; "
            "they must be the same rows"
        )
    if votes.nnz == 0:
        raise InputError(f"all LFs abstain on all rows of {votes.folder}: there is nothing to use")
    numbers, y = _gold(source)
    if len(numbers) == 0:
        raise InputError(f"column {source.y!r} holds no gold label; a few labelled rows are needed")
    covered, plan, own = _seen(votes, numbers)
    return LabelledRows(numbers, _features(source, numbers), y, own, covered, plan)


def _gold(source: ParquetRows) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and labels of the rows that have one."""
    numbers: list[np.ndarray] = []
    labels: list[Any] = []
    for block, raw in source.labels():
        here = np.flatnonzero(has_label(raw, source.y))
        numbers.append(block.first_row + here)
        labels += raw[here].tolist()
    return np.concatenate(numbers), np.fromiter(labels, dtype=object, count=len(labels))


def _seen(
    votes: VoteFiles, numbers: np.ndarray
) -> tuple[np.ndarray, list[tuple[int, int]], LabelMatrix]:
    """Covered rows, the plan of all votes, and the votes on some rows."""
    covered, plan, own = [], set(), []
    for start, part in zip(votes.starts, votes.parts(), strict=False):
        covered.append(part.covered())
        plan |= set(part.unipolar_plan())
        low, high = np.searchsorted(numbers, [start, start + len(part)])
        own.append(part[numbers[low:high] - start])
    return np.concatenate(covered), sorted(plan), LabelMatrix.concatenate(own)


def _features(source: ParquetRows, numbers: np.ndarray) -> Any:
    pieces = []
    for i, block in enumerate(source.blocks):
        low, high = np.searchsorted(numbers, [block.first_row, block.first_row + block.rows])
        if low < high:
            pieces.append(source.read(i)[0][numbers[low:high] - block.first_row])
    return validation.stack(pieces)


class ParquetStream:
    """The rows to train on, as the engine asks for them.

    Parameters
    ----------
    source : ParquetRows
    votes : VoteFiles
    known : LabelledRows
    codes : ndarray of int (g,)
        Class codes of the labelled rows.
    window : int
        Shards in memory at a time.
    """

    def __init__(
        self,
        source: ParquetRows,
        votes: VoteFiles,
        known: LabelledRows,
        codes: np.ndarray,
        window: int,
        *,
        n_classes: int,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        self._known = known
        own = ShardVotes(votes, known.plan)
        kind = {"n_classes": n_classes, "dtype": dtype, "device": device}
        self.table = ShardTable(source, known.numbers, codes, own, window=window, **kind)  # type: ignore[arg-type]

    def rows(self, gold: np.ndarray, keep_uncovered: bool) -> np.ndarray:
        """Numbers of the labelled rows `gold` of the pool and of rows without a label, sorted."""
        wanted = np.ones(len(self.table), bool) if keep_uncovered else self._known.covered.copy()
        wanted[self._known.numbers] = False
        wanted[self._known.numbers[gold]] = True
        return np.flatnonzero(wanted)


def as_vote_files(L: Any) -> VoteFiles:
    """Return a folder of votes as :class:`VoteFiles`; raise InputError for anything else."""
    if isinstance(L, VoteFiles):
        return L
    if isinstance(L, str | os.PathLike):
        return VoteFiles(L)
    raise InputError(
        f"L must be VoteFiles or their folder, found {type(L).__name__}; apply the LFs to the "
        "Parquet files with ParquetLFApplier, or use fit with rows in memory"
    )


def marks(source: ParquetRows, votes: VoteFiles) -> dict[str, Any]:
    """Return what tells these files from others, for checkpoints."""
    return {
        "source": repr(source),
        "shards": [block.stamp for block in source.blocks],
        "votes": [[part.rows, part.crc] for part in votes.files],
    }
