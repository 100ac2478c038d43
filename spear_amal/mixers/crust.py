"""CRUST: train on the rows whose gradients stand for their class's; the rest is taken for noise.

Mirzasoleiman, Cao and Leskovec, "Coresets for Robust Training of Neural Networks against Noisy
Labels" (2020). Its mixup between rows is not part of it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.maths.facility_location import Distances, cluster_sizes, facility_location
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions, Mixer
from spear_amal.mixers.loss_roles import HINTON, by_name, check_by_name
from spear_amal.params import check_not_negative, check_whole, check_within


class Crust(Mixer):
    """Before every epoch, per class, the medoids of the rows' gradients; an epoch visits only them.

    A row's gradient is that of its own weighted losses by the head's input. Clean rows of a class
    have gradients in a few tight clusters, wrong ones lie apart. Rows without a label are a class
    of their own. Distances of a class of n rows are held while ``n^2`` is below 64 million; of a
    larger class they are computed again when needed. No validation rows are used.

    Parameters
    ----------
    fraction : float
        Share of each class that is chosen, in (0, 1]; at least one row.
    radius : float or None
        A chosen row counts as often as there are rows of its class within this distance of its
        gradient (not divided by the batch size). None counts the rows to which it is the nearest.
    start_epoch : int
        Epochs, from 0, before the first choice; until then all rows are trained, and count 1.
    per_loss : mapping of str to float, optional
        Weight per loss name, "teacher" standing for every teacher; by default 0.1 for the label
        and 0.9 for each teacher. Losses not named have 1. A row's count multiplies them, divided
        by the mean count of its batch. Losses that are not mixable keep 1.
    group_size : int
        Rows whose gradients are computed at once; does not change the result.
    """

    needs_look_ahead = True

    def __init__(
        self,
        fraction: float = 0.5,
        *,
        radius: float | None = 2.0,
        start_epoch: int = 5,
        per_loss: Mapping[str, float] | None = None,
        group_size: int = 1024,
    ) -> None:
        self.fraction = fraction
        self.radius = radius
        self.start_epoch = start_epoch
        self.per_loss = per_loss
        self.group_size = group_size
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_by_name("per_loss", self.per_loss)
        check_within("fraction", self.fraction, 0, 1, closed="right")
        if self.radius is not None:
            check_not_negative("radius", self.radius)
        check_whole("start_epoch", self.start_epoch, 0)
        check_whole("group_size", self.group_size, 1)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Start with a count of 1 for every row."""
        super().attach(n_rows, names, domain, mixable)
        self.vector = by_name("per_loss", self.per_loss, names, HINTON).to(domain.device)
        self.counts = torch.ones(n_rows, device=domain.device)
        self._seen: list[tuple[np.ndarray, ...]] = []

    def should_refresh(self, epoch: int) -> bool:
        """Every epoch from `start_epoch` on."""
        return epoch >= self.start_epoch

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of a look-ahead: how many rows are taken at once."""
        return LookAheadOptions(group_size=self.group_size)

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Collect the gradients of a group, by row number."""
        vector = torch.where(self.mixable, self.vector, 1.0)
        slopes = look_ahead.hidden_gradients(vector.expand(len(batch), -1))
        seen = (batch.index, batch.y, slopes)
        self._seen.append(tuple(tensor.detach().cpu().numpy() for tensor in seen))

    def end_refresh(self) -> None:
        """Choose rows of each class from the collected gradients."""
        if not self._seen:
            return
        index, y, gradients = (np.concatenate(parts) for parts in zip(*self._seen, strict=True))
        self._seen = []
        if not np.isfinite(gradients).all():
            raise InputError("CRUST found gradients that are not finite; use a smaller lr")
        sizes = np.zeros(len(index), dtype=np.float32)
        for label in np.unique(y):
            # In the order of row numbers: groups are shuffled, the choice does not depend on it.
            rows = np.flatnonzero(y == label)
            rows = rows[np.argsort(index[rows])]
            chosen, stands_for = medoids(gradients[rows], self.fraction, self.radius)
            sizes[rows[chosen]] = stands_for
        # The mean over appearances, where a sampler with replacement drew a row several times: its
        # count is multiplied by them in training.
        times = np.bincount(index, minlength=self.n_rows).clip(min=1)
        counts = np.bincount(index, sizes, self.n_rows) / times
        self.counts = torch.from_numpy(counts).to(self.counts)

    def visits(self, rows: Tensor, epoch: int) -> Tensor:
        """Return the rows that were chosen."""
        return rows[self.counts.to(rows.device)[rows] > 0]

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Multiply fixed weights by the rows' counts, whose mean over the batch is made 1."""
        counts = self.counts[batch.index].to(losses)
        share = counts * len(counts) / counts.sum().clamp(min=torch.finfo(counts.dtype).tiny)
        return torch.where(self.mixable, share.unsqueeze(1) * self.vector.to(losses), 1.0)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the rows' counts; 0 is not chosen."""
        return {"counts": self.counts.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the counts."""
        self.counts = state["counts"].to(self.counts, copy=True)
        self._seen = []  # what a refresh that failed had collected


def medoids(
    points: np.ndarray, fraction: float, radius: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose a share of the points (n, H) and say how many each stands for."""
    distances = Distances(points)
    budget = max(1, round(fraction * len(points)))
    chosen = facility_location(distances, budget)
    return chosen, cluster_sizes(distances, chosen, radius)
