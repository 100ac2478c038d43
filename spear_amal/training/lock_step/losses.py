"""The losses of M members as one set, where they differ in the weights of classes alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.losses import Component, ComponentSet, GoldCrossEntropy


def kind_of_losses(components: ComponentSet) -> Hashable:
    """Return what members that are trained in lock step must have in common of their losses."""
    return tuple(map(_kind, (*components.components, *components.penalties)))


def _kind(loss: Any) -> Hashable:
    return _describe(loss, ["class_weights"] if type(loss) is GoldCrossEntropy else [])


def _describe(loss: Any, without: Sequence[str] = ()) -> Hashable:
    """Return the class of a loss and its options."""
    options = sorted(vars(loss).items())
    return type(loss), tuple((name, _value(v)) for name, v in options if name not in without)


def _value(value: Any) -> Hashable:
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Component):
        return _describe(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    return id(value)  # the same object, or another loss


class StackedLosses:
    """The losses of M members.

    Attributes
    ----------
    components : ComponentSet
        Those of all members, without what they differ in.
    """

    def __init__(self, sets: Sequence[ComponentSet], device: torch.device) -> None:
        self._by_class: dict[int, Tensor] = {}  # component -> factors (M, C)
        parts = list(sets[0].components)
        for k, same in enumerate(zip(*(s.components for s in sets), strict=True)):
            if type(same[0]) is GoldCrossEntropy and not _equal(same):
                parts[k] = GoldCrossEntropy()
                self._by_class[k] = _factors(same).to(device)
        self.components = ComponentSet(parts, sets[0].penalties) if self._by_class else sets[0]

    def factors(self, batch: Batch, shape: Sequence[int]) -> Tensor | None:
        """Compute what multiplies losses (S*M*B, K) of members' rows; None for ones.

        `shape` is (S, M, B).
        """
        if not self._by_class:
            return None
        n_steps, n_members, _ = shape
        by_k = []
        for k in range(len(self.components)):
            if k not in self._by_class:
                by_k.append(torch.ones(len(batch), device=batch.y.device))
                continue
            classes = batch.y.clamp(min=0).view(n_steps, n_members, -1).transpose(0, 1)
            factors = self._by_class[k].gather(1, classes.flatten(1)).view(classes.shape)
            by_k.append(factors.transpose(0, 1).flatten())
        return torch.stack(by_k, dim=1)


def _equal(losses: Sequence[GoldCrossEntropy]) -> bool:
    first = _value(losses[0].class_weights)
    return all(_value(loss.class_weights) == first for loss in losses[1:])


def _factors(losses: Sequence[GoldCrossEntropy]) -> Tensor:
    """Factors (M, C) by class; a member without has ones."""
    given = [loss.class_weights for loss in losses]
    like = next(weights for weights in given if weights is not None)
    return torch.stack([torch.ones_like(like) if w is None else w.to(like) for w in given])
