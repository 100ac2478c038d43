"""From a pool and settings to trained members: one model, refit on L+V, or cross-fitted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError
from spear_amal.estimators.plan_tables import TableFactory, run_mark
from spear_amal.estimators.together import Steps, train_members
from spear_amal.estimators.validation import TrainingPool
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Mixer
from spear_amal.mixers.fixed import Frozen
from spear_amal.mixers.row_weights import LearnedRowWeights
from spear_amal.mixers.weight_table import MappedTable
from spear_amal.models import JointModel
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.training import (
    Callback,
    Trainer,
    TrainerConfig,
    TrainingResult,
)
from spear_amal.training.augment import AUGMENTATIONS, Augmentation
from spear_amal.training.config import DTYPES
from spear_amal.training.members import Member
from spear_amal.training.table import TrainingRows


@dataclass(frozen=True)
class SeenGold:
    """Gold codes (n,) by rows of the pool, -1 elsewhere: of rows to train on, and of V."""

    training: np.ndarray
    validation: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """Codes (n,) of both."""
        return np.maximum(self.training, self.validation)


@dataclass(frozen=True)
class FitPlan:
    """Everything a fit needs beside the pool. Each call of a maker gives a fresh object.

    An estimator is its parameters and the plan that it makes of them; see
    :meth:`.base.BaseSpearEstimator._plan`.

    Attributes
    ----------
    make_model : function (seen, generator) -> JointModel
        `seen` is the gold of training and of V, for quality guides.
    start_from : function (validation) -> JointModel, optional
        Models that training goes on from, in place of new ones; by the rows of V.
    make_losses : function (gold) -> ComponentSet
        `gold` are the rows of the pool whose labels may count.
    make_mixer : function () -> Mixer
    trainer : TrainerConfig
        Settled: rate, batch size and device are those of this fit.
    make_teachers : function (gold) -> ndarray (n, T, C) or None
        Teacher logits of the pool.
    online_teachers : tuple of functions
        For each teacher, how to ask about an augmented batch; see :class:`~.training.table.Table`.
    tasks : mapping of str to ndarray (n,)
        Targets of auxiliary tasks, by rows of the pool.
    positive : int
        Code of the class whose F1 the metric "f1" is.
    use_unlabelled, keep_uncovered : bool
        Whether unlabelled rows are trained on, and those on which no LF fires.
    select_rows : function (teachers) -> ndarray of int, optional
        Of the rows on which LFs fire those to keep; `teachers` are what `make_teachers` gave.
    config : function () -> dict
        What makes a run this run, beside its pool, as JSON: checkpoints are held to it.
    shard : Shard
        Which training rows this process has.
    """

    make_model: Callable[[SeenGold, torch.Generator], JointModel]
    make_losses: Callable[[np.ndarray], ComponentSet]
    make_mixer: Callable[[], Mixer]
    trainer: TrainerConfig
    config: Callable[[], dict[str, Any]]
    start_from: Callable[[np.ndarray], JointModel] | None = None
    make_teachers: Callable[[np.ndarray], np.ndarray | None] = lambda gold: None
    online_teachers: tuple[Any, ...] = ()
    tasks: Mapping[str, np.ndarray] = field(default_factory=dict)
    metric: str = "accuracy"
    positive: int = 1
    seed: int = 0
    fit_strategy: str = "single"
    n_folds: int = 5
    validation: str = "shared"
    use_unlabelled: bool = True
    keep_uncovered: bool = False
    select_rows: Callable[[np.ndarray | None], np.ndarray] | None = None
    callbacks: tuple[Callback, ...] = ()
    shard: Shard = WHOLE

    @property
    def dtype(self) -> torch.dtype:
        """Type of features and parameters."""
        return DTYPES[self.trainer.dtype]

    @property
    def device(self) -> str:
        """Where training runs."""
        return self.trainer.device

    @property
    def augment(self) -> Augmentation | None:
        """Random changes of training batches, if there are any."""
        name = self.trainer.augment
        return None if name is None else AUGMENTATIONS[name]

    def new_trainer(self, checkpoint_of: str, **changes: Any) -> Trainer:
        """Make a trainer; each part of a fit ("fold0", "refit") has its own checkpoint file."""
        settings = replace(
            self.trainer, checkpoint=named(self.trainer.checkpoint, checkpoint_of), **changes
        )
        return Trainer(settings, self.metric, self.seed, self.callbacks, self.positive)


def named(path: Any, part: str) -> Any:
    """Return the path of a part's own file beside `path`; the part "" has the path itself."""
    if path is None or not part:
        return path
    return Path(path).with_name(f"{Path(path).stem}-{part}{Path(path).suffix}")


