"""Early-stopped teachers: ALM-KD's Table 2.

One run of the teacher, kept at four epochs, the last among them. The last one teaches alone, or
all four teach at once.
"""

from __future__ import annotations

from typing import Any

from spear_amal.studies.grid.config import DENSE, PAPER, Plan
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.students import (
    TeacherSpec,
    by_labels,
    fit_student,
    size,
    stages,
    student_fields,
)
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.teachers import early_stopped

_SHARES = (0.1, 0.35, 0.65, 1.0)  # the paper's epochs 20, 70, 130 and the last of 200
# name -> (title, method of `distiller`, whether all stages teach)
_METHODS = {
    "ce": ("labels alone", "ce", False),
    "kd": ("KD(0.9), final teacher", "kd", False),
    "kd-stages": ("KD(0.9), four stages alike", "kd", True),
    "alm-kd": ("ALM-KD, final teacher", "alm-kd", False),
    "alm-kd-stages": ("ALM-KD, four stages", "alm-kd", True),
    "amal": ("AMAL, final teacher", "amal", False),
    "amal-stages": ("AMAL, four stages", "amal", True),
}
_SCALES = {"small": DENSE, "paper": PAPER}


def _specs(plan: Plan) -> list[RunSpec]:
    """Return all methods, under each of the teachers."""
    epochs = sorted({max(round(share * plan.max_epochs), 1) for share in _SHARES})
    return [
        RunSpec(
            f"teacher {teacher}",
            name,
            title,
            plan.data(),
            plan.settings(teacher=teacher, epochs=epochs, method=method),
        )
        for teacher in plan.teachers
        for name, (title, method, _) in _METHODS.items()
    ]


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return the one run of the teacher."""
    return [by_labels(spec, spec.settings["teacher"], keep_epochs=spec.settings["epochs"])]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student with the last stage or all stages of the teacher."""
    split, scorer = make_image_split(spec.data, spec.seed)
    models = stages(_teachers(spec)[0], folder)
    last = models[max(models)]
    networks = {epoch: model.models_[0].feature for epoch, model in models.items()}
    teachers = early_stopped(networks, name=spec.settings["teacher"], classes=last.classes_)
    _, method, all_stages = _METHODS[spec.method]
    student = fit_student(spec, split, teachers if all_stages else teachers[-1:], method=method)
    scores = {str(epoch): scorer.score(model) for epoch, model in models.items()}
    return student_fields(student, scorer) | {
        "teacher_scores": scores,
        "teacher_score": scores[str(max(models))],
        "compression": round(size(last) / size(student), 3),
    }


STUDY = GridStudy("kd-early", _specs, _run, _teachers, _SCALES)
