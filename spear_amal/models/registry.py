"""Networks by name, and how large they are."""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.models.adapter import FeatureAdapter
from spear_amal.models.convnet import ConvNet, ConvNet4
from spear_amal.models.densenet import DenseNet
from spear_amal.models.encoder_config import encoder_name
from spear_amal.models.feature_model import MLP, LinearModel
from spear_amal.models.image_model import ImageModel
from spear_amal.models.resnet import ResNet
from spear_amal.models.wide_resnet import WideResNet
from spear_amal.params import check_whole
from spear_amal.tensors.sparse_rows import SparseRows

RESNET_DEPTHS = (8, 14, 20, 26, 32, 44, 56, 110)
WIDE_FACTORS = (1, 2, 3, 4, 6, 8)  # those of the papers; any other will do
_RESNET = re.compile(r"resnet(\d+)")
_WIDE = re.compile(r"wrn-(\d+)-([1-9]\d*)")
_MLP = re.compile(r"mlp:([1-9]\d*(?:-[1-9]\d*)*)")


class Flattened(nn.Module):
    """A linear model or MLP as a network: flattens images, takes rows of features as they are."""

    def __init__(self, model: LinearModel | MLP) -> None:
        super().__init__()
        self.model = model

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        return self.model.head

    def forward(self, x: Tensor | SparseRows) -> Tensor:
        """Logits (B, C)."""
        return self.logits_and_hidden(x)[0]

    def logits_and_hidden(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
        """Logits (B, C) and the input of the last layer (B, H)."""
        return self.model(x if isinstance(x, SparseRows) else x.flatten(1))


def network_names() -> list[str]:
    """Names that :func:`build_network` knows; of ``wrn-16-k`` and ``mlp:..`` some examples."""
    return [
        *(f"resnet{depth}" for depth in RESNET_DEPTHS),
        *(f"wrn-16-{k}" for k in WIDE_FACTORS),
        "densenet-40-12",
        "convnet",
        "convnet4",
        "mlp:50",
        "mlp:80-80",
    ]


def is_network(name: object) -> bool:
    """Return whether :func:`build_network` knows a name."""
    if not isinstance(name, str):
        return False
    wide = _WIDE.fullmatch(name)
    is_wide = wide is not None and int(wide[1]) % 6 == 4 and int(wide[1]) >= 10
    return name in network_names() or is_wide or _MLP.fullmatch(name) is not None


def check_network(name: object) -> None:
    """Raise InputError for a name that :func:`build_network` does not know."""
    if not is_network(name):
        raise InputError(unknown_network(name))


def unknown_network(name: object) -> str:
    """Return a message: there is no such network, what may be meant and what there is."""
    near = get_close_matches(str(name).lower(), network_names(), n=2)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return (
        f"there is no network {name!r}{meant} Known are {', '.join(network_names())}, "
        "'wrn-16-k' for any k and 'mlp:' with any hidden widths, such as 'mlp:64-32'"
    )


def hidden_widths(name: object) -> tuple[int, ...] | None:
    """Hidden widths of an ``"mlp:.."``; None for every other name.

    Examples
    --------
    >>> hidden_widths("mlp:80-40")
    (80, 40)
    """
    match = _MLP.fullmatch(name) if isinstance(name, str) else None
    return tuple(map(int, match[1].split("-"))) if match else None


def build_network(
    name: str,
    n_classes: int,
    in_channels: int = 3,
    generator: torch.Generator | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    **options: Any,
) -> nn.Module:
    """Make a network by its name.

    Parameters
    ----------
    name : str
        "resnet8" .. "resnet110", "wrn-16-1" (any k), "densenet-40-12", "convnet", "convnet4", or
        "mlp:" and hidden widths, such as "mlp:80-80".
    n_classes, in_channels : int
    generator : torch.Generator, optional
        Source of the start; the global random state is not touched when it is given.
    input_shape : sequence of int, optional
        Shape of one row, (c, h, w) or (D,): needed by "mlp:" and "convnet4", which are made for
        one size.
    **options
        Further arguments of the network's class, such as ``shortcut="padding"`` for a ResNet or
        ``stem=16`` for the DenseNet.

    Returns
    -------
    nn.Module
        ``forward(x)`` gives logits (B, C), ``logits_and_hidden(x)`` also the input of ``head``,
        the last nn.Linear.

    Raises
    ------
    InputError
        Unknown name, or no `input_shape` where it is needed.
    """
    check_network(name)
    check_whole("n_classes", n_classes, 1)
    check_whole("in_channels", in_channels, 1)
    widths = hidden_widths(name)
    if input_shape is None and (widths is not None or name == "convnet4"):
        raise InputError(f"{name!r} needs input_shape=, the shape of one row")
    if widths is not None and input_shape is not None:
        return Flattened(MLP(math.prod(input_shape), n_classes, widths, generator))
    options["generator"] = generator
    if name == "convnet4":
        return ConvNet4(n_classes, cast(Sequence[int], input_shape), **options)
    if match := _RESNET.fullmatch(name):
        return ResNet(int(match[1]), n_classes, in_channels, **options)
    if match := _WIDE.fullmatch(name):
        return WideResNet(int(match[1]), int(match[2]), n_classes, in_channels, **options)
    kind = DenseNet if name == "densenet-40-12" else ConvNet
    return kind(n_classes, in_channels, **options)


def check_hidden(hidden: object) -> None:
    """Raise InputError unless the widths of an "mlp" are a sequence of whole numbers from 1 on."""
    if not isinstance(hidden, Sequence) or isinstance(hidden, str | bytes):
        raise InputError(f"hidden must be widths such as (512, 512), found {hidden!r}")
    for width in hidden:
        check_whole("hidden", width, 1)


def n_parameters(module: nn.Module) -> int:
    """Count the parameters, frozen ones as well; buffers do not count."""
    return sum(parameter.numel() for parameter in module.parameters())


def compression_ratio(teacher: nn.Module, student: nn.Module) -> float:
    """Parameters of the teacher per parameter of the student."""
    return n_parameters(teacher) / n_parameters(student)


PLAIN = ("linear", "mlp")
FeatureFactory = Callable[[Any, int], nn.Module]
# "linear", "mlp", "encoder:NAME", the name of a network, a module or a function that makes one.
FeatureModelLike: TypeAlias = str | nn.Module | FeatureFactory


def check_kind(kind: object, argument: str = "feature_model") -> None:
    """Raise InputError for what :func:`build_feature_model` cannot make a feature model of."""
    named = kind in PLAIN or is_network(kind) or encoder_name(kind) is not None
    known = named if isinstance(kind, str) else callable(kind)
    if not known:
        why = f"; {unknown_network(kind)}" if isinstance(kind, str) else ""
        raise InputError(
            f"{argument} must be 'linear', 'mlp', 'encoder:NAME', the name of a network or a "
            f"module, found {kind!r}{why}"
        )


def build_feature_model(
    kind: FeatureModelLike,
    n_features: int,
    n_classes: int,
    hidden: Sequence[int] = (512, 512),
    generator: torch.Generator | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    statistics: tuple[VectorLike, VectorLike] | None = None,
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
    check_whole("n_classes", n_classes, 1)
    if isinstance(kind, str) and kind == "mlp":
        check_hidden(hidden)
    if input_shape is None or len(input_shape) == 1:
        n = n_features if input_shape is None else input_shape[0]
        check_whole("n_features", n, 0)
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
    kind: FeatureModelLike,
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
    kind: FeatureModelLike,
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


def _check_takes_sizes(function: FeatureFactory) -> None:
    """Raise InputError for a callable that cannot be called with features and classes."""
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"feature_model must be a name, a module, or a function of (n_features, n_classes) "
            f"that makes one; {function!r} cannot be called so ({error}). A class of a module is "
            "given as a module: call it first"
        ) from error


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
        _check_takes_sizes(kind)
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