@dataclass
class FoldResult:
    """One trained model.

    Attributes
    ----------
    trained, validation : ndarray of int
        Rows it was trained on, and V.
    judge : JointModel
        A model that never trained on V: itself, or the one before a refit.
    mixer : Mixer
        Of several candidates the one that validation rows chose.
    streamed : bool
        Whether `trained` are rows of a stream and not of the pool.
    unseen : ndarray of int
        Gold rows that were neither trained on nor in V; none but with "crossfit-rotated".
    validation_used : {"shared", "split", "training"}
        How V served: whole for weights and epoch, one half each, or V was in training as well.
    """

    model: JointModel
    result: TrainingResult
    trained: np.ndarray
    validation: np.ndarray
    names: tuple[str, ...]
    judge: JointModel
    validation_used: str
    mixer: Mixer
    streamed: bool = False
    unseen: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))


class Stream(Protocol):
    """Rows of training that are not in memory."""

    @property
    def table(self) -> TrainingRows:
        """All rows, by number."""

    def rows(self, gold: np.ndarray, keep_uncovered: bool) -> np.ndarray:
        """Numbers of the rows to train on, for the gold rows of the pool that may be."""


def fit_plan(pool: TrainingPool, plan: FitPlan) -> Steps[list[FoldResult]]:
    """Train by ``plan.fit_strategy``; see :class:`~.spear.SpearClassifier`."""
    if plan.trainer.distributed is None:
        return (yield from _fit_here(pool, plan))
    from spear_amal.distributed.process_group import process_group

    with process_group(plan.trainer.distributed, plan.device) as shard:
        return (yield from _fit_here(pool, replace(plan, shard=shard)))


def _fit_here(pool: TrainingPool, plan: FitPlan) -> Steps[list[FoldResult]]:
    mark = run_mark(pool, plan)
    tables = TableFactory(pool, plan)
    if plan.fit_strategy.startswith("crossfit"):
        folds = _folds(pool, plan)
        rotated = plan.fit_strategy == "crossfit-rotated"
        if rotated and len(folds) < 3:
            raise InputError(
                f"each model needs a fold to train on, one to validate on and one that it does not "
                f"see, and {len(pool.gold)} labelled rows make {len(folds)} folds; label more rows"
            )
        parts = [
            _Part.of(
                *(pool, tables, validation, plan, f"{mark}-{i}"),
                unseen=folds[i - 1] if rotated else None,
                part=f"fold{i}",
                label=f"fold {i + 1} of {len(folds)}",
            )
            for i, validation in enumerate(folds)
        ]
        results = yield from _trained(parts)
        if plan.fit_strategy != "crossfit-weights":
            return results
        return [(yield from _with_mean_weights(pool, tables, results, plan, mark))]
    first = _Part.of(pool, tables, pool.validation, plan, mark)
    results = yield from _trained([first])
    if plan.fit_strategy == "refit":
        return [(yield from _refit(pool, tables, results[0], plan, mark))]
    return results


def _folds(pool: TrainingPool, plan: FitPlan) -> list[np.ndarray]:
    """Each gold row of L and V plays validation once; without gold each row with votes."""
    if not pool.has_gold:
        return _covered_folds(pool, plan)
    n_folds = possible_folds(plan.n_folds, len(pool.gold), "gold rows")
    return [pool.gold[places] for places in gold_folds(pool.y[pool.gold], n_folds, plan.seed)]


