"""Several teachers at once: ALM-KD's Table 1.

Two teachers of different size. TAKD and DGKD take the smaller one as the assistant, which the
larger one teaches; for the other methods both learnt from labels alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.studies.grid.config import DENSE, PAPER, Plan, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import (
    TeacherSpec,
    about,
    by_labels,
    fit_student,
    size,
    trained,
)
from spear_amal.studies.grid.study import GridStudy

# name -> (title, method of `distiller`, which teachers, options of the mixer)
METHODS: dict[str, tuple[str, str, tuple[int, ...], dict[str, Any]]] = {
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
CHAINED = ("takd", "dgkd")
SCALES = {
    "small": replace(DENSE, teachers=("mlp:512", "mlp:64")),
    "paper": replace(PAPER, teachers=("wrn-16-4", "wrn-16-3")),
}


@planned(SCALES)
def cells(seeds: Sequence[int], plan: Plan) -> list[RunSpec]:
    """All methods; `teachers` are two networks, the larger first."""
    if len(plan.teachers) != 2:
        raise InputError(f"teachers must be two networks, the larger first, found {plan.teachers}")
    condition = f"{' and '.join(plan.teachers)} to {plan.student}"
    return [
        RunSpec(
            "kd-multi",
            condition,
            name,
            seed,
            plan.data(),
            settings_of(plan, teachers=list(plan.teachers), method=method, taught_by=list(places)),
            title,
        )
        for seed in seeds
        for name, (title, method, places, _) in METHODS.items()
    ]


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give those teachers that this method asks."""
    return [by_labels(cell, cell.settings["teachers"][i]) for i in cell.settings["taught_by"]]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student."""
    task, scorer = kd_task(cell.data, cell.seed)
    models = [trained(spec, folder) for spec in teachers(cell)]
    _, method, _, options = METHODS[cell.method]
    assistants = cell.settings["teachers"][1:] if method in CHAINED else []
    student = fit_student(cell, task, models, assistants, method, options)
    return about(student, scorer) | {
        "teacher_scores": [scorer.score(model) for model in models],
        "compression": [round(size(model) / size(student), 3) for model in models],
    }


STUDY = GridStudy(
    "kd-multi",
    "several teachers at once, of different size",
    cells,
    run,
    teachers,
    seeds=4,
)
