"""Several teachers at once: ALM-KD's Table 1.

Two teachers of different size. TAKD and DGKD take the smaller one as the assistant, which the
larger one teaches; for the other methods both learnt from labels alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.studies.grid.config import DENSE, PAPER, Plan
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.students import (
    TeacherSpec,
    by_labels,
    fit_student,
    is_chain,
    size,
    student_fields,
    trained,
)
from spear_amal.studies.grid.study import GridStudy, RunSpec

# name -> (title, method of `distiller`, which teachers, options of the mixer)
_METHODS: dict[str, tuple[str, str, tuple[int, ...], dict[str, Any]]] = {
    "ce": ("labels alone", "ce", (), {}),
    "kd-large": ("KD(0.9), larger teacher", "kd", (0,), {}),
    "kd-small": ("KD(0.9), smaller teacher", "kd", (1,), {}),
    "kd-mean": ("KD(0.9), both alike", "kd", (0, 1), {}),
    "takd": ("TAKD", "takd", (0,), {}),
    "dgkd": ("DGKD", "dgkd", (0,), {}),
    "amal": ("AMAL", "amal", (0, 1), {}),
    "alm-kd": ("ALM-KD", "alm-kd", (0, 1), {"gradient": "paper"}),
    "alm-kd-exact": ("ALM-KD, exact gradient", "alm-kd", (0, 1), {"gradient": "exact"}),
}
_SCALES = {
    "small": replace(DENSE, teachers=("mlp:512", "mlp:64")),
    "paper": replace(PAPER, teachers=("wrn-16-4", "wrn-16-3")),
}


def _specs(plan: Plan) -> list[RunSpec]:
    """Return all methods; the plan's teachers are two networks, the larger first."""
    if len(plan.teachers) != 2:
        raise InputError(f"teachers must be two networks, the larger first, found {plan.teachers}")
    teachers = list(plan.teachers)
    return [
        RunSpec(
            f"{' and '.join(teachers)} to {plan.student}",
            name,
            title,
            plan.data(),
            plan.settings(teachers=teachers, method=method, taught_by=list(places)),
        )
        for name, (title, method, places, _) in _METHODS.items()
    ]


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return those teachers that the method learns from."""
    return [by_labels(spec, spec.settings["teachers"][i]) for i in spec.settings["taught_by"]]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student."""
    split, scorer = make_image_split(spec.data, spec.seed)
    models = [trained(teacher, folder) for teacher in _teachers(spec)]
    _, method, _, options = _METHODS[spec.method]
    assistants = spec.settings["teachers"][1:] if is_chain(method) else []
    student = fit_student(spec, split, models, assistants, method, options)
    return student_fields(student, scorer) | {
        "teacher_scores": [scorer.score(model) for model in models],
        "compression": [round(size(model) / size(student), 3) for model in models],
    }


STUDY = GridStudy("kd-multi", _specs, _run, _teachers, _SCALES, seeds=4)