def gold_folds(y: np.ndarray, n_folds: int, seed: int) -> list[np.ndarray]:
    """Deal rows with gold into folds, classes in proportion.

    A class with fewer rows than folds is in as many folds as it has rows.

    Parameters
    ----------
    y : ndarray (n,)
        Class codes of the gold rows; as many rows as folds at least.
    n_folds, seed : int

    Returns
    -------
    list of ndarray of int
        Places in `y` of the rows of each fold, ascending; none is empty.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 0, 2, 0])
    >>> [y[fold].tolist() for fold in gold_folds(y, 2, seed=0)]
    [[1, 0, 0], [0, 0, 2]]
    """
    if np.bincount(y).max() < n_folds:  # too few rows of every class for scikit-learn
        shuffled = np.random.default_rng(seed).permutation(len(y))
        fold = np.empty(len(y), dtype=np.int64)
        fold[shuffled[np.argsort(y[shuffled], kind="stable")]] = np.arange(len(y)) % n_folds
        return [np.flatnonzero(fold == number) for number in range(n_folds)]
    dealer = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # a class of fewer rows than folds is in some folds only
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [held_out for _, held_out in dealer.split(y, y)]


def possible_folds(n_folds: int, n_rows: int, rows: str) -> int:
    """Return the number of folds that there are rows for, at least two.

    Parameters
    ----------
    n_folds, n_rows : int
    rows : str
        What messages call them.

    Raises
    ------
    InputError
        If there are fewer than two rows.

    Warns
    -----
    UserWarning
        If there are fewer rows than folds.
    """
    if n_rows >= n_folds:
        return n_folds
    if n_rows < 2:
        raise InputError(f"folds need two {rows} at least, found {n_rows}; use one model")
    warnings.warn(
        f"{n_folds} folds need as many {rows}, found {n_rows}: there are {n_rows} folds",
        UserWarning,
        stacklevel=3,
    )
    return n_rows


def _covered_folds(pool: TrainingPool, plan: FitPlan) -> list[np.ndarray]:
    rows = pool.ordered(np.flatnonzero(pool.answered()))
    n_folds = possible_folds(plan.n_folds, len(rows), "rows with votes")
    folds = KFold(n_folds, shuffle=True, random_state=plan.seed)
    return [rows[validation] for _, validation in folds.split(rows)]


def _training_rows(
    pool: TrainingPool,
    gold: np.ndarray,
    plan: FitPlan,
    teachers: np.ndarray | None,
    validation: np.ndarray | None = None,
) -> np.ndarray:
    """Gold rows and, if wanted, unlabelled rows; uncovered ones only on request.

    Rows of V have no place here, also where they are without gold.
    """
    if not plan.use_unlabelled:
        return pool.ordered(gold)
    extra = pool.unlabelled
    if validation is not None and not pool.has_gold:
        kept = np.setdiff1d(extra, validation)
        # Of a few rows with votes V are all: better trained on twice than not at all.
        extra = kept if pool.answered()[kept].any() else extra
    if not plan.keep_uncovered:
        extra = extra[pool.covered()[extra]]
    if plan.select_rows is not None and pool.votes is not None:
        dropped = np.setdiff1d(np.flatnonzero(pool.covered()), plan.select_rows(teachers))
        extra = np.setdiff1d(extra, dropped)
    return pool.ordered(np.concatenate([gold, extra]))


def _new_model(
    pool: TrainingPool, gold: np.ndarray, validation: np.ndarray, plan: FitPlan
) -> JointModel:
    """Make an untrained model, which may know the gold labels of these rows of training and V.

    Or a copy of the one that the plan says to go on from.
    """
    if plan.start_from is not None:
        return copy.deepcopy(plan.start_from(validation))
    codes = np.full((2, len(pool.y)), -1)
    for known, rows in zip(codes, (gold, validation), strict=True):
        known[rows] = pool.y[rows]
    generator = torch.Generator().manual_seed(plan.seed)
    return plan.make_model(SeenGold(*codes), generator).to(plan.device, plan.dtype)


def fit_streamed(pool: TrainingPool, plan: FitPlan, stream: Stream) -> Steps[list[FoldResult]]:
    """Train one model on a stream of rows, of which the pool holds those with gold, and V."""
    tables, mark = TableFactory(pool, plan), run_mark(pool, plan)
    return (yield from _trained([_Part.of(pool, tables, pool.validation, plan, mark, stream)]))


