"""Rules and a teacher in one run: SPEAR's losses and a teacher's, mixed by AMAL, on texts.

Rows and scores are those of ``study``: the same seed draws the same L, U and V. What the teachers
see is written in :mod:`spear_amal.studies.distillation.text_teacher`: gold of L, never of V or
test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spear_amal.data.encoder_backends import MINILM
from spear_amal.estimators import DistilledClassifier
from spear_amal.mixers.amal import PRESETS
from spear_amal.studies.comparison import fit_method
from spear_amal.studies.distillation.text_teacher import (
    TextTeacher,
    check_teacher_kind,
    text_teacher,
)
from spear_amal.studies.grid.config import strict
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.students import mean_weights
from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.grid.text_run import TextRunSpec, loaded, setup_of
from spear_amal.studies.methods import parse_method
from spear_amal.studies.run import study_task
from spear_amal.studies.split import HeldOutScorer
from spear_amal.training import score as score_of

# Without rules, AMAL learns as often and as freely as it does with them.
_OFTEN = ("weight_lr", "normalise", "clamp", "refresh_every", "warmup")
AS_WITH_RULES = {name: PRESETS["recommended"][name] for name in _OFTEN}
PATIENCE = 10  # that of the methods without a teacher
FOLDS: dict[str, Any] = {"fit_strategy": "crossfit", "n_folds": 5}
# name -> (title, method of `study` where there is no teacher)
ALONE = {
    "only-lv": ("labels alone, L+V", "only-lv"),
    "spear": ("rules, fixed", "spear"),
    "amal": ("rules, AMAL", "amal"),
    "amal-crossfit": ("rules, AMAL, 5 folds", "amal:crossfit=5"),
}
# name -> (title, whether rules join in, parameters of DistilledClassifier)
TAUGHT: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "kd": ("teacher, KD(0.9)", False, {"mixer": "kd"}),
    "kd-amal": ("teacher, AMAL", False, {"mixer": "amal", "mixer_options": AS_WITH_RULES}),
    "kd-crossfit": (
        "teacher, AMAL, 5 folds",
        False,
        {"mixer": "amal", "mixer_options": AS_WITH_RULES, **FOLDS},
    ),
    "both": ("rules and teacher, fixed", True, {"mixer": "fixed"}),
    "both-amal": ("rules and teacher, AMAL", True, {"mixer": "amal"}),
    "both-crossfit": ("rules and teacher, AMAL, 5 folds", True, {"mixer": "amal", **FOLDS}),
}
TITLES = {
    **{name: title for name, (title, _) in ALONE.items()},
    "teacher": "the teacher itself",
    **{name: title for name, (title, _, _) in TAUGHT.items()},
}


@strict
def cells(
    seeds: Sequence[int],
    corpus: str = "plots",
    data_dir: str | None = None,
    teacher: str = "same-gold",
    encoder: str = MINILM,
    n_labelled: int | None = None,
    temperature: float = 1.0,
    max_epochs: int = 100,
    weight_lr: float | None = None,
    weight_sharing: str | None = None,
) -> list[RunSpec]:
    """All methods on every partition of a corpus.

    Parameters
    ----------
    encoder : str
        Of the teacher "encoder"; see :class:`spear_amal.data.encoders.TextEncoder`.
    n_labelled : int, optional
        Size of L and of V; default: those of the corpus.
    temperature : float
        Of the teacher's loss. The losses of the rules have none, and tau^2 would outweigh them.
    weight_lr, weight_sharing : optional
        Of AMAL, with a teacher and without; default: the recommended ones.
    """
    check_teacher_kind(teacher)
    settings = {"teacher": teacher, "temperature": temperature, "max_epochs": max_epochs}
    settings |= {
        name: one
        for name, one in (("weight_lr", weight_lr), ("weight_sharing", weight_sharing))
        if one is not None
    }
    settings |= {"encoder": encoder} if teacher == "encoder" else {}
    data = DataSpec(corpus, n_train=n_labelled, data_dir=data_dir)
    settings["data"] = loaded(corpus, data_dir, n_labelled).data
    return [
        TextRunSpec(
            "rules-and-teacher", f"{corpus}, teacher {teacher}", name, seed, data, settings, title
        )
        for seed in seeds
        for name, title in TITLES.items()
    ]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train and score one method, or score the teacher."""
    setup, held = setup_of(cell), cell.settings
    task, scorer = study_task(setup, cell.seed)
    if cell.method in ALONE:
        spec = parse_method(ALONE[cell.method][1])
        if spec.method.name == "amal":
            spec = spec.changed(**_weighing(held))
        model, _ = fit_method(spec, task, cell.seed, max_epochs=held["max_epochs"])
        return _scored(model, scorer, task.metric, model.val_score_)
    told = text_teacher(setup, cell.seed, held["teacher"], held.get("encoder", ""))
    if cell.method == "teacher":
        value = score_of(task.metric, task.y_val, told.p_val.argmax(1))
        return _scored(told.estimator, told.scorer, task.metric, value)
    student = _student(cell, told, task.metric)
    votes = {"L": task.votes_train, "L_val": task.votes_val} if TAUGHT[cell.method][1] else {}
    student.fit(task.x_train, task.y_train, X_val=task.x_val, y_val=task.y_val, **votes)
    return _scored(student, scorer, task.metric, student.val_score_)


def _weighing(held: Mapping[str, Any]) -> dict[str, Any]:
    """Options of AMAL that the study was asked for."""
    return {name: held[name] for name in ("weight_lr", "weight_sharing") if name in held}


def _student(cell: RunSpec, told: TextTeacher, metric: str) -> DistilledClassifier:
    held, parameters = cell.settings, dict(TAUGHT[cell.method][2])
    if parameters["mixer"] == "amal":
        parameters["mixer_options"] = {**parameters.get("mixer_options", {}), **_weighing(held)}
    return DistilledClassifier.from_options(
        "linear",
        [told.as_teacher()],
        temperature=held["temperature"],
        max_epochs=held["max_epochs"],
        patience=PATIENCE,
        metric=metric,
        random_state=cell.seed,
        **parameters,
    )


def _scored(model: Any, scorer: HeldOutScorer, metric: str, val_score: float) -> dict[str, Any]:
    scores, distinct = scorer.score_both(model)
    found = {"score": scores[metric], "val_score": val_score, **scores, "dedup": distinct}
    learnt = hasattr(model, "weights_")
    return (
        found | {"n_test": len(scorer)} | ({"mean_weights": mean_weights(model)} if learnt else {})
    )


STUDY = GridStudy(
    "rules-and-teacher",
    "labelling functions and a teacher in one run, mixed by AMAL",
    cells,
    run,
)
