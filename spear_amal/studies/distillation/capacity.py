"""Capacity gap: one small student and ever larger teachers (Figures 1 and 3 of the AMAL paper).

The label-only student is trained once for each seed and stands in every condition, so that
methods are compared with it whatever their teacher.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spear_amal.studies.grid.config import DENSE, PAPER, Plan
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.students import (
    TeacherSpec,
    by_labels,
    fit_student,
    is_chain,
    seconds_of,
    size,
    student_fields,
    trained,
)
from spear_amal.studies.grid.study import GridStudy, RunSpec

_METHODS = {
    "ce": "labels alone",
    "kd": "KD(0.9)",
    "takd": "TAKD",
    "dgkd": "DGKD",
    "sskd": "SSKD",
    "amal": "AMAL",
    "alm-kd": "ALM-KD",
}
_SCALES = {
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


def _specs(plan: Plan) -> list[RunSpec]:
    """Return all methods under every teacher; chains where the assistant is another network."""
    return [
        RunSpec(
            f"teacher {teacher}",
            method,
            title,
            plan.data(),
            plan.settings(teacher=teacher, assistant=plan.assistant),
        )
        for teacher in plan.teachers
        for method, title in _METHODS.items()
        if not is_chain(method) or plan.assistant not in (None, teacher)
    ]


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return the teacher, and the student that learns from labels alone."""
    return [by_labels(spec, spec.settings[role]) for role in ("teacher", "student")]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student; its accuracy as such, and relative to teacher and labels alone."""
    split, scorer = make_image_split(spec.data, spec.seed)
    teacher_spec, alone_spec = _teachers(spec)
    teacher, alone = trained(teacher_spec, folder), trained(alone_spec, folder)
    if spec.method == "ce":
        student, times = alone, {"seconds": seconds_of(alone_spec, folder)}
    else:
        student = fit_student(spec, split, [teacher], [spec.settings["assistant"]])
        times = {}
    fields = student_fields(student, scorer)
    score, teacher_score, alone_score = fields["score"], scorer.score(teacher), scorer.score(alone)
    return {
        **times,
        **fields,
        "teacher_score": teacher_score,
        "ce_score": alone_score,
        "compression": round(size(teacher) / size(student), 3),
        "relative": round(score / teacher_score, 5) if teacher_score else 0.0,
        "relative_ce": round(score / alone_score, 5) if alone_score else 0.0,
    }


STUDY = GridStudy("kd-capacity", _specs, _run, _teachers, _SCALES, seeds=3)
