"""A mixer says how much each loss counts on each row; it sees rows and losses, never their kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.maths.losses import domain_counts, weighted_objective
from spear_amal.params import check_choice


class LookAheadLike(Protocol):
    """What a mixer may ask about one step of training on a batch."""

    def hypergradient(self, weights: Tensor) -> Tensor:
        """Compute ``d L_val / d Lambda`` (B, K)."""

    def losses(self) -> Tensor:
        """Return the losses (B, K) at the parameters before the step; zeros outside the domains."""

    def alignment(self, weights: Tensor) -> Tensor:
        """Compute the inner products ``<grad L_val, grad l_ik>`` (B, K)."""

    def feature_scale(self) -> float:
        """Compute the mean squared norm of the head's input, its constant 1 included."""

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Compute each row's gradient (B, H) of its own weighted losses by the head's input."""


class GraphsLike(Protocol):
    """Losses of a batch and the validation loss at the parameters as they are, with graphs."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """Those that are trained, by name."""

    @property
    def applies(self) -> Tensor:
        """Domains (B, K) of the losses, bool."""

    def columns(self) -> Sequence[Tensor]:
        """Compute K losses (B,) of the batch, each with its own graph; zeros outside domains."""

    def penalty(self) -> Tensor | float:
        """Compute what training adds to the weighted losses."""

    def validation_loss(self) -> Tensor:
        """Compute the scalar that weights are learnt to lower."""


@dataclass(frozen=True)
class Step:
    """A step of training before its gradient is taken.

    Attributes
    ----------
    losses : Tensor (B, K)
        With their graph; zeros outside domains.
    weights : Tensor (B, K)
    applies : Tensor (B, K), bool
    columns : sequence of K Tensors (B,)
        The same losses, each with a graph of its own; empty unless the mixer ``separates``.
    parameters : mapping of str to Tensor
        Those that are trained, by name; empty unless the mixer ``separates``.
    """

    losses: Tensor
    weights: Tensor
    applies: Tensor
    columns: Sequence[Tensor] = ()
    parameters: Mapping[str, Tensor] = field(default_factory=dict)

    def values(self) -> list[Tensor]:
        """K scalars ``(1/n_k) sum_i w_ik l_ik``, each with a graph of its own."""
        return weighted_values(self.columns, self.weights, self.applies)


def weighted_values(columns: Sequence[Tensor], weights: Tensor, applies: Tensor) -> list[Tensor]:
    """K scalars ``(1/n_k) sum_i w_ik l_ik`` from losses (B,) that are zero outside domains."""
    shares = torch.where(applies, weights / domain_counts(applies), torch.zeros_like(weights))
    return [(share * column).sum() for share, column in zip(shares.unbind(1), columns, strict=True)]


@dataclass(frozen=True)
class LookAheadOptions:
    """Options of the look-ahead that a mixer learns from.

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
    reuse_states : bool
        Take the head's input of training rows as their last training steps gave it.
    """

    eta: float = 0.5
    parameters: str = "last-layer"
    outer: str = "feature"
    gamma: float = 1.0
    group_size: int | None = None
    meta_size: int | None = None
    alpha: float = 0.2
    beta: float = 0.1
    reuse_states: bool = False


class Mixer(BaseEstimator):
    """Base: every weight is 1, nothing is learnt.

    Parameters work as scikit-learn's do: a constructor stores each argument as it is under its own
    name, so that ``get_params``, ``set_params`` and ``clone`` hold, and a grid search reaches them
    as ``mixer__weight_lr``.

    Attributes
    ----------
    needs_look_ahead : bool
        True if :meth:`refresh` wants a look-ahead; without it no validation gradient is computed.
    every_step : bool
        True if :meth:`refresh` is wanted on each training batch before its step, not on groups of
        rows before an epoch.
    needs_graphs : bool
        True if :meth:`learn` is wanted between steps, whenever :meth:`due` says so.
    separates : bool
        True if :meth:`combine` needs each loss' own gradient.
    spreads : bool
        True if the mixer gives the same where the rows are spread over processes: it sees the rows
        that are here only, and what it sums or compares over rows goes through `shard`.
    shard : Shard
        Which rows are here; set before :meth:`attach`.
    """

    needs_look_ahead = False
    every_step = False
    needs_graphs = False
    separates = False
    spreads = False
    shard: Shard = WHOLE

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used.

        Constructors call it last, :meth:`set_params` and :meth:`attach` again.
        """

    def set_params(self, **params: Any) -> Mixer:
        """Change settings by name, checked as the constructor checks them."""
        super().set_params(**params)
        self.check_settings()
        return self

    @property
    def learns_from_validation(self) -> bool:
        """True where validation rows move the weights."""
        return self.needs_look_ahead or self.needs_graphs

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
        self.check_settings()
        self.names = tuple(names)
        self.n_rows = n_rows
        self.mixable = mixable.to(domain.device)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Weights (B, K) for a batch with losses (B, K); constants to the model's gradient."""
        return torch.ones_like(losses)

    def row_weights(self, rows: Tensor) -> Tensor | None:
        """Weights (B, K) of rows by number; None where they hang on more than that.

        Where a mixer gives them, :meth:`weights` must be the same, and :meth:`combine` the plain
        weighted objective: models with such mixers are trained in lock step. A class that
        overrides one of these two, or :meth:`due`, alone does not inherit it.
        """
        return None

    @classmethod
    def weighs_by_row(cls) -> bool:
        """Return whether :meth:`row_weights` was written for the weights that the class gives."""
        for ancestor in cls.__mro__:
            own = vars(ancestor)
            if own.keys() & {"row_weights", "weights", "combine", "due"}:
                return "row_weights" in own and ancestor is not Mixer
        return False

    def should_refresh(self, epoch: int) -> bool:
        """Return whether :meth:`refresh` is wanted before epoch `epoch` (from 0)."""
        return False

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Learn from one look-ahead on a group of rows."""

    def end_refresh(self) -> None:
        """All groups of a refresh were seen."""

    def end_epoch(self) -> None:
        """Note that an epoch was trained under the present weights."""

    def mean_over_epochs(self) -> Tensor | None:
        """Mean (n_rows, K) of the weights over the epochs so far, if it was asked for and kept."""
        return None

    def due(self) -> bool:
        """Return whether :meth:`learn` is wanted before the step that comes."""
        return False

    def learn(self, graphs: GraphsLike) -> None:
        """Learn from one training batch, drawn anew, and one of validation rows."""

    def combine(self, step: Step) -> Tensor:
        """Scalar whose backward pass gives the step's gradient; called once a step.

        By default the weighted objective. What a mixer counts or learns along with the model's
        own steps it does here.
        """
        return weighted_objective(step.losses, step.weights, step.applies, self.shard)

    def candidates(self, names: Sequence[str]) -> list[Mixer]:
        """Mixers to train one model each with, of which validation rows choose; usually itself."""
        return [self]

    def visits(self, rows: Tensor, epoch: int) -> Tensor:
        """Return the training rows (numbers, sorted) that epoch `epoch` goes through."""
        return rows

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead that :meth:`refresh` wants."""
        return LookAheadOptions()

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean weight of each loss over its domain within `rows`; empty if not kept per row."""
        return {}

    def module_weights(self) -> dict[tuple[str, str], float]:
        """Weight by (loss, module), where it differs between the modules of a network."""
        return {}

    def table(self) -> Tensor | None:
        """All weights (n_rows, K), if this mixer keeps one per row."""
        return None

    def snapshot(self) -> Any:
        """Copy of :meth:`table` on the CPU that later refreshes leave alone; None without one."""
        table = self.table()
        return None if table is None else table.detach().cpu().clone()

    def files(self, state: dict[str, Tensor]) -> set[str]:
        """Files beside the checkpoint that a state needs, as :meth:`keep_files` knows them."""
        return set()

    def keep_files(self, names: Set[str]) -> None:
        """Remove files of earlier states, except `names` and what is in use."""

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load_state_dict` continues."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""

    def summary(self) -> dict[str, Any]:
        """Return the settings by name, for the record."""
        return {"mixer": type(self).__name__, **self.get_params(deep=False)}


def check_look_ahead(look_ahead: str) -> None:
    """Raise InputError unless the option `look_ahead` names parameters to differentiate."""
    check_choice("look_ahead", look_ahead, ("last-layer", "network"))
