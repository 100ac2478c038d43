"""DGKD: fixed weights, with some teachers left out of each mini-batch at random.

Son et al., "Densely Guided Knowledge Distillation using Multiple Teacher Assistants" (2021).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.mixers.base import Mixer
from spear_amal.mixers.loss_roles import HINTON, TEACHER, by_name, check_by_name, in_role
from spear_amal.params import check_whole, check_within
from spear_amal.seeds import settle_seed


class DGKD(Mixer):
    """Constant weights of which teachers drop out per mini-batch; the rest is not scaled up.

    Parameters
    ----------
    keep : float
        Probability in [0, 1] with which each teacher stays, on its own; all may be gone.
    drop : int, optional
        Leave out exactly that many teachers of each batch instead (the published code).
    per_loss : mapping of str to float, optional
        Weight per loss name, "teacher" standing for every teacher; by default 0.1 for the label
        and 0.9 for each teacher. Losses not named keep 1.
    seed : int, optional
        Of the draws; by default the run's own random stream gives it.
    """

    def __init__(
        self,
        keep: float = 0.75,
        *,
        drop: int | None = None,
        per_loss: Mapping[str, float] | None = None,
        seed: int | None = None,
    ) -> None:
        self.keep = keep
        self.drop = drop
        self.per_loss = per_loss
        self.seed = seed
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_by_name("per_loss", self.per_loss)
        check_within("keep", self.keep, 0, 1)
        if self.drop is not None:
            check_whole("drop", self.drop, 0)
        if self.seed is not None:
            check_whole("seed", self.seed, 0)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Lay out one weight per loss and start the draws."""
        super().attach(n_rows, names, domain, mixable)
        mixable = mixable.cpu()
        self.vector = torch.where(mixable, by_name("per_loss", self.per_loss, names, HINTON), 1.0)
        teachers = in_role(names, TEACHER)
        if self.drop is not None and 0 < teachers.sum() <= self.drop:
            raise InputError(
                f"drop={self.drop} would leave none of {int(teachers.sum())} teachers; drop fewer"
            )
        self.teachers = (teachers & mixable).nonzero().squeeze(1)
        drawn = self.seed is None
        seed = torch.randint(2**62, ()).item() if drawn else settle_seed(self.seed, "seed")
        self.generator = torch.Generator().manual_seed(int(seed))

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Draw the teachers of this batch."""
        vector = self.vector.clone()
        vector[self.teachers] *= self._stay()
        return vector.to(losses).expand_as(losses)

    def _stay(self) -> Tensor:
        """1 for teachers that stay, 0 for those left out (T,)."""
        n = len(self.teachers)
        if self.drop is None:
            return (torch.rand(n, generator=self.generator) < self.keep).float()
        return (torch.randperm(n, generator=self.generator) >= self.drop).float()

    def state_dict(self) -> dict[str, Tensor]:
        """Return where the draws are."""
        return {"random": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the state of the draws."""
        self.generator.set_state(state["random"].cpu())
