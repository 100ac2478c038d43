"""How a loss at the optimum changes with what the optimum was trained under: a Neumann series.

Plain SGD ``w <- w - eta g(w, phi)`` forgets its start slowly. With J = dg/dw held constant, n steps
of it move w by phi as

    dw/dphi = -eta sum_{t < n} (I - eta J)^t dg/dphi              (MAOAL, equations A2 and A3)

so that a loss with gradient v at w has

    dL/dphi = -eta p^T dg/dphi,    p = sum_{t < n} (I - eta J^T)^t v

which tends to the implicit function theorem's ``-v^T J^-1 dg/dphi``. Only products of J^T with
vectors are taken: one backward pass each. g need not be the gradient of anything: with weights that
differ between parameters it is not, and J is not symmetric.

All functions take lists of tensors, one a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from spear_amal.maths.gradients import Gradient, filled

Product = Callable[[list[Tensor]], Sequence[Tensor]]  # v -> J^T v


def transposed_product(
    gradient: Gradient, at: Sequence[Tensor], v: Sequence[Tensor]
) -> list[Tensor]:
    """``v^T dg/d at``, one tensor for each of `at`, in one backward pass; the graph stays.

    Parameters
    ----------
    gradient : list of Tensor or None
        g with its graph; what is None or constant counts as constant.
    at : sequence of Tensor
        What to differentiate by: the parameters for J^T v, or what they are trained under.
    v : sequence of Tensor
        As many and of the shapes of `gradient`.
    """
    pairs = [(g, u) for g, u in zip(gradient, v, strict=True) if g is not None and g.requires_grad]
    if not pairs or not at:
        return [torch.zeros_like(a) for a in at]
    outputs, incoming = zip(*pairs, strict=True)
    product = torch.autograd.grad(outputs, list(at), incoming, retain_graph=True, allow_unused=True)
    return filled(list(product), at)


def neumann_sum(v: Sequence[Tensor], product: Product, eta: float, terms: int) -> list[Tensor]:
    """``p = sum_{t < terms} (I - eta J^T)^t v`` with ``terms - 1`` products.

    For many terms it tends to ``(eta J^T)^-1 v`` if all eigenvalues of ``I - eta J`` lie within the
    unit circle; for a symmetric J with eigenvalues above 0, if they are below ``2 / eta``.

    Examples
    --------
    >>> half = lambda v: [0.5 * v[0]]
    >>> neumann_sum([torch.tensor(1.0)], half, 1.0, 3)
    [tensor(1.7500)]
    """
    term, total = list(v), list(v)
    for _ in range(terms - 1):
        term = [t - eta * j for t, j in zip(term, product(term), strict=True)]
        total = [p + t for p, t in zip(total, term, strict=True)]
    return total
