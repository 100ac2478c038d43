"""A look-ahead made of what a head took in and gave out while the user's own code ran.

The same closed form as in training (see :mod:`spear_amal.maths.hypergrad`), for the last linear
layer of any network: its input h_i and the slopes ``D_ikc = d l_ik / d z_ic`` at its output are all
that is needed of the rows, so the network is not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.maths.hypergrad import tangent_closed_form, weighted_slopes
from spear_amal.maths.objective import domain_counts

Criterion = Callable[[Tensor, Tensor], Tensor]  # logits (n, C) and targets (n,) -> mean, a scalar


@dataclass(frozen=True)
class Rows:
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
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Put groups one after the other."""
        each = zip(*(part._fields() for part in parts), strict=True)
        return cls(*(torch.cat(tensors) for tensors in each))

    def split(self, n: int) -> tuple[Rows, Rows]:
        """Part the first n rows from the others."""
        fields = self._fields()
        return Rows(*(t[:n] for t in fields)), Rows(*(t[n:] for t in fields))

    def _fields(self) -> tuple[Tensor, ...]:
        return self.index, self.hidden, self.slopes, self.losses, self.applies


@dataclass(frozen=True)
class Validation:
    """The head's input (n, H) on all validation rows, their targets and the loss that counts."""

    hidden: Tensor
    y: Tensor
    criterion: Criterion

    def value(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Give the loss at a head's weight (C, H) and bias (C,), a scalar with its graph."""
        weight, bias = weight.to(self.hidden), None if bias is None else bias.to(self.hidden)
        with torch.enable_grad(), torch.autocast(self.hidden.device.type, enabled=False):
            return self.criterion(F.linear(self.hidden, weight, bias), self.y)

    def gradient(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Of the loss by the head's weight and bias."""
        weight = weight.detach().requires_grad_()
        bias = None if bias is None else bias.detach().requires_grad_()
        leaves = [leaf for leaf in (weight, bias) if leaf is not None]
        found = torch.autograd.grad(self.value(weight, bias), leaves)
        return found[0], found[1] if bias is not None else None


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

    def __init__(self, head: nn.Linear, rows: Rows, validation: Validation, eta: float) -> None:
        self.rows, self.validation, self.eta = rows, validation, eta
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
        return weighted_slopes(self.rows.slopes, weights, self.rows.applies)

    def validation_gradient(self, weights: Tensor) -> tuple[Tensor, Tensor | None]:
        """V: gradient of the validation loss at ``w' = w - eta grad L(w; Lambda)``."""
        delta = self._score_gradients(weights / domain_counts(self.rows.applies))
        weight = self.weight - self.eta * delta.T @ self.rows.hidden
        bias = None if self.bias is None else self.bias - self.eta * delta.sum(0)
        return self.validation.gradient(weight, bias)

    def alignment(self, weights: Tensor) -> Tensor:
        """Inner products ``<V, grad l_ik>`` (B, K); exact zeros outside the domains."""
        along = F.linear(self.rows.hidden, *self.validation_gradient(weights))  # (B, C)
        found = tangent_closed_form(self.rows.slopes, along)
        return torch.where(self.rows.applies, found, torch.zeros_like(found))

    def hypergradient(self, weights: Tensor) -> Tensor:
        """``dL_val/dLambda_ik = -(eta/n_k) <V, grad l_ik>`` (B, K)."""
        return -self.eta * self.alignment(weights) / domain_counts(self.rows.applies)

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Gradient (B, H) of each row's own weighted losses by the head's input."""
        return self._score_gradients(weights) @ self.weight
