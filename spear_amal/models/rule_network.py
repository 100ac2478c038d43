"""A network that says, row by row, whether a rule that fired is right (ImplyLoss, 2020)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spear_amal.batch import Batch
from spear_amal.maths import implication
from spear_amal.models.feature_model import Affine

START_DEVIATION = 0.02  # truncated normal, as published


class RuleNetwork(nn.Module):
    """``w_ij = P(rule j is right about row i)`` from features and the rule's number.

    The input is ``[x_i ; one-hot(j)]``. Only pairs (i, j) that fired are computed: the first layer
    splits into a part of the row and a part of the rule, which are added per pair.

    Parameters
    ----------
    n_features, n_classes : int
    k : Tensor (m,), int64
        Class of each rule.
    hidden : sequence of int
        Widths; one layer at least.
    generator : torch.Generator, optional
    """

    k: Tensor

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        k: Tensor,
        hidden: Sequence[int] = (32,),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.register_buffer("k", k)
        self.of_row = Affine(n_features, hidden[0], generator)
        self.of_rule = nn.Parameter(torch.empty(len(k), hidden[0]))
        sizes = [*hidden, 1]
        self.inner = nn.ModuleList(Affine(a, b, generator) for a, b in itertools.pairwise(sizes))
        with torch.no_grad():
            for layer in (self.of_row, *self.inner):
                _start(layer.weight, generator)
                layer.bias.zero_()
            _start(self.of_rule, generator)

    @classmethod
    def from_state(cls, state: dict[str, Tensor], n_classes: int) -> RuleNetwork:
        """Make a network of the shape that a stored state dict needs and fill it."""
        inner = sum(name.startswith("inner.") and name.endswith("weight") for name in state)
        hidden = [state[f"inner.{i}.weight"].shape[1] for i in range(inner)]
        model = cls(state["of_row.weight"].shape[1], n_classes, state["k"], hidden)
        model.load_state_dict(state)
        return model

    def forward(self, batch: Batch) -> Tensor:
        """Log odds (B, m) that a rule is right where it fired; 0 elsewhere."""
        rows, rules = batch.fired.nonzero(as_tuple=True)
        inner = torch.relu(self.of_row(batch.x)[rows] + self.of_rule[rules])  # (pairs, H)
        for layer in self.inner[:-1]:
            inner = torch.relu(layer(inner))
        odds = self.inner[-1](inner).squeeze(1)
        return torch.zeros_like(batch.fired).index_put((rows, rules), odds)

    def answer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log scores (B, C) of the classes as published for prediction, and log odds (B, m)."""
        odds = self(batch)
        return implication.log_scores(odds, batch.fired, self.k, self.n_classes), odds


def _start(weight: Tensor, generator: torch.Generator | None) -> None:
    nn.init.trunc_normal_(
        weight,
        std=START_DEVIATION,
        a=-2 * START_DEVIATION,
        b=2 * START_DEVIATION,
        generator=generator,
    )
