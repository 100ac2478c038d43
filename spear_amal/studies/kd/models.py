"""Teachers of a study: trained once for all methods, kept beside the study's file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spear_amal.estimators import DistilledClassifier, distiller
from spear_amal.studies.kd.task import DataSpec, kd_task
from spear_amal.studies.threads import one_thread


@dataclass(frozen=True)
class TeacherSpec:
    """A network trained on labels alone, on the training rows of a task.

    Attributes
    ----------
    network : str
    data : DataSpec
    seed : int
    settings : dict
        Parameters of :class:`DistilledClassifier`.
    """

    network: str
    data: DataSpec
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def path(self, folder: str) -> Path:
        """Where it is kept: one file for each network, task and settings."""
        held = asdict(self)
        held["data"].pop("data_dir")
        text = json.dumps(held, sort_keys=True, default=str)
        return Path(folder) / f"{self.network.replace(':', '-')}-{_digest(text)}.safetensors"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trained(spec: TeacherSpec, folder: str) -> DistilledClassifier:
    """Load a teacher, or train it and keep it."""
    path = spec.path(folder)
    if path.exists():
        return DistilledClassifier.load(path)
    task, _ = kd_task(spec.data, spec.seed)
    settings = {"random_state": spec.seed, **spec.settings}
    with one_thread():
        model = distiller("ce", spec.network, **settings).fit(**task.given())
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path, overwrite=True)  # another process may have come first, with the same model
    return model
