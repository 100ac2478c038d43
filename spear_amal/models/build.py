"""The feature model that a user asked for, by name, function or module."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from spear_amal.errors import InputError
from spear_amal.models.adapter import FeatureAdapter
from spear_amal.models.feature import MLP, LinearModel
from spear_amal.models.images import ImageModel
from spear_amal.models.networks import (
    Flattened,
    build_network,
    hidden_widths,
    is_network,
    unknown_network,
)

PLAIN = ("linear", "mlp")
FeatureFactory = Callable[[Any, int], nn.Module]


def check_kind(kind: Any, argument: str = "feature_model") -> None:
    """Raise InputError for what :func:`build_feature_model` cannot make a feature model of."""
    known = kind in PLAIN or is_network(kind) if isinstance(kind, str) else callable(kind)
    if not known:
        why = f"; {unknown_network(kind)}" if isinstance(kind, str) else ""
        raise InputError(
            f"{argument} must be 'linear', 'mlp', the name of a network or a module, found "
            f"{kind!r}{why}"
        )


def build_feature_model(
    kind: str | nn.Module | FeatureFactory,
    n_features: int,
    n_classes: int,
    hidden: Sequence[int] = (512, 512),
    generator: torch.Generator | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    statistics: tuple[Any, Any] | None = None,
) -> nn.Module:
    """Make the feature model.

    Parameters
    ----------
    kind : str, nn.Module or callable
        "linear", "mlp", a name that :func:`build_network` knows, a module (it is copied), or a
        function that makes one of (D, C), for images of ((c, h, w), C).
    n_features : int
        D; not looked at for images.
    n_classes : int
        C.
    hidden : sequence of int
        Widths of an "mlp".
    generator : torch.Generator, optional
        Source of the start.
    input_shape : tuple, optional
        (c, h, w), or (h, w) for one channel: rows are images. The result is then an
        :class:`ImageModel`, and "linear" and "mlp" flatten.
    statistics : (mean, std), optional
        Arrays (c,) to normalise images by; 0 and 1 without. Not used for a module of the user's
        that is an :class:`ImageModel` already.

    Returns
    -------
    nn.Module
        Rows to (logits, hidden).

    Raises
    ------
    InputError
        If `kind` is unknown or is a network for images and rows are not.
    """
    check_kind(kind)
    if input_shape is None or len(input_shape) == 1:
        n = n_features if input_shape is None else input_shape[0]
        return _on_features(kind, n, n_classes, hidden, generator)
    shape = (1, *input_shape) if len(input_shape) == 2 else tuple(input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"input_shape must be (channels, height, width) or (height, width), found {input_shape}"
        )
    network = _on_images(kind, shape, n_classes, hidden, generator)
    if isinstance(getattr(network, "module", network), ImageModel):
        return network  # it has a normalisation of its own
    mean, std = ([0.0] * shape[0], [1.0] * shape[0]) if statistics is None else statistics
    return ImageModel(network, mean, std)


def _on_features(
    kind: str | nn.Module | FeatureFactory,
    n_features: int,
    n_classes: int,
    hidden: Sequence[int],
    generator: torch.Generator | None,
) -> nn.Module:
    if not isinstance(kind, str):
        return _users_own(kind, n_features, n_classes, generator)
    if kind == "linear":
        return LinearModel(n_features, n_classes, generator)
    widths = hidden if kind == "mlp" else hidden_widths(kind)
    if widths is None:
        raise InputError(
            f"{kind!r} needs images: X of shape (rows, channels, height, width), but its rows are "
            f"{n_features} features. Use 'linear', 'mlp' or 'mlp:80-80', or reshape X"
        )
    return MLP(n_features, n_classes, widths, generator)


def _on_images(
    kind: str | nn.Module | FeatureFactory,
    shape: tuple[int, ...],
    n_classes: int,
    hidden: Sequence[int],
    generator: torch.Generator | None,
) -> nn.Module:
    if not isinstance(kind, str):
        return _users_own(kind, shape, n_classes, generator)
    if kind == "linear":
        return Flattened(LinearModel(math.prod(shape), n_classes, generator))
    if kind == "mlp":
        return Flattened(MLP(math.prod(shape), n_classes, hidden, generator))
    return build_network(kind, n_classes, shape[0], generator, input_shape=shape)


def _users_own(
    kind: nn.Module | FeatureFactory,
    shape: int | tuple[int, ...],
    n_classes: int,
    generator: torch.Generator | None,
) -> nn.Module:
    """Copy a module, or make one, and adapt it."""
    if isinstance(kind, nn.Module):
        # A copy: fitting must not change what the user passed to the constructor.
        module = copy.deepcopy(kind)
    else:
        # What the user's function draws is settled by our generator, not by the global state.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0 if generator is None else generator.initial_seed())
            module = kind(shape, n_classes)
    if not isinstance(module, nn.Module):
        raise InputError(
            f"the function for the feature model must return a torch module, found {module!r}"
        )
    if not isinstance(module, FeatureAdapter | ImageModel):
        module = FeatureAdapter(module, n_classes=n_classes)
    if isinstance(module, FeatureAdapter):
        module.n_classes = n_classes
    n_outputs = n_classes if module.head is None else module.head.out_features
    if n_outputs != n_classes:
        raise InputError(
            f"the module's head gives {n_outputs} outputs, but there are {n_classes} classes; it "
            "needs one output for each class"
        )
    return module
