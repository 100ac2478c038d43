"""SuperLoss: rows of small loss count more, rows of large loss less; nothing is learnt.

Castells, Weinzaepfel and Revaud, "SuperLoss: A Generic Loss for Robust Curriculum Learning" (2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.maths.lambert import lambert_w0
from spear_amal.mixers.base import Mixer
from spear_amal.mixers.loss_roles import HINTON, by_name, check_by_name
from spear_amal.params import check_positive, check_within


class SuperLoss(Mixer):
    """Confidence ``sigma_i`` of each row from its own loss ``l_i = sum_k w_k l_ik``.

    ``sigma_i = exp(-W(max(-2/e, (l_i - tau) / lam) / 2))`` minimises
    ``(l_i - tau) sigma + lam (log sigma)^2`` (equations 1 and 3). It is held constant while the
    model's gradient is taken, and so is the second term: weights ``sigma_i w_k`` are all of it.
    sigma is 1 at ``l_i = tau`` and at most e. Losses that are not mixable keep weight 1.

    Parameters
    ----------
    per_loss : mapping of str to float, optional
        The w_k by loss name, "teacher" standing for every teacher; by default 0.1 for the label
        and 0.9 for each teacher. Losses not named have 1.
    tau : float, "mean" or "log-classes"
        The loss that counts as hard from there on: a number; the exponential running mean of the
        rows' losses; or the logarithm of the number of classes, as far as teachers tell it.
    lam : float
        The larger, the closer all weights are. AMAL's study has 0.25, and 1 for ten classes.
    decay : float
        Share of the old mean in the new one, per batch; used by ``tau="mean"``.
    """

    spreads = True

    def __init__(
        self,
        per_loss: Mapping[str, float] | None = None,
        *,
        tau: float | str = "log-classes",
        lam: float = 0.25,
        decay: float = 0.9,
    ) -> None:
        self.per_loss = per_loss
        self.tau = tau
        self.lam = lam
        self.decay = decay
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_by_name("per_loss", self.per_loss)
        named = isinstance(self.tau, str) and self.tau in ("mean", "log-classes")
        if not named and not (isinstance(self.tau, Real) and math.isfinite(self.tau)):
            raise InputError(f"tau must be a number, 'mean' or 'log-classes', found {self.tau!r}")
        check_positive("lam", self.lam)
        check_within("decay", self.decay, 0, 1, closed="left")

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Lay out one weight per loss."""
        super().attach(n_rows, names, domain, mixable)
        self.vector = by_name("per_loss", self.per_loss, names, HINTON).double().to(domain.device)
        self.domain = domain & self.mixable
        self.mean = torch.zeros((), dtype=torch.float64, device=domain.device)
        self.batches = torch.zeros((), dtype=torch.int64, device=domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """``sigma_i w_k`` (B, K)."""
        here = self.domain[batch.index]
        parts = torch.where(here, losses.detach().double() * self.vector, 0.0)
        row_loss = parts.sum(1)  # (B,)
        ratio = (row_loss - self._tau(batch, row_loss, here.any(1))) / self.lam
        sigma = torch.exp(-lambert_w0(ratio.clamp(min=-2 / math.e) / 2))
        weights = torch.where(self.mixable, sigma.unsqueeze(1) * self.vector, 1.0)
        return weights.to(losses)

    def _tau(self, batch: Batch, row_loss: Tensor, here: Tensor) -> Tensor | float:
        if self.tau == "mean":
            return self._running_mean(row_loss, here)
        if self.tau != "log-classes":
            return float(self.tau)
        classes = batch.teachers.shape[2] if batch.teachers.ndim == 3 else 0
        if classes < 2:
            raise InputError(
                "tau='log-classes' cannot tell the number of classes; give tau as a number"
            )
        return math.log(classes)

    def _running_mean(self, row_loss: Tensor, here: Tensor) -> Tensor:
        """Update the running mean by the batch's rows on which a loss is defined, and return it."""
        total, count = self.shard.total([torch.where(here, row_loss, 0.0).sum(), here.sum()])
        now = total / count.clamp(min=1)
        later = self.decay * self.mean + (1 - self.decay) * now
        mean = torch.where(self.batches > 0, later, now)
        # On the device, without looking: a batch without any loss leaves the mean alone.
        self.mean = torch.where(count > 0, mean, self.mean)
        self.batches = self.batches + (count > 0)
        return self.mean

    def state_dict(self) -> dict[str, Tensor]:
        """Return the running mean."""
        return {"mean": self.mean.clone(), "batches": self.batches.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the running mean."""
        self.mean = state["mean"].to(self.mean, copy=True)
        self.batches = state["batches"].to(self.batches, copy=True)
