"""Gradients of several losses by the same parameters, and a scalar that hands gradients over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

Gradient = list[Tensor | None]  # one entry a parameter; None where the loss does not reach it


def gradient_of(
    value: Tensor, parameters: Sequence[Tensor], *, create_graph: bool = False
) -> Gradient:
    """Gradient of a scalar by each parameter, in one backward pass; the graph stays.

    A value without a graph reaches nothing.
    """
    if not value.requires_grad:
        return [None] * len(parameters)
    return list(
        torch.autograd.grad(
            value, list(parameters), retain_graph=True, create_graph=create_graph, allow_unused=True
        )
    )


def filled(gradient: Gradient, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Zeros where a gradient is None."""
    pairs = zip(gradient, parameters, strict=True)
    return [torch.zeros_like(p) if g is None else g for g, p in pairs]


def inner(first: Sequence[Tensor | None], second: Sequence[Tensor | None]) -> Tensor:
    """Inner product, a scalar; parameters that either does not reach count 0."""
    terms = [
        (a * b).sum() for a, b in zip(first, second, strict=True) if a is not None and b is not None
    ]
    return torch.stack(terms).sum() if terms else torch.zeros(())


def combined(gradients: Sequence[Sequence[Tensor | None]], factors: Tensor) -> Gradient:
    """Weighted sum over losses by parameter; None where no loss reaches it.

    Parameters
    ----------
    gradients : sequence of K gradients
    factors : Tensor (K,) or (K, P)
        Of the losses, or of each loss in each of P parameters.

    Examples
    --------
    >>> one, other = [torch.tensor([1.0, 2.0]), None], [torch.tensor([10.0, 20.0]), None]
    >>> combined([one, other], torch.tensor([1.0, 0.5]))
    [tensor([ 6., 12.]), None]
    """
    n = len(gradients[0])
    factors = factors if factors.ndim == 2 else factors.unsqueeze(1).expand(-1, n)
    # Taken apart once: hundreds of small operations are what a step on a GPU would wait for.
    apart: dict[tuple[torch.dtype, torch.device], list[tuple[Tensor, ...]]] = {}
    sums: Gradient = [None] * n
    for k, gradient in enumerate(gradients):
        for j, g in enumerate(gradient):
            if g is None:
                continue
            kind = g.dtype, g.device
            if kind not in apart:
                apart[kind] = [row.unbind() for row in factors.to(g).unbind()]
            term, before = apart[kind][k][j] * g, sums[j]
            sums[j] = term if before is None else before + term
    return sums


def with_gradients(
    value: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor]
) -> Tensor:
    """Scalar `value` whose backward pass gives `gradients` to `parameters`, times what comes in.

    So gradients that were put together by other rules than the chain rule go through
    ``loss.backward()``: gradient scaling, accumulation and the hooks of DistributedDataParallel
    see them like any others. No network is gone through again.

    Examples
    --------
    >>> w = torch.zeros(2, requires_grad=True)
    >>> with_gradients(torch.tensor(7.0), [w], [torch.tensor([1.0, 2.0])]).backward()
    >>> w.grad.tolist()
    [1.0, 2.0]
    """
    scalar: Tensor = _Given.apply(value.detach(), len(parameters), *parameters, *gradients)
    return scalar


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, n: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[n:])
        return value.clone()

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Any, ...]:
        gradients = ctx.saved_tensors
        scaled = [gradient * incoming for gradient in gradients]
        return (None, None, *scaled, *(None for _ in gradients))


def reaches(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """Return which values depend on which parameters: bool (K, P), read off the graph.

    No gradient is computed; a parameter whose gradient happens to be zero is reached. Where a
    graph was compiled as one piece it reaches all that went in.
    """
    place = {id(parameter): j for j, parameter in enumerate(parameters)}
    reached = torch.zeros(len(values), len(parameters), dtype=torch.bool)
    for k, value in enumerate(values):
        for leaf in _leaves(value):
            if id(leaf) in place:
                reached[k, place[id(leaf)]] = True
    return reached


def _leaves(value: Tensor) -> Iterator[Tensor]:
    if value.grad_fn is None:
        yield value
        return
    seen, waiting = {value.grad_fn}, [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            yield node.variable
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
