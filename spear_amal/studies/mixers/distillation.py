"""Labels and a teacher under every mixer: wrong labels that both share, and few right ones.

Under wrong labels it is the plan of ``kd-noise``: student and teacher learn from the same rows.
Where right labels are few, the teacher has seen all rows of the corpus, so that it knows more than
they say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier
from spear_amal.studies.distillation.noise import OPTIONS
from spear_amal.studies.grid.config import Plan, method_settings, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import TeacherSpec, trained
from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.mixers.variants import (
    MIXINGS,
    Mixing,
    end_weights,
    for_length,
    outcome,
    seeded,
    weights_by_epoch,
)

NAME = "mixers-distillation"
TEACHER_ROWS = ("all", "same")
SEVERAL = ("dgkd",)  # mixers that drop teachers at random need more than one
# "superloss", "amal" and the others of distillation have settings of their own there.
METHODS: dict[str, Mixing] = {
    **{k: one for k, one in MIXINGS.items() if k not in ("superloss", "amal")},
    "kd": Mixing("KD(0.9)", "kd"),
    "dgkd": Mixing("DGKD's dropping", "dgkd"),
    "superloss": Mixing("SuperLoss", "superloss"),
    "crust": Mixing("CRUST", "crust"),
    "alm-kd": Mixing("ALM-KD", "alm-kd"),
    "amal": Mixing("AMAL", "amal"),
}
SCALES = {
    "small": Plan("digits", "convnet", ("resnet8",), max_epochs=40, batch_size=64),
    "paper": Plan("cifar10", "resnet8", ("resnet110",), augment="crop-flip", max_epochs=200),
}


@planned(SCALES)
def cells(
    seeds: Sequence[int],
    plan: Plan,
    rate: float = 0.4,
    few: int = 200,
    teacher_rows: str = "all",
) -> list[RunSpec]:
    """All mixers under wrong labels and under few right ones.

    Parameters
    ----------
    rate : float
        Share of wrong labels; 0 leaves that condition out.
    few : int
        Rows where labels are right; 0 leaves that condition out.
    teacher_rows : {"all", "same"}
        What the teacher of few right labels has learnt from.
    """
    if teacher_rows not in TEACHER_ROWS:
        raise InputError(f"teacher_rows must be one of {TEACHER_ROWS}, found {teacher_rows!r}")
    taught = "of all rows" if teacher_rows == "all" else "of the same rows"
    wrong = (f"{rate:.0%} wrong labels", plan.data(noise=rate), "same")
    right = (f"{few} right labels, teacher {taught}", plan.data(n_train=few), teacher_rows)
    conditions = ([wrong] if rate else []) + ([right] if few else [])
    if not conditions:
        raise InputError("rate=0 and few=0 leave no condition; give one of them")
    names = [name for name in METHODS if len(plan.teachers) > 1 or name not in SEVERAL]
    return [
        RunSpec(NAME, condition, name, seed, data, _settings(plan, name, rows), METHODS[name].title)
        for seed in seeds
        for condition, data, rows in conditions
        for name in names
    ]


def _settings(plan: Plan, name: str, teacher_rows: str) -> dict[str, Any]:
    """Say how a student is trained; AMAL, ALM-KD and SuperLoss as in ``kd-noise``."""
    mixing = for_length(METHODS[name], plan.max_epochs)
    own = method_settings(mixing.mixer, plan.max_epochs, **OPTIONS.get(name, {}))
    options = {**own.get("mixer_options", {}), **mixing.options}
    return settings_of(
        plan,
        teachers=list(plan.teachers),
        teacher_rows=teacher_rows,
        own={"mixer": mixing.mixer, "options": options},
    )


def teachers(cell: RunSpec) -> list[TeacherSpec]:
    """Give the teachers, trained on the student's rows or on all of them."""
    held, data = cell.settings, cell.data
    if held["teacher_rows"] == "all":
        data = replace(data, n_train=None)
    return [TeacherSpec(name, data, cell.seed, held["training"]) for name in held["teachers"]]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student under the cell's mixer."""
    task, scorer = kd_task(cell.data, cell.seed)
    held, own = cell.settings, cell.settings["own"]
    asked = [trained(spec, folder) for spec in teachers(cell)]
    student = DistilledClassifier.from_options(
        held["student"],
        asked,
        mixer=own["mixer"],
        mixer_options=seeded(own["mixer"], own["options"], cell.seed),
        random_state=cell.seed,
        **held["training"],
    )
    began = time.perf_counter()
    student.fit(**task.given())
    found = outcome(student, time.perf_counter() - began, scorer.score(student))
    return found | {
        "noise_rate": round(float(task.noisy.mean()), 5),
        "teacher_score": scorer.score(asked[0]),
        **end_weights(student, own["mixer"], own["options"]),
        **weights_by_epoch(student.history_),
    }


STUDY = GridStudy(
    NAME,
    "labels and a teacher under every mixer: wrong labels, and few right ones",
    cells,
    run,
    teachers,
)
