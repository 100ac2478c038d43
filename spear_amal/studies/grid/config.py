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
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.grid.run_spec import RunSpec

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
            DistilledClassifier.from_options(self.student, **self.training()).check_parameters()
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

Make = Callable[..., list[RunSpec]]


def planned(scales: Mapping[str, Plan]) -> Callable[[Make], Callable[..., list[RunSpec]]]:
    """Turn ``cells(seeds, plan, **own)`` into ``cells(seeds, scale=, data_dir=, .., **own)``.

    Every field of :class:`Plan` becomes an option that changes the plan of the scale.

    Parameters
    ----------
    scales : dict of str to Plan
        The first is the default.
    """

    def decorate(make: Make) -> Callable[..., list[RunSpec]]:
        own = list(inspect.signature(make).parameters.values())[2:]
        names = [one.name for one in fields(Plan)]
        known = ["scale", *names, *(one.name for one in own)]

        @functools.wraps(make)
        def cells(seeds: Sequence[int], **options: Any) -> list[RunSpec]:
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
    def cells(seeds: Sequence[int], **options: Any) -> list[RunSpec]:
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


# As the papers train, but for the length and a schedule that fits any length.
BASE = {
    "optimiser": "sgd",
    "lr": 0.05,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "schedule": "cosine",
}
LEARNT = ("amal", "alm-kd")  # mixers that keep a table of weights and refresh it
REFRESHES = 10  # the published code refreshes every 10 of 200 epochs, after the first 10
DROPS = (5 / 8, 6 / 8, 7 / 8)  # the paper lowers the rate after 150, 180 and 210 of 240 epochs
HEAD_SHARE = 4  # SSKD's head is trained for 60 of 240 epochs


def training(max_epochs: int, batch_size: int = 64, **changes: Any) -> dict[str, Any]:
    """Parameters of :class:`DistilledClassifier` that all models of a study share.

    Examples
    --------
    >>> training(40)["max_epochs"], training(40, lr=0.1)["lr"]
    (40, 0.1)
    >>> training(240, schedule="steps")["milestones"]
    [150, 180, 210]
    """
    settings = BASE | {"max_epochs": max_epochs, "batch_size": batch_size} | changes
    if settings["schedule"] == "steps" and "milestones" not in settings:
        settings["milestones"] = sorted({max(round(share * max_epochs), 1) for share in DROPS})
    return settings


def mixing(method: str, max_epochs: int) -> dict[str, Any] | None:
    """Mixer options for a run of this length: weights are refreshed at every tenth of it.

    Examples
    --------
    >>> mixing("amal", 40), mixing("kd", 40)
    ({'refresh_every': 4, 'warmup': 4}, None)
    """
    if method not in LEARNT:
        return None
    every = max(max_epochs // REFRESHES, 1)
    return {"refresh_every": every, "warmup": every}


def method_settings(method: str, max_epochs: int, **options: Any) -> dict[str, Any]:
    """Further parameters of a method of :func:`distiller` for a run of this length.

    Parameters
    ----------
    method : str
    max_epochs : int
    **options
        Of the mixer.

    Examples
    --------
    >>> method_settings("alm-kd", 20, gradient="exact")["mixer_options"]
    {'refresh_every': 2, 'warmup': 2, 'gradient': 'exact'}
    """
    if method == "sskd":
        return {"head_epochs": max(max_epochs // HEAD_SHARE, 1)}
    mixed = {**(mixing(method, max_epochs) or {}), **options}
    return {"mixer_options": mixed} if mixed else {}
