"""What a study of distillation trains on what: sizes that it comes in, changed by options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from inspect import Parameter, Signature
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier
from spear_amal.models.registry import check_network
from spear_amal.studies.kd.cell import Cell
from spear_amal.studies.kd.task import DataSpec
from spear_amal.studies.kd.training import training

_LISTS = ("teachers",)
SMALL = "small"
# Sizes for two cores of corpora other than the plan's own.
ALL_ROWS: dict[str, Any] = dict.fromkeys(("n_train", "n_validation", "n_test", "side"))
SIZES: dict[str, dict[str, Any]] = {"digits": ALL_ROWS, "cifar10": {"side": 16}}


@dataclass(frozen=True)
class Plan:
    """Images, networks and training of a study.

    Attributes
    ----------
    corpus, n_train, n_validation, n_test, side, noise, labels, data_dir
        As of :class:`DataSpec`.
    student : str
        Name of a network.
    teachers : tuple of str
        Names of networks; those of a chain from the largest on.
    assistant : str or None
        Network between teachers and student.
    max_epochs, batch_size, lr, schedule, augment, device
        As of :class:`DistilledClassifier`.
    """

    corpus: str
    student: str
    teachers: tuple[str, ...]
    assistant: str | None = None
    n_train: int | None = None
    n_validation: int | None = None
    n_test: int | None = None
    side: int | None = None
    noise: float = 0.0
    labels: str | None = None
    data_dir: str | None = None
    max_epochs: int = 240
    batch_size: int = 64
    lr: float = 0.05
    schedule: str = "cosine"
    augment: str | None = None
    device: str = "cpu"

    def data(self, **changes: Any) -> DataSpec:
        """Say which rows."""
        held = {one.name: getattr(self, one.name) for one in fields(DataSpec)}
        return DataSpec(**held | changes)

    def training(self) -> dict[str, Any]:
        """Parameters of :class:`DistilledClassifier` that all models of the study have."""
        names = ("max_epochs", "batch_size", "lr", "schedule", "augment", "device")
        return training(**{name: getattr(self, name) for name in names})

    def check(self) -> None:
        """Raise an error for what no model can be trained with."""
        for network in (self.student, *self.teachers, *filter(None, [self.assistant])):
            check_network(network)
        try:
            DistilledClassifier(self.student, **self.training()).check_parameters()
        except (ValueError, TypeError) as error:
            raise InputError(f"no model can be trained with these options: {error}") from error


# Dense networks on small pictures: a run takes seconds, and sizes span a factor of 100.
DENSE = Plan(
    "fashion-mnist",
    "mlp:16",
    ("mlp:512",),
    n_train=4000,
    n_validation=1000,
    side=14,
    max_epochs=40,
    batch_size=64,
    lr=0.02,
)
# The published setting, for a GPU.
PAPER = Plan(
    "cifar100",
    "wrn-16-1",
    ("wrn-16-8",),
    augment="crop-flip",
    device="auto",
    schedule="steps",
)

Make = Callable[..., list[Cell]]


def planned(scales: Mapping[str, Plan]) -> Callable[[Make], Callable[..., list[Cell]]]:
    """Turn ``cells(seeds, plan, **own)`` into ``cells(seeds, scale=, data_dir=, .., **own)``.

    Every field of :class:`Plan` becomes an option that changes the plan of the scale.

    Parameters
    ----------
    scales : dict of str to Plan
        The first is the default.
    """

    def decorate(make: Make) -> Callable[..., list[Cell]]:
        own = list(inspect.signature(make).parameters.values())[2:]
        names = [one.name for one in fields(Plan)]
        known = ["scale", *names, *(one.name for one in own)]

        @functools.wraps(make)
        def cells(seeds: Sequence[int], **options: Any) -> list[Cell]:
            _refuse_unknown(options, known)
            changes = {name: options.pop(name) for name in names if name in options}
            plan = _changed(scales, options.pop("scale", None), changes)
            return make(seeds, plan, **options)

        kind = Parameter.KEYWORD_ONLY
        cells.__signature__ = Signature(  # type: ignore[attr-defined]
            [
                Parameter("seeds", Parameter.POSITIONAL_OR_KEYWORD),
                *(Parameter(name, kind, default=None) for name in ("scale", *names)),
                *(one.replace(kind=kind) for one in own),
            ]
        )
        return cells

    return decorate


def strict(make: Make) -> Make:
    """Let ``cells(seeds, **options)`` refuse options that it does not have with our own error."""
    known = list(inspect.signature(make).parameters)[1:]

    @functools.wraps(make)
    def cells(seeds: Sequence[int], **options: Any) -> list[Cell]:
        _refuse_unknown(options, known)
        return make(seeds, **options)

    return cells


def _refuse_unknown(options: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"the study has no option {name!r}; {meant}it has {', '.join(known)}")


def _changed(scales: Mapping[str, Plan], scale: str | None, changes: dict[str, Any]) -> Plan:
    scale = next(iter(scales)) if scale is None else scale
    if scale not in scales:
        raise InputError(f"scale must be one of {', '.join(scales)}, found {scale!r}")
    lists = {name: _listed(changes[name]) for name in _LISTS if name in changes}
    sizes = SIZES.get(changes.get("corpus", ""), {}) if scale == SMALL else {}
    plan = replace(scales[scale], **sizes | changes | lists)
    plan.check()
    return plan


def _listed(given: Any) -> tuple[str, ...]:
    """Names as a tuple; a text is split at its commas."""
    listed = given.split(",") if isinstance(given, str) else given
    found = tuple(str(one).strip() for one in listed)
    if not found:
        raise InputError("teachers must name one network or more, found none")
    return found


def settings_of(plan: Plan, **held: Any) -> dict[str, Any]:
    """Give a cell's settings: student and training as planned, and what else it holds."""
    return {"student": plan.student, "training": plan.training(), **held}
