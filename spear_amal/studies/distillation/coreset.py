"""Coresets: AMAL's Table 1. Rows drawn by the weights that distillation gave them.

A student learns from a larger teacher under AMAL; a share of the training rows is drawn by its
final weights, and the same network is trained anew on the labels of those rows alone. Uniform
draws, as they come and with equal classes, are what the strategies have to beat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from spear_amal.data.splits import draw_stratified
from spear_amal.errors import InputError
from spear_amal.maths.sampling import coreset_probabilities, gumbel_top_k
from spear_amal.studies.grid.config import DENSE, PAPER, Plan, method_settings
from spear_amal.studies.grid.image_split import ImageSplit, make_image_split
from spear_amal.studies.grid.students import (
    TeacherSpec,
    by_labels,
    fit_student,
    student_fields,
    trained,
)
from spear_amal.studies.grid.study import GridStudy, RunSpec

_METHODS = {
    "complete": "all rows",
    "random": "uniform",
    "random-balanced": "uniform, classes in proportion",
    "squares": "sum of squares",
    "difference": "absolute difference",
    "ratio": "ratio",
    "ratio-capped": "ratio, at most 10",
}
# method -> (strategy, largest score): without a bound, rows of label weight 0 are all that counts
_BY_WEIGHTS: dict[str, tuple[str, float | None]] = {
    "squares": ("squares", None),
    "difference": ("difference", None),
    "ratio": ("ratio", None),
    "ratio-capped": ("ratio", 10.0),
}
_SCALES = {"small": replace(DENSE, n_train=8000), "paper": PAPER}


def _specs(plan: Plan, share: float = 0.2) -> list[RunSpec]:
    """Return all ways to draw a `share` of the rows, under each teacher."""
    if not 0 < share < 1:
        raise InputError(f"share must lie between 0 and 1, found {share}")
    return [
        RunSpec(
            f"{share:.0%} of the rows, teacher {teacher}",
            method,
            title,
            plan.data(),
            plan.settings(teacher=teacher, share=share),
        )
        for teacher in plan.teachers
        for method, title in _METHODS.items()
    ]


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return the student whose weights draw the rows; its teacher is trained with it."""
    if spec.method not in _BY_WEIGHTS:
        return []
    training = spec.settings["training"]
    settings = training | method_settings("amal", training["max_epochs"])
    teacher = by_labels(spec, spec.settings["teacher"])
    student = spec.settings["student"]
    return [TeacherSpec(student, spec.data, spec.seed, settings, "amal", (teacher,))]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Draw rows, and train on their labels alone."""
    split, scorer = make_image_split(spec.data, spec.seed)
    rows = _drawn(spec, split, folder)
    part = replace(split, x=split.x[rows], y=split.y[rows], noisy=split.noisy[rows])
    student = fit_student(spec, part, method="ce")
    counts = np.bincount(part.y, minlength=split.n_classes)
    return student_fields(student, scorer) | {
        "rows": len(rows),
        "class_rows": counts.tolist(),
        "noise_rate": round(float(part.noisy.mean()), 5),
    }


def _drawn(spec: RunSpec, split: ImageSplit, folder: str) -> np.ndarray:
    """Return the sorted numbers of the training rows of the run's method."""
    n, rows = len(split.y), np.arange(len(split.y))
    k = round(spec.settings["share"] * n)
    generator = np.random.default_rng(spec.seed)
    if spec.method == "complete":
        return rows
    if spec.method == "random-balanced":
        return draw_stratified(rows, split.y, k, generator, "the coreset")
    p = np.full(n, 1 / max(n, 1))
    if spec.method in _BY_WEIGHTS:
        weights = trained(_teachers(spec)[0], folder).weights_.iloc[:n]
        strategy, cap = _BY_WEIGHTS[spec.method]
        p = coreset_probabilities(weights["label"], weights["teacher"], strategy, cap)
    return of_every_class(gumbel_top_k(p, n, generator), split.y, k)


def of_every_class(order: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Return the first k rows of an order, sorted, the first of each class in any case.

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


STUDY = GridStudy("coreset", _specs, _run, _teachers, _SCALES)
