"""From the settings of a cell to its teachers, its student and its row."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spear_amal.estimators import DistilledClassifier, distiller, serialization
from spear_amal.io.safetensors import under_prefix, with_prefix
from spear_amal.models.registry import n_parameters
from spear_amal.studies.grid.config import method_settings
from spear_amal.studies.grid.image_split import DataSpec, ImageSplit, ImageTestScorer, kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.workers import one_thread


def by_labels(cell: RunSpec, network: str, **changes: Any) -> TeacherSpec:
    """Say how a network is trained on the labels of the cell's task alone."""
    return TeacherSpec(network, cell.data, cell.seed, cell.settings["training"] | changes)


def fit_student(
    cell: RunSpec,
    task: ImageSplit,
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
    task : ImageSplit
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


def about(student: DistilledClassifier, scorer: ImageTestScorer) -> dict[str, Any]:
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


@dataclass(frozen=True)
class TeacherSpec:
    """A network trained on the training rows of a task, on labels alone unless told otherwise.

    Attributes
    ----------
    network : str
    data : DataSpec
    seed : int
    settings : dict
        Parameters of :class:`DistilledClassifier`.
    method : str
        As of :func:`distiller`, but not "sskd".
    teachers : tuple of TeacherSpec
        Who teaches it; they are trained and kept as well.
    """

    network: str
    data: DataSpec
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: str = "ce"
    teachers: tuple[TeacherSpec, ...] = ()

    def path(self, folder: str) -> Path:
        """Where it is kept: one file for each network, task and settings."""
        text = json.dumps(self._told(), sort_keys=True, default=str)
        return Path(folder) / f"{self.network.replace(':', '-')}-{_digest(text)}.safetensors"

    def _told(self) -> dict[str, Any]:
        """Everything that decides the result; where the data lies does not."""
        data = {name: value for name, value in asdict(self.data).items() if name != "data_dir"}
        names = ("network", "seed", "settings")
        held = {name: getattr(self, name) for name in names} | {"data": data}
        if self.method == "ce":
            return held
        return held | {"method": self.method, "teachers": [one._told() for one in self.teachers]}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trained(spec: TeacherSpec, folder: str) -> DistilledClassifier:
    """Load a model, or train it and keep it, with its snapshots and the time it took."""
    path = spec.path(folder)
    if path.exists():
        return DistilledClassifier.load(path)
    task, _ = kd_task(spec.data, spec.seed)
    teachers = [trained(one, folder) for one in spec.teachers]
    settings = {"random_state": spec.seed, **spec.settings}
    began = time.perf_counter()
    with one_thread():
        model = distiller(spec.method, spec.network, teachers, **settings).fit(**task.given())
    seconds = round(time.perf_counter() - began, 3)
    states = {
        name: tensor
        for epoch, network in model.snapshots_.items()
        for name, tensor in with_prefix(f"epoch{epoch}", network.state_dict()).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {"seconds": seconds, "epochs": list(model.snapshots_)}
    # Another process may have come first, with the same model.
    serialization.save(model, path, overwrite=True, extra=extra, extra_tensors=states)
    return model


def seconds_of(spec: TeacherSpec, folder: str) -> float | None:
    """Tell how long the training of a kept model took."""
    found = serialization.read_extra(spec.path(folder))[1].get("seconds")
    return None if found is None else float(found)


def stages(spec: TeacherSpec, folder: str) -> dict[int, DistilledClassifier]:
    """Give the model as it was after each epoch of its settings' "keep_epochs"; trained first."""
    model = trained(spec, folder)
    _, extra, states = serialization.read_extra(spec.path(folder))
    found = {}
    for epoch in sorted(extra.get("epochs", ())):
        found[epoch] = copy.deepcopy(model)
        state = under_prefix(f"epoch{epoch}", states)
        found[epoch].models_[0].feature.load_state_dict(state)
    return found
