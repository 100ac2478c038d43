"""Labels and a teacher under every mixer: wrong labels that both share, and few right ones.

Under wrong labels it is the plan of ``kd-noise``: student and teacher learn from the same rows.
Where right labels are few, the teacher has seen all rows of the corpus, so that it knows more than
they say.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier
from spear_amal.studies.distillation.noise import MIXER_OPTIONS
from spear_amal.studies.grid.config import Plan, method_settings
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.students import TeacherSpec, trained
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.studies.methods import make_estimator
from spear_amal.studies.mixers.variants import (
    VARIANTS,
    MixerVariant,
    end_weights,
    mixer_arguments,
    model_fields,
    weights_by_epoch,
)

_TEACHER_ROWS = ("all", "same")
_SEVERAL = ("dgkd",)  # mixers that drop teachers at random need more than one
# "superloss", "amal" and the others of distillation have settings of their own there.
_METHODS: dict[str, MixerVariant] = {
    **{name: variant for name, variant in VARIANTS.items() if name not in ("superloss", "amal")},
    "kd": MixerVariant("KD(0.9)", "kd"),
    "dgkd": MixerVariant("DGKD's dropping", "dgkd"),
    "superloss": MixerVariant("SuperLoss", "superloss"),
    "crust": MixerVariant("CRUST", "crust"),
    "alm-kd": MixerVariant("ALM-KD", "alm-kd"),
    "amal": MixerVariant("AMAL", "amal"),
}
_SCALES = {
    "small": Plan("digits", "convnet", ("resnet8",), max_epochs=40, batch_size=64),
    "paper": Plan("cifar10", "resnet8", ("resnet110",), augment="crop-flip", max_epochs=200),
}


def _specs(
    plan: Plan, rate: float = 0.4, few: int = 200, teacher_rows: str = "all"
) -> list[RunSpec]:
    """Return all mixers under wrong labels and under few right ones.

    Parameters
    ----------
    rate : float
        Share of wrong labels; 0 leaves that condition out.
    few : int
        Rows where labels are right; 0 leaves that condition out.
    teacher_rows : {"all", "same"}
        What the teacher of few right labels has learnt from.
    """
    if teacher_rows not in _TEACHER_ROWS:
        raise InputError(f"teacher_rows must be one of {_TEACHER_ROWS}, found {teacher_rows!r}")
    taught = "of all rows" if teacher_rows == "all" else "of the same rows"
    wrong = (f"{rate:.0%} wrong labels", plan.data(noise=rate), "same")
    right = (f"{few} right labels, teacher {taught}", plan.data(n_train=few), teacher_rows)
    conditions = ([wrong] if rate else []) + ([right] if few else [])
    if not conditions:
        raise InputError("rate=0 and few=0 leave no condition; give one of them")
    several = len(plan.teachers) > 1
    return [
        RunSpec(condition, name, variant.title, data, _settings(plan, name, rows))
        for condition, data, rows in conditions
        for name, variant in _METHODS.items()
        if several or name not in _SEVERAL
    ]


def _settings(plan: Plan, name: str, teacher_rows: str) -> dict[str, Any]:
    """Return the settings of a student; AMAL, ALM-KD and SuperLoss as in ``kd-noise``."""
    mixing = _METHODS[name].settings(plan.max_epochs)
    shared = method_settings(mixing["mixer"], plan.max_epochs, **MIXER_OPTIONS.get(name, {}))
    mixing["options"] = {**shared.get("mixer_options", {}), **mixing["options"]}
    return plan.settings(teachers=list(plan.teachers), teacher_rows=teacher_rows, own=mixing)


def _teachers(spec: RunSpec) -> list[TeacherSpec]:
    """Return the teachers, trained on the student's rows or on all of them."""
    settings, data = spec.settings, spec.data
    if settings["teacher_rows"] == "all":
        data = replace(data, n_train=None)
    training = settings["training"]
    return [TeacherSpec(name, data, spec.seed, training) for name in settings["teachers"]]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the student under the run's mixer."""
    split, scorer = make_image_split(spec.data, spec.seed)
    settings = spec.settings
    teachers = [trained(teacher, folder) for teacher in _teachers(spec)]
    student = make_estimator(
        DistilledClassifier,
        student=settings["student"],
        teachers=teachers,
        **mixer_arguments(spec),
        random_state=spec.seed,
        **settings["training"],
    )
    began = time.perf_counter()
    student.fit(**split.fit_arguments())
    fields = model_fields(student, time.perf_counter() - began, scorer.score(student))
    return fields | {
        "noise_rate": round(float(split.noisy.mean()), 5),
        "teacher_score": scorer.score(teachers[0]),
        **end_weights(student, **settings["own"]),
        **weights_by_epoch(student.history_),
    }


STUDY = GridStudy("mixers-distillation", _specs, _run, _teachers, _SCALES)
