"""Count how often training goes through a network, forwards and backwards.

A *forward pass* is a call of the network's first layer. A *backward pass* is one call of
``torch.autograd.backward`` or ``torch.autograd.grad`` in which a gradient comes as far as the
output of the first layer, so through the whole network; gradients of heads alone do not count. A
product with a Hessian is one such call, but goes through two graphs: that of the losses and that of
their gradients, which is dearer. *Sweeps* count both, *second* counts the latter; where the
gradients of N losses were taken one by one, a product goes through N of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn


@dataclass
class Passes:
    """What was counted."""

    forward: int = 0
    sweeps: int = 0
    second: int = 0
    calls: int = 0
    through: set[int] = field(default_factory=set)

    @property
    def backward(self) -> int:
        """Calls of the autograd engine that went through the whole network."""
        return len(self.through)


@contextmanager
def counted(network: nn.Module) -> Iterator[Passes]:
    """Count what happens within the block, at the first layer of `network`."""
    passes = Passes()

    def watched(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            passes.calls += 1
            return function(*arguments, **options)

        return call

    def mark(value: Tensor, second: bool) -> None:
        if value.requires_grad:
            value.register_hook(partial(arrived, second))

    def arrived(second: bool, gradient: Tensor) -> None:
        passes.sweeps += 1
        passes.second += second
        passes.through.add(passes.calls)
        mark(gradient, True)  # where this gradient is differentiated itself

    def entered(layer: nn.Module, given: Any, output: Tensor) -> None:
        passes.forward += 1
        mark(output, False)

    handle = first_layer(network).register_forward_hook(entered)
    try:
        with (
            mock.patch.object(torch.autograd, "grad", watched(torch.autograd.grad)),
            mock.patch.object(torch.autograd, "backward", watched(torch.autograd.backward)),
        ):
            yield passes
    finally:
        handle.remove()


def first_layer(network: nn.Module) -> nn.Module:
    """Find the layer that sees the input."""
    return next(m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
