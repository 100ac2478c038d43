"""Capacity gap: one small student and ever larger teachers (Figures 1 and 3 of the AMAL paper).

The label-only student is trained once for each seed and stands in every condition, so that
methods are compared with it whatever their teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.estimators.distillation_methods import DISTILLATION
from spear_amal.studies.grid.config import DENSE, PAPER, Plan, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import (
    TeacherSpec,
    about,
    against,
    by_labels,
    fit_student,
    seconds_of,
    size,
    trained,
)
from spear_amal.studies.grid.study import GridStudy

METHODS = {
    "ce": "labels alone",
    "kd": "KD(0.9)",
    "takd": "TAKD",
    "dgkd": "DGKD",
    "sskd": "SSKD",
    "amal": "AMAL",
    "alm-kd": "ALM-KD",
}
CHAINED = ("takd", "dgkd")
SCALES = {
    "small": Plan(
        "digits",
        "resnet8",
        ("resnet14", "resnet20", "resnet32", "resnet56"),
        "resnet14",
        n_train=400,
        max_epochs=40,
        batch_size=64,
    ),
    "dense": replace(
        DENSE,
        teachers=("mlp:64", "mlp:128", "mlp:512", "mlp:512-512"),
        assistant="mlp:40",
    ),
    "paper": replace(
        PAPER,
        student="resnet8",
        teachers=("resnet20", "resnet32", "resnet56", "resnet110"),
        assistant="resnet14",
    ),
    "paper-wide": replace(
        PAPER,
        teachers=("wrn-16-3", "wrn-16-4", "wrn-16-6", "wrn-16-8"),
        assistant="wrn-16-2",
    ),
}


@planned(SCALES)
def cells(seeds: Sequence[int], plan: Plan) -> list[RunSpec]:
    """All methods under every teacher; chains only where the assistant is another network."""
    methods = {name: title for name, title in METHODS.items() if name in DISTILLATION}
    return [
        RunSpec(
            "kd-capacity",
            f"teacher {teacher}",
            method,
            seed,
            plan.data(),
            settings_of(plan, teacher=teacher, assistant=plan.assistant),
            title,
        )
        for seed in seeds
        for teacher in plan.teachers
        for method, title in methods.items()
        if method not in CHAINED or plan.assistant not in (None, teacher)
    ]


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give the teacher, and the student that learns from labels alone."""
    return [by_labels(cell, cell.settings[one]) for one in ("teacher", "student")]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student; its accuracy as such, and relative to teacher and labels alone."""
    task, scorer = kd_task(cell.data, cell.seed)
    specs = teachers(cell)
    teacher, alone = (trained(one, folder) for one in specs)
    found: dict[str, Any] = {}
    if cell.method == "ce":
        student, found["seconds"] = alone, seconds_of(specs[1], folder)
    else:
        student = fit_student(cell, task, [teacher], [cell.settings["assistant"]])
    found |= about(student, scorer)
    teacher_score = scorer.score(teacher)
    return found | {
        "teacher_score": teacher_score,
        "ce_score": scorer.score(alone),
        "compression": round(size(teacher) / size(student), 3),
        **against(found["score"], teacher_score, scorer.score(alone)),
    }


STUDY = GridStudy(
    "kd-capacity",
    "capacity gap: students of ever larger teachers, relative to teacher and labels alone",
    cells,
    run,
    teachers,
    seeds=3,
)