@dataclass
class _Part:
    """One model of a fit before its training, once for each candidate of the mixer.

    Attributes
    ----------
    members : list of Member
    trained, validation, validation_used, streamed, unseen
        As of :class:`FoldResult`.
    """

    members: list[Member]
    trained: np.ndarray
    validation: np.ndarray
    validation_used: str
    streamed: bool
    unseen: np.ndarray

    @classmethod
    def of(
        cls,
        pool: TrainingPool,
        tables: TableFactory,
        validation: np.ndarray,
        plan: FitPlan,
        mark: str,
        stream: Stream | None = None,
        *,
        unseen: np.ndarray | None = None,
        part: str = "",
        label: str = "",
    ) -> _Part:
        """Make one whose V are the rows `validation`: of the outer loss and the choice of epoch.

        The gold rows `unseen` have no part in it at all.
        """
        unseen = np.empty(0, dtype=int) if unseen is None else unseen
        gold = np.setdiff1d(pool.gold, np.concatenate([validation, unseen]))
        used = "shared"
        if pool.source == "training" and not len(gold):
            used, gold = "training", pool.gold
        chooser, outer = validation, validation
        codes = pool.y[validation]
        if plan.validation == "split" and pool.has_gold and np.bincount(codes).max() >= 2:
            chooser, outer = _halves(validation, pool.y[validation], plan.seed)
            used = "split" if used == "shared" else used
        components = plan.make_losses(gold)
        teachers = plan.make_teachers(gold)
        selection, driver = tables.of(chooser, teachers), tables.of(outer, teachers)
        source: TrainingRows = tables.training(teachers)
        if stream is None:
            rows = _training_rows(pool, gold, plan, teachers, validation)
        else:
            source, rows = stream.table, stream.rows(gold, plan.keep_uncovered)
        mixers = plan.make_mixer().candidates(components.names)
        for mixer in mixers:
            if plan.fit_strategy == "refit" and isinstance(mixer, LearnedRowWeights):
                mixer.averages = True
        members = []
        for i, mixer in enumerate(mixers):
            trial = f"trial{i}" if i else ""
            member = Member(
                trainer=plan.new_trainer(_joined("-", part, trial)),
                model=_new_model(pool, gold, validation, plan),
                components=components,
                mixer=mixer,
                table=source,
                rows=rows,
                selection=selection,
                outer=driver,
                fingerprint=_joined("-", mark, trial),
                shard=plan.shard,
                label=_joined(
                    ", ",
                    f"trial {i + 1} of {len(mixers)}" if len(mixers) > 1 else "",
                    label,
                    f"seed {plan.seed}",
                ),
            )
            members.append(member)
        return cls(members, rows, validation, used, stream is not None, unseen)

    def chosen(self, results: list[TrainingResult]) -> FoldResult:
        """Return the candidate with the best score on V, the earliest of equals."""
        i = max(range(len(results)), key=lambda trial: cast(float, results[trial].val_score))
        member = self.members[i]
        return FoldResult(
            model=member.model,
            result=results[i],
            trained=self.trained,
            validation=self.validation,
            names=member.components.names,
            judge=member.model,
            validation_used=self.validation_used,
            mixer=member.mixer,
            streamed=self.streamed,
            unseen=self.unseen,
        )


def _joined(sign: str, *parts: str) -> str:
    return sign.join(filter(None, parts))


def _trained(parts: list[_Part]) -> Steps[list[FoldResult]]:
    """Train all candidates of all parts together, and choose those of each."""
    members = [member for part in parts for member in part.members]
    results = iter((yield from train_members(members)))
    return [part.chosen([next(results) for _ in part.members]) for part in parts]


