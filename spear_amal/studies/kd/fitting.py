"""From the settings of a cell to its teachers, its student and its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spear_amal.estimators import DistilledClassifier, distiller
from spear_amal.models.registry import n_parameters
from spear_amal.studies.kd.cell import Cell
from spear_amal.studies.kd.models import TeacherSpec
from spear_amal.studies.kd.task import KdScorer, KdTask
from spear_amal.studies.kd.training import method_settings


def by_labels(cell: Cell, network: str, **changes: Any) -> TeacherSpec:
    """Say how a network is trained on the labels of the cell's task alone."""
    return TeacherSpec(network, cell.data, cell.seed, cell.settings["training"] | changes)


def fit_student(
    cell: Cell,
    task: KdTask,
    teachers: Sequence[Any] = (),
    assistants: Sequence[str] = (),
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> DistilledClassifier:
    """Train the cell's student.

    Parameters
    ----------
    cell : Cell
        Its settings hold "student" and "training".
    task : KdTask
    teachers, assistants
        As of :func:`distiller`.
    method : str, optional
        As of :func:`distiller`; default: the cell's.
    options : dict, optional
        Of the mixer.
    **changes
        Parameters of :class:`DistilledClassifier`.
    """
    training, method = cell.settings["training"], method or cell.method
    settings = (
        training | method_settings(method, training["max_epochs"], **(options or {})) | changes
    )
    settings = {"random_state": cell.seed, **settings}
    student = distiller(method, cell.settings["student"], teachers, assistants, **settings)
    return student.fit(**task.given())


def size(model: DistilledClassifier) -> int:
    """Count the parameters of a classifier's network."""
    return n_parameters(model.models_[0].feature)


def about(student: DistilledClassifier, scorer: KdScorer) -> dict[str, Any]:
    """Give what every row says of its student."""
    return {
        "score": scorer.score(student),
        "val_score": student.val_score_,
        "best_epoch": student.best_epoch_[0] + 1,
        "parameters": size(student),
        "mean_weights": mean_weights(student),
    }


def mean_weights(student: DistilledClassifier) -> dict[str, float]:
    """Mean weight of each loss over the rows on which it counted, at the end of training."""
    means = student.weights_.mean().dropna()
    return {str(name): round(float(mean), 5) for name, mean in means.items()}


def against(score: float, teacher: float, labels_alone: float) -> dict[str, float]:
    """Set an accuracy in relation to the teacher's and to that of the student without one."""
    held = {"relative": (score, teacher), "relative_ce": (score, labels_alone)}
    return {name: round(a / b, 5) if b else 0.0 for name, (a, b) in held.items()}
