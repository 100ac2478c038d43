"""Everything a run must carry from one epoch to the next (to disk: :mod:`.checkpoint`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from spear_amal.checks import check_name
from spear_amal.distributed.shard import Shard
from spear_amal.errors import InputError
from spear_amal.io.safetensors import Tensors
from spear_amal.mixers import Mixer
from spear_amal.models import EncoderModel, JointModel
from spear_amal.tensors.bool_table import PackedBools
from spear_amal.tensors.optimiser import Optimiser
from spear_amal.training.callbacks import Record
from spear_amal.training.epoch_choice import AUTO
from spear_amal.training.objective import make_scaler
from spear_amal.warn_once import ShownTexts

if TYPE_CHECKING:
    from spear_amal.losses import PseudoLabels
    from spear_amal.training.config import TrainerConfig


Parts = dict[str, Tensors]  # of "model" and "mixer"
TOLERANCE = 1e-12  # scores closer than this are ties
LEAST_GAIN = 0.02  # share of the loss by which an epoch must be better, where loss alone chooses


@dataclass
class Selection:
    """The best epoch so far.

    Stopping by validation loss alone is unsafe with noisy rules (a first study lost 16 points to
    it), so loss only breaks ties. Test rows have no part in it.
    """

    score: float = -1.0
    loss: float = float("inf")
    epoch: int = -1

    def better(self, score: float, loss: float, by_loss: bool = False) -> bool:
        """Return whether (score, loss) beats the best so far, by the loss alone if wanted.

        By the loss alone an epoch must be better by :data:`LEAST_GAIN`: later ones learn the
        answers of a label model ever more closely, and its mistakes with them.
        """
        if by_loss:
            return loss < (1 - LEAST_GAIN) * self.loss
        if abs(score - self.score) <= TOLERANCE:
            return loss < self.loss
        return score > self.score

    def offer(self, epoch: int, score: float, loss: float, by_loss: bool = False) -> bool:
        """Select an epoch if it is better; return whether it was."""
        if not self.better(score, loss, by_loss):
            return False
        self.score, self.loss, self.epoch = score, loss, epoch
        return True

    def exhausted(self, epoch: int, patience: int) -> bool:
        """Return whether `patience` epochs have passed since the best one."""
        return epoch - self.epoch >= patience

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form (an infinite loss becomes None)."""
        fields = asdict(self)
        return fields | {"loss": None if self.loss == float("inf") else self.loss}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Selection:
        """Inverse of :meth:`as_dict`."""
        return cls(**fields | {"loss": float("inf") if fields["loss"] is None else fields["loss"]})


GROUP_STREAM = 1 << 32  # keeps the two random streams apart for any 32-bit seed


