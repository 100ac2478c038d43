"""Training of M models in lock step: each step is one for all of them.

Every member has its own rows, order, validation rows, weights, rates and best epoch, and leaves
when it has stopped. A step costs some ninety calls of torch however many members there are, where
the usual loop makes more than that, and a graph, for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.tensors.optimiser import plan_steps
from spear_amal.training.callbacks import Callback
from spear_amal.training.lock_step.losses import StackedLosses
from spear_amal.training.lock_step.stack import Stack, layers_of
from spear_amal.training.lock_step.steps import Joined, Schedule, StepRows
from spear_amal.training.run import TrainingRun
from spear_amal.training.state import TrainingResult
from spear_amal.training.table import Table
from spear_amal.training.trainer import BATCH_SIZE
from spear_amal.warn_once import ShownTexts, each_warning_once

if TYPE_CHECKING:
    from spear_amal.training.members import Member


def fit_in_lock_step(members: Sequence[Member]) -> list[TrainingResult | Exception]:
    """Train members that have in common what :func:`.members.kind_of_member` says.

    Returns
    -------
    list of TrainingResult or Exception
        In the order of `members`; one that fails takes no other along.
    """
    began, device = time.perf_counter(), members[0].table.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        group = _Group()
        for member in members:
            group.add(member)
        group.train()
        results = group.results()
    for result in results:
        if isinstance(result, TrainingResult):
            result.seconds = (time.perf_counter() - began) / len(members)
            result.path = f"lock step of {len(members)}"
    return results


def _begin(member: Member) -> TrainingRun:
    torch.manual_seed(member.trainer.seed)
    return member.trainer.begin(**member.arguments())


@dataclass
class _Place:
    """Where a member stands: its run, or what ended it, and the texts that it warned of."""

    run: TrainingRun | None = None
    error: Exception | None = None
    shown: ShownTexts = field(default_factory=dict)
    order: Tensor | None = None  # of the rows in the epoch that comes

    @contextmanager
    def own(self) -> Iterator[None]:
        """Note warnings and an error of the block as this member's: it ends no other."""
        try:
            with each_warning_once(self.shown):
                yield
        except Exception as error:
            self.error = error

    @property
    def going(self) -> bool:
        """Whether the member has epochs to train."""
        return self.error is None and self.run is not None and not self.run.is_over

    def begin_epoch(self) -> None:
        """Do what comes before the steps of an epoch."""
        with self.own():
            run = cast(TrainingRun, self.run)
            run.before_epoch()
            self.order = run.order()

    def result(self) -> TrainingResult | Exception:
        """Return what came of the member."""
        with self.own():
            if self.run is not None and self.error is None:
                result = self.run.result()
                result.warnings = self.shown
                return result
        return cast(Exception, self.error)


