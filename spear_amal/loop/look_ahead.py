"""A look-ahead made of what a head took in and gave out while the user's own code ran.

The same closed form as in training (see :mod:`spear_amal.maths.hypergradient`), for the last linear
layer of any network: its input h_i and the slopes ``D_ikc = d l_ik / d z_ic`` at its output are all
that is needed of the rows, so the network is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.batch_losses import RowLosses, RowTables, check_finite
from spear_amal.loop.find_head import Call, candidates, check_linear, speaker, watched
from spear_amal.maths.hypergradient import score_gradients, tangent_closed_form, weighted_slopes
from spear_amal.maths.losses import domain_counts

Criterion = Callable[[Tensor, Tensor], Tensor]  # logits (n, C) and targets (n,) -> mean, a scalar


@dataclass(frozen=True)
class RowBatch:
    """What is kept of B training rows.

    Attributes
    ----------
    index : Tensor (B,)
    hidden : Tensor (B, H)
        The head's input.
    slopes : Tensor (B, K, C)
        Derivatives of the losses by the head's output.
    losses : Tensor (B, K)
        Zeros outside the domains.
    applies : Tensor (B, K), bool
    """

    index: Tensor
    hidden: Tensor
    slopes: Tensor
    losses: Tensor
    applies: Tensor

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def joined(cls, parts: Sequence[RowBatch]) -> RowBatch:
        """Concatenate groups of rows."""
        each = zip(*(part._fields() for part in parts), strict=True)
        return cls(*(torch.cat(tensors) for tensors in each))

    def split(self, n: int) -> tuple[RowBatch, RowBatch]:
        """Part the first n rows from the others."""
        fields = self._fields()
        return RowBatch(*(t[:n] for t in fields)), RowBatch(*(t[n:] for t in fields))

    def _fields(self) -> tuple[Tensor, ...]:
        return self.index, self.hidden, self.slopes, self.losses, self.applies


@dataclass(frozen=True)
class Validation:
    """The head's input (n, H) on all validation rows, their targets and the loss that counts."""

    hidden: Tensor
    y: Tensor
    criterion: Criterion

    def value(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Compute the loss at a head's weight (C, H) and bias (C,), a scalar with its graph."""
        weight, bias = weight.to(self.hidden), None if bias is None else bias.to(self.hidden)
        with torch.enable_grad(), torch.autocast(self.hidden.device.type, enabled=False):
            return self.criterion(F.linear(self.hidden, weight, bias), self.y)

    def gradient(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Of the loss by the head's weight and bias."""
        weight = weight.detach().requires_grad_()
        bias = None if bias is None else bias.detach().requires_grad_()
        leaves = [leaf for leaf in (weight, bias) if leaf is not None]
        gradients = torch.autograd.grad(self.value(weight, bias), leaves)
        return gradients[0], gradients[1] if bias is not None else None


class CapturedLookAhead:
    """Derivatives of the validation loss after one plain-SGD step of the head on a group of rows.

    Parameters
    ----------
    head : nn.Linear
        Its parameters are not changed.
    rows : Rows
    validation : Validation
    eta : float
        Step size of the look-ahead.
    """

    def __init__(self, head: nn.Linear, rows: RowBatch, validation: Validation, eta: float) -> None:
        self.rows, self.validation, self.eta = rows, validation, eta
        self.slopes = rows.slopes.transpose(0, 1).contiguous()  # (K, B, C)
        self.weight = head.weight.detach().to(rows.hidden)
        self.bias = None if head.bias is None else head.bias.detach().to(rows.hidden)

    @cached_property
    def _scale(self) -> float:
        return float(self.rows.hidden.square().sum(1).mean()) + 1.0

    def losses(self) -> Tensor:
        """Losses (B, K) at the parameters before the step; zeros outside the domains."""
        return self.rows.losses

    def feature_scale(self) -> float:
        """Mean squared norm of the head's input over the group, with the bias' constant 1."""
        return self._scale

    def _score_gradients(self, weights: Tensor) -> Tensor:
        """``sum_k Lambda_ik D_ikc`` (B, C), over the losses that are defined."""
        return weighted_slopes(self.slopes, weights)

    def validation_gradient(self, weights: Tensor) -> tuple[Tensor, Tensor | None]:
        """V: gradient of the validation loss at ``w' = w - eta grad L(w; Lambda)``."""
        delta = self._score_gradients(weights / domain_counts(self.rows.applies))
        weight = self.weight - self.eta * delta.T @ self.rows.hidden
        bias = None if self.bias is None else self.bias - self.eta * delta.sum(0)
        return self.validation.gradient(weight, bias)

    def alignment(self, weights: Tensor) -> Tensor:
        """Inner products ``<V, grad l_ik>`` (B, K); exact zeros outside the domains."""
        along = F.linear(self.rows.hidden, *self.validation_gradient(weights))  # (B, C)
        products = tangent_closed_form(self.slopes, along)
        return torch.where(self.rows.applies, products, torch.zeros_like(products))

    def hypergradient(self, weights: Tensor) -> Tensor:
        """``dL_val/dLambda_ik = -(eta/n_k) <V, grad l_ik>`` (B, K)."""
        return -self.eta * self.alignment(weights) / domain_counts(self.rows.applies)

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Gradient (B, H) of each row's own weighted losses by the head's input."""
        return self._score_gradients(weights) @ self.weight


class SharedRows:
    """A look-ahead on a group in which rows appear more than once, as its distinct rows see it.

    A row's weight counts for each appearance, so derivatives by it are summed over them.

    Parameters
    ----------
    look : CapturedLookAhead

    Attributes
    ----------
    index : Tensor (U,)
        The distinct rows, sorted.
    """

    def __init__(self, look: CapturedLookAhead) -> None:
        self._look = look
        self.index, self._places, self._times = look.rows.index.unique(
            return_inverse=True, return_counts=True
        )

    def _total(self, values: Tensor) -> Tensor:
        """Sum values (B, ..) of appearances over each row: (U, ..)."""
        total = values.new_zeros(len(self.index), *values.shape[1:])
        return total.index_add_(0, self._places, values)

    def losses(self) -> Tensor:
        """Losses (U, K), means over the appearances of a row."""
        return self._total(self._look.losses()) / self._times.unsqueeze(1)

    def alignment(self, weights: Tensor) -> Tensor:
        """Inner products (U, K), summed over the appearances of a row."""
        return self._total(self._look.alignment(weights[self._places]))

    def hypergradient(self, weights: Tensor) -> Tensor:
        """``dL_val/dLambda_ik`` (U, K) by the weights of rows."""
        return self._total(self._look.hypergradient(weights[self._places]))

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Gradient (U, H) of the weighted losses of all appearances by the head's input."""
        return self._total(self._look.hidden_gradients(weights[self._places]))

    def feature_scale(self) -> float:
        """Mean squared norm of the head's input over the group, with the bias' constant 1."""
        return self._look.feature_scale()


_PAIRS = {
    "train": "(rows, losses), or (rows, losses, applies)",
    "validation": "(logits, y)",
}


def batch_pairs(items: Iterable[Any], what: str) -> Iterator[tuple[Any, ...]]:
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
    batches = batch_pairs(items, "validation")
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
) -> Iterator[RowBatch]:
    """Cut batches of any size into groups of `size` rows; the last may be smaller."""
    waiting: list[RowBatch] = []
    for rows in _captured(items, head, names, tables):
        waiting.append(rows)
        while size is not None and sum(map(len, waiting)) >= size:
            group, rest = RowBatch.joined(waiting).split(size)
            yield group
            waiting = [rest] if len(rest) else []
    if waiting:
        yield RowBatch.joined(waiting)


def _captured(
    items: Iterable[Any],
    head: nn.Linear,
    names: Sequence[str],
    tables: RowTables,
) -> Iterator[RowBatch]:
    batches, n = batch_pairs(items, "train"), 0
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


def _rows(losses: RowLosses, rows: Tensor, applies: Tensor, call: Call) -> RowBatch:
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
    slopes = score_gradients(losses.stacked, call.logits).to(hidden).transpose(0, 1)
    slopes = torch.where(applies.unsqueeze(2), slopes, 0.0)
    return RowBatch(rows, hidden, slopes, losses.stacked.detach(), applies)


def _wide(hidden: Tensor, head: nn.Linear) -> Tensor:
    """In the head's precision, and in float32 at least, whatever autocast did."""
    return hidden.to(torch.promote_types(head.weight.dtype, torch.float32))
