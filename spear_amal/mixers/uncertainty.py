"""Weights by homoscedastic uncertainty, learnt along with the model on its own batches.

Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses" (2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.maths.losses import domain_counts
from spear_amal.mixers.base import Step
from spear_amal.mixers.fixed import PerLoss
from spear_amal.params import check_choice, check_positive, check_within

FORMS = {"half": 0.5, "classification": 1.0}
# |s_k| stays below: a loss that reaches 0 would take its weight c exp(-s_k) to infinity.
LARGEST = 10.0
# Adam's usual constants.
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Uncertainty(PerLoss):
    """Minimises ``sum_k [c exp(-s_k) L_k + s_k / 2]`` over the model and ``s_k = log sigma_k^2``.

    With v_k the mean of loss k over its rows in the batch, the derivative by s_k is
    ``1/2 - c exp(-s_k) v_k``, so that the weight ``c exp(-s_k)`` tends to ``1 / (2 v_k)``. Every
    mixable loss has an s_k, the main one too; the others keep weight 1. A loss without rows in a
    batch leaves its s_k alone.

    Parameters
    ----------
    form : {"half", "classification"}
        c = 1/2 for all losses, as for squared errors, or 1, Kendall's approximation for
        cross-entropies.
    lr : float
        Rate of the s_k.
    start : float
        All s_k at the start; at most 10 either way, and they stay within that.
    optimiser : {"adam", "sgd"}
        Of the s_k.
    """

    spreads = True

    def __init__(
        self,
        form: str = "half",
        *,
        lr: float = 1e-2,
        start: float = 0.0,
        optimiser: str = "adam",
    ) -> None:
        self.form = form
        self.lr = lr
        self.start = start
        self.optimiser = optimiser
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_choice("form", self.form, FORMS)
        check_positive("lr", self.lr)
        check_within("start", self.start, -LARGEST, LARGEST)
        check_choice("optimiser", self.optimiser, ("adam", "sgd"))

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Start all s_k."""
        super().attach(n_rows, names, domain, mixable)
        device = domain.device
        self.mixable = mixable.to(device)
        self.s = torch.full((len(names),), float(self.start), dtype=torch.float64, device=device)
        self.first, self.second, self.steps = (torch.zeros_like(self.s) for _ in range(3))

    @property
    def vector(self) -> Tensor:  # type: ignore[override]
        """Weights (K,) as they are now."""
        return torch.where(self.mixable, FORMS[self.form] * torch.exp(-self.s), 1.0)

    def combine(self, step: Step) -> Tensor:
        """Weighted objective and the terms s_k / 2 of the losses at hand; then a step of s."""
        here = (self.shard.total([step.applies.sum(0)])[0] > 0) & self.mixable
        value = super().combine(step) + torch.where(here, self.s / 2, 0.0).sum().to(step.losses)
        self._learn(step.losses.detach(), step.applies, here)
        return value

    def _learn(self, losses: Tensor, applies: Tensor, here: Tensor) -> None:
        kept = torch.where(applies, losses, torch.zeros_like(losses)).double()
        means = self.shard.total([kept.sum(0)])[0] / domain_counts(applies, self.shard)  # v_k (K,)
        slopes = torch.where(here, 0.5 - FORMS[self.form] * torch.exp(-self.s) * means, 0.0)
        slopes, share = mean_over_ranks([slopes, here.double()])
        moved = (self.s - self.lr * self._direction(slopes, share > 0)).clamp(-LARGEST, LARGEST)
        self.s = torch.where(share > 0, moved, self.s)

    def _direction(self, slopes: Tensor, here: Tensor) -> Tensor:
        """Turn slopes (K,) into the optimiser's steps; each s_k has a count of its own."""
        if self.optimiser == "sgd":
            return slopes
        self.steps = self.steps + here
        first = BETAS[0] * self.first + (1 - BETAS[0]) * slopes
        second = BETAS[1] * self.second + (1 - BETAS[1]) * slopes**2
        self.first = torch.where(here, first, self.first)
        self.second = torch.where(here, second, self.second)
        n = self.steps.clamp(min=1)
        scale = (self.second / (1 - BETAS[1] ** n)).sqrt() + EPSILON
        return self.first / (1 - BETAS[0] ** n) / scale

    def state_dict(self) -> dict[str, Tensor]:
        """Return s and the optimiser's moments."""
        return {name: getattr(self, name).clone() for name in ("s", "first", "second", "steps")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value.to(self.s, copy=True))
