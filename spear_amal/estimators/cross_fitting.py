"""From a pool and settings to trained members: one model, refit on L+V, or cross-fitted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold, train_test_split

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError
from spear_amal.estimators.validation import TrainingPool
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Mixer
from spear_amal.mixers.fixed import Frozen
from spear_amal.mixers.weight_table import MappedTable
from spear_amal.models import JointModel
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.training import (
    Callback,
    Table,
    Trainer,
    TrainerConfig,
    TrainingResult,
    predict_logits,
)
from spear_amal.training.augment import Augmentation
from spear_amal.training.distributed_checks import check_same
from spear_amal.training.table import TrainingRows


@dataclass(frozen=True)
class FitPlan:
    """Everything a fit needs beside the pool. Each call of a maker gives a fresh object."""

    make_model: Callable[[np.ndarray, torch.Generator], JointModel]  # from gold codes for guides
    make_components: Callable[[np.ndarray], ComponentSet]  # from the gold rows of training
    make_teachers: Callable[[np.ndarray], np.ndarray | None]  # from the same
    make_mixer: Callable[[], Mixer]
    settings: TrainerConfig
    fit_strategy: str = "single"
    n_folds: int = 5
    validation: str = "shared"
    use_unlabelled: bool = True
    keep_uncovered: bool = False
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    callbacks: tuple[Callback, ...] = ()
    augment: Augmentation | None = None
    online_teachers: tuple[Any, ...] = ()  # see Table
    tasks: Mapping[str, np.ndarray] = field(default_factory=dict)  # of the rows of the pool
    shard: Shard = WHOLE  # which training rows this process has


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


class Stream(Protocol):
    """Rows of training that are not in memory."""

    @property
    def table(self) -> TrainingRows:
        """All rows, by number."""

    def rows(self, gold: np.ndarray, keep_uncovered: bool) -> np.ndarray:
        """Numbers of the rows to train on, for the gold rows of the pool that may be."""


def fit_members(pool: TrainingPool, recipe: FitPlan, config: Any) -> list[FoldResult]:
    """Train by ``recipe.fit_strategy``: "single", "refit", "crossfit" or "crossfit-weights"."""
    mark = fingerprint(pool, config)
    check_same(recipe.shard, mark)
    tables = TableFactory(pool, recipe)
    if recipe.fit_strategy in ("crossfit", "crossfit-weights"):
        members = [
            _fit_one(pool, tables, held, _named(recipe, f"fold{i}"), f"{mark}-{i}")
            for i, held in enumerate(_folds(pool, recipe))
        ]
        if recipe.fit_strategy == "crossfit":
            return members
        return [_with_mean_weights(pool, tables, members, recipe, mark)]
    first = _fit_one(pool, tables, pool.validation, _named(recipe, "single"), mark)
    return [_refit(pool, tables, first, recipe, mark) if recipe.fit_strategy == "refit" else first]


def _folds(pool: TrainingPool, recipe: FitPlan) -> list[np.ndarray]:
    """Each gold row of L and V plays validation once."""
    counts = np.bincount(pool.y[pool.gold])
    smallest = int(counts[counts > 0].min())
    if smallest < recipe.n_folds:
        raise InputError(
            f"cross-fitting over {recipe.n_folds} folds needs as many gold rows of every class; "
            f"the rarest has {smallest}. Use fewer folds or fit_strategy='refit'"
        )
    folds = StratifiedKFold(recipe.n_folds, shuffle=True, random_state=recipe.settings.seed)
    return [pool.gold[held] for _, held in folds.split(pool.gold, pool.y[pool.gold])]


def _named(recipe: FitPlan, part: str) -> FitPlan:
    """Give each member a checkpoint file of its own."""
    path = recipe.settings.checkpoint
    if path is None or part == "single":
        return recipe
    own = Path(path).with_name(f"{Path(path).stem}-{part}{Path(path).suffix}")
    return replace(recipe, settings=replace(recipe.settings, checkpoint=own))


def _training_rows(pool: TrainingPool, gold: np.ndarray, recipe: FitPlan) -> np.ndarray:
    """Gold rows and, if wanted, unlabelled rows; uncovered ones only on request."""
    if not recipe.use_unlabelled:
        return gold
    extra = pool.unlabelled
    if not recipe.keep_uncovered:
        extra = extra[pool.covered()[extra]]
    return np.sort(np.concatenate([gold, extra]))


def _new_model(pool: TrainingPool, held: np.ndarray, recipe: FitPlan) -> JointModel:
    """Make an untrained model; of the gold labels it sees those of V only, for quality guides."""
    y = np.full_like(pool.y, -1)
    y[held] = pool.y[held]
    generator = torch.Generator().manual_seed(recipe.settings.seed)
    return recipe.make_model(y, generator).to(recipe.device, recipe.dtype)


def fit_streamed(pool: TrainingPool, recipe: FitPlan, stream: Stream, config: Any) -> FoldResult:
    """Train one model on a stream of rows, of which the pool holds those with gold, and V."""
    tables = TableFactory(pool, recipe)
    return _fit_one(pool, tables, pool.validation, recipe, fingerprint(pool, config), stream)


def _fit_one(
    pool: TrainingPool,
    tables: TableFactory,
    held: np.ndarray,
    recipe: FitPlan,
    mark: str,
    stream: Stream | None = None,
) -> FoldResult:
    """Train with `held` as V: for the mixer's outer loss and for the choice of the epoch."""
    gold = np.setdiff1d(pool.gold, held)
    used = "shared" if len(gold) else "training"
    gold = gold if len(gold) else pool.gold
    chooser, outer = held, held
    if recipe.validation == "split" and np.bincount(pool.y[held]).max() >= 2:
        chooser, outer = _halves(held, pool.y[held], recipe.settings.seed)
        used = "split" if used == "shared" else used
    components = recipe.make_components(gold)
    told = recipe.make_teachers(gold)
    judges, driver = tables.of(chooser, told), tables.of(outer, told)
    source: TrainingRows = tables.training(told)
    if stream is None:
        rows = _training_rows(pool, gold, recipe)
    else:
        source, rows = stream.table, stream.rows(gold, recipe.keep_uncovered)
    best: FoldResult | None = None
    for i, mixer in enumerate(recipe.make_mixer().candidates(components.names)):
        own = recipe if not i else _named(recipe, f"trial{i}")
        model = _new_model(pool, held, recipe)
        result = Trainer(own.settings, recipe.callbacks).fit(
            model,
            components,
            mixer,
            source,
            rows,
            judges,
            driver,
            fingerprint=_trial(mark, i),
            shard=recipe.shard,
        )
        if best is None or cast(float, result.val_score) > cast(float, best.result.val_score):
            parts = (model, result, rows, held, components.names, model, used, mixer)
            best = FoldResult(*parts, streamed=stream is not None)
    return cast(FoldResult, best)


