"""Early-stopped teachers: ALM-KD's Table 2.

One run of the teacher, kept at four epochs, the last among them. The last one teaches alone, or
all four teach at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.studies.grid.config import DENSE, PAPER, Plan, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import (
    TeacherSpec,
    about,
    by_labels,
    fit_student,
    size,
    stages,
)
from spear_amal.studies.grid.study import GridStudy
from spear_amal.teachers import early_stopped

SHARES = (0.1, 0.35, 0.65, 1.0)  # the paper's epochs 20, 70, 130 and the last of 200
# name -> (title, method of `distiller`, whether all stages teach, options of the mixer)
METHODS: dict[str, tuple[str, str, bool, dict[str, Any]]] = {
    "ce": ("labels alone", "ce", False, {}),
    "kd": ("KD(0.9), final teacher", "kd", False, {}),
    "kd-stages": ("KD(0.9), four stages alike", "kd", True, {}),
    "alm-kd": ("ALM-KD, final teacher", "alm-kd", False, {}),
    "alm-kd-stages": ("ALM-KD, four stages", "alm-kd", True, {}),
    "amal": ("AMAL, final teacher", "amal", False, {}),
    "amal-stages": ("AMAL, four stages", "amal", True, {}),
}
SCALES = {"small": DENSE, "paper": PAPER}


@planned(SCALES)
def cells(seeds: Sequence[int], plan: Plan) -> list[RunSpec]:
    """All methods, under each of the teachers."""
    epochs = sorted({max(round(share * plan.max_epochs), 1) for share in SHARES})
    return [
        RunSpec(
            "kd-early",
            f"teacher {teacher}",
            name,
            seed,
            plan.data(),
            settings_of(plan, teacher=teacher, epochs=epochs, method=method),
            title,
        )
        for seed in seeds
        for teacher in plan.teachers
        for name, (title, method, _, _) in METHODS.items()
    ]


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give the one run of the teacher."""
    return [by_labels(cell, cell.settings["teacher"], keep_epochs=cell.settings["epochs"])]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student with the last stage or all stages of the teacher."""
    task, scorer = kd_task(cell.data, cell.seed)
    models = stages(teachers(cell)[0], folder)
    classes = next(iter(models.values())).classes_
    networks = {epoch: model.models_[0].feature for epoch, model in models.items()}
    asked = early_stopped(networks, name=cell.settings["teacher"], classes=classes)
    _, method, all_stages, options = METHODS[cell.method]
    taught_by = asked if all_stages else asked[-1:]
    student = fit_student(cell, task, taught_by, method=method, options=options)
    scores = {str(epoch): scorer.score(model) for epoch, model in models.items()}
    return about(student, scorer) | {
        "teacher_scores": scores,
        "teacher_score": scores[str(max(models))],
        "compression": round(size(next(iter(models.values()))) / size(student), 3),
    }


STUDY = GridStudy(
    "kd-early",
    "early epochs of the teacher as further teachers",
    cells,
    run,
    teachers,
)
