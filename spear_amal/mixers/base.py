"""A mixer says how much each loss counts on each row; it sees rows and losses, never their kind."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.types import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence


class LookAheadLike(Protocol):
    """What a mixer may ask about one step of training on a batch."""

    def hypergradient(self, weights: Tensor) -> Tensor:
        """Give ``d L_val / d Lambda`` (B, K)."""

    def losses(self) -> Tensor:
        """Give the losses (B, K) at the parameters before the step; zeros outside the domains."""

    def alignment(self, weights: Tensor) -> Tensor:
        """Give the inner products ``<grad L_val, grad l_ik>`` (B, K)."""

    def feature_scale(self) -> float:
        """Give the mean squared norm of the head's input, its constant 1 included."""

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Give each row's gradient (B, H) of its own weighted losses by the head's input."""


@dataclass(frozen=True)
class LookAheadOptions:
    """How the look-ahead is made that a mixer learns from.

    Attributes
    ----------
    eta : float
        Step size of plain SGD.
    parameters : {"last-layer", "network"}
    outer : {"feature", "feature+rules", "teacher"}
        Validation loss: cross-entropy of the feature model; `gamma` times the rule model's as
        well; or ALM-KD's divergence from a perturbed teacher.
    gamma : float
    alpha, beta : float
        Used by "teacher": weight of the gold class in the target, and of the same loss on the
        group itself.
    group_size : int or None
        Rows per look-ahead; None takes all rows at once.
    meta_size : int or None
        Validation rows per look-ahead, drawn anew each time; None takes all.
    """

    eta: float = 0.5
    parameters: str = "last-layer"
    outer: str = "feature"
    gamma: float = 1.0
    group_size: int | None = None
    meta_size: int | None = None
    alpha: float = 0.2
    beta: float = 0.1


class Mixer:
    """Base: every weight is 1, nothing is learnt.

    Attributes
    ----------
    needs_look_ahead : bool
        True if :meth:`refresh` wants a look-ahead; without it no validation gradient is computed.
    every_step : bool
        True if :meth:`refresh` is wanted on each training batch before its step, not on groups of
        rows before an epoch.
    """

    needs_look_ahead = False
    every_step = False

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Size the tables once.

        Parameters
        ----------
        n_rows : int
            Rows of the training table; batches address them by ``batch.index``.
        names : sequence of str, length K
        domain : Tensor (n_rows, K), bool
            Where each loss is defined.
        mixable : Tensor (K,), bool
        """
        self.names = tuple(names)
        self.n_rows = n_rows

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Weights (B, K) for a batch with losses (B, K); constants to the model's gradient."""
        return torch.ones_like(losses)

    def should_refresh(self, epoch: int) -> bool:
        """Whether :meth:`refresh` is wanted before epoch `epoch` (from 0)."""
        return False

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Learn from one look-ahead on a group of rows."""

    def end_refresh(self) -> None:
        """All groups of a refresh were seen."""

    def visits(self, rows: Tensor, epoch: int) -> Tensor:
        """Which of the training rows (numbers, sorted) epoch `epoch` goes through."""
        return rows

    def look_ahead_options(self) -> LookAheadOptions:
        """Say which look-ahead :meth:`refresh` wants."""
        return LookAheadOptions()

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean weight of each loss over its domain within `rows`; empty if not kept per row."""
        return {}

    def table(self) -> Tensor | None:
        """All weights (n_rows, K), if this mixer keeps one per row."""
        return None

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load_state_dict` continues."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what :meth:`state_dict` gave."""

    def summary(self) -> dict[str, Any]:
        """Return the constructor's settings by name, for the record."""
        names = [name for name in inspect.signature(type(self)).parameters if hasattr(self, name)]
        return {"mixer": type(self).__name__, **{name: getattr(self, name) for name in names}}


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise InputError unless an option is a whole number of at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, found {value!r}")
