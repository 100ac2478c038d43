"""The one training loop: components, a mixer, two learning rates, selection on validation rows.

It knows neither which losses nor which weights it trains with. Test rows never reach it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.models.feature_model import twice_differentiable
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.training.accumulation import ForwardInParts, check_parts
from spear_amal.training.callbacks import Callback
from spear_amal.training.config import TrainerConfig
from spear_amal.training.distributed_checks import check_spreads
from spear_amal.training.graph_losses import Graphs
from spear_amal.training.last_layer import check_head
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.objective import MixedPrecisionForward, Objective, wrap_ddp
from spear_amal.training.run import TrainingRun
from spear_amal.training.state import RunState, TrainingResult
from spear_amal.training.table import Table, TrainingRows, batches, chunk_size
from spear_amal.training.validation_loss import ValidationLoss

Forward = MixedPrecisionForward | ForwardInParts
BATCH_SIZE = 32  # where none is given; estimators choose by the data


@dataclass
class Trainer:
    """Trains a model on a table.

    Parameters
    ----------
    settings : TrainerConfig
    metric : {"accuracy", "f1", "macro-f1", "auto"}
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
        name: tuple[str, ...] = (),
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
        name : tuple of str
            What a watcher is told whose epochs these are; see :mod:`.training.watching`.
        """
        if shard.world > 1:
            check_spreads(shard, model, mixer)
        devices = [table.device] if table.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            # What is drawn for rows, such as dropout, differs from process to process.
            torch.manual_seed(self.seed + (shard.rank << 33))
            run = self.begin(
                model, components, mixer, table, rows, selection, outer, fingerprint, shard, name
            )
            if self.settings.checkpoint is not None:
                run.checkpoint().load([run.state])
            precise = MixedPrecisionForward(
                model.feature, self.settings.precision, self.settings.compile
            )
            forward: Forward = precise
            if self.settings.micro_batch is not None:
                check_parts(model, mixer, shard.world)
                forward = ForwardInParts(precise, self.settings.micro_batch)
            objective = wrap_ddp(Objective(model, components, mixer, run.keep_states(forward)))
            run.announce()
            try:
                while not run.is_over:
                    run.before_epoch()
                    began = time.perf_counter()
                    sums, counts = _train_epoch(run, objective, forward)
                    run.after_epoch(sums, counts, time.perf_counter() - began)
                    if run.is_checkpoint_due:
                        run.checkpoint().save([run.state])
            finally:
                run.end()
            return run.result()

    def begin(
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
        name: tuple[str, ...] = (),
    ) -> TrainingRun:
        """Attach the mixer and lay out a run that has not trained yet; arguments as of `fit`."""
        mixer.shard = shard
        if components.pseudo_labels is not None:
            components.pseudo_labels.begin(len(table))
        chunks = torch.arange(len(table)).split(chunk_size(table.x))
        parts = [PackedBools.pack(components.applies(table.batch(index))) for index in chunks]
        domain = PackedBools.stack(parts)
        mixer.attach(len(table), components.names, domain[:], components.mixable())
        outer = outer or selection
        if mixer.needs_look_ahead and outer is not None:
            check_head(model.feature, mixer, table)
        return TrainingRun(
            settings=self.settings,
            metric=self.metric,
            positive=self.positive,
            callbacks=(*self.callbacks, *self.settings.callbacks) if shard.rank == 0 else (),
            state=RunState.begin(
                *(model, mixer, self.settings, self.seed, fingerprint, components.pseudo_labels)
            ),
            components=components,
            table=table,
            rows=torch.as_tensor(rows),
            selection=selection,
            outer=outer,
            shard=shard,
            domain=domain,
            name=name,
        )


def _train_epoch(
    run: TrainingRun, objective: torch.nn.Module, forward: Forward
) -> tuple[Tensor, Tensor]:
    """One pass over shuffled rows; returns sums (K,) of the losses and counts of their rows."""
    state, table, shard = run.state, run.table, run.shard
    model, mixer = state.model, state.mixer
    model.train()
    # Sums stay on the device: reading them per step would make a GPU wait.
    total = torch.zeros(len(run.components), dtype=torch.float64, device=table.device)
    count = torch.zeros_like(total)
    for index in batches(run.order(), run.settings.batch_size or BATCH_SIZE, model):
        batch = table.batch(shard.local(index), augmented=True)
        if run.outer is not None and (mixer.every_step or mixer.due()):
            with twice_differentiable(model):
                _learn(run, run.outer, batch)
        losses, applies = _train_batch(state, objective, forward, batch)
        if run.states is not None:
            run.states.keep(batch.index)
        total += losses.sum(0)
        count += applies.sum(0)
    total, count = shard.total([total, count])
    return total, count


def _train_batch(
    state: RunState, objective: torch.nn.Module, forward: Forward, batch: Batch
) -> tuple[Tensor, Tensor]:
    """One step of the optimiser; returns losses and domains (B, K).

    The graph ends here: mixers that take losses apart keep it past their gradients, and held
    on to in a loop it would be in memory beside the next one.
    """
    value, losses, applies = objective(batch)
    state.optimiser.zero_grad(set_to_none=True)
    state.scaler.scale(value).backward()
    if isinstance(forward, ForwardInParts):
        forward.finish()
    state.scaler.step(state.optimiser)  # type: ignore[arg-type]  # by its names
    state.scaler.update()
    return losses, applies


def _learn(run: TrainingRun, outer: Table, batch: Batch) -> None:
    """Refresh the mixer by the batch that is trained next, or by one drawn anew."""
    state, options = run.state, run.state.mixer.look_ahead_options()
    rows = torch.arange(len(outer))
    if options.meta_size is not None:
        rows = torch.randint(len(outer), (options.meta_size,), generator=state.groups)
    model, components, validation = state.model.eval(), run.components, outer.batch(rows)
    if state.mixer.needs_graphs:
        drawn = torch.randperm(len(run.rows), generator=state.groups)[: len(batch)]
        fresh = run.table.batch(run.rows[drawn])
        state.mixer.learn(Graphs(model, components, fresh, validation, ValidationLoss.of(options)))
    else:
        look = LookAhead.from_options(model, components, batch, validation, options)
        state.mixer.refresh(look, batch)
    model.train()
