"""Losses of ImplyLoss and of posterior regularisation, on a classifier and a rule network."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from spear_amal._typing import MatrixLike
from spear_amal.batch import Batch, Outputs
from spear_amal.losses.base import Component
from spear_amal.maths import implication

GENERALISED = 0.2  # the paper's exponent of the generalised cross-entropy


def _odds(outputs: Outputs) -> Tensor:
    return cast(Tensor, outputs.reliability)


class RuleReliability(Component):
    """What gold rows say about the rules that fired on them (LL_phi).

    Parameters
    ----------
    k : Tensor (m,)
        Class of each rule.
    exemplars : array (rows of the training table, m), bool, optional
        Rows that rules were written from; there the rule is surely right.
    """

    name = "rule-reliability"

    def __init__(self, k: Tensor, exemplars: MatrixLike | None = None) -> None:
        self.k = k
        self.exemplars = None if exemplars is None else torch.as_tensor(exemplars)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Sum over the fired rules."""
        right = batch.y.unsqueeze(1) == self.k.to(batch.y.device)
        exemplar = torch.zeros_like(right)
        if self.exemplars is not None:
            exemplar = self.exemplars[batch.index.cpu()].to(right)
        return implication.reliability(_odds(outputs), right, batch.fired, exemplar, GENERALISED)

    def applies(self, batch: Batch) -> Tensor:
        """Labelled rows on which a rule fired."""
        return batch.labelled & batch.covered


class Implication(Component):
    """A rule that is right implies its class, on unlabelled rows.

    Parameters
    ----------
    k : Tensor (m,)
    gamma : float
        Factor of this loss.
    """

    name = "implication"

    def __init__(self, k: Tensor, gamma: float = 0.1) -> None:
        self.k, self.gamma = k, gamma

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Sum over the fired rules."""
        k = self.k.to(outputs.logits.device)
        return self.gamma * implication.implication(outputs.logits, _odds(outputs), batch.fired, k)

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows on which a rule fired."""
        return batch.covered & ~batch.labelled


class PosteriorRegularisation(Implication):
    """Classifier and rules follow the posterior under soft rule constraints, on unlabelled rows.

    Parameters
    ----------
    k, gamma : see :class:`Implication`
    strength : float
        Price C of breaking a rule that is right.
    """

    name = "posterior"

    def __init__(self, k: Tensor, gamma: float = 0.1, strength: float = 0.1) -> None:
        super().__init__(k, gamma)
        self.strength = strength

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy to the posterior of the class and of each fired rule."""
        k = self.k.to(outputs.logits.device)
        return self.gamma * implication.posterior_regularisation(
            outputs.logits, _odds(outputs), batch.fired, k, self.strength
        )