def _trial(mark: str, i: int) -> str:
    """Fingerprint of a candidate's run; of the first that of the only one."""
    return mark if not i else f"{mark}-trial{i}"


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
    pool: TrainingPool, tables: TableFactory, first: FoldResult, recipe: FitPlan, mark: str
) -> FoldResult:
    """Train anew on L and V for the chosen number of epochs, with the learnt weights frozen.

    A mixer that weighs each batch as it comes has none to freeze: it goes on learning from V.
    """
    weights = first.result.weights
    mixer = first.mixer if weights is None else _frozen(weights, first, tables)
    return _refit_with(mixer, first.result.best_epoch + 1, pool, tables, first, recipe, mark)


def _refit_with(
    mixer: Mixer,
    epochs: int,
    pool: TrainingPool,
    tables: TableFactory,
    first: FoldResult,
    recipe: FitPlan,
    mark: str,
) -> FoldResult:
    """Train on L and V for a number of epochs; `first` keeps its part as the judge."""
    rows = _training_rows(pool, pool.gold, recipe)
    settings = replace(recipe.settings, max_epochs=epochs)
    own = _named(replace(recipe, settings=settings), "refit")
    model = _new_model(pool, first.validation, recipe)
    components = recipe.make_components(pool.gold)
    told = recipe.make_teachers(pool.gold)
    result = Trainer(own.settings, recipe.callbacks).fit(
        model,
        components,
        mixer,
        tables.training(told),
        rows,
        outer=tables.of(first.validation, told) if mixer.learns_from_validation else None,
        fingerprint=f"{mark}-refit",
        shard=recipe.shard,
    )
    history = first.result.history + [dict(record, refit=True) for record in result.history]
    taken = {name: getattr(result, name) for name in ("weights", "last_weights", "domain")}
    merged = replace(first.result, history=history, **taken)
    return replace(first, model=model, result=merged, trained=rows, names=components.names)


