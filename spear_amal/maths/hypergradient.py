"""How the validation loss after one step changes with each weight: three ways to one matrix.

One plain-SGD look-ahead step ``w' = w - eta grad_w L(w; Lambda)``, ``V = grad L_val(w')``. Then

    dL_val / dLambda_ik = -(1/n_k) <eta V, grad_w l_ik>            (AMAL, equation 5)

The inner products of all rows and components are one directional derivative: differentiate the
(B, K) loss matrix along the tangent eta V. :func:`tangent_closed_form` does it for a linear head
with two thin products, :func:`tangent_forward` for any parameters in forward mode, and
:func:`tangent_double_backward` where an operator has no forward mode.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spear_amal.errors import is_out_of_memory
from spear_amal.tensors.layout import is_class_by_class

Parameters = dict[str, Tensor]
LossMatrix = Callable[[Parameters], Tensor]  # parameters -> (B, K)


def score_gradients(losses: Tensor, scores: Tensor) -> Tensor:
    """``D_kic = d l_ik / d score_ic`` (K, B, C), for losses (B, K) whose row i sees scores_i only.

    Row separability lets one backward pass per component serve all rows.
    """
    columns = []
    for k in range(losses.shape[1]):
        total = losses[:, k].sum()
        gradient = None
        if total.requires_grad:
            (gradient,) = torch.autograd.grad(total, scores, retain_graph=True, allow_unused=True)
        columns.append(torch.zeros_like(scores) if gradient is None else gradient)
    return torch.stack(columns).detach()


def tangent_closed_form(slopes: Tensor, score_tangent: Tensor) -> Tensor:
    """``sum_c D_kic dscore_ic`` (B, K) from slopes D (K, B, C) and score tangents (B, C)."""
    # Not by einsum: as B small products of matrices it takes two to five times as long.
    return (slopes * score_tangent).sum(2).t()


def weighted_slopes(slopes: Tensor, weights: Tensor) -> Tensor:
    """``sum_k Lambda_ik D_kic`` (B, C) from slopes D (K, B, C) and weights (B, K).

    Slopes are zeros where a loss is not defined; there the weights do not matter.
    """
    by_loss = weights.to(slopes).t().contiguous()
    if is_class_by_class(slopes):
        return (slopes.mT * by_loss.unsqueeze(1)).sum(0).t()  # laid out as they are
    return (slopes * by_loss.unsqueeze(2)).sum(0)


def tangent_forward(losses: LossMatrix, at: Parameters, tangent: Parameters) -> Tensor:
    """Directional derivative (B, K) of the loss matrix in one forward-mode pass."""
    return torch.func.jvp(losses, (at,), (tangent,))[1]


# What torch says where an operator, a custom function or an extension knows no forward mode.
_NO_FORWARD_MODE = (
    *("forward AD", "forward mode", "forward-mode", "functorch", "torch.func"),
    *("(vjp, jvp, grad, etc)", "doesn't have storage"),
)


def lacks_forward_mode(error: RuntimeError) -> bool:
    """Return whether :func:`tangent_forward` failed for want of a forward mode, not of memory."""
    if is_out_of_memory(error):  # whatever else such an error names
        return False
    known = any(words in str(error) for words in _NO_FORWARD_MODE)
    return known or isinstance(error, NotImplementedError)


def tangent_double_backward(losses: LossMatrix, at: Parameters, tangent: Parameters) -> Tensor:
    """Compute the same (B, K) in two backward passes: <grad_w <u, l>, V> is linear in u."""
    leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
    values = losses(leaves)
    u = torch.zeros_like(values, requires_grad=True)
    gradients = torch.autograd.grad(
        values, list(leaves.values()), u, create_graph=True, allow_unused=True
    )
    along = [
        (gradient * tangent[name]).sum()
        for name, gradient in zip(leaves, gradients, strict=True)
        if gradient is not None and gradient.requires_grad
    ]
    if not along:
        return torch.zeros_like(values)
    (derivative,) = torch.autograd.grad(torch.stack(along).sum(), u, allow_unused=True)
    return torch.zeros_like(values) if derivative is None else derivative
