"""One run of a distillation study: what identifies it, and the way to its row."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import spear_amal
from spear_amal.errors import InputError
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.results_file import Row
from spear_amal.studies.workers import one_thread

_MESSAGE = 300  # characters of an error that a row keeps


@dataclass(frozen=True)
class RunSpec:
    """One method under one condition and seed.

    Attributes
    ----------
    study : str
        Its name, such as "kd-noise".
    condition : str
        What distinguishes it from other conditions of the study; methods are compared within one.
    method, title : str
    seed : int
    data : DataSpec
    settings : dict
        Everything else that decides the result, as JSON.
    """

    study: str
    condition: str
    method: str
    seed: int
    data: DataSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""

    def row(self) -> Row:
        """Identify the run, in the form of study files."""
        data = {k: v for k, v in asdict(self.data).items() if v is not None and k != "data_dir"}
        return {
            "corpus": self.data.corpus,
            "method": self.method,
            "title": self.title or self.method,
            "seed": self.seed,
            "metric": "accuracy",
            "labels": self.data.n_train or 0,
            "features": "pixels" if self.data.corpus != "kd-synthetic" else "published",
            "protocol": f"{self.study}: {self.condition}",
            "config": {
                "data": data,
                "settings": json.loads(json.dumps(self.settings, sort_keys=True)),
                "version": spear_amal.__version__,
            },
        }


def run_cell(run: Any, cell: RunSpec, folder: str) -> Row:
    """Run ``run(cell, folder) -> dict`` in one thread; a failure becomes a row with an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        began = time.perf_counter()
        try:
            with one_thread():
                found = {"error": None, **run(cell, folder)}
        except InputError:
            raise  # what the user asked for cannot be run: no row would help
        except Exception as error:  # one method's failure must not lose the others
            said = f"{type(error).__name__}: {error}"[:_MESSAGE]
            found = {"score": None, "val_score": None, "error": said}
        found.setdefault("seconds", round(time.perf_counter() - began, 3))
    told = [str(one.message)[:_MESSAGE] for one in caught if issubclass(one.category, UserWarning)]
    return cell.row() | found | {"warnings": list(dict.fromkeys(told))}
