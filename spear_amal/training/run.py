"""One run of training, epoch by epoch: what happens around the steps, whoever takes them.

Before an epoch rates are set and the weights may be refreshed; after it the epoch is scored on
validation rows, kept if it is the best, told to callbacks and written to disk. The steps between
are taken by :class:`.trainer.Trainer` for one model, or in lock step for many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import SpearAmalError
from spear_amal.history import MODULE, WEIGHT
from spear_amal.losses import ComponentSet, PseudoLabels
from spear_amal.losses.noisy_label import favourite_classes
from spear_amal.maths.losses import soft_cross_entropy
from spear_amal.models.feature_model import LinearModel, eval_mode, twice_differentiable
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.tensors.sparse_rows import SparseRows, affine
from spear_amal.training.callbacks import Callback, Record
from spear_amal.training.checkpoint import Checkpoint
from spear_amal.training.config import TrainerConfig
from spear_amal.training.epoch_choice import AUTO, epoch_worth
from spear_amal.training.kept_states import KeptStates
from spear_amal.training.last_layer_step import Hidden
from spear_amal.training.look_ahead import LookAhead
from spear_amal.training.state import RunState, TrainingResult, score, set_rates
from spear_amal.training.table import Table, TrainingRows, chunk_size
from spear_amal.training.watching import WATCHER, WatchedEpoch

# Numbers that the features of all rows may take to be kept from refresh to refresh.
KEPT = 4_000_000
GROUP = 1024  # rows at a time for inner products
PATIENCE = 10  # where none is given; estimators choose by the data


class DivergedError(SpearAmalError, ArithmeticError):
    """A loss became NaN or infinite during training."""


@dataclass(eq=False)
class TrainingRun:
    """A model on its way through the epochs.

    Attributes
    ----------
    settings : TrainerConfig
    metric : str
    positive : int
    callbacks : sequence of Callback
    state : RunState
        All that changes.
    components : ComponentSet
    table : Table or ShardTable
    rows : Tensor of int
        Which rows of the table take part.
    selection, outer : Table or None
        Validation rows that choose the epoch, and those that drive the weights.
    shard : Shard
    domain : PackedBools (n, K)
        Where each loss is defined, of the rows that are here.
    name : tuple of str
        What a watcher is told whose epochs these are.
    """

    settings: TrainerConfig
    metric: str
    positive: int
    callbacks: Sequence[Callback]
    state: RunState
    components: ComponentSet
    table: TrainingRows
    rows: Tensor
    selection: Table | None
    outer: Table | None
    shard: Shard
    domain: PackedBools
    name: tuple[str, ...] = ()
    local_rows: Tensor = field(init=False)  # numbers here of those of `rows` that are here

    def __post_init__(self) -> None:
        self.local_rows = self.shard.local(self.rows)
        self._outer_batch: Batch | None = None
        self._all_rows: Batch | None = None
        self._seconds_before = 0.0  # of what came before the steps of this epoch
        self._products: Tensor | None = None
        self.states: KeptStates | None = None  # where refreshes take what training steps gave

    # -- epochs ---------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Return whether no epoch is left to train."""
        return self.state.epoch >= self.settings.max_epochs or self.state.stopped

    def announce(self) -> None:
        """Call the callbacks: training starts, or goes on."""
        for callback in self.callbacks:
            callback.watch(self.state.model)
            callback.on_begin(self.settings.max_epochs, self.state.epoch)

    def end(self) -> None:
        """Call the callbacks: training ended or was interrupted."""
        for callback in self.callbacks:
            callback.on_end()

    def before_epoch(self) -> None:
        """Set the rates, and refresh pseudo-labels and the mixer where it is due."""
        began = time.perf_counter()
        state, mixer, states = self.state, self.state.mixer, self.states
        set_rates(state.optimiser, self.settings, state.epoch)
        labels = state.pseudo_labels
        if labels is not None and labels.due(state.epoch):
            self._refresh_pseudo_labels(labels)
        if (states is None or not state.epoch) and self._is_refresh_due:
            self._refresh()
        if states is not None:
            states.begin_epoch(mixer.should_refresh(state.epoch + 1))
        self._seconds_before += time.perf_counter() - began

    @property
    def _is_refresh_due(self) -> bool:
        mixer = self.state.mixer
        grouped = mixer.needs_look_ahead and not mixer.every_step
        return grouped and self.outer is not None and mixer.should_refresh(self.state.epoch)

    def keep_states(self, forward: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a forward pass that remembers, where the mixer is to learn from what it gave.

        Not where the head takes the features as they are, nor where states of all rows have no
        place here, nor beside pseudo-labels, which change before a refresh sees them.
        """
        options = self.state.mixer.look_ahead_options()
        here = self.shard.world == 1 and isinstance(self.table, Table)
        fits = options.parameters == "last-layer" and self.state.pseudo_labels is None
        changes = type(self.state.model.feature) is not LinearModel
        if not (options.reuse_states and self.outer is not None and here and fits and changes):
            return forward
        self.states = KeptStates(forward, len(self.table))
        return self.states

    def _refresh_pseudo_labels(self, labels: PseudoLabels) -> None:
        """Have the rows of training labelled by the model as it is now."""
        model, said = self.state.model, []
        with torch.no_grad(), eval_mode(model):
            for index in self.rows.split(chunk_size(self.table.x)):
                batch = self.table.batch(index)
                said.append((batch.y, model.feature(batch.x)[0]))
            y, logits = (torch.cat(parts) for parts in zip(*said, strict=True))
            labels.refresh(self.rows, y, logits)
            if labels.keeps_anchors:
                anchors = labels.anchor_rows(self.rows)
                labels.keep_anchors(anchors, model.feature(self.table.batch(anchors).x)[1])

    def order(self) -> Tensor:
        """Draw the order of the rows of the coming epoch."""
        state = self.state
        return self.table.shuffled(state.mixer.visits(self.rows, state.epoch), state.order)

    def after_epoch(self, sums: Tensor, counts: Tensor, seconds: float) -> None:
        """Record an epoch by the sums (K,) of its losses over `counts` (K,) rows.

        `seconds` are those of the steps: of members in lock step, each one's share.

        Raises
        ------
        DivergedError
            If a loss is not finite.
        """
        began = time.perf_counter()
        state, mixer = self.state, self.state.mixer
        means = (sums / counts.clamp(min=1)).tolist()
        losses = dict(zip(self.components.names, means, strict=True))
        _check_finite(losses, state.epoch)
        epoch = state.epoch
        mixer.end_epoch()
        record: Record = {"epoch": epoch, **{f"loss/{name}": v for name, v in losses.items()}}
        if state.pseudo_labels is not None:
            record["pseudo_labelled"] = state.pseudo_labels.share(self.rows)
        record |= {f"{WEIGHT}{k}": v for k, v in mixer.mean_weights(self.local_rows).items()}
        record |= {f"{MODULE}{k}/{m}": v for (k, m), v in mixer.module_weights().items()}
        if self.selection is not None:
            record |= self._validate(self.selection)
        record["seconds"] = self._seconds_before + seconds + time.perf_counter() - began
        state.history.append(record)
        state.epoch += 1
        if state.epoch in self.settings.keep_epochs:
            state.keep_epoch()
        for callback in self.callbacks:
            callback.on_epoch(epoch, record)
        watcher = WATCHER.get()
        if watcher is not None and self.shard.rank == 0:
            watcher(WatchedEpoch(self.name, record, self.settings.max_epochs, self.is_over))
        began, self._seconds_before = time.perf_counter(), 0.0
        # Now, and not before the next epoch: a checkpoint between the two holds no states.
        if self.states is not None and not self.is_over and self._is_refresh_due:
            self._refresh()
            self._seconds_before = time.perf_counter() - began

    @property
    def is_checkpoint_due(self) -> bool:
        """Return whether the state is to be written after the epoch that has just ended."""
        due = self.state.epoch % self.settings.checkpoint_every == 0
        return self.settings.checkpoint is not None and (due or self.state.stopped)

    def checkpoint(self) -> Checkpoint:
        """Return the file that the state is written to."""
        return Checkpoint(Path(str(self.settings.checkpoint)), self.shard)

    def result(self) -> TrainingResult:
        """Return what was found, and leave the selected epoch's parameters in the model."""
        result = TrainingResult.of(self.state, self.shard, chosen=self.selection is not None)
        domain = self.domain
        whole = domain if self.shard.world == 1 else PackedBools.pack(self.shard.whole(domain[:]))
        result.domain = whole.cpu()
        self.state.mixer.shard = WHOLE  # it may go on elsewhere
        return result

    def _validation_batch(self, outer: Table) -> Batch:
        """All rows of V; where they are features they are put together once."""
        if self._outer_batch is None or outer.x.ndim > 2:
            self._outer_batch = outer.whole()
        return self._outer_batch

    def _groups(self, size: int | None) -> Iterator[Batch]:
        """Yield all rows in groups of `size`, drawn anew, or as one, in their order."""
        if size is not None and size < len(self.rows):
            order = self.table.shuffled(self.rows, self.state.groups)
            for index in order.split(size):
                yield self.table.batch(self.shard.local(index))
            return
        if self._all_rows is not None:
            yield self._all_rows
            return
        batch = self.table.batch(self.local_rows)
        if isinstance(self.table, Table) and _numbers(batch).numel() <= KEPT:
            self._all_rows = batch
        yield batch

    def _inner_products(self, batch: Batch, validation: Batch) -> Tensor | None:
        """Return ``x_i . x_v`` (B, V) of a group with all of V; None where it does not pay.

        It does where the head takes the features as they are, which do not change, and V are fewer
        than the numbers of a row.
        """
        if self.shard.world > 1 or type(self.state.model.feature) is not LinearModel:
            return None
        n_validation = len(validation)
        pays = n_validation * len(batch) < _numbers(batch).numel()
        small = max(len(self.table), validation.x.shape[1] // 4) * n_validation <= KEPT
        if not pays or not small:
            return None
        if self._products is None:
            seen = validation.x
            seen = seen.to_dense() if isinstance(seen, SparseRows) else seen
            self._products = seen.new_zeros(len(self.table), n_validation)
            with torch.no_grad():
                for index in self.rows.split(GROUP):
                    self._products[index] = affine(self.table.batch(index).x, seen)
        return self._products[batch.index]

    def _refresh(self) -> None:
        """One look-ahead per group of rows; V goes once through the model, which stands still."""
        mixer, model, states = self.state.mixer, self.state.model, self.states
        validation = self._validation_batch(cast(Table, self.outer))
        options = mixer.look_ahead_options()
        if states is not None and not states.has(self.local_rows):
            states = None  # of the first epoch, or of rows that the mixer has left out
        hidden: Hidden | None = None if states is None else states.validation
        with twice_differentiable(model), eval_mode(model):
            for batch in self._groups(options.group_size):
                look = LookAhead.from_options(
                    model,
                    self.components,
                    batch,
                    validation,
                    options,
                    hidden,
                    self.shard,
                    self._inner_products(batch, validation),
                    None if states is None else states[batch.index],
                )
                hidden = look.validation_hidden
                mixer.refresh(look, batch)
        mixer.end_refresh()
        self.state.refreshes += 1

    def _validate(self, selection: Table) -> Record:
        """Score the feature model on validation rows, keep the epoch if best, see if to stop.

        Rows without gold are held against the first teacher's answers, by their loss: how often
        its favourite class is met says less, and says nothing of whether it is right.
        """
        state = self.state
        states = self.states if selection is self.outer else None
        n_wanted = 1 if states is None else 2  # hidden values of all V are kept for refreshes only
        with torch.no_grad(), eval_mode(state.model):
            said = [state.model.feature(x)[:n_wanted] for x in selection.feature_chunks()]
        logits = torch.cat([parts[0] for parts in said])
        if states is not None and isinstance(said[0][1], Tensor):
            states.validation = torch.cat([parts[1] for parts in said])
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
        value, loss = self.shard.agreed((value, loss))
        worth = value
        if self.metric == AUTO and not by_loss:
            (worth,) = self.shard.agreed((epoch_worth(logits.log_softmax(1), y),))
        if state.selection.offer(state.epoch, worth, loss, by_loss):
            state.keep_best()
        given = self.settings.patience
        patience = PATIENCE if given == "auto" else int(given or self.settings.max_epochs)
        state.stopped = state.selection.exhausted(state.epoch, patience)
        return {"val_score": value, "val_loss": loss}


def _numbers(batch: Batch) -> Tensor:
    """Return the numbers that the features of a batch consist of."""
    return batch.x.entries if isinstance(batch.x, SparseRows) else batch.x


def _check_finite(means: dict[str, float], epoch: int) -> None:
    bad = [name for name, value in means.items() if not np.isfinite(value)]
    if bad:
        raise DivergedError(
            f"loss {bad[0]!r} became {means[bad[0]]} in epoch {epoch}; use a smaller lr, or look "
            "for extreme feature values"
        )