def _halves(held: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of V, stratified; a class with one row of V goes to the half that chooses."""
    lone = np.bincount(y)[y] < 2
    strata = y[~lone]
    pair = len(strata) // 2 >= len(np.unique(strata))
    chooser, outer = train_test_split(
        held[~lone], test_size=0.5, stratify=strata if pair else None, random_state=seed
    )
    return np.concatenate([chooser, held[lone]]), outer


def _refit(
    pool: TrainingPool, tables: TableFactory, first: FoldResult, plan: FitPlan, mark: str
) -> Steps[FoldResult]:
    """Train anew on L and V for the chosen number of epochs, with the learnt weights frozen.

    Learnt weights steer: at the end they hold back what the model has too much of by then, which
    says little of what another model wants from its start on. So each row gets the mean of its
    weights over the epochs, which is how much it counted on the whole.

    A mixer that weighs each batch as it comes has none to freeze: it goes on learning from V.
    """
    result = first.result
    weights = result.weights if result.mean_weights is None else result.mean_weights
    mixer = first.mixer if weights is None else _frozen(weights, first, tables)
    epochs = first.result.best_epoch + 1
    return (yield from _refit_with(mixer, epochs, pool, tables, first, plan, mark))


def _refit_with(
    mixer: Mixer,
    epochs: int,
    pool: TrainingPool,
    tables: TableFactory,
    first: FoldResult,
    plan: FitPlan,
    mark: str,
) -> Steps[FoldResult]:
    """Train on L and V for a number of epochs; `first` keeps its part as the judge."""
    components = plan.make_losses(pool.gold)
    teachers = plan.make_teachers(pool.gold)
    rows = _training_rows(pool, pool.gold, plan, teachers)
    model = _new_model(pool, np.setdiff1d(pool.gold, first.validation), first.validation, plan)
    member = Member(
        trainer=plan.new_trainer("refit", max_epochs=epochs),
        model=model,
        components=components,
        mixer=mixer,
        table=tables.training(teachers),
        rows=rows,
        outer=tables.of(first.validation, teachers) if mixer.learns_from_validation else None,
        fingerprint=f"{mark}-refit",
        shard=plan.shard,
        label=f"refit, seed {plan.seed}",
    )
    (result,) = yield from train_members([member])
    history = first.result.history + [dict(record, refit=True) for record in result.history]
    weights = {name: getattr(result, name) for name in ("weights", "last_weights", "domain")}
    path = ", ".join(dict.fromkeys((first.result.path, result.path)))
    merged = replace(first.result, history=history, path=path, **weights)
    return replace(first, model=model, result=merged, trained=rows, names=components.names)


def _with_mean_weights(
    pool: TrainingPool, tables: TableFactory, members: list[FoldResult], plan: FitPlan, mark: str
) -> Steps[FoldResult]:
    """Train one model on L and V under the folds' mean weights, for their mean number of epochs.

    Every gold row was training row in all folds but one, so that each has weights of its own.
    """
    epochs = round(np.mean([member.result.best_epoch for member in members])) + 1
    weights = torch.tensor(weights_frame(members).to_numpy(dtype=np.float32))
    score = float(np.mean([member.result.val_score for member in members]))
    first = replace(members[0], result=replace(members[0].result, val_score=score))
    mixer = Frozen(tables.own(torch.nan_to_num(weights, nan=1.0)))
    return (yield from _refit_with(mixer, epochs, pool, tables, first, plan, mark))


def _frozen(weights: Any, first: FoldResult, tables: TableFactory) -> Frozen:
    """Learnt weights; rows of V, which had none, get the mean of the labelled training rows.

    Where none is labelled, that of all training rows.
    """
    table = weights[:].clone()
    new = np.setdiff1d(first.validation, first.trained)
    labelled = np.intersect1d(first.trained, tables.pool.gold)
    table[new] = table[labelled if len(labelled) else first.trained].mean(0)
    return Frozen(tables.own(table))


def weights_frame(members: list[FoldResult], last: bool = False) -> pd.DataFrame:
    """Weights (n, K) per row and loss, means over members; NaN where a loss did not count.

    Those of the chosen epochs, or after the last ones. Empty where they are on disk, of rows that
    are there as well.
    """
    names = list(members[0].names)
    if members[0].streamed and isinstance(members[0].result.weights, MappedTable):
        return pd.DataFrame(columns=names, dtype=np.float32)  # they may not fit into memory
    n = cast(PackedBools, members[0].result.domain).shape[0]
    total, count = np.zeros((2, n, len(names)))
    for member in members:
        rows = torch.as_tensor(member.trained)
        held = member.result
        table = held.last_weights if last else held.weights
        on = cast(PackedBools, held.domain)[rows].numpy()
        # By numbers of NumPy: it takes a tensor of one number for that number.
        total[member.trained] += np.where(on, 1.0 if table is None else table[rows].numpy(), 0.0)
        count[member.trained] += on
    return pd.DataFrame(total / np.where(count == 0, np.nan, count), columns=names)
