"""Fixed weights found by random search: a model is trained with each draw, validation chooses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from spear_amal.mixers.base import Mixer
from spear_amal.mixers.fixed import PerLoss
from spear_amal.mixers.loss_roles import check_main, main_loss
from spear_amal.params import check_conditions, check_flag, check_not_negative, check_whole


class RandomSearch(PerLoss):
    """Constant weights of draw number `trial`; the estimators try all and keep the best on V.

    Trial 0 is the plain sum, so that the search never does worse than it on V. From trial 1 on
    each auxiliary loss has a weight of its own, drawn independently. The main loss and losses that
    are not mixable always count 1. As many models are trained as there are trials. In a loop of
    your own this is one of them: choose `trial`.

    Parameters
    ----------
    trials : int
        Models to train.
    low, high : float
        Range of the drawn weights.
    log : bool
        Draw logarithms uniformly, not the weights; `low` must be above 0 then.
    seed : int
        Of the draws. Draw t is the same for any number of trials.
    trial : int
        Which draw this mixer stands for.
    main : str, optional
        The main loss; by default the one in the role "label", else the first.
    """

    def __init__(
        self,
        trials: int = 8,
        *,
        low: float = 0.0,
        high: float = 1.0,
        log: bool = False,
        seed: int = 0,
        trial: int = 0,
        main: str | None = None,
    ) -> None:
        self.trials = trials
        self.low = low
        self.high = high
        self.log = log
        self.seed = seed
        self.trial = trial
        self.main = main
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        for name, least in (("trials", 1), ("seed", 0), ("trial", 0)):
            check_whole(name, getattr(self, name), least)
        check_main(self.main)
        for name in ("low", "high"):
            check_not_negative(name, getattr(self, name))
        check_flag("log", self.log)
        check_conditions(
            (
                self.low <= self.high,
                lambda: f"low must not be above high, found low={self.low} and high={self.high}",
            ),
            (
                self.low > 0 or not self.log,
                lambda: f"low must be above 0 with log=True, found {self.low}",
            ),
        )

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Draw the weights."""
        super().attach(n_rows, names, domain, mixable)
        drawn = mixable.cpu() & (torch.arange(len(names)) != main_loss(self.main, names))
        weights = torch.tensor(self._draw(len(names)))
        self.vector = torch.where(drawn, weights, 1.0).to(domain.device)

    def _draw(self, n_losses: int) -> np.ndarray:
        if not self.trial:
            return np.ones(n_losses)
        uniform = np.random.default_rng([self.seed, self.trial]).random(n_losses)
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** uniform)
        return np.asarray(self.low + (self.high - self.low) * uniform)

    def candidates(self, names: Sequence[str]) -> list[Mixer]:
        """One mixer for each trial; a single loss leaves nothing to search."""
        trials = range(self.trials if len(names) > 1 else 1)
        return [clone(self).set_params(trial=trial) for trial in trials]
