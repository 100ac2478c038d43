"""Feature models P_theta(y | x): a linear one, an MLP, and an adapter for any torch module.

Each maps features to ``(logits, hidden)`` and has ``head``, the last linear layer, with
``logits = affine(hidden, head.weight, head.bias)``: what last-layer meta-gradients build on.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.maths.sparse_rows import SparseRows, affine


class Affine(nn.Linear):
    """``nn.Linear`` that also takes sparse rows and draws its start from a given generator."""

    def __init__(
        self, n_in: int, n_out: int, generator: torch.Generator | None = None, zero: bool = False
    ) -> None:
        # skip_init leaves the global random state alone; the start is drawn below.
        super().__init__(n_in, n_out, device="meta")
        self.to_empty(device="cpu")
        bound = 0.0 if zero else 1 / math.sqrt(max(n_in, 1))
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator)
            self.bias.uniform_(-bound, bound, generator=generator)

    def reset_parameters(self) -> None:
        """Do nothing: the constructor sets the parameters."""

    def forward(self, input: Tensor | SparseRows) -> Tensor:
        """Affine map (B, D) to (B, C)."""
        return affine(input, self.weight, self.bias)


class LinearModel(nn.Module):
    """Multinomial logistic regression; starts at zero, since its loss is convex. Hidden = x."""

    def __init__(
        self, n_features: int, n_classes: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.head = Affine(n_features, n_classes, generator, zero=True)

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
        """Logits (B, C) and the features themselves."""
        return self.head(x), x


class MLP(nn.Module):
    """Fully connected layers with ReLU, 512-512 by default as in SPEAR (``nn``)."""

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: Sequence[int] = (512, 512),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = [n_features, *hidden]
        self.layers = nn.ModuleList(Affine(a, b, generator) for a, b in itertools.pairwise(widths))
        self.head = Affine(widths[-1], n_classes, generator)

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
        """Logits (B, C) and the last hidden activation (B, H)."""
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x), x


class FeatureAdapter(nn.Module):
    """Makes any module fit that returns ``(logits, hidden)``.

    Parameters
    ----------
    module : nn.Module
    head : str or None
        Dotted name of its last linear layer, e.g. ``"classifier.out"``. None for a module without
        one: then only the whole network can be differentiated (``look_ahead="network"``).
    """

    def __init__(self, module: nn.Module, head: str | None = "head") -> None:
        super().__init__()
        self.module = module
        self.head_name = head
        if head is None:
            return
        try:
            found = module.get_submodule(head)
        except AttributeError as error:
            names = [n for n, part in module.named_modules() if isinstance(part, nn.Linear)]
            raise InputError(
                f"the module has no part {head!r}; its linear layers are {names}: name the last "
                "one as head="
            ) from error
        if not isinstance(found, nn.Linear):
            raise InputError(
                f"head={head!r} is a {type(found).__name__}; last-layer meta-gradients need a "
                "linear layer. Pass head=None and train with mixer_options={'look_ahead': "
                "'network'} to differentiate the whole network"
            )

    @property
    def head(self) -> nn.Linear | None:
        """The last linear layer, if there is one."""
        if self.head_name is None:
            return None
        return self.module.get_submodule(self.head_name)  # type: ignore[return-value]

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H); the module gets dense rows, one batch at a time."""
        out = self.module(x.to_dense() if isinstance(x, SparseRows) else x)
        if not (isinstance(out, tuple) and len(out) == 2):
            raise InputError(
                "a feature model must return (logits, hidden); found "
                f"{type(out).__name__}. Return the input of the last linear layer as well"
            )
        return out


FeatureFactory = Callable[[int, int], nn.Module]


def check_kind(kind: Any) -> None:
    """Raise InputError for what :func:`build_feature_model` cannot make a feature model of."""
    if kind not in ("linear", "mlp") if isinstance(kind, str) else not callable(kind):
        raise InputError(f"feature_model must be 'linear', 'mlp' or a module, found {kind!r}")


def build_feature_model(
    kind: str | nn.Module | FeatureFactory,
    n_features: int,
    n_classes: int,
    hidden: Sequence[int] = (512, 512),
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Make the feature model: "linear", "mlp", a function (D, C) -> module, or a module."""
    check_kind(kind)
    if kind == "linear":
        return LinearModel(n_features, n_classes, generator)
    if isinstance(kind, str):
        return MLP(n_features, n_classes, hidden, generator)
    if isinstance(kind, nn.Module):
        # A copy: fitting must not change what the user passed to the constructor.
        module = copy.deepcopy(kind)
    else:
        # What the user's function draws is settled by our generator, not by the global state.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0 if generator is None else generator.initial_seed())
            module = kind(n_features, n_classes)
    return module if isinstance(module, FeatureAdapter) else FeatureAdapter(module)
