"""The state of a torch optimizer as named tensors, which a file can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return moments, momentum and step counts by ``"<parameter>.<key>"``; not copies."""
    return {
        f"{i}.{key}": torch.as_tensor(value)
        for i, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if value is not None  # momentum that was never needed
    }


def load_optimizer_tensors(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore an optimizer from copies of what :func:`optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, key = name.split(".", 1)
        # Counts of steps belong on the CPU; torch moves them where a fused optimizer wants them.
        state.setdefault(int(i), {})[key] = (
            tensor.cpu().clone() if key == "step" else tensor.clone()
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
