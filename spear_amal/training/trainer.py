"""The one training loop: components, a mixer, two learning rates, selection on validation rows.

It knows neither which losses nor which weights it trains with. Test rows never reach it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import SpearAmalError
from spear_amal.history import MODULE, WEIGHT
from spear_amal.losses import ComponentSet
from spear_amal.losses.noisy_label import favourite_classes
from spear_amal.maths.losses import soft_cross_entropy
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.models.feature_model import twice_differentiable
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.training.callbacks import Callback, Record
from spear_amal.training.checkpoint import Checkpoint
from spear_amal.training.config import TrainerConfig
from spear_amal.training.distributed_checks import check_spreads
from spear_amal.training.graph_losses import Graphs
from spear_amal.training.last_layer import check_head
from spear_amal.training.look_ahead import LookAhead, ValidationLoss
from spear_amal.training.objective import MixedPrecisionForward, Objective, wrap_ddp
from spear_amal.training.state import RunState, TrainingResult, score, set_rates
from spear_amal.training.table import Table, TrainingRows, batches, chunk_size, predict_logits

BATCH_SIZE, PATIENCE = 32, 10  # where none is given; estimators choose by the data


class DivergedError(SpearAmalError, ArithmeticError):
    """A loss became NaN or infinite during training."""


@dataclass(frozen=True)
class _Job:
    """What a run trains on; unlike its state it does not change."""

    components: ComponentSet
    table: TrainingRows
    rows: Tensor
    local_rows: Tensor  # numbers here of those of `rows` that are here
    selection: Table | None
    outer: Table | None
    shard: Shard
    objective: torch.nn.Module


@dataclass
class Trainer:
    """Trains a model on a table.

    Parameters
    ----------
    settings : TrainerConfig
    metric : {"accuracy", "f1", "macro-f1"}
        Chooses the epoch; ties go to the lower validation loss.
    seed : int
        Of the order of rows and of what is drawn on the way.
    callbacks : sequence of Callback
        Told beside those of the settings.
    positive : int
        Code of the class whose F1 the metric "f1" is.
    """

    settings: TrainerConfig
    metric: str = "accuracy"
    seed: int = 0
    callbacks: Sequence[Callback] = ()
    positive: int = 1

    def fit(
        self,
        model: JointModel,
        components: ComponentSet,
        mixer: Mixer,
        table: TrainingRows,
        rows: np.ndarray,
        selection: Table | None = None,
        outer: Table | None = None,
        fingerprint: str = "",
        shard: Shard = WHOLE,
    ) -> TrainingResult:
        """Train on `rows` of `table` and leave the selected epoch's parameters in `model`.

        Parameters
        ----------
        model, components, mixer
        table : Table or ShardTable
            Training rows.
        rows : ndarray of int
            Which rows of the table take part.
        selection : Table, optional
            Validation rows that choose the epoch, by gold or, where none of them has gold, by the
            first teacher's answers. Without them all epochs are trained and the last one is kept.
        outer : Table, optional
            Validation rows that drive the weights; default `selection`.
        fingerprint : str
            Identifies data and settings; a checkpoint of another run is refused.
        shard : Shard
            Where several processes train together: `table` holds the rows of this one, `rows` are
            numbers in the whole table, validation rows are complete in each. All call this.
        """
        if shard.world > 1:
            check_spreads(shard, model, mixer)
        mixer.shard = shard
        chunks = torch.arange(len(table)).split(chunk_size(table.x))
        parts = [PackedBools.pack(components.applies(table.batch(index))) for index in chunks]
        domain = PackedBools.stack(parts)
        devices = [table.device] if table.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            # What is drawn for rows, such as dropout, differs from process to process.
            torch.manual_seed(self.seed + (shard.rank << 33))
            mixer.attach(len(table), components.names, domain[:], components.mixable())
            if mixer.needs_look_ahead and (outer is not None or selection is not None):
                check_head(model.feature, mixer, table)
            state = RunState.begin(model, mixer, self.settings, self.seed, fingerprint)
            if self.settings.checkpoint is not None:
                Checkpoint(Path(self.settings.checkpoint), shard).load(state)
            outer = outer or selection
            run = MixedPrecisionForward(
                model.feature, self.settings.precision, self.settings.compile
            )
            wrapped = wrap_ddp(Objective(model, components, mixer, run))
            every = torch.as_tensor(rows)
            local = shard.local(every)
            job = _Job(components, table, every, local, selection, outer, shard, wrapped)
            result = self._run(state, job)
        whole = domain if shard.world == 1 else PackedBools.pack(shard.whole(domain[:]))
        result.domain = whole.cpu()
        mixer.shard = WHOLE  # it may go on elsewhere
        return result

    def _run(self, state: RunState, job: _Job) -> TrainingResult:
        callbacks = self._callbacks_here(job.shard)
        for callback in callbacks:
            callback.watch(state.model)
            callback.on_begin(self.settings.max_epochs, state.epoch)
        try:
            while state.epoch < self.settings.max_epochs and not state.stopped:
                self._epoch(state, job)
        finally:
            for callback in callbacks:
                callback.on_end()
        return TrainingResult.of(state, job.shard, chosen=job.selection is not None)

    def _callbacks_here(self, shard: Shard) -> Sequence[Callback]:
        return (*self.callbacks, *self.settings.callbacks) if shard.rank == 0 else ()

    def _epoch(self, state: RunState, job: _Job) -> None:
        began = time.perf_counter()
        epoch, mixer = state.epoch, state.mixer
        set_rates(state.optimiser, self.settings, epoch)
        grouped = mixer.needs_look_ahead and not mixer.every_step
        if grouped and job.outer is not None and mixer.should_refresh(epoch):
            with twice_differentiable(state.model):
                self._refresh(state, job, job.outer.whole())
            state.refreshes += 1
        record: Record = {"epoch": epoch, **self._train_epoch(state, job)}
        means = mixer.mean_weights(job.local_rows)
        record |= {f"{WEIGHT}{k}": v for k, v in means.items()}
        record |= {f"{MODULE}{k}/{m}": v for (k, m), v in mixer.module_weights().items()}
        if job.selection is not None:
            record |= self._validate(state, job.selection, job.shard)
        record["seconds"] = time.perf_counter() - began
        state.history.append(record)
        state.epoch += 1
        if state.epoch in self.settings.keep_epochs:
            state.keep_epoch()
        for callback in self._callbacks_here(job.shard):
            callback.on_epoch(epoch, record)
        due = state.epoch % self.settings.checkpoint_every == 0
        if self.settings.checkpoint is not None and (due or state.stopped):
            Checkpoint(Path(self.settings.checkpoint), job.shard).save(state)

    def _train_epoch(self, state: RunState, job: _Job) -> Record:
        """One pass over shuffled rows; returns the mean loss of each component."""
        model, mixer, components = state.model, state.mixer, job.components
        model.train()
        rows = mixer.visits(job.rows, state.epoch)
        order = job.table.shuffled(rows, state.order)
        # Sums stay on the device: reading them per step would make a GPU wait.
        total = torch.zeros(len(components), dtype=torch.float64, device=job.table.device)
        count = torch.zeros_like(total)
        for index in batches(order, self.settings.batch_size or BATCH_SIZE, model):
            batch = job.table.batch(job.shard.local(index), augmented=True)
            if job.outer is not None and (mixer.every_step or mixer.due()):
                with twice_differentiable(model):
                    self._learn(state, job, batch)
            losses, applies = self._train_batch(state, job.objective, batch)
            total += losses.sum(0)
            count += applies.sum(0)
        total, count = job.shard.total([total, count])
        means = (total / count.clamp(min=1)).tolist()
        _check_finite(dict(zip(components.names, means, strict=True)), state.epoch)
        return {f"loss/{name}": v for name, v in zip(components.names, means, strict=True)}

    def _train_batch(
        self, state: RunState, objective: torch.nn.Module, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """One step of the optimiser; returns losses and domains (B, K).

        The graph ends here: mixers that take losses apart keep it past their gradients, and held
        on to in a loop it would be in memory beside the next one.
        """
        value, losses, applies = objective(batch)
        state.optimiser.zero_grad(set_to_none=True)
        state.scaler.scale(value).backward()
        state.scaler.step(state.optimiser)
        state.scaler.update()
        return losses, applies

    def _refresh(self, state: RunState, job: _Job, validation: Batch) -> None:
        """One look-ahead per group of rows; V goes once through the model, which stands still."""
        mixer, model = state.mixer, state.model
        options = mixer.look_ahead_options()
        order = job.table.shuffled(job.rows, state.groups)
        model.eval()
        hidden = None
        for index in order.split(options.group_size or len(order)):
            batch = job.table.batch(job.shard.local(index))
            look = LookAhead.from_options(
                model, job.components, batch, validation, options, hidden, job.shard
            )
            hidden = look.validation_hidden
            mixer.refresh(look, batch)
        mixer.end_refresh()

    def _learn(self, state: RunState, job: _Job, batch: Batch) -> None:
        """Refresh the mixer by the batch that is trained next, or by one drawn anew."""
        outer, options = cast(Table, job.outer), state.mixer.look_ahead_options()
        rows = torch.arange(len(outer))
        if options.meta_size is not None:
            rows = torch.randint(len(outer), (options.meta_size,), generator=state.groups)
        model, components, validation = state.model.eval(), job.components, outer.batch(rows)
        if state.mixer.needs_graphs:
            drawn = torch.randperm(len(job.rows), generator=state.groups)[: len(batch)]
            fresh = job.table.batch(job.rows[drawn])
            state.mixer.learn(
                Graphs(model, components, fresh, validation, ValidationLoss.of(options))
            )
        else:
            look = LookAhead.from_options(model, components, batch, validation, options)
            state.mixer.refresh(look, batch)
        model.train()

    def _validate(self, state: RunState, selection: Table, shard: Shard) -> Record:
        """Score the feature model on validation rows, keep the epoch if best, see if to stop.

        Rows without gold are held against the first teacher's answers, by their loss: how often
        its favourite class is met says less, and says nothing of whether it is right.
        """
        logits, _ = predict_logits(state.model, selection)
        by_loss = bool((selection.y < 0).all())
        y, loss = selection.y, 0.0
        if by_loss:
            y = favourite_classes(selection.teachers[:, 0])
            loss = soft_cross_entropy(logits, selection.teachers[:, 0]).mean().item()
        else:
            loss = torch.nn.functional.cross_entropy(logits, y).item()
        _check_finite({"validation": loss}, state.epoch)
        value = math.nan
        if (y >= 0).any():
            predicted = logits.argmax(1).cpu().numpy()
            value = score(self.metric, y.cpu().numpy(), predicted, self.positive)
        value, loss = shard.agreed((value, loss))
        if state.selection.offer(state.epoch, value, loss, by_loss):
            state.keep_best()
        given = self.settings.patience
        patience = PATIENCE if given == "auto" else int(given or self.settings.max_epochs)
        state.stopped = state.selection.exhausted(state.epoch, patience)
        return {"val_score": value, "val_loss": loss}


def _check_finite(means: dict[str, float], epoch: int) -> None:
    bad = [name for name, value in means.items() if not np.isfinite(value)]
    if bad:
        raise DivergedError(
            f"loss {bad[0]!r} became {means[bad[0]]} in epoch {epoch}; use a smaller lr, or look "
            "for extreme feature values"
        )
