"""Joint learning by the package decile-spear 1.0.8, which cannot be imported as it is.

It asks for names that NumPy dropped (``numpy.int``, ``numpy.float``, and ``numpy.bool`` as Python's
own), and for submodlib, which no package declares and only its choice of rows to label uses. Both
are put in place here, in the process of the benchmark alone. What it declares as needed, TensorFlow
among it, joint learning does not use: ``pip install --no-deps decile-spear==1.0.8``.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import harness
import numpy as np

RATES = (3e-4, 0.01)  # of the feature model and of the rules, as in its notebooks


def trainer(split: Any, network: str, epochs: int, batch: int) -> Callable[[], Any]:
    """Return what trains all seven losses on a split of the studies; `network` is "lr" or "nn"."""
    learner = _import()
    folder = tempfile.TemporaryDirectory()
    files = write_files(split, Path(folder.name))
    n_lfs, n_features = split.votes_train.codes.shape[1], split.x_train.shape[1]

    def train(kept: Any = folder) -> Any:
        model = learner(files["classes"], n_lfs, n_features, feature_model=network)
        parts = [files[part] for part in ("L", "U", "V", "V")]
        lengths = {"n_epochs": epochs, "start_len": epochs, "stop_len": epochs}
        return model.fit_and_predict_proba(*parts, [1] * 7, batch, *RATES, False, **lengths)

    return train


def _import() -> Any:
    # What the package imports comes first: NumPy is changed for it alone.
    import sklearn.metrics  # noqa: F401
    import torch.utils.data  # noqa: F401

    numpy: Any = np
    numpy.int, numpy.float, numpy.bool = int, float, bool
    for name in ("submodlib", "submodlib.functions", "submodlib.functions.facilityLocation"):
        sys.modules.setdefault(name, ModuleType(name))
    facility: Any = sys.modules["submodlib.functions.facilityLocation"]
    facility.FacilityLocationFunction = None
    try:
        from spear.jl import JL
    except ModuleNotFoundError as error:
        raise harness.Skip(
            f"needs decile-spear ({error}): pip install --no-deps decile-spear==1.0.8, or with "
            "--target FOLDER and PYTHONPATH=FOLDER"
        ) from error
    return JL


def write_files(split: Any, folder: Path) -> dict[str, str]:
    """Write L, U and V in the package's form: ten pickles a file; and the names of the classes."""
    labelled = split.y_train >= 0
    parts = {
        part: (split.x_train[rows], split.y_train[rows], split.votes_train[rows])
        for part, rows in (("L", labelled), ("U", ~labelled))
    }
    parts["V"] = (split.x_val, split.y_val, split.votes_val)
    names = dict(enumerate(map(str, split.votes_train.classes)))
    (folder / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    of_lfs = np.maximum(split.votes_train.to_dense().max(axis=0), 0)  # each LF has one class
    for part, (x, y, votes) in parts.items():
        with (folder / f"{part}.pkl").open("wb") as file:
            for array in (*arrays_of(x, y, votes.to_dense(), of_lfs), len(names)):
                pickle.dump(array, file)
    return {path.stem: str(path) for path in folder.iterdir()}


def arrays_of(x: Any, y: np.ndarray, codes: np.ndarray, of_lfs: np.ndarray) -> list[np.ndarray]:
    """Return x, l, m, L, d, r, s, n and k of its documentation; an empty array is not given."""
    dense = np.asarray(x.todense() if hasattr(x, "todense") else x, dtype=np.float64)
    cast = np.where(codes >= 0, codes, None)
    gold = np.where(y >= 0, y, None).reshape(-1, 1)
    none, scored = np.zeros(0), np.zeros(codes.shape[1], dtype=int)
    fires = (codes >= 0).astype(int)
    return [dense, cast, fires, gold, none, none, np.zeros(codes.shape), scored, of_lfs]
