"""ALM-KD's study on synthetic data: its Figures 3, 4 and 8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.estimators import distiller
from spear_amal.studies.kd.cell import Cell
from spear_amal.studies.kd.models import TeacherSpec, trained
from spear_amal.studies.kd.runner import KdStudy
from spear_amal.studies.kd.task import DataSpec, kd_task
from spear_amal.studies.kd.weights import buckets, separation

# Section 5 of the paper: two layers, SGD with cosine annealing.
TRAINING = {
    "optimiser": "sgd",
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "batch_size": 128,
    "max_epochs": 100,
}
TEACHER, STUDENT = "mlp:80", "mlp:50"
METHODS = {"ce": "labels alone", "kd": "KD(0.9)", "alm-kd": "ALM-KD", "amal": "AMAL"}
EVERY = 5  # epochs between points of the curves


def cells(seeds: Sequence[int], noise: float = 0.1, max_epochs: int | None = None) -> list[Cell]:
    """All methods on every draw of the data."""
    data = DataSpec("kd-synthetic", 8100, 900, 1000, noise=noise)
    training = TRAINING | ({} if max_epochs is None else {"max_epochs": max_epochs})
    settings = {"teacher": TEACHER, "student": STUDENT, "training": training}
    return [
        Cell("kd-synthetic", f"noise {noise:g}", method, seed, data, settings, title)
        for seed in seeds
        for method, title in METHODS.items()
    ]


def teachers(cell: Cell) -> list[TeacherSpec]:
    """Give the teacher, trained on the same noisy labels."""
    held = cell.settings
    return [TeacherSpec(held["teacher"], cell.data, cell.seed, held["training"])]


def run(cell: Cell, folder: str) -> dict[str, Any]:
    """Train the student; weights by teacher confidence and the curve of test accuracy with it."""
    task, scorer = kd_task(cell.data, cell.seed)
    teacher = trained(teachers(cell)[0], folder)
    curve = scorer.curve(EVERY)
    settings = dict(cell.settings["training"], random_state=cell.seed, callbacks=(curve,))
    student = distiller(cell.method, cell.settings["student"], [teacher], **settings)
    student.fit(**task.given())
    found = {
        "score": scorer.score(student),
        "final_score": curve.values[-1] if curve.values else None,
        "val_score": student.val_score_,
        "teacher_score": scorer.score(teacher),
        "curve": curve.values,
        "curve_every": EVERY,
        **separation(student.weights_, task.noisy),
    }
    if "auc" in found:
        told = student.teachers_[0].logits(task.x, classes=student.classes_)
        found["buckets"] = buckets(student.weights_, told, task.y, task.noisy)
    return found


STUDY = KdStudy(
    "kd-synthetic",
    "ALM-KD's synthetic study: who gets which weight, and how students learn",
    cells,
    run,
    teachers,
    seeds=50,
)
