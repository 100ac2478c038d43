"""What a study of distillation trains on what: sizes that it comes in, changed by options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier
from spear_amal.mixers import mixer_parameters
from spear_amal.models.registry import check_network
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.methods import make_estimator

# As the papers train, but for the length and a schedule that fits any length.
BASE = {"optimiser": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
DROPS = (5 / 8, 6 / 8, 7 / 8)  # the paper lowers the rate after 150, 180 and 210 of 240 epochs
REFRESHES = 10  # the published code refreshes every 10 of 200 epochs, after the first 10
HEAD_SHARE = 4  # SSKD's head is trained for 60 of 240 epochs
SMALL = "small"
# Sizes for two cores of corpora other than the plan's own.
ALL_ROWS: dict[str, Any] = dict.fromkeys(("n_train", "n_validation", "n_test", "side"))
SIZES: dict[str, dict[str, Any]] = {"digits": ALL_ROWS, "cifar10": {"side": 16}}


@dataclass(frozen=True)
class Plan:
    """Images, networks and training of a study.

    Attributes
    ----------
    corpus, n_train, n_validation, n_test, side, noise, label_set, data_dir
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
    label_set: str | None = None
    data_dir: str | None = None
    max_epochs: int = 240
    batch_size: int = 64
    lr: float = 0.05
    schedule: str = "cosine"
    augment: str | None = None
    device: str = "cpu"

    def data(self, **changes: Any) -> DataSpec:
        """Return the spec of the rows of a run."""
        return DataSpec(**{f.name: getattr(self, f.name) for f in fields(DataSpec)} | changes)

    def training(self) -> dict[str, Any]:
        """Return the options of :class:`DistilledClassifier` that all models of the study share.

        Examples
        --------
        >>> replace(PAPER, max_epochs=240).training()["milestones"]
        [150, 180, 210]
        """
        names = ("max_epochs", "batch_size", "lr", "schedule", "augment", "device")
        options = BASE | {name: getattr(self, name) for name in names}
        if self.schedule == "steps":
            epochs = {max(round(share * self.max_epochs), 1) for share in DROPS}
            options["milestones"] = sorted(epochs)
        return options

    def settings(self, **further: Any) -> dict[str, Any]:
        """Return the settings of a run: student and training as planned, and what else it has."""
        return {"student": self.student, "training": self.training(), **further}

    def check(self) -> None:
        """Raise an error for what no model can be trained with."""
        for network in (self.student, *self.teachers, *filter(None, [self.assistant])):
            check_network(network)
        try:
            options = {"student": self.student, **self.training()}
            make_estimator(DistilledClassifier, **options).check_parameters()
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


def change_plan(scales: Mapping[str, Plan], options: dict[str, Any]) -> Plan:
    """Return the plan of some options; "scale" and the fields of a plan are removed from them.

    Raises
    ------
    InputError
        For a scale that is not there, or a plan that no model can be trained with.
    """
    scale = options.pop("scale", None) or next(iter(scales))
    if scale not in scales:
        raise InputError(f"scale must be one of {', '.join(scales)}, found {scale!r}")
    changes = {f.name: options.pop(f.name) for f in fields(Plan) if f.name in options}
    if "teachers" in changes:
        changes["teachers"] = _network_names(changes["teachers"])
    sizes = SIZES.get(changes.get("corpus", ""), {}) if scale == SMALL else {}
    plan = replace(scales[scale], **sizes | changes)
    plan.check()
    return plan


def _network_names(names: Any) -> tuple[str, ...]:
    """Return names as a tuple; a text is split at its commas."""
    listed = names.split(",") if isinstance(names, str) else names
    networks = tuple(str(name).strip() for name in listed)
    if not networks:
        raise InputError("teachers must name one network or more, found none")
    return networks


def method_settings(method: str, max_epochs: int, **options: Any) -> dict[str, Any]:
    """Return further options of a method of :func:`distiller` for a run of this length.

    Mixers that refresh their weights every so many epochs do so at every tenth of the run.

    Parameters
    ----------
    method : str
    max_epochs : int
    **options
        Of the mixer.

    Examples
    --------
    >>> method_settings("amal", 40), method_settings("kd", 40)
    ({'mixer_options': {'refresh_every': 4, 'warmup': 4}}, {})
    >>> method_settings("alm-kd", 20, gradient="exact")["mixer_options"]
    {'refresh_every': 2, 'warmup': 2, 'gradient': 'exact'}
    """
    if method == "sskd":
        return {"head_epochs": max(max_epochs // HEAD_SHARE, 1)}
    if "refresh_every" in mixer_parameters(method):
        every = max(max_epochs // REFRESHES, 1)
        options = {"refresh_every": every, "warmup": every, **options}
    return {"mixer_options": options} if options else {}
