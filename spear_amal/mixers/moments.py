"""What an optimiser keeps, as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

PREFIX = "upper."


def moments_of(optimiser: Optimizer) -> dict[str, Tensor]:
    """Copy all that an optimiser has kept, by ``"upper.<parameter>.<what>"``."""
    return {
        f"{PREFIX}{i}.{key}": torch.as_tensor(value).clone()
        for i, values in optimiser.state_dict()["state"].items()
        for key, value in values.items()
        if value is not None
    }


def load_moments(optimiser: Optimizer, state: Mapping[str, Tensor]) -> None:
    """Restore in an optimiser what :func:`moments_of` returned; other names are passed over."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        if name.startswith(PREFIX):
            i, key = name.removeprefix(PREFIX).split(".", 1)
            # The count of steps stays with the processor, wherever the parameters are.
            kept = value.cpu() if key == "step" else value
            moments.setdefault(int(i), {})[key] = kept.clone()
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