class _Group:
    """All members, those that are over included."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._lock_step: LockStep | None = None
        self._joined: dict[str, Joined | None] = {}
        self._n_features = 0  # of the member that has most

    def add(self, member: Member) -> None:
        """Begin the run of a member."""
        place = _Place()
        with place.own():
            place.run = _begin(member)
        self._places.append(place)
        n_features = layers_of(member.model.feature)[0].in_features
        self._n_features = max(self._n_features, n_features)

    def train(self) -> None:
        """Train until every member is over; each epoch is one of all that are not."""
        try:
            self._train([place.run for place in self._places if place.run is not None])
        except Exception as error:  # of all that are under way: steps and files are common
            for place in self._places:
                place.error = error if place.going else place.error
        finally:
            if self._lock_step is not None:
                self._lock_step.release()

    def _train(self, runs: Sequence[TrainingRun]) -> None:
        self._line_up()
        if runs and runs[0].settings.checkpoint is not None:
            self._continue(runs)
        bar = _GroupBar(runs)
        bar.begin()
        try:
            while self._lock_step is not None:
                trained = self._epoch()
                bar.move()
                # The file stays what it was before a member failed: half an epoch is no state to
                # go on from.
                failed = any(place.error is not None for place in self._places)
                if not failed and any(run.is_checkpoint_due for run in trained):
                    runs[0].checkpoint().save([run.state for run in runs])
                self._line_up()
        finally:
            bar.end()

    def _continue(self, runs: Sequence[TrainingRun]) -> None:
        """Restore what a killed run has left, if there is anything."""
        try:
            runs[0].checkpoint().load([run.state for run in runs])
        except Exception as error:
            for place in self._places:
                place.error = place.error or error
        self._line_up()

    def _line_up(self) -> None:
        """Form a lock step of the members that are not over."""
        going = [cast(TrainingRun, place.run) for place in self._places if place.going]
        former = self._lock_step
        if former is not None and former.runs != going:
            former.release(going)
        if former is None or former.runs != going:
            self._lock_step = LockStep(going, self._n_features, self._joined) if going else None

    def _epoch(self) -> list[TrainingRun]:
        """Train an epoch, and return whose."""
        for place in self._places:
            if place.going:
                place.begin_epoch()
        self._line_up()
        if self._lock_step is None:
            return []
        places, runs = [place for place in self._places if place.going], self._lock_step.runs
        began = time.perf_counter()
        sums = self._lock_step.train_epoch([cast(Tensor, place.order) for place in places])
        seconds = (time.perf_counter() - began) / len(runs)
        for place, run, (losses, counts) in zip(places, runs, sums, strict=True):
            with place.own():
                run.after_epoch(losses, counts, seconds)
        return runs

    def results(self) -> list[TrainingResult | Exception]:
        """Return what came of each member."""
        return [place.result() for place in self._places]


class LockStep:
    """Members on their way through one epoch after another, all of them to the end.

    Parameters
    ----------
    runs : sequence of TrainingRun
    n_features : int
        Columns of the first layer. It stays as it is when a member leaves, and so does the layout
        of the optimisers' moments.
    joined : dict, optional
        Parts of tables that were put together before.
    """

    def __init__(
        self,
        runs: Sequence[TrainingRun],
        n_features: int,
        joined: dict[str, Joined | None] | None = None,
    ) -> None:
        self.runs = list(runs)
        self._optimisers = [run.state.optimiser for run in runs]
        self._stack = Stack([run.state.model for run in runs], n_features)
        for m, optimiser in enumerate(self._optimisers):
            parameters = self._stack.parameters_of(m)
            for group, row in zip(optimiser.param_groups, parameters, strict=False):
                group["params"] = [row]
        self._rows = StepRows([cast(Table, run.table) for run in runs], joined)
        self._losses = StackedLosses([run.components for run in runs], self._rows.device)
        self._batch_size = runs[0].settings.batch_size or BATCH_SIZE
        self._plans: dict[tuple[bool, ...], list[Callable[[], None]]] = {}

    def release(self, others: Sequence[TrainingRun] = ()) -> None:
        """Move the models to storage of their own again, except `others`, which go on elsewhere.

        Else each model that has left would keep the parameters of all in memory.
        """
        for m, run in enumerate(self.runs):
            if run not in others:
                self._stack.release(m)
                for group in self._optimisers[m].param_groups:
                    group["params"] = []  # moments stay, for the checkpoint

    @torch.inference_mode()
    def train_epoch(self, orders: Sequence[Tensor]) -> Tensor:
        """Train all members for one epoch, each on its rows in its order.

        Returns
        -------
        Tensor (M, 2, K), float64
            Sums of the losses, each at the parameters before its step, and counts of their rows.
        """
        schedule = Schedule.of(orders, self._batch_size)
        self._plans.clear()  # rates change from epoch to epoch
        n_losses = len(self._losses.components)
        total = torch.zeros(
            len(self.runs), 2, n_losses, dtype=torch.float64, device=self._rows.device
        )
        for steps in schedule.chunks(self._rows.width):
            total += self._train_steps(schedule, steps)
        return total

    def _train_steps(self, schedule: Schedule, steps: slice) -> Tensor:
        """Train some steps; returns sums of losses and counts of rows (M, 2, K)."""
        rows, components = schedule.rows[steps], self._losses.components
        n_steps, n_members, size = rows.shape
        batch = self._rows.batch(rows)
        present = schedule.present[steps].to(self._rows.device).flatten().unsqueeze(1)
        applies = components.applies(batch) & present
        factors = self._losses.factors(batch, rows.shape)
        weights = self._weights(batch, applies, rows.shape)
        weights = weights if factors is None else weights * factors
        per_step = (n_members * size,) * n_steps
        batches = _cut(batch, n_members * size)
        scores = self._stack.log_scores(batch.fired, batch.scores, n_members * size)
        features = self._rows.features(rows, self._stack.first_layer.weight)
        said = []
        for i, (own, x, w) in enumerate(
            zip(batches, features, weights.split(per_step), strict=True)
        ):

            def slopes(
                outputs: Outputs, own: Batch = own, w: Tensor = w
            ) -> tuple[Tensor, Tensor | None]:
                return components.weighted_slopes(outputs, own, w)

            own_scores = None if scores is None else scores[i]
            said.append(self._stack.step(x, own.fired, own_scores, slopes, components))
            for move in self._moves(schedule, steps.start + i):
                move()
        losses = components.losses(_joined(said), batch, applies)
        losses = losses if factors is None else losses * factors
        by_member = (part.view(n_steps, n_members, size, -1) for part in (losses, applies))
        return torch.stack([part.double().sum((0, 2)) for part in by_member], dim=1)

    def _moves(self, schedule: Schedule, step: int) -> list[Callable[[], None]]:
        """Return the calls that move the members which take part in a step."""
        taking_part = tuple(step < n for n in schedule.n_steps)
        if taking_part not in self._plans:
            chosen = compress(self._optimisers, taking_part)
            self._plans[taking_part] = plan_steps(list(chosen))
        return self._plans[taking_part]

    def _weights(self, batch: Batch, applies: Tensor, shape: Sequence[int]) -> Tensor:
        """Weight of each loss over the rows that its mean is over (S*M*B, K); 0 off its domain."""
        n_steps, n_members, size = shape
        index = batch.index.view(n_steps, n_members, size)
        by_member = [
            cast(Tensor, run.state.mixer.row_weights(index[:, m].flatten()))
            for m, run in enumerate(self.runs)
        ]
        weights = torch.stack(by_member).unflatten(1, (n_steps, size)).transpose(0, 1)
        on = applies.view(n_steps, n_members, size, -1)
        shares = weights.to(self._stack.first_layer.weight) / on.sum(2, keepdim=True).clamp(min=1)
        return torch.where(on, shares, torch.zeros_like(shares)).flatten(0, 2)


def _cut(batch: Batch, size: int) -> list[Batch]:
    """Cut a batch into batches of `size` rows, without features."""
    names = ("index", "y", "fired", "scores", "teachers", "weights")
    whole = {name: getattr(batch, name) for name in names}
    parts = {name: value.split(size) for name, value in whole.items() if value is not None}
    tasks = {name: value.split(size) for name, value in batch.tasks.items()}
    cut = [
        Batch(
            x=batch.x[:0],
            tasks={name: values[i] for name, values in tasks.items()},
            **{name: values[i] for name, values in parts.items()},
        )
        for i in range(len(parts["index"]))
    ]
    for own, gold_column in zip(cut, batch.gold_column.split(size), strict=True):
        vars(own)["gold_column"] = gold_column  # what the batch would compute, for all at once
    return cut


def _joined(said: Sequence[Outputs]) -> Outputs:
    """Join the outputs of several steps."""
    logits = torch.cat([outputs.logits for outputs in said])
    if said[0].rule_logits is None:
        return Outputs(logits, logits)
    rules = torch.cat([cast(Tensor, outputs.rule_logits) for outputs in said])
    return Outputs(logits, logits, rules)


class _GroupBar:
    """Callbacks of a group: of one member its own, of several one bar for all."""

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self._runs, self._bars = runs, list[Callback]()
        if len(runs) > 1:
            # One for all: bars of several fits cannot be drawn at the same time.
            self._bars = [callback for run in runs for callback in run.callbacks][:1]
            for run in runs:
                run.callbacks = ()

    def begin(self) -> None:
        """Open the bar."""
        if len(self._runs) == 1:
            self._runs[0].announce()
        first = min((run.state.epoch for run in self._runs), default=0)
        for bar in self._bars:
            bar.on_begin(max(run.settings.max_epochs for run in self._runs), first)

    def move(self) -> None:
        """Show the epoch that was trained, with the mean of the members' latest scores."""
        for bar in self._bars:
            latest = [run.state.history[-1] for run in self._runs if run.state.history]
            scores = [record["val_score"] for record in latest if "val_score" in record]
            note = {"val_score": sum(scores) / len(scores)} if scores else {}
            bar.on_epoch(max(run.state.epoch for run in self._runs) - 1, note)

    def end(self) -> None:
        """Close the bar."""
        if len(self._runs) == 1:
            self._runs[0].end()
        for bar in self._bars:
            bar.on_end()
