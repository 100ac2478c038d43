"""From the settings of a run to its teachers, its student and its row."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spear_amal.estimators import DISTILLATION, DistilledClassifier, distiller, serialization
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.io.safetensors import under_prefix, with_prefix
from spear_amal.models.registry import n_parameters
from spear_amal.studies.engine import Prerequisite
from spear_amal.studies.grid.config import method_settings
from spear_amal.studies.grid.image_split import (
    DataSpec,
    ImageSplit,
    ImageTestScorer,
    make_image_split,
)
from spear_amal.studies.grid.study import RunSpec


@dataclass(frozen=True)
class TeacherSpec:
    """A network trained on the training rows of a split, on labels alone unless `method` says else.

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
        """Return the file that keeps it: one for each network, split and settings."""
        text = json.dumps(self._identity(), sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return Path(folder) / f"{self.network.replace(':', '-')}-{digest}.safetensors"

    def prerequisite(self, folder: str) -> Prerequisite:
        """Return the training of this model as a prerequisite of runs."""
        label = f"teacher {self.network}, seed {self.seed}"
        return Prerequisite(self.path(folder), trained, (self, folder), label)

    def _identity(self) -> dict[str, Any]:
        """Return everything that decides the result; where the data lies does not."""
        identity = {name: getattr(self, name) for name in ("network", "seed", "settings")}
        identity["data"] = {k: v for k, v in asdict(self.data).items() if k != "data_dir"}
        if self.method != "ce":
            identity["method"] = self.method
            identity["teachers"] = [teacher._identity() for teacher in self.teachers]
        return identity


def trained(spec: TeacherSpec, folder: str) -> DistilledClassifier:
    """Load a model, or train it and keep it, with its snapshots and the time it took."""
    path = spec.path(folder)
    remove_leftovers(path.parent)
    if path.exists():
        return DistilledClassifier.load(path)
    split, _ = make_image_split(spec.data, spec.seed)
    teachers = [trained(teacher, folder) for teacher in spec.teachers]
    settings = {"random_state": spec.seed, **spec.settings}
    began = time.perf_counter()
    model = distiller(spec.method, spec.network, teachers, **settings).fit(**split.fit_arguments())
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
    """Return how long the training of a kept model took."""
    seconds = serialization.read_extra(spec.path(folder))[1].get("seconds")
    return None if seconds is None else float(seconds)


def stages(spec: TeacherSpec, folder: str) -> dict[int, DistilledClassifier]:
    """Return the model as it was after each epoch of its "keep_epochs"; trained first."""
    model = trained(spec, folder)
    _, extra, states = serialization.read_extra(spec.path(folder))
    models = {}
    for epoch in sorted(extra.get("epochs", ())):
        models[epoch] = copy.deepcopy(model)
        state = under_prefix(f"epoch{epoch}", states)
        models[epoch].models_[0].feature.load_state_dict(state)
    return models


def by_labels(spec: RunSpec, network: str, **changes: Any) -> TeacherSpec:
    """Return the settings of a network trained on the labels of the run's split alone."""
    return TeacherSpec(network, spec.data, spec.seed, spec.settings["training"] | changes)


def fit_student(
    spec: RunSpec,
    split: ImageSplit,
    teachers: Sequence[Any] = (),
    assistants: Sequence[str] = (),
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> DistilledClassifier:
    """Train the run's student.

    Parameters
    ----------
    spec : RunSpec
        Its settings hold "student" and "training".
    split : ImageSplit
    teachers, assistants
        As of :func:`distiller`.
    method : str, optional
        As of :func:`distiller`; default: the run's.
    options : dict, optional
        Of the mixer.
    """
    training, method = spec.settings["training"], method or spec.method
    settings = training | method_settings(method, training["max_epochs"], **(options or {}))
    settings = {"random_state": spec.seed, **settings}
    student = distiller(method, spec.settings["student"], teachers, assistants, **settings)
    return student.fit(**split.fit_arguments())


def is_chain(method: str) -> bool:
    """Return whether a method of :func:`distiller` takes assistants."""
    return "chain" in DISTILLATION[method][1]


def size(model: DistilledClassifier) -> int:
    """Count the parameters of a classifier's network."""
    return n_parameters(model.models_[0].feature)


def student_fields(student: DistilledClassifier, scorer: ImageTestScorer) -> dict[str, Any]:
    """Return what every row says of its student."""
    return {
        "score": scorer.score(student),
        "val_score": student.val_score_,
        "path": getattr(student, "training_path_", None),  # not of one from a file
        "best_epoch": student.best_epoch_[0] + 1,
        "parameters": size(student),
        "mean_weights": mean_weights(student),
    }


def mean_weights(student: DistilledClassifier) -> dict[str, float]:
    """Return the mean weight of each loss over the rows on which it counted, after training."""
    means = student.weights_.mean().dropna()
    return {str(name): round(float(mean), 5) for name, mean in means.items()}
