"""The pickle files of SPEAR and Learning-From-Rules, with -1 for abstain and for unlabelled."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.data.formats.safe_pickle import read_pickles
from spear_amal.errors import FileFormatError
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

# Order in the file. Files of Learning-From-Rules end after r.
NAMES = ("x", "l", "m", "L", "d", "r", "s", "n", "k", "n_classes")
FEWEST = 6


def read_spear_pickle(path: PathLike) -> dict[str, Any]:
    """Read the successive arrays of a SPEAR file, safely, by their published names.

    Parameters
    ----------
    path : path
        A file of 6 to 10 successive pickled objects, by Python 2 or 3, NumPy 1 or 2.

    Returns
    -------
    dict
        ``x`` (n, D) features; ``l`` (n, m) int votes, -1 for abstain; ``m`` (n, m) int, 1 where
        the rule fired; ``L`` (n,) int gold, -1 where unknown; ``d`` (n,) 1 for labelled rows;
        ``r`` (n, m) 1 where the row is an exemplar of the rule; where the file has them ``s``
        (n, m) scores, ``n`` (m,) 1 for continuous rules, ``k`` (m,) class of each rule,
        ``n_classes`` int. Arrays that the file leaves out are there with length 0.

    Raises
    ------
    FileNotFoundError
    FileFormatError
        If the file is damaged, holds something else, or its arrays contradict each other.
    """
    objects = read_pickles(path, most=len(NAMES))
    if len(objects) < FEWEST:
        raise FileFormatError(
            f"{path} holds {len(objects)} objects; a SPEAR file has {FEWEST} to {len(NAMES)} "
            f"({', '.join(NAMES)}); it may be truncated"
        )
    by_name = dict(zip(NAMES, objects, strict=False))
    arrays: dict[str, Any] = {
        name: _numbers(path, name, value) for name, value in by_name.items() if name != "n_classes"
    }
    arrays["L"], arrays["d"] = arrays["L"].ravel(), arrays["d"].ravel()
    _check_shapes(path, arrays)
    n_classes = _n_classes(path, arrays, by_name.get("n_classes"))
    arrays["l"] = _votes(path, arrays["l"], arrays["m"], n_classes)
    arrays["m"] = (arrays["l"] != ABSTAIN).astype(np.int64)
    arrays["L"] = _gold(path, arrays["L"], n_classes)
    if not np.isin(arrays.get("k", ()), np.arange(n_classes)).all():
        raise FileFormatError(f"{path}: k must lie in 0 to {n_classes - 1}, found {arrays['k']}")
    return {**arrays, "n_classes": n_classes}


def spear_label_matrix(arrays: dict[str, Any], **fields: Any) -> LabelMatrix:
    """Make a label matrix of what :func:`read_spear_pickle` returned.

    Parameters
    ----------
    arrays : dict
    **fields
        ``lf_names``, ``classes``, ``row_ids``, ``lf_classes``; classes of the rules and scores
        are taken from the arrays where those hold them.
    """
    continuous = np.asarray(arrays.get("n", ())).astype(bool)
    if len(arrays.get("k", ())):
        fields.setdefault("lf_classes", arrays["k"].astype(np.int64))
    fields.setdefault("classes", tuple(range(arrays["n_classes"])))
    if continuous.any():
        fields.update(scores=arrays["s"], continuous=continuous)
    return LabelMatrix.from_dense(arrays["l"], **fields)


def _numbers(path: Any, name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise FileFormatError(f"{path}: {name} is no array of numbers, but {type(value).__name__}")
    return value


def _check_shapes(path: Any, arrays: dict[str, Any]) -> None:
    votes = arrays["l"]
    if votes.ndim != 2 or arrays["m"].shape != votes.shape:
        raise FileFormatError(
            f"{path}: l and m must be two matrices of one shape, found {votes.shape} and "
            f"{arrays['m'].shape}"
        )
    rows, rules = votes.shape
    for names, length in (("x L d r s", rows), ("n k", rules)):
        for name in names.split():
            size = len(arrays[name]) if name in arrays and arrays[name].ndim else 0
            if size not in (0, length):
                raise FileFormatError(
                    f"{path}: {name} has length {size}, expected {length}; l has {votes.shape}"
                )


def _n_classes(path: Any, arrays: dict[str, Any], stated: Any) -> int:
    """Classes: as stated, else the code that stands where rules did not fire."""
    resting = np.unique(arrays["l"][arrays["m"] == 0])
    known = 0
    if stated is not None:
        known = int(stated) if isinstance(stated, int | float) else 0
    elif len(resting) == 1:
        known = int(resting[0])
    elif len(resting) == 0:
        known = int(max(arrays["l"].max(initial=0), arrays["L"].max(initial=0))) + 1
    if known < 1:
        raise FileFormatError(
            f"{path} does not say how many classes there are (stated: {stated!r}; where no rule "
            f"fired l holds {resting.tolist()}, expected the number of classes)"
        )
    return known


def _votes(path: Any, votes: np.ndarray, fired: np.ndarray, n_classes: int) -> np.ndarray:
    if not np.isin(fired, (0, 1)).all() or ((votes != n_classes) != (fired == 1)).any():
        raise FileFormatError(
            f"{path}: l and m contradict each other; l must be {n_classes} exactly where m is 0"
        )
    if not np.isin(votes, np.arange(n_classes + 1)).all():
        raise FileFormatError(f"{path}: votes must lie in 0 to {n_classes} ({n_classes} = abstain)")
    return np.where(fired == 1, votes, ABSTAIN).astype(np.int64)


def _gold(path: Any, gold: np.ndarray, n_classes: int) -> np.ndarray:
    if not np.isin(gold, np.arange(n_classes + 1)).all():
        raise FileFormatError(f"{path}: gold labels must lie in 0 to {n_classes}")
    return np.where(gold == n_classes, ABSTAIN, gold).astype(np.int64)
