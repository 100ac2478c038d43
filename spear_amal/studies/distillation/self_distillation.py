"""Self-distillation: ALM-KD's Table 3, on clean labels and with some of them wrong.

Teacher and student are networks of one architecture with different starts. "labels alone" is
scored at its last epoch and at its best on validation rows; the teacher, and all that learn from
it, are taken at their best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.studies.grid.config import DENSE, PAPER, Plan, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import (
    TeacherSpec,
    about,
    by_labels,
    fit_student,
    seconds_of,
    stages,
    trained,
)
from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.grid.weight_histograms import separation

METHODS = {
    "ce": "labels alone, last epoch",
    "ce-early": "labels alone, best epoch",
    "kd": "self-distillation, KD(0.9)",
    "alm-kd": "self-distillation, ALM-KD",
    "amal": "self-distillation, AMAL",
}
ALONE = ("ce", "ce-early")
NOISES = (0.0, 0.2)
ANOTHER_START = 7919  # added to a seed for the teacher's start and order of rows
SCALES = {
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


@planned(SCALES)
def cells(seeds: Sequence[int], plan: Plan, noises: Sequence[float] = NOISES) -> list[RunSpec]:
    """All methods at each share of wrong labels; `noise` is one such share."""
    shares = (plan.noise,) if plan.noise else noises
    return [
        RunSpec(
            "kd-self",
            f"{share:.0%} wrong labels",
            method,
            seed,
            plan.data(noise=share),
            settings_of(plan),
            title,
        )
        for seed in seeds
        for share in shares
        for method, title in METHODS.items()
    ]


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give the run on labels alone, or the teacher."""
    network = cell.settings["student"]
    if cell.method in ALONE:
        last = cell.settings["training"]["max_epochs"]
        return [by_labels(cell, network, keep_epochs=[last])]
    return [by_labels(cell, network, random_state=cell.seed + ANOTHER_START)]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student, or look its run on labels alone up."""
    task, scorer = kd_task(cell.data, cell.seed)
    spec = teachers(cell)[0]
    if cell.method not in ALONE:
        teacher = trained(spec, folder)
        student = fit_student(cell, task, [teacher])
        found = {"teacher_score": scorer.score(teacher)}
        return about(student, scorer) | found | separation(student.weights_, task.noisy)
    if cell.method == "ce-early":
        found = about(trained(spec, folder), scorer)
    else:
        epoch, model = stages(spec, folder).popitem()
        val_score = float(model.score(task.x_val, task.y_val))
        found = about(model, scorer) | {"best_epoch": epoch, "val_score": val_score}
    return found | {"seconds": seconds_of(spec, folder)}


STUDY = GridStudy(
    "kd-self",
    "self-distillation: a teacher of the student's own architecture",
    cells,
    run,
    teachers,
)
