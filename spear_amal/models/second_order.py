"""Networks run so that gradients of gradients, and forward-mode derivatives, exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Leave out fused code that has no second derivative, or none in evaluation mode."""
    fused = torch.backends.cudnn.enabled
    with sdpa_kernel(SDPBackend.MATH):
        if any(isinstance(module, nn.RNNBase) for module in model.modules()):
            torch.backends.cudnn.enabled = False
        try:
            yield
        finally:
            torch.backends.cudnn.enabled = fused
