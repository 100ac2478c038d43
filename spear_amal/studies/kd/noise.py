"""Noisy labels, AMAL's Figures 2 and 4: who learns from the teacher where the label is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import distiller
from spear_amal.studies.kd.cell import Cell
from spear_amal.studies.kd.models import TeacherSpec, trained
from spear_amal.studies.kd.runner import KdStudy
from spear_amal.studies.kd.task import DataSpec, kd_task
from spear_amal.studies.kd.training import mixing, training
from spear_amal.studies.kd.weights import histogram, separation

METHODS = {
    "ce": "labels alone",
    "kd": "KD(0.9)",
    "superloss": "SuperLoss",
    "crust": "CRUST",
    "alm-kd": "ALM-KD",
    "amal": "AMAL",
}
RATES = (0.4, 0.6)
# corpus -> rows, networks and epochs of a run that fits two cores; "paper" is for a GPU.
SIZES: dict[str, dict[str, Any]] = {
    "digits": {"data": {}, "student": "convnet", "teacher": "resnet8", "max_epochs": 40},
    "fashion-mnist": {
        "data": {"n_train": 4000, "n_validation": 500, "n_test": 5000, "side": 14},
        "student": "convnet",
        "teacher": "resnet14",
        "max_epochs": 30,
    },
    "cifar10": {
        "data": {"n_train": 8000, "n_validation": 1000, "n_test": 5000, "side": 16},
        "student": "resnet8",
        "teacher": "resnet20",
        "max_epochs": 24,
    },
}
PAPER: dict[str, Any] = {
    "data": {},
    "student": "resnet8",
    "teacher": "resnet110",
    "max_epochs": 200,
}
HUMAN = "worse"  # of CIFAR-10N: 40.2% of the labels are wrong


def cells(
    seeds: Sequence[int],
    corpus: str = "digits",
    scale: str = "small",
    rates: Sequence[float] = RATES,
    teacher_labels: str = "noisy",
    data_dir: str | None = None,
    max_epochs: int | None = None,
    n_train: int | None = None,
) -> list[Cell]:
    """All methods under random noise, and under human noise for CIFAR-10.

    Parameters
    ----------
    teacher_labels : {"noisy", "clean"}
        What the teacher was trained on; the papers do not say.
    """
    if corpus not in SIZES:
        raise InputError(f"kd-noise has no size for {corpus!r}; choose from {sorted(SIZES)}")
    if teacher_labels not in ("noisy", "clean") or scale not in ("small", "paper"):
        raise InputError(
            "teacher_labels must be 'noisy' or 'clean' and scale 'small' or 'paper', found "
            f"{teacher_labels!r} and {scale!r}"
        )
    size = SIZES[corpus] if scale == "small" else PAPER
    changes = {} if n_train is None else {"n_train": n_train}
    base = DataSpec(corpus, data_dir=data_dir, **size["data"] | changes)
    epochs = max_epochs or size["max_epochs"]
    conditions = {f"{rate:.0%} random": replace(base, noise=rate) for rate in rates}
    if corpus == "cifar10":
        conditions["human"] = replace(base, labels=HUMAN)
    settings = {
        "student": size["student"],
        "teacher": size["teacher"],
        "teacher_labels": teacher_labels,
        "training": training(epochs),
    }
    return [
        Cell("kd-noise", name, method, seed, data, settings | _own(method, epochs), title)
        for seed in seeds
        for name, data in conditions.items()
        for method, title in METHODS.items()
    ]


def _own(method: str, epochs: int) -> dict[str, Any]:
    return {"mixer_options": mixing(method, epochs)}


def teachers(cell: Cell) -> list[TeacherSpec]:
    """Give the teacher, trained on the student's labels or on clean ones."""
    held, data = cell.settings, cell.data
    if cell.method == "ce":
        return []
    if held["teacher_labels"] == "clean":
        data = replace(data, noise=0.0, labels=None)
    return [TeacherSpec(held["teacher"], data, cell.seed, held["training"])]


def run(cell: Cell, folder: str) -> dict[str, Any]:
    """Train the student; see whether its weights tell wrong labels from right ones."""
    task, scorer = kd_task(cell.data, cell.seed)
    held = cell.settings
    asked = [trained(spec, folder) for spec in teachers(cell)]
    student = distiller(
        cell.method,
        held["student"],
        asked,
        mixer_options=held["mixer_options"],
        random_state=cell.seed,
        **held["training"],
    ).fit(**task.given())
    found = {
        "score": scorer.score(student),
        "val_score": student.val_score_,
        "noise_rate": round(float(task.noisy.mean()), 5),
        "best_epoch": student.best_epoch_[0] + 1,
        **separation(student.weights_, task.noisy),
    }
    if asked:
        found["teacher_score"] = scorer.score(asked[0])
    if "auc" in found:
        found["histogram"] = histogram(student.weights_, task.noisy)
    return found


STUDY = KdStudy(
    "kd-noise",
    "Noisy labels: who is above KD, and whether weights tell wrong labels",
    cells,
    run,
    teachers,
    seeds=5,
)