@dataclass
class RunState:
    """Model, optimiser, mixer, pseudo-labels, random state, best epoch and history of one run."""

    model: JointModel
    mixer: Mixer
    optimiser: Optimiser
    order: torch.Generator
    groups: torch.Generator  # apart from `order`: whether weights are refreshed moves no batch
    fingerprint: str
    scaler: torch.amp.GradScaler
    pseudo_labels: PseudoLabels | None = None
    selection: Selection = field(default_factory=Selection)
    best: Parts = field(default_factory=dict)
    history: list[Record] = field(default_factory=list)
    epoch: int = 0
    refreshes: int = 0
    stopped: bool = False
    kept: dict[int, Tensors] = field(default_factory=dict)
    # Files of the mixer that the checkpoint on disk needs.
    saved_files: set[str] = field(default_factory=set)

    @classmethod
    def begin(
        cls,
        model: JointModel,
        mixer: Mixer,
        settings: TrainerConfig,
        seed: int,
        fingerprint: str,
        pseudo_labels: PseudoLabels | None = None,
    ) -> RunState:
        """Start afresh."""
        return cls(
            model=model,
            mixer=mixer,
            optimiser=make_optimiser(model, settings),
            order=torch.Generator().manual_seed(seed),
            groups=torch.Generator().manual_seed(seed + GROUP_STREAM),
            fingerprint=fingerprint,
            scaler=make_scaler(settings.precision),
            pseudo_labels=pseudo_labels,
        )

    def keep_best(self) -> None:
        """Copy parameters and weights of the current epoch."""
        self.best = {
            part: {name: tensor.clone() for name, tensor in tensors.items()}
            for part, tensors in self.now().items()
        }
        self._tidy()

    def keep_epoch(self) -> None:
        """Copy the feature model's parameters after an epoch that was asked for."""
        parameters = self.model.feature.state_dict()
        self.kept[self.epoch] = {name: value.cpu().clone() for name, value in parameters.items()}

    def restore_best(self) -> None:
        """Restore the kept parameters and weights."""
        self.put_back(self.best)

    def now(self) -> Parts:
        """Parameters and weights as they are."""
        return {"model": self.model.state_dict(), "mixer": self.mixer.state_dict()}

    def note_saved(self, now: Parts) -> None:
        """Note a checkpoint with `now`; files that nothing needs any more are removed."""
        self.saved_files = self.files(now) | self.files(self.best)
        self._tidy()

    def files(self, parts: Parts) -> set[str]:
        """Return the files on disk that the mixer's tensors refer to."""
        return self.mixer.files(parts.get("mixer", {}))

    def _tidy(self) -> None:
        """Remove files that neither the best epoch nor the checkpoint needs any more."""
        self.mixer.keep_files(self.files(self.best) | self.saved_files)

    def put_back(self, parts: Parts) -> None:
        """Restore parameters and weights that :meth:`now` returned."""
        self.model.load_state_dict(parts["model"])
        if parts["mixer"]:
            self.mixer.load_state_dict(parts["mixer"])


@dataclass
class TrainingResult:
    """History and weights; the model itself holds the selected epoch's parameters.

    `weights` are those of the selected epoch, `last_weights` those after the last refresh: tensors
    (n, K), also where rows were spread over processes, or tables on disk, of which rows are taken
    in the same way. `mean_weights` (n, K) are means over the epochs up to the selected one, where
    the mixer was asked for them. `path` says how it was trained, "alone" or "lock step of 5";
    `seconds` are its share of the time, `warnings` what it warned of.
    """

    history: list[Record]
    best_epoch: int
    val_score: float | None
    weights: Any
    last_weights: Any = None
    mean_weights: Any = None
    refreshes: int = 0
    domain: PackedBools | None = None
    kept: dict[int, Tensors] = field(default_factory=dict)
    path: str = "alone"
    seconds: float = 0.0
    warnings: ShownTexts = field(default_factory=dict)

    @classmethod
    def of(cls, state: RunState, shard: Shard, chosen: bool) -> TrainingResult:
        """Restore the chosen epoch, if validation rows chose one, and collect the results."""
        last = _all_rows(state.mixer.snapshot(), shard)
        if chosen:
            state.restore_best()
        return cls(
            history=state.history,
            best_epoch=state.selection.epoch if chosen else state.epoch - 1,
            val_score=state.history[state.selection.epoch]["val_score"] if chosen else None,
            weights=_all_rows(state.mixer.snapshot(), shard),
            last_weights=last,
            mean_weights=_all_rows(state.mixer.mean_over_epochs(), shard),
            refreshes=state.refreshes,
            kept=state.kept,
        )


def _all_rows(table: Any, shard: Shard) -> Any:
    return table if table is None or shard.world == 1 else shard.whole(table)


def _f1_by_class(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """F1 (C,) of each class that is gold or predicted, 0 / 0 as 0; NaN for the others."""
    n = int(max(y.max(), predicted.max())) + 1
    total = np.bincount(y, minlength=n) + np.bincount(predicted, minlength=n)
    both = 2.0 * np.bincount(y[y == predicted], minlength=n)
    return np.divide(both, total, out=np.full(n, np.nan), where=total > 0)


def _binary_f1(y: np.ndarray, predicted: np.ndarray, positive: int) -> float:
    by_class = _f1_by_class(y, predicted)
    return 0.0 if positive >= len(by_class) else float(np.nan_to_num(by_class[positive]))


def _macro_f1(y: np.ndarray, predicted: np.ndarray, positive: int) -> float:
    return float(np.nanmean(_f1_by_class(y, predicted)))


def _accuracy(y: np.ndarray, predicted: np.ndarray, positive: int) -> float:
    return float((y == predicted).mean())


#: The metrics by name; each takes gold and predicted classes, (n,) each, and the positive one.
METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], float]] = {
    "accuracy": _accuracy,
    "f1": _binary_f1,  # F1 of one class, by default 1 as in the published tables
    "macro-f1": _macro_f1,
}


