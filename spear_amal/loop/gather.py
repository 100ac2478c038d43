"""Going through a user's training and validation batches while a mixer learns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.captured import Criterion, Rows, Validation
from spear_amal.loop.head import Call, candidates, check_linear, speaker, watched
from spear_amal.loop.row_losses import RowLosses, check_finite
from spear_amal.loop.tables import RowTables
from spear_amal.maths.hypergrad import score_gradients

_PAIRS = {
    "train": "(rows, losses), or (rows, losses, applies)",
    "validation": "(logits, y)",
}


def pairs(items: Iterable[Any], what: str) -> Iterator[tuple[Any, ...]]:
    """Items of an iterable, each of which must be a tuple of the length that is wanted."""
    lengths = {"train": (2, 3), "validation": (2,)}[what]
    for item in items:
        if not isinstance(item, tuple | list) or len(item) not in lengths:
            raise InputError(
                f"{what} must go through tuples {_PAIRS[what]}, found {type(item).__name__}"
            )
        yield tuple(item)


def gather_validation(
    items: Iterable[Any], model: nn.Module, head: nn.Module | str | None, criterion: Criterion
) -> tuple[nn.Linear, Validation]:
    """Run the validation batches once; find the head, and keep its inputs and the targets."""
    layers, hidden, ys = candidates(model, head), [], []
    batches = pairs(items, "validation")
    while True:
        with torch.no_grad(), watched(layers) as calls:
            batch = next(batches, None)
        if batch is None:
            break
        logits, y = batch
        call = _spoken(calls, logits, model)
        check_linear(call)
        layers = [call.module]  # found once
        hidden.append(_wide(call.hidden, call.module))
        ys.append(targets(y, logits, criterion))
    if not hidden:
        raise InputError("validation is empty; mixers that learn need rows with targets they trust")
    trusted = Validation(torch.cat(hidden), torch.cat(ys), criterion)
    # A copy, for a frozen head has no gradient of its own.
    check_value(trusted.value(layers[0].weight.detach().clone().requires_grad_(), layers[0].bias))
    return layers[0], trusted


def _spoken(calls: list[Call], logits: Any, model: nn.Module) -> Call:
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(
            f"validation logits must be a tensor (rows, classes), found {found}; hand over the "
            "head's output as it is, of one vector a row"
        )
    if not bool(torch.isfinite(logits).all()):
        raise InputError("validation logits are NaN or infinite; use a smaller learning rate")
    return speaker(calls, logits, model)


def check_value(value: Any) -> None:
    """Raise InputError unless a criterion gave a finite scalar with a gradient."""
    found = type(value).__name__
    if isinstance(value, Tensor):
        found = f"the shape {tuple(value.shape)}" if value.ndim else str(value.item())
        if not value.requires_grad:
            found += " without a gradient"
        elif value.ndim == 0 and bool(torch.isfinite(value)):
            return
    raise InputError(
        "criterion must give one finite number from the validation logits, made inside refresh, "
        f"and y, with a gradient as losses have it and accuracies have not, found {found}"
    )


def targets(y: Any, logits: Tensor, criterion: Criterion) -> Tensor:
    """Check validation targets, with what cross-entropy needs of them."""
    y = torch.as_tensor(y).to(logits.device)
    if y.ndim == 0 or len(y) != len(logits):
        raise InputError(
            f"validation y must hold a target for each of {len(logits)} rows, found the shape "
            f"{tuple(y.shape)}"
        )
    if criterion is torch.nn.functional.cross_entropy:
        classes = logits.shape[1]
        whole = not y.is_floating_point() and y.dtype != torch.bool
        if y.ndim != 1 or not whole or bool(((y < 0) | (y >= classes)).any()):
            raise InputError(
                f"validation y must be classes (rows,) from 0 to {classes - 1}, found {y.dtype} "
                f"of shape {tuple(y.shape)} with {y.unique()[:5].tolist()}; give a criterion for "
                "other targets"
            )
        return y.long()
    return y


def gather_groups(
    items: Iterable[Any],
    head: nn.Linear,
    names: Sequence[str],
    tables: RowTables,
    size: int | None,
) -> Iterator[Rows]:
    """Cut batches of any size into groups of `size` rows; the last may be smaller."""
    waiting: list[Rows] = []
    for rows in _captured(items, head, names, tables):
        waiting.append(rows)
        while size is not None and sum(map(len, waiting)) >= size:
            group, rest = Rows.joined(waiting).split(size)
            yield group
            waiting = [rest] if len(rest) else []
    if waiting:
        yield Rows.joined(waiting)


def _captured(
    items: Iterable[Any],
    head: nn.Linear,
    names: Sequence[str],
    tables: RowTables,
) -> Iterator[Rows]:
    batches, n = pairs(items, "train"), 0
    while True:
        with watched([head], leaves=True) as calls:
            item = next(batches, None)
        if item is None:
            break
        call = _one_call(calls)
        losses = RowLosses.of(item[1], names)
        rows = tables.index(item[0], len(losses))
        here = tables.applies(item[2] if len(item) == 3 else None, rows)
        losses = losses.within(here)
        check_finite(losses, names, rows)
        yield _rows(losses, rows, here, call)
        n += 1
    if not n:
        raise InputError("train is empty; refresh needs batches of training rows")


def _one_call(calls: list[Call]) -> Call:
    if len(calls) != 1:
        raise InputError(
            f"the head was called {len(calls)} times for one batch of losses, needed is once: "
            "compute the losses inside refresh, from one call of the model, as the generator "
            "((rows, losses_of(model(x), y)) for rows, x, y in loader) does. Losses of two calls, "
            "such as of two views of a row, are for mixers that see the whole network: gcs, "
            "auxilearn, maoal"
        )
    return calls[0]


def _rows(losses: RowLosses, rows: Tensor, applies: Tensor, call: Call) -> Rows:
    if call.hidden.ndim != 2 or len(call.hidden) != len(losses):
        raise InputError(
            f"the head's input has the shape {tuple(call.hidden.shape)} for {len(losses)} rows of "
            "losses; needed is one vector for each row: flatten what goes into the head"
        )
    if not losses.stacked.requires_grad:
        raise InputError(
            "none of the losses depends on the head's output: compute them inside refresh from "
            "what the model gives out, and not under torch.no_grad()"
        )
    hidden = _wide(call.hidden, call.module)
    slopes = score_gradients(losses.stacked, call.logits).to(hidden)
    return Rows(rows, hidden, slopes, losses.stacked.detach(), applies)


def _wide(hidden: Tensor, head: nn.Linear) -> Tensor:
    """In the head's precision, and in float32 at least, whatever autocast did."""
    return hidden.to(torch.promote_types(head.weight.dtype, torch.float32))
