"""Coresets: AMAL's Table 1. Rows drawn by the weights that distillation gave them.

A student learns from a larger teacher under AMAL; a share of the training rows is drawn by its
final weights, and the same network is trained anew on the labels of those rows alone. Uniform
draws, as they come and with equal classes, are what the strategies have to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spear_amal.data.splits import draw_stratified
from spear_amal.errors import InputError
from spear_amal.maths.sampling import coreset_probabilities, gumbel_top_k
from spear_amal.studies.grid.config import DENSE, PAPER, Plan, method_settings, planned, settings_of
from spear_amal.studies.grid.image_split import ImageSplit, kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import TeacherSpec, about, by_labels, fit_student, trained
from spear_amal.studies.grid.study import GridStudy

METHODS = {
    "complete": "all rows",
    "random": "uniform",
    "random-balanced": "uniform, classes in proportion",
    "squares": "sum of squares",
    "difference": "absolute difference",
    "ratio": "ratio",
    "ratio-capped": "ratio, at most 10",
}
# method -> (strategy, largest score): without a bound, rows of label weight 0 are all that counts
BY_WEIGHTS: dict[str, tuple[str, float | None]] = {
    "squares": ("squares", None),
    "difference": ("difference", None),
    "ratio": ("ratio", None),
    "ratio-capped": ("ratio", 10.0),
}
SCALES = {"small": replace(DENSE, n_train=8000), "paper": PAPER}


@planned(SCALES)
def cells(seeds: Sequence[int], plan: Plan, share: float = 0.2) -> list[RunSpec]:
    """All ways to draw a `share` of the rows, under each teacher."""
    if not 0 < share < 1:
        raise InputError(f"share must lie between 0 and 1, found {share}")
    return [
        RunSpec(
            "coreset",
            f"{share:.0%} of the rows, teacher {teacher}",
            method,
            seed,
            plan.data(),
            settings_of(plan, teacher=teacher, share=share),
            title,
        )
        for seed in seeds
        for teacher in plan.teachers
        for method, title in METHODS.items()
    ]


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give the student whose weights draw the rows; its teacher is trained with it."""
    if cell.method not in BY_WEIGHTS:
        return []
    held = cell.settings
    settings = held["training"] | method_settings("amal", held["training"]["max_epochs"])
    teacher = by_labels(cell, held["teacher"])
    return [TeacherSpec(held["student"], cell.data, cell.seed, settings, "amal", (teacher,))]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Draw rows, and train on their labels alone."""
    task, scorer = kd_task(cell.data, cell.seed)
    rows = drawn(cell, task, folder)
    part = replace(task, x=task.x[rows], y=task.y[rows], noisy=task.noisy[rows])
    student = fit_student(cell, part, method="ce")
    counts = np.bincount(part.y, minlength=task.n_classes)
    return about(student, scorer) | {
        "rows": len(rows),
        "class_rows": counts.tolist(),
        "noise_rate": round(float(part.noisy.mean()), 5),
    }


def drawn(cell: RunSpec, task: ImageSplit, folder: str) -> np.ndarray:
    """Sorted numbers of the training rows of the cell's method."""
    n, rows = len(task.y), np.arange(len(task.y))
    k = round(cell.settings["share"] * n)
    generator = np.random.default_rng(cell.seed)
    if cell.method == "complete":
        return rows
    if cell.method == "random-balanced":
        return draw_stratified(rows, task.y, k, generator, "the coreset")
    p = np.full(n, 1 / max(n, 1))
    if cell.method in BY_WEIGHTS:
        weights = trained(teachers(cell)[0], folder).weights_.iloc[:n]
        strategy, cap = BY_WEIGHTS[cell.method]
        p = coreset_probabilities(weights["label"], weights["teacher"], strategy, cap)
    return of_every_class(gumbel_top_k(p, n, generator), task.y, k)


def of_every_class(order: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Take the first k rows of an order, sorted, but the first one of each class in any case.

    Examples
    --------
    >>> of_every_class(np.array([4, 3, 0, 1, 2]), np.array([0, 1, 1, 1, 1]), 2).tolist()
    [0, 4]
    """
    classes = np.unique(y)
    if k < len(classes):
        raise InputError(f"{k} rows are fewer than the {len(classes)} classes; raise share")
    first = np.array([order[np.argmax(y[order] == c)] for c in classes])
    rest = order[~np.isin(order, first)]
    return np.sort(np.concatenate([first, rest[: k - len(first)]]))


STUDY = GridStudy(
    "coreset",
    "training on the rows that AMAL's weights choose",
    cells,
    run,
    teachers,
)
