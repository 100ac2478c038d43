"""What ``distill`` shows: models with their sizes and scores, weights per loss, the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from spear_amal.cli.console import print_result, show_table
from spear_amal.cli.distill_data import DistillData, DistillSplit
from spear_amal.cli.options.distillation import DistillOptions
from spear_amal.cli.train import evaluation
from spear_amal.errors import InputError
from spear_amal.estimators import DISTILLATION, DistilledClassifier
from spear_amal.models import n_parameters
from spear_amal.report import Evaluation, Examples, ReportContent
from spear_amal.teachers import Teacher
from spear_amal.training import score

_NOTHING = "n/a"
_ZERO = 1e-6
LEARNING = ("amal", "alm-kd")  # methods whose weights the validation rows teach


def models_table(
    student: DistilledClassifier, settings: DistillOptions, data: DistillData
) -> pd.DataFrame:
    """Return teachers and student with parameters, compression ratio and scores, as text.

    The test rows are opened here, when nothing is left to choose.
    """
    parts = {"validation": data.validation}
    if data.scorer is not None:
        parts["test"] = data.scorer.open()
    size = estimator_size(student)
    rows: list[tuple[str, str, int | None, Sequence[float | None]]] = [
        (
            "teacher",
            teacher.name,
            teacher.n_parameters,
            [_teacher_score(teacher, student, part) for part in parts.values()],
        )
        for teacher in student.teachers_
    ]
    scores = [student.val_score_]
    if "test" in parts:
        scores.append(student.score(parts["test"].x, parts["test"].y))
    rows.append(("student", str(settings.student), size, scores))
    table = [
        {
            "role": role,
            "name": name,
            "parameters": _NOTHING if n is None else f"{n:,}",
            "compression": _NOTHING if n is None else f"{n / size:.1f}",
            **{
                f"{part} {student.metric}": _NOTHING if value is None else f"{value:.3f}"
                for part, value in zip(parts, scores, strict=True)
            },
        }
        for role, name, n, scores in rows
    ]
    return pd.DataFrame(table)


def _teacher_score(
    teacher: Teacher, student: DistilledClassifier, part: DistillSplit
) -> float | None:
    """Return the score of a teacher; None where it lacks these rows, as a file of outputs may."""
    classes = student.classes_.tolist()
    try:
        logits = teacher.logits(part.x, part.ids, classes)
    except InputError:
        return None
    return score(student.metric, _codes(part.y, classes), logits.argmax(1))


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
    auc = noise_auc(student, data)
    if auc is not None and data.noisy is not None:
        print_result(
            f"{int(data.noisy.sum())} training rows have a wrong class; weight of the teachers "
            f"minus weight of the label tells them with AUC {auc:.3f} (0.5: not at all)"
        )


def _weights_summary(weights: pd.DataFrame) -> pd.DataFrame:
    columns = [(name, weights[name].dropna().to_numpy()) for name in weights]
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
        for name, values in columns
        if len(values)
    )


def differ(student: DistilledClassifier) -> bool:
    """Return whether the weights of a loss differ from row to row: then there is more to see."""
    return bool((student.weights_.max() - student.weights_.min() > _ZERO).any())


def noise_auc(student: DistilledClassifier, data: DistillData) -> float | None:
    """Return the AUC with which the learnt weights tell noisy rows; None without such rows."""
    weights = student.weights_.iloc[: len(data.train.y)]
    teachers = [name for name in weights if str(name).startswith("teacher")]
    if data.noisy is None or not teachers or not differ(student):
        return None
    lean = weights[teachers].mean(axis=1) - weights["label"]
    on = lean.notna().to_numpy()
    noisy = data.noisy[on]
    return float(roc_auc_score(noisy, lean[on])) if 0 < noisy.sum() < len(noisy) else None


def weights_with_ids(student: DistilledClassifier, data: DistillData) -> pd.DataFrame:
    """Return the learnt weights of the training rows, with their ids."""
    weights = student.weights_.iloc[: len(data.train.y)].reset_index(drop=True)
    weights.insert(0, "row_id", data.train.ids)
    return weights


def report_content(
    settings: DistillOptions, data: DistillData, student: DistilledClassifier, models: pd.DataFrame
) -> ReportContent:
    """Return what the HTML report shows."""
    title = f"{settings.method}: {DISTILLATION[settings.method][0]}"
    train = data.train
    codes = _codes(train.y, data.labels)
    return ReportContent(
        title=f"Distillation into {settings.student}, {settings.method}, on {data.name}",
        summary=[str(data), title],
        class_names=data.classes,
        votes=train.votes,
        y=None if train.votes is None else codes,
        models=models,
        histories={settings.method: student.history_},
        examples=_examples(settings, data, student, codes),
        outcome=_outcome(settings, data, student),
        settings=settings.as_text(),
    )


def _codes(y: np.ndarray, labels: Sequence[Any]) -> np.ndarray:
    """Return class codes (n,) of labels; -1 for None."""
    lookup = {label: code for code, label in enumerate(labels)}
    return np.array([lookup.get(label, -1) for label in y.tolist()])


def _examples(
    settings: DistillOptions, data: DistillData, student: DistilledClassifier, codes: np.ndarray
) -> Examples | None:
    if not differ(student):
        return None
    weights = student.weights_.iloc[: len(codes)]
    texts = data.train.texts or [""] * len(codes)
    return Examples(settings.method, weights, codes, data.train.votes, texts)


def _outcome(
    settings: DistillOptions, data: DistillData, student: DistilledClassifier
) -> Evaluation:
    role, split = "validation rows, which also chose the epoch", data.validation
    if data.scorer is not None:
        role, split = "test rows", data.scorer.open()
    p = np.zeros((len(split.y), len(data.labels)))
    p[:, _codes(student.classes_, data.labels)] = student.predict_proba(split.x)
    return evaluation(settings.method, role, _codes(split.y, data.labels), p)


def estimator_size(estimator: Any) -> int:
    """Return the number of parameters that predict."""
    return sum(n_parameters(joint.feature) for joint in estimator.models_)
