"""What ``distill`` shows: models with their sizes and scores, weights per loss, the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, roc_auc_score

from spear_amal.cli.config import DistillConfig
from spear_amal.cli.console import print_result, show_table
from spear_amal.cli.distill_data import DistillData, DistillSplit
from spear_amal.cli.train import settings_as_text
from spear_amal.errors import InputError
from spear_amal.estimators import DISTILLATION, DistilledClassifier
from spear_amal.models import n_parameters
from spear_amal.report import Evaluation, Examples, ReportContent, write_report
from spear_amal.teachers import Teacher
from spear_amal.training import score

_NOTHING = "n/a"
_ZERO = 1e-6
LEARNING = ("amal", "alm-kd")  # methods whose weights the validation rows teach


def models_table(
    student: DistilledClassifier, settings: DistillConfig, data: DistillData
) -> pd.DataFrame:
    """Teachers and student with parameters, compression ratio and scores, as text.

    The test rows are opened here, when nothing is left to choose.
    """
    parts = {"validation": data.validation}
    if data.scorer is not None:
        parts["test"] = data.scorer.open()
    size = estimator_size(student)
    rows: list[tuple[str, str, int | None, Sequence[float | None]]] = [
        ("teacher", one.name, one.n_parameters, _teacher_scores(one, student, parts))
        for one in student.teachers_
    ]
    own = [student.score(part.x, part.y) for part in parts.values()]
    rows.append(("student", str(settings.student), size, [student.val_score_, *own[1:]]))
    table = [
        {
            "role": role,
            "name": name,
            "parameters": _NOTHING if n is None else f"{n:,}",
            "compression": _NOTHING if n is None else f"{n / size:.1f}",
            **{
                f"{part} {student.metric}": _NOTHING if value is None else f"{value:.3f}"
                for part, value in zip(parts, found, strict=True)
            },
        }
        for role, name, n, found in rows
    ]
    return pd.DataFrame(table)


def _teacher_scores(
    teacher: Teacher, student: DistilledClassifier, parts: dict[str, DistillSplit]
) -> list[float | None]:
    return [_teacher_score(teacher, student, part) for part in parts.values()]


def _teacher_score(
    teacher: Teacher, student: DistilledClassifier, part: DistillSplit
) -> float | None:
    """Score of a teacher; None where it has no answer to these rows, as a file may not."""
    classes = student.classes_.tolist()
    try:
        logits = teacher.logits(part.x, part.ids, classes)
    except InputError:
        return None
    codes = {label: code for code, label in enumerate(classes)}
    y = np.array([codes.get(label, -1) for label in part.y.tolist()])
    return score(student.metric, y, logits.argmax(1))


def show_models(table: pd.DataFrame, student: DistilledClassifier, method: str) -> None:
    """Print the models, and what their scores are worth."""
    show_table(table, "Teachers and student")
    if method in LEARNING and differ(student):
        print_result(
            "The validation rows taught the weights too: the student's score there is too good."
        )


def show_weights(student: DistilledClassifier, data: DistillData, method: str) -> None:
    """Print the weights per loss, and how well they tell rows that are known to be noisy."""
    if method not in ("ce", *LEARNING) and bool((student.weights_.fillna(1) == 1).all(axis=None)):
        print_result(f"{method} weighs every batch anew: it keeps no weights to look at.")
        return
    show_table(_weights_summary(student.weights_), "Weights per loss (training rows)")
    if method in LEARNING and not differ(student):
        print_result(
            f"No weight was learnt in {len(student.history_)} epochs: {method} starts after some "
            "epochs of warm-up; train for longer, or set warmup among the mixer_options"
        )
    told = noise_auc(student, data)
    if told is not None and data.noisy is not None:
        print_result(
            f"{int(data.noisy.sum())} training rows have a wrong class; weight of the teachers "
            f"minus weight of the label tells them with AUC {told:.3f} (0.5: not at all)"
        )


def _weights_summary(weights: pd.DataFrame) -> pd.DataFrame:
    held = [(name, weights[name].dropna().to_numpy()) for name in weights]
    return pd.DataFrame(
        {
            "loss": name,
            "rows": str(len(values)),
            "mean": f"{values.mean():.3f}",
            "10%": f"{np.quantile(values, 0.1):.3f}",
            "median": f"{np.median(values):.3f}",
            "90%": f"{np.quantile(values, 0.9):.3f}",
            "at 0": f"{(values <= _ZERO).mean():.1%}",
        }
        for name, values in held
        if len(values)
    )


def differ(student: DistilledClassifier) -> bool:
    """Tell whether the weights of a loss differ from row to row: then there is more to see."""
    return bool((student.weights_.max() - student.weights_.min() > _ZERO).any())


def noise_auc(student: DistilledClassifier, data: DistillData) -> float | None:
    """AUC with which the learnt weights tell noisy rows; None where there is nothing to tell."""
    weights = student.weights_.iloc[: len(data.train.y)]
    teachers = [name for name in weights if str(name).startswith("teacher")]
    if data.noisy is None or not teachers or not differ(student):
        return None
    lean = weights[teachers].mean(axis=1) - weights["label"]
    on = lean.notna().to_numpy()
    noisy = data.noisy[on]
    return float(roc_auc_score(noisy, lean[on])) if 0 < noisy.sum() < len(noisy) else None


def weights_by_row(student: DistilledClassifier, data: DistillData) -> pd.DataFrame:
    """Learnt weights of the training rows, with their ids."""
    weights = student.weights_.iloc[: len(data.train.y)].reset_index(drop=True)
    weights.insert(0, "row_id", data.train.ids)
    return weights


def report_distillation(
    settings: DistillConfig,
    data: DistillData,
    student: DistilledClassifier,
    models: pd.DataFrame,
    force: bool,
) -> None:
    """Write the HTML report that the settings name."""
    title = f"{settings.method}: {DISTILLATION[settings.method][0]}"
    train = data.train
    codes = _codes(train.y, data.labels)
    content = ReportContent(
        title=f"Distillation into {settings.student}, {settings.method}, on {data.name}",
        summary=[str(data), title],
        class_names=data.classes,
        votes=train.votes,
        y=None if train.votes is None else codes,
        models=models,
        histories={settings.method: student.history_},
        examples=_examples(settings, data, student, codes),
        outcome=_outcome(settings, data, student),
        settings=settings_as_text(settings),
    )
    write_report(settings.report or "report.html", content, overwrite=force)


def _codes(y: np.ndarray, labels: tuple[Any, ...]) -> np.ndarray:
    lookup = {label: code for code, label in enumerate(labels)}
    return np.array([lookup.get(label, -1) for label in y.tolist()])


def _examples(
    settings: DistillConfig, data: DistillData, student: DistilledClassifier, codes: np.ndarray
) -> Examples | None:
    if not differ(student):
        return None
    weights = student.weights_.iloc[: len(codes)]
    texts = data.train.texts or [""] * len(codes)
    return Examples(settings.method, weights, codes, data.train.votes, texts)


def _outcome(
    settings: DistillConfig, data: DistillData, student: DistilledClassifier
) -> Evaluation:
    part = data.validation if data.scorer is None else data.scorer.open()
    y, labels = _codes(part.y, data.labels), np.arange(len(data.labels))
    p = student.predict_proba(part.x)
    predicted = _codes(student.classes_[p.argmax(1)], data.labels)
    which = "validation rows, which also chose the epoch" if data.scorer is None else "test rows"
    return Evaluation(
        model=settings.method,
        rows=f"{len(y)} {which}",
        confusion=confusion_matrix(y, predicted, labels=labels),
        confidence=p.max(1),
        right=predicted == y,
    )


def estimator_size(estimator: Any) -> int:
    """Count the parameters that predict."""
    return sum(n_parameters(joint.feature) for joint in estimator.models_)