def _with_mean_weights(
    pool: TrainingPool, tables: TableFactory, members: list[FoldResult], recipe: FitPlan, mark: str
) -> FoldResult:
    """Train one model on L and V under the folds' mean weights, for their mean number of epochs.

    Every gold row was training row in all folds but one, so that each has weights of its own.
    """
    epochs = round(np.mean([member.result.best_epoch for member in members])) + 1
    weights = torch.tensor(weights_frame(members).to_numpy(dtype=np.float32))
    score = float(np.mean([member.result.val_score for member in members]))
    first = replace(members[0], result=replace(members[0].result, val_score=score))
    mixer = Frozen(tables.own(torch.nan_to_num(weights, nan=1.0)))
    return _refit_with(mixer, epochs, pool, tables, first, recipe, mark)


def _frozen(weights: Any, first: FoldResult, tables: TableFactory) -> Frozen:
    """Learnt weights; rows of V, which had none, get the mean of the labelled training rows."""
    table = weights[:].clone()
    new = np.setdiff1d(first.validation, first.trained)
    table[new] = table[np.intersect1d(first.trained, tables.pool.gold)].mean(0)
    return Frozen(tables.own(table))


def log_posteriors(
    models: Sequence[JointModel], table: Table
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Log posteriors (n, C) of feature and rule model, one pair per model."""
    pairs = []
    for model in models:
        logits, rules = predict_logits(model, table)
        q = None if rules is None else log_softmax(rules.double().cpu().numpy(), axis=1)
        pairs.append((log_softmax(logits.double().cpu().numpy(), axis=1), q))
    return pairs


class TableFactory:
    """What a recipe trains on and judges by.

    Where several processes train together, features, votes, teachers and weights of training rows
    are spread over them; validation rows are few and complete in each.

    Raises
    ------
    InputError
        If there are fewer rows than processes.
    """

    def __init__(self, pool: TrainingPool, recipe: FitPlan) -> None:
        self.pool, self.recipe = pool, recipe
        n, world = len(pool.y), recipe.shard.world
        if n < world:
            raise InputError(f"{n} rows cannot be spread over {world} processes; start fewer")
        self.rows = None if world == 1 else recipe.shard.rows(n).numpy()
        self.held = self._table(self.rows)
        self.held.augment, self.held.online_teachers = recipe.augment, recipe.online_teachers

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


# What changes nothing in the result: a run may go on with another value.
NO_MATTER = ("verbose", "checkpoint", "device", "distributed")


def fingerprint(pool: TrainingPool, config: dict[str, Any]) -> str:
    """Hash of data, roles and settings, so that a checkpoint is only used by its own run."""
    settings = {k: v for k, v in config.items() if k not in NO_MATTER}
    parts = [pool.y, pool.validation, np.array([len(pool.classes), *pool.x.shape])]
    parts += [pool.x] if isinstance(pool.x, np.ndarray) else _csr_parts(pool.x)
    if pool.labels is not None:
        parts += [*_csr_parts(pool.labels.codes), pool.labels.continuous, pool.labels.lf_classes]
        parts += [] if pool.labels.scores is None else _csr_parts(pool.labels.scores)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)  # in place: images may fill the memory
        digest.update(b"|")
    return digest.hexdigest()[:32]


def _csr_parts(matrix: Any) -> list[np.ndarray]:
    return [matrix.data, matrix.indices, matrix.indptr]


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
        total[rows] += np.where(on, 1.0 if table is None else table[rows].numpy(), 0.0)
        count[rows] += on
    return pd.DataFrame(total / np.where(count == 0, np.nan, count), columns=names)
