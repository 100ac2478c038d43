"""Rules and a teacher in one run: SPEAR's losses and a teacher's, mixed by AMAL, on texts.

Rows and scores are those of ``study``: the same seed draws the same L, U and V. What the teachers
see is written in :mod:`spear_amal.studies.distillation.text_teacher`: gold of L, never of V or
test.
"""

from __future__ import annotations

from typing import Any

from spear_amal.data.encoder_backends import MINILM
from spear_amal.estimators import DistilledClassifier
from spear_amal.mixers.amal import PRESETS
from spear_amal.studies.corpus_run import corpus_split, load_setup
from spear_amal.studies.distillation.text_teacher import (
    TextTeacher,
    check_teacher_kind,
    text_teacher,
)
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.grid.students import mean_weights
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.studies.methods import make_estimator, parse_method
from spear_amal.studies.split import HeldOutScorer
from spear_amal.studies.split_comparison import fit_method
from spear_amal.training import score as score_of

_FEATURES = "tfidf"  # of the student
# Without rules, AMAL learns as often and as freely as it does with them.
_OFTEN = ("weight_lr", "normalise", "clamp", "refresh_every", "warmup")
_AS_WITH_RULES = {name: PRESETS["recommended"][name] for name in _OFTEN}
_PATIENCE = 10  # that of the methods without a teacher
_FOLDS: dict[str, Any] = {"fit_strategy": "crossfit", "n_folds": 5}
# name -> (title, method of `study` where there is no teacher)
_ALONE = {
    "only-lv": ("labels alone, L+V", "only-lv"),
    "spear": ("rules, fixed", "spear"),
    "amal": ("rules, AMAL", "amal"),
    "amal-crossfit": ("rules, AMAL, 5 folds", "amal:crossfit=5"),
}
# name -> (title, whether rules join in, parameters of DistilledClassifier)
_TAUGHT: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "kd": ("teacher, KD(0.9)", False, {"mixer": "kd"}),
    "kd-amal": ("teacher, AMAL", False, {"mixer": "amal", "mixer_options": _AS_WITH_RULES}),
    "kd-crossfit": (
        "teacher, AMAL, 5 folds",
        False,
        {"mixer": "amal", "mixer_options": _AS_WITH_RULES, **_FOLDS},
    ),
    "both": ("rules and teacher, fixed", True, {"mixer": "fixed"}),
    "both-amal": ("rules and teacher, AMAL", True, {"mixer": "amal"}),
    "both-crossfit": ("rules and teacher, AMAL, 5 folds", True, {"mixer": "amal", **_FOLDS}),
}
_TITLES = {
    **{name: title for name, (title, _) in _ALONE.items()},
    "teacher": "the teacher itself",
    **{name: title for name, (title, _, _) in _TAUGHT.items()},
}


def _specs(
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
    """Return all methods on a corpus.

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
    setup = load_setup(corpus, data_dir, n_labelled, _FEATURES)
    amal_options = {"weight_lr": weight_lr, "weight_sharing": weight_sharing}
    settings: dict[str, Any] = {
        "teacher": teacher,
        "temperature": temperature,
        "max_epochs": max_epochs,
        "data": setup.data,
        **{name: value for name, value in amal_options.items() if value is not None},
        **({"encoder": encoder} if teacher == "encoder" else {}),
    }
    data = DataSpec(corpus, n_train=n_labelled, data_dir=data_dir)
    condition = f"{corpus}, teacher {teacher}"
    return [
        RunSpec(condition, name, title, data, settings, setup.row_fields)
        for name, title in _TITLES.items()
    ]


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train and score one method, or score the teacher."""
    settings = spec.settings
    setup = load_setup(spec.data.corpus, spec.data.data_dir, spec.data.n_train, _FEATURES)
    split, scorer = corpus_split(setup, spec.seed)
    if spec.method in _ALONE:
        method = parse_method(_ALONE[spec.method][1])
        if method.method.name == "amal":
            method = method.changed(**_amal_options(spec))
        model, _ = fit_method(method, split, spec.seed, max_epochs=settings["max_epochs"])
        return _scored(model, scorer, split.metric, model.val_score_)
    teacher = text_teacher(setup, spec.seed, settings["teacher"], settings.get("encoder", ""))
    if spec.method == "teacher":
        val_score = score_of(split.metric, split.y_val, teacher.p_val.argmax(1))
        return _scored(teacher.estimator, teacher.scorer, split.metric, val_score)
    student = _student(spec, teacher, split.metric)
    votes = {"L": split.votes_train, "L_val": split.votes_val} if _TAUGHT[spec.method][1] else {}
    student.fit(split.x_train, split.y_train, X_val=split.x_val, y_val=split.y_val, **votes)
    return _scored(student, scorer, split.metric, student.val_score_)


def _amal_options(spec: RunSpec) -> dict[str, Any]:
    """Return the options of AMAL that the study was started with."""
    names = ("weight_lr", "weight_sharing")
    return {name: spec.settings[name] for name in names if name in spec.settings}


def _student(spec: RunSpec, teacher: TextTeacher, metric: str) -> DistilledClassifier:
    options = dict(_TAUGHT[spec.method][2])
    if options["mixer"] == "amal":
        options["mixer_options"] = {**options.get("mixer_options", {}), **_amal_options(spec)}
    return make_estimator(
        DistilledClassifier,
        student="linear",
        teachers=[teacher.as_teacher()],
        temperature=spec.settings["temperature"],
        max_epochs=spec.settings["max_epochs"],
        patience=_PATIENCE,
        metric=metric,
        random_state=spec.seed,
        **options,
    )


def _scored(model: Any, scorer: HeldOutScorer, metric: str, val_score: float) -> dict[str, Any]:
    scores, distinct = scorer.score_both(model)
    fields = {"score": scores[metric], "val_score": val_score, **scores, "dedup": distinct}
    weights = {"mean_weights": mean_weights(model)} if hasattr(model, "weights_") else {}
    return fields | {"n_test": len(scorer)} | weights


STUDY = GridStudy("rules-and-teacher", _specs, _run)