#: What ``metric=`` may be where an epoch is chosen. "auto": by :mod:`.epoch_choice`, and what is
#: reported is the accuracy.
CHOICES = (*METRICS, AUTO)


def reported_metric(metric: str) -> str:
    """Return the metric of scores that are shown, of one that chooses epochs."""
    return "accuracy" if metric == AUTO else metric


def score(metric: str, y: np.ndarray, predicted: np.ndarray, positive: int = 1) -> float:
    """Score predicted class codes against gold ones, both (n,); rows with gold -1 are left out.

    `positive` is the class whose F1 the metric "f1" is. Of "auto" the accuracy is computed.

    Examples
    --------
    >>> score("accuracy", np.array([0, 1, -1]), np.array([0, 0, 1]))
    0.5
    """
    check_name("metric", metric, CHOICES)
    known = np.asarray(y) >= 0
    if not known.any():
        raise InputError("nothing to score: no row has a gold label")
    compute = METRICS[reported_metric(metric)]
    return compute(np.asarray(y)[known], np.asarray(predicted)[known], positive)


OPTIMISERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "steps")
LR, LR_RULES = 1e-2, 1e-2  # where none is given; estimators choose by the data


def make_optimiser(model: JointModel, settings: TrainerConfig) -> Optimiser:
    """Adam or SGD with one rate for the feature model and one for the rule model."""
    rules = None if model.rules is None else list(model.rules.parameters())
    if isinstance(model.feature, EncoderModel):
        return optimiser_of(model.feature.rate_groups(), rules, settings)
    return optimiser_of([(1.0, list(model.feature.parameters()))], rules, settings)


def optimiser_of(
    feature: Sequence[tuple[float, Sequence[torch.Tensor]]],
    rules: Sequence[torch.Tensor] | None,
    settings: TrainerConfig,
) -> Optimiser:
    """Adam or SGD for the parameters of a feature model and, where there are any, of rules.

    Those of the feature model come in groups, each with its multiple of the learning rate.
    """
    rate = settings.lr_scale * (LR if settings.lr is None else settings.lr)
    groups: list[dict[str, Any]] = [
        {"params": params, "lr": factor * rate, "weight_decay": settings.weight_decay}
        for factor, params in feature
    ]
    if rules is not None:
        of_rules = LR_RULES if settings.lr_rules is None else settings.lr_rules
        groups.append({"params": rules, "lr": of_rules})
    for group in groups:
        group["full_lr"] = group["lr"]
    if settings.optimiser == "sgd":
        return Optimiser(groups, "sgd", settings.momentum, settings.nesterov)
    return Optimiser(groups)


def rate_factor(settings: TrainerConfig, epoch: int) -> float:
    """Factor of the learning rate in epoch `epoch` (from 0).

    A function of the epoch alone, so that a resumed run needs no state for it.

    Examples
    --------
    >>> from spear_amal.training import TrainerConfig
    >>> settings = TrainerConfig(schedule="steps", milestones=(2, 3), gamma=0.5)
    >>> [rate_factor(settings, epoch) for epoch in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / settings.max_epochs))
    if settings.schedule == "steps":
        return float(settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones))
    return 1.0


def set_rates(optimiser: Optimiser, settings: TrainerConfig, epoch: int) -> None:
    """Set the rate of every group for an epoch."""
    factor = rate_factor(settings, epoch)
    for group in optimiser.param_groups:
        group["lr"] = factor * group["full_lr"]
