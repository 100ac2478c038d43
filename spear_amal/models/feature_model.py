"""Feature models P_theta(y | x), linear or an MLP, and the joint model with the rules beside them.

Each maps features to ``(logits, hidden)`` and has ``head``, the last linear layer, with
``logits = affine(hidden, head.weight, head.bias)``: what last-layer meta-gradients build on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from spear_amal.batch import Batch, Outputs
from spear_amal.tensors.sparse_rows import SparseRows, affine

if TYPE_CHECKING:
    from spear_amal.models.cage import RuleModel
    from spear_amal.models.rule_network import RuleNetwork


class Affine(nn.Linear):
    """``nn.Linear`` that also takes sparse rows and draws its start from a given generator."""

    def __init__(
        self, n_in: int, n_out: int, generator: torch.Generator | None = None, zero: bool = False
    ) -> None:
        # Within torch.device("meta") shapes are all that is asked for.
        shapes_only = torch.get_default_device().type == "meta"
        super().__init__(n_in, n_out, device="meta" if shapes_only else "cpu")
        bound = 0.0 if zero else 1 / math.sqrt(max(n_in, 1))
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator)
            self.bias.uniform_(-bound, bound, generator=generator)

    def reset_parameters(self) -> None:
        """Do nothing: the constructor draws the start, and leaves torch's global state alone."""

    def forward(self, input: Tensor | SparseRows) -> Tensor:
        """Affine map (B, D) to (B, C)."""
        if isinstance(input, Tensor):
            return super().forward(input)
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
            x = layer(x).relu_()
        return self.head(x), x


class JointModel(nn.Module):
    """P_theta(y | x) and, where LFs are at hand, P_phi(l, s, y); one answer for both.

    The feature model gives (logits, hidden), and may add a dict of further fields of
    :class:`Outputs`, such as its views of turned images.
    """

    def __init__(self, feature: nn.Module, rules: RuleModel | RuleNetwork | None = None) -> None:
        super().__init__()
        self.feature = feature
        self.rules = rules

    def forward(self, batch: Batch, feature: Callable[[Any], Any] | None = None) -> Outputs:
        """Logits, hidden activations and joint rule log-probabilities of a batch.

        Both models see the same rows in the same order: nothing is re-sorted by labelled and
        unlabelled rows. `feature` stands in for the call of the feature model, as where that was
        compiled.
        """
        logits, hidden, *more = (feature or self.feature)(batch.x)
        named = more[0] if more else {}
        if self.rules is None:
            return Outputs(logits, hidden, **named)
        if getattr(self.feature, "reads_tokens", False):
            # Numbers of tokens are no features; what rules are judged by is what is made of them.
            batch = replace(batch, x=hidden.detach())
        return Outputs(logits, hidden, *self.rules.answer(batch), **named)


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Return the layers of a model that compute statistics of a batch, by name."""
    return {name: part for name, part in model.named_modules() if isinstance(part, _BatchNorm)}


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Switch a module to evaluation mode; afterwards every part has the mode back that it had."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


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
