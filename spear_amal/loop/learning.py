"""What happens inside LossMixer.refresh: look-aheads or graphs from the user's own model calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.captured import CapturedLookAhead, Criterion
from spear_amal.loop.gather import check_value, gather_groups, gather_validation, pairs, targets
from spear_amal.loop.graphs import CapturedGraphs, check_told_apart, trainable
from spear_amal.loop.ranks import check_mergeable, merge
from spear_amal.loop.row_losses import RowLosses, check_finite, check_gradients
from spear_amal.loop.tables import RowTables
from spear_amal.mixers import Mixer

Move = Callable[[torch.device], object]  # puts tables and mixer where the model's values are


@dataclass(frozen=True)
class Source:
    """What a refresh goes through; see LossMixer.refresh."""

    train: Iterable[Any]
    validation: Iterable[Any]
    model: nn.Module
    head: nn.Module | str | None
    criterion: Criterion


def learn_from_look_aheads(mixer: Mixer, tables: RowTables, source: Source, move: Move) -> Tensor:
    """One refresh of the mixer for each group of training rows; returns the rows (n,)."""
    check_mergeable(mixer)
    found, trusted = gather_validation(
        source.validation, source.model, source.head, source.criterion
    )
    move(trusted.hidden.device)
    before, seen = mixer.state_dict(), []
    options = mixer.look_ahead_options()
    try:
        for rows in gather_groups(source.train, found, mixer.names, tables, options.group_size):
            note_domain(mixer, rows.index, rows.applies)
            with torch.autocast(rows.hidden.device.type, enabled=False):
                look = CapturedLookAhead(found, rows, trusted, options.eta)
                mixer.refresh(look, tables.batch(rows.index))
            seen.append(rows.index)
        mixer.end_refresh()
    except BaseException:  # an interrupt, too, leaves the mixer as it was
        mixer.load_state_dict(before)
        raise
    merge(mixer, before, torch.cat(seen))
    return torch.cat(seen)


def learn_from_graphs(mixer: Mixer, tables: RowTables, source: Source, move: Move) -> Tensor:
    """Let the mixer learn from the first batch of each; returns the training rows (B,)."""
    item = _first(source.train, "train")
    losses = RowLosses.of(item[1], mixer.names)
    move(losses.stacked.device)
    index = tables.index(item[0], len(losses))
    applies = tables.applies(item[2] if len(item) == 3 else None, index)
    parameters = trainable(source.model)
    within = checked(losses, mixer.names, index, applies, values=True)
    if mixer.separates:
        check_told_apart(losses, mixer.names, parameters)
    logits, y = _first(source.validation, "validation")
    value = source.criterion(logits, targets(y, logits, source.criterion))
    check_value(value)
    mixer.learn(CapturedGraphs(parameters, applies, within.columns, value))
    return index


def checked(
    losses: RowLosses, names: Sequence[str], index: Tensor, applies: Tensor, *, values: bool
) -> RowLosses:
    """Give losses with zeros outside the domains.

    InputError where one has no gradient or, if values are looked at, is NaN or infinite.
    """
    check_gradients(losses, names, applies)
    losses = losses.within(applies)
    if values:
        check_finite(losses, names, index)
    return losses


def note_domain(mixer: Mixer, index: Tensor, applies: Tensor) -> None:
    """Tell a mixer without a table where the losses of a batch are defined."""
    known = getattr(mixer, "domain", None)
    if known is not None and mixer.table() is None:
        known[index] = applies


def _first(items: Iterable[Any], what: str) -> tuple[Any, ...]:
    item = next(pairs(items, what), None)
    if item is None:
        raise InputError(f"{what} is empty; a batch of it is needed")
    return item
