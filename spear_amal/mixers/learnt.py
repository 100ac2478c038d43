"""A table of weights that is learnt from look-aheads on groups of rows: AMAL's and ALM-KD's part.

It looks weights up, keeps the schedule of refreshes, scales gradients and goes to disk and back.
What a refresh does with the look-ahead is the mixer's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions, Mixer, check_whole
from spear_amal.types import Batch


class LearntTable(Mixer):
    """One weight per row and loss; options of the refresh as documented by the mixers."""

    needs_look_ahead = True
    spreads = True

    rho: float
    refresh_every: int
    warmup: int
    eta_look: float
    inner_repeats: int
    group_size: int | None
    normalise: str
    outer: str
    look_ahead: str

    def _check_learning(self) -> None:
        for name, least in (("refresh_every", 1), ("warmup", 0), ("inner_repeats", 1)):
            check_whole(name, getattr(self, name), least)
        if self.group_size is not None:
            check_whole("group_size", self.group_size, 1)
        check_all(
            {
                f"rho must not be negative, found {self.rho}": self.rho >= 0,
                f"eta_look must be above 0, found {self.eta_look}": self.eta_look > 0,
                "normalise must be 'none', 'features', 'max-abs' or 'l2', found "
                f"{self.normalise!r}": self.normalise in ("none", "features", "max-abs", "l2"),
                f"look_ahead must be 'last-layer' or 'network', found {self.look_ahead!r}": (
                    self.look_ahead in ("last-layer", "network")
                ),
            }
        )

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Lay out one weight per row and loss, all 1."""
        super().attach(n_rows, names, domain, mixable)
        # On the table's device: looking weights up costs no transfer per step.
        self.lambdas = torch.ones(n_rows, len(names), device=domain.device)
        self.learnt = domain & mixable.to(domain.device)  # (n_rows, K)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Look the batch's rows up in the table."""
        return self.lambdas[batch.index].to(losses)

    def should_refresh(self, epoch: int) -> bool:
        """Every `refresh_every` epochs from `warmup` on."""
        return epoch >= self.warmup and (epoch - self.warmup) % self.refresh_every == 0

    def _scaled(self, gradient: Tensor, look_ahead: LookAheadLike) -> Tensor:
        gradient = gradient.to(self.lambdas)
        if self.normalise == "none":
            return gradient
        if self.normalise == "features":
            return gradient / look_ahead.feature_scale()
        everywhere, _ = self.shard.stacked(gradient)  # the whole group's
        size = everywhere.abs().amax(0) if self.normalise == "max-abs" else everywhere.norm(dim=0)
        return gradient / size.clamp(min=torch.finfo(gradient.dtype).tiny)

    def look_ahead_options(self) -> LookAheadOptions:
        """Say which look-ahead to make."""
        return LookAheadOptions(
            self.eta_look, self.look_ahead, self.outer, group_size=self.group_size
        )

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean weight of each loss over its domain within `rows`."""
        learnt = self.learnt[rows]
        sums = (self.lambdas[rows] * learnt).sum(0)
        sums, counts = self.shard.total([sums, learnt.sum(0)])
        means = sums / counts.clamp(min=1)
        return dict(zip(self.names, means.tolist(), strict=True))

    def table(self) -> Tensor:
        """All weights (n_rows, K)."""
        return self.lambdas

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weight table."""
        return {"lambdas": self.lambdas.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take the weight table back."""
        self.lambdas = state["lambdas"].to(self.lambdas, copy=True)


def check_all(conditions: dict[str, bool]) -> None:
    """Raise InputError with the first message whose condition does not hold."""
    for message, holds in conditions.items():
        if not holds:
            raise InputError(message)
