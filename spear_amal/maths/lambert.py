"""Lambert's W, the inverse of ``w e^w``, in tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Around the branch point -1/e, W is a series in p = sqrt(2 (e x + 1)) (Corless et al., "On the
# Lambert W Function", 1996, equation 4.22). There Halley's steps would divide by nearly 0.
SERIES = (-1.0, 1.0, -1 / 3, 11 / 72, -43 / 540, 769 / 17280, -221 / 8505)
NEAR = 0.02  # the first term left out is below 1e-13 there
STEPS = 8  # Halley's method triples the correct digits; four steps serve all of double precision


def lambert_w0(x: Tensor) -> Tensor:
    """Principal branch of W at x >= -1/e, in the dtype of `x`; NaN below.

    No gradient flows through it.

    Examples
    --------
    >>> lambert_w0(torch.tensor([0.0, math.e]))
    tensor([0., 1.])
    """
    value = x.detach().double()
    # -1/e itself may come rounded down, by the precision of the dtype it came in
    outside = value < -math.exp(-1) - torch.finfo(x.dtype).eps
    p = (2 * (math.e * value + 1)).clamp(min=0).sqrt()
    series = sum(c * p**i for i, c in enumerate(SERIES))
    far = torch.where(p < NEAR, 0.0, value)  # what the series serves is kept out of the steps
    w = _halley(far, _start(far, p))
    w = torch.where(p < NEAR, series, w)
    w = torch.where(torch.isposinf(value), value, w)
    return torch.where(outside, torch.nan, w).to(x.dtype)


def _start(x: Tensor, p: Tensor) -> Tensor:
    """First guess: the series below 0, then ``log(1 + x)``, then ``log x - log log x``."""
    low = -1 + p - p.square() / 3
    log = x.clamp(min=math.e).log()
    high = log - log.log()
    return torch.where(x < 0, low, torch.where(x < math.e, torch.log1p(x.clamp(min=0)), high))


def _halley(x: Tensor, w: Tensor) -> Tensor:
    """Solve ``w - x e^-w = 0``; divided by e^w, so that nothing overflows."""
    for _ in range(STEPS):
        rest = w - x * torch.exp(-w)
        w = w - rest / (w + 1 - (w + 2) * rest / (2 * w + 2))
    return w
