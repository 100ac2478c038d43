"""What happens inside LossMixer.refresh: look-aheads or graphs from the user's own model calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.distributed.shard import mean_over_ranks, n_ranks
from spear_amal.errors import InputError
from spear_amal.loop.batch_losses import RowLosses, RowTables, check_finite, check_gradients
from spear_amal.loop.graphs import CapturedGraphs, check_told_apart, trainable_parameters
from spear_amal.loop.look_ahead import (
    CapturedLookAhead,
    Criterion,
    SharedRows,
    batch_pairs,
    check_value,
    gather_groups,
    gather_validation,
    targets,
)
from spear_amal.mixers import Mixer
from spear_amal.mixers.row_weights import LearnedRowWeights

Move = Callable[[torch.device], object]  # puts tables and mixer where the model's values are


_Losses = Tensor | Mapping[str, Tensor]
# Rows and their losses, and the rows that each loss applies to where that differs.
TrainingBatch: TypeAlias = (
    tuple[VectorLike | None, _Losses] | tuple[VectorLike | None, _Losses, Tensor | None]
)
ValidationBatch: TypeAlias = tuple[Tensor, Tensor]  # logits (n, C) and targets


@dataclass(frozen=True)
class RefreshSource:
    """What a refresh goes through; see LossMixer.refresh."""

    train: Iterable[TrainingBatch]
    validation: Iterable[ValidationBatch]
    model: nn.Module
    head: nn.Module | str | None
    criterion: Criterion


def learn_from_look_aheads(
    mixer: Mixer, tables: RowTables, source: RefreshSource, move: Move
) -> Tensor:
    """One refresh of the mixer for each group of training rows; returns the rows (n,)."""
    check_mergeable(mixer)
    head, trusted = gather_validation(
        source.validation, source.model, source.head, source.criterion
    )
    move(trusted.hidden.device)
    before, seen = mixer.state_dict(), []
    options = mixer.look_ahead_options()
    try:
        for rows in gather_groups(source.train, head, mixer.names, tables, options.group_size):
            note_domain(mixer, rows.index, rows.applies)
            with torch.autocast(rows.hidden.device.type, enabled=False):
                look = CapturedLookAhead(head, rows, trusted, options.eta)
                shared = SharedRows(look) if isinstance(mixer, LearnedRowWeights) else None
                if shared is None or len(shared.index) == len(rows):
                    mixer.refresh(look, tables.batch(rows.index))
                else:
                    mixer.refresh(shared, tables.batch(shared.index))
            seen.append(rows.index)
        mixer.end_refresh()
    except BaseException:  # an interrupt, too, leaves the mixer as it was
        mixer.load_state_dict(before)
        raise
    merge(mixer, before, torch.cat(seen))
    return torch.cat(seen)


def learn_from_graphs(mixer: Mixer, tables: RowTables, source: RefreshSource, move: Move) -> Tensor:
    """Refresh the mixer by the first batch of each; return the training rows (B,)."""
    item = _first(source.train, "train")
    losses = RowLosses.of(item[1], mixer.names)
    move(losses.stacked.device)
    index = tables.index(item[0], len(losses))
    applies = tables.applies(item[2] if len(item) == 3 else None, index)
    parameters = trainable_parameters(source.model)
    within = check_batch_losses(losses, mixer.names, index, applies, values=True)
    if mixer.separates:
        check_told_apart(losses, mixer.names, parameters)
    logits, y = _first(source.validation, "validation")
    value = source.criterion(logits, targets(y, logits, source.criterion))
    check_value(value)
    mixer.learn(CapturedGraphs(parameters, applies, within.columns, value))
    return index


def check_batch_losses(
    losses: RowLosses, names: Sequence[str], index: Tensor, applies: Tensor, *, values: bool
) -> RowLosses:
    """Return losses with zeros outside the domains.

    InputError where one has no gradient or, if values are looked at, is NaN or infinite.
    """
    check_gradients(losses, names, applies)
    losses = losses.within(applies)
    if values:
        check_finite(losses, names, index)
    return losses


def note_domain(mixer: Mixer, index: Tensor, applies: Tensor) -> None:
    """Note, for a mixer without a table, where the losses of a batch are defined."""
    known = getattr(mixer, "domain", None)
    if known is not None and mixer.table() is None:
        known[index] = applies


def _first(items: Iterable[Any], what: str) -> tuple[Any, ...]:
    item = next(batch_pairs(items, what), None)
    if item is None:
        raise InputError(f"{what} is empty; a batch of it is needed")
    return item


State = dict[str, Tensor]


def check_mergeable(mixer: Mixer) -> None:
    """Raise InputError where several processes cannot learn one table."""
    grouped = mixer.needs_look_ahead and not mixer.every_step
    if n_ranks() > 1 and grouped and not isinstance(mixer, LearnedRowWeights):
        raise InputError(
            f"{type(mixer).__name__} chooses among all rows and cannot refresh in {n_ranks()} "
            "processes; refresh it in one and load its state_dict in the others"
        )
    if n_ranks() > 1 and getattr(mixer, "table_path", None) is not None:
        raise InputError(
            f"weights on disk (table_path) cannot be merged between {n_ranks()} processes; leave "
            "table_path out"
        )


def merge(mixer: Mixer, before: State, rows: Tensor) -> None:
    """Make a mixer's state the same in all processes, after each has refreshed `rows` of its own.

    The weights of a row change by the mean of the changes over those processes that refreshed it.
    Other numbers that are learnt become their mean.
    """
    if n_ranks() == 1:
        return
    after = mixer.state_dict()
    if isinstance(mixer, LearnedRowWeights):
        old, new = before["lambdas"].float(), after["lambdas"].float()
        mixer.load_state_dict({"lambdas": _merged(old, new, rows)})
        return
    floats = [name for name, value in after.items() if value.is_floating_point()]
    means = mean_over_ranks([after[name] for name in floats])
    mixer.load_state_dict({**after, **dict(zip(floats, means, strict=True))})


def _merged(before: Tensor, after: Tensor, rows: Tensor) -> Tensor:
    """Table (n_rows, K) of all processes."""
    seen = torch.zeros(len(before), 1, dtype=before.dtype, device=before.device)
    seen[rows] = 1.0
    change, share = mean_over_ranks([after - before, seen])
    touched = share > 0
    return torch.where(touched, before + change / torch.where(touched, share, 1.0), before)
