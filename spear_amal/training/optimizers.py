"""Optimizers and their rates over epochs; their state as named tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spear_amal.io.safetensors import Tensors
from spear_amal.models import JointModel

if TYPE_CHECKING:
    from spear_amal.training.config import TrainerConfig

OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "steps")
LR, LR_RULES = 1e-2, 1e-2  # where none is given; estimators choose by the data


def make_optimiser(model: JointModel, settings: TrainerConfig) -> torch.optim.Optimizer:
    """Adam or SGD with one rate for the feature model and one for the rule model."""
    groups: list[dict[str, Any]] = [
        {
            "params": list(model.feature.parameters()),
            "lr": settings.lr_scale * (LR if settings.lr is None else settings.lr),
            "weight_decay": settings.weight_decay,
        }
    ]
    if model.rules is not None:
        rate = LR_RULES if settings.lr_rules is None else settings.lr_rules
        groups.append({"params": list(model.rules.parameters()), "lr": rate})
    for group in groups:
        group["full_lr"] = group["lr"]
    # One kernel per step: the many small ones of the plain form cost more than the arithmetic.
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, momentum=settings.momentum, nesterov=settings.nesterov, fused=True
        )
    return torch.optim.Adam(groups, fused=True)


def rate_factor(settings: TrainerConfig, epoch: int) -> float:
    """Factor of the learning rate in epoch `epoch` (from 0).

    A function of the epoch alone, so that a resumed run needs no state for it.

    Examples
    --------
    >>> from spear_amal.training import TrainerConfig
    >>> settings = TrainerConfig(schedule="steps", milestones=(2, 3), gamma=0.5)
    >>> [rate_factor(settings, epoch) for epoch in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / settings.max_epochs))
    if settings.schedule == "steps":
        return float(settings.gamma ** sum(epoch >= one for one in settings.milestones))
    return 1.0


def set_rates(optimiser: torch.optim.Optimizer, settings: TrainerConfig, epoch: int) -> None:
    """Give every group its rate for an epoch."""
    factor = rate_factor(settings, epoch)
    for group in optimiser.param_groups:
        group["lr"] = factor * group["full_lr"]


def flatten(optimiser: torch.optim.Optimizer) -> Tensors:
    """State of the optimiser as named tensors: moments, step counts, momentum."""
    states = optimiser.state_dict()["state"]
    return {
        f"{i}.{key}": torch.as_tensor(value)
        for i, state in states.items()
        for key, value in state.items()
        if value is not None  # momentum that was never needed
    }


def unflatten(optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what :func:`flatten` gave."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        i, key = name.split(".", 1)
        states.setdefault(int(i), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
