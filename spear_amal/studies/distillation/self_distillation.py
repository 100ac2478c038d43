"""Self-distillation: ALM-KD's Table 3, on clean labels and with some of them wrong.

Teacher and student are networks of one architecture with different starts. "labels alone" is
scored at its last epoch and at its best on validation rows; the teacher, and all that learn from
it, are taken at their best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.studies.grid.config import DENSE, PAPER, Plan
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.students import (
    TeacherSpec,
    by_labels,
    fit_student,
    seconds_of,
    stages,
    student_fields,
    trained,
)
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.studies.grid.weight_histograms import separation

_METHODS = {
    "ce": "labels alone, last epoch",
    "ce-early": "labels alone, best epoch",
    "kd": "self-distillation, KD(0.9)",
    "alm-kd": "self-distillation, ALM-KD",
    "amal": "self-distillation, AMAL",
}
_ALONE = ("ce", "ce-early")
_NOISES = (0.0, 0.2)
_ANOTHER_START = 7919  # added to a seed for the teacher's start and order of rows
_SCALES = {
    "small": replace(DENSE, student="mlp:64", teachers=()),
    "paper": replace(
        PAPER,
        corpus="aircraft",
        student="wrn-16-8",
        teachers=(),
        batch_size=64,
        augment="turn-crop-flip",
    ),
}


def _specs(plan: Plan, noises: Sequence[float] = _NOISES) -> list[RunSpec]:
    """Return all methods at each share of wrong labels; the plan's noise is one such share."""
    shares = (plan.noise,) if plan.noise else noises
    return [
        RunSpec(f"{share:.0%} wrong labels", method, title, plan.data(noise=share), plan.settings())
        for share in shares
        for method, title in _METHODS.items()
    ]


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return the run on labels alone, or the teacher."""
    network = spec.settings["student"]
    if spec.method in _ALONE:
        last = spec.settings["training"]["max_epochs"]
        return [by_labels(spec, network, keep_epochs=[last])]
    return [by_labels(spec, network, random_state=spec.seed + _ANOTHER_START)]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student, or look its run on labels alone up."""
    split, scorer = make_image_split(spec.data, spec.seed)
    teacher_spec = _teachers(spec)[0]
    if spec.method not in _ALONE:
        teacher = trained(teacher_spec, folder)
        student = fit_student(spec, split, [teacher])
        fields = student_fields(student, scorer) | {"teacher_score": scorer.score(teacher)}
        return fields | separation(student.weights_, split.noisy)
    if spec.method == "ce-early":
        fields = student_fields(trained(teacher_spec, folder), scorer)
    else:
        epoch, model = stages(teacher_spec, folder).popitem()
        val_score = float(model.score(split.x_val, split.y_val))
        fields = student_fields(model, scorer) | {"best_epoch": epoch, "val_score": val_score}
    return fields | {"seconds": seconds_of(teacher_spec, folder)}


STUDY = GridStudy("kd-self", _specs, _run, _teachers, _SCALES)
