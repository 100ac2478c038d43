"""The pickle files of SPEAR and Learning-From-Rules, with -1 for abstain and for unlabelled.

Two kinds are about. Learning-From-Rules writes numbers only: classes from 0 to C - 1, and C where a
rule did not fire. The package decile-spear writes the values of the user's Enum, which may be any,
and None where a rule did not fire or gave no score; a JSON file beside it has the names of the
classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.data.formats.enum_values import EnumValues, beside, read_class_names, values_of
from spear_amal.data.formats.safe_pickle import read_pickles
from spear_amal.errors import FileFormatError
from spear_amal.votes.class_set import ABSTAIN, MAX_CLASSES, ClassesLike, ClassNames
from spear_amal.votes.label_matrix import LabelMatrix

# Order in the file. Files of Learning-From-Rules end after r.
NAMES = ("x", "l", "m", "L", "d", "r", "s", "n", "k", "n_classes")
FEWEST = 6


def read_spear_pickle(path: PathLike, classes: ClassesLike | PathLike = None) -> dict[str, Any]:
    """Read the successive arrays of a SPEAR file, safely, by their published names.

    Parameters
    ----------
    path : path
        A file of 6 to 10 successive pickled objects, by Python 2 or 3, NumPy 1 or 2.
    classes : path, mapping or Enum class, optional
        Names of the classes by the values that stand in the file: the JSON file that decile-spear
        wrote, what is in it, or the Enum of the labelling functions. By default the file
        ``NAME_json.json`` beside ``NAME_pickle.pkl``, if there is one. Needed where values other
        than 0 to C - 1 are used and not each of them occurs.

    Returns
    -------
    dict
        ``x`` (n, D) features; ``l`` (n, m) int votes, -1 for abstain; ``m`` (n, m) int, 1 where
        the rule fired; ``L`` (n,) int gold, -1 where unknown; ``d`` (n,) 1 for labelled rows;
        ``r`` (n, m) 1 where the row is an exemplar of the rule; where the file has them ``s``
        (n, m) scores, ``n`` (m,) 1 for continuous rules, ``k`` (m,) class of each rule,
        ``n_classes`` int. Arrays that the file leaves out are there with length 0. Classes are
        codes from 0 in the order of their values, which stand under ``values`` where the file has
        others; names stand under ``classes`` where they are known. Gold of classes that are called
        by numbers is given by these, as everywhere.

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
    stated = by_name.pop("n_classes", None)
    arrays = {name: _array(path, name, value) for name, value in by_name.items()}
    _check_shapes(path, arrays)
    names = read_class_names(beside(Path(path)) if classes is None else classes)
    if _has_enum_values(arrays):
        return _of_enum_values(path, arrays, stated, names)
    return _of_codes(path, arrays, stated, names)


def spear_label_matrix(arrays: dict[str, Any], **fields: Any) -> LabelMatrix:
    """Make a label matrix of what :func:`read_spear_pickle` returned.

    Parameters
    ----------
    arrays : dict
    **fields
        ``lf_names``, ``classes``, ``row_ids``, ``lf_classes``; classes of the rules, class names
        and scores are taken from the arrays where those hold them.
    """
    continuous = np.asarray(arrays.get("n", ())).astype(bool)
    if len(arrays.get("k", ())):
        fields.setdefault("lf_classes", arrays["k"].astype(np.int64))
    fields.setdefault("classes", arrays.get("classes", tuple(range(arrays["n_classes"]))))
    if continuous.any():
        fields.update(scores=arrays["s"], continuous=continuous)
    return LabelMatrix.from_dense(arrays["l"], **fields)


def _array(path: Any, name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise FileFormatError(f"{path}: {name} is no array of numbers, but {type(value).__name__}")
    return value


def _numbers(path: Any, name: str, value: np.ndarray) -> np.ndarray:
    if value.dtype.kind not in "biuf":
        raise FileFormatError(f"{path}: {name} is no array of numbers, but of {value.dtype}")
    return value


def _check_shapes(path: Any, arrays: dict[str, np.ndarray]) -> None:
    votes = arrays["l"]
    if votes.ndim != 2 or arrays["m"].shape != votes.shape:
        raise FileFormatError(
            f"{path}: l and m must be two matrices of one shape, found {votes.shape} and "
            f"{arrays['m'].shape}"
        )
    rows, rules = votes.shape
    column, vector = {(rows,), (rows, 1)}, {(rules,)}
    allowed = {"L": column, "d": column, "r": {votes.shape}, "s": {votes.shape}, "n": vector}
    allowed["k"] = vector
    for name, array in arrays.items():
        if name in ("l", "m") or (array.ndim and not array.size):
            continue
        length = rules if name in "nk" else rows
        if not array.ndim or len(array) != length:
            size = len(array) if array.ndim else "none"
            raise FileFormatError(
                f"{path}: {name} has length {size}, expected {length}; l has {votes.shape}"
            )
        # Features may have any shape, as long as each row has some.
        if array.ndim < 2 if name == "x" else array.shape not in allowed[name]:
            raise FileFormatError(f"{path}: {name} has shape {array.shape}; l has {votes.shape}")


def _has_enum_values(arrays: dict[str, np.ndarray]) -> bool:
    """Return whether the votes are values of an Enum and None, as decile-spear writes them."""
    votes = arrays["l"]
    if votes.dtype.kind != "O":
        return False
    return any(vote is None for vote in votes.ravel().tolist()) or bool((arrays["m"] == 1).all())


def _of_enum_values(
    path: Any, arrays: dict[str, np.ndarray], stated: Any, names: ClassNames | None
) -> dict[str, Any]:
    values = EnumValues(path, names, _stated_classes(path, stated), arrays)
    votes = values.codes("l", arrays["l"])
    fired = _numbers(path, "m", arrays["m"])
    if not np.isin(fired, (0, 1)).all() or ((votes == ABSTAIN) != (fired == 0)).any():
        raise FileFormatError(f"{path}: l and m contradict each other; l must be None where m is 0")
    read = {
        **_plain_arrays(path, arrays, votes),
        "l": votes,
        "m": fired.astype(np.int64),
        "L": values.codes("L", arrays["L"].ravel()),
    }
    if "k" in arrays:
        read["k"] = values.codes("k", arrays["k"])
        _check_rule_classes(path, read["k"], len(values.values))
    in_order = {name: read[name] for name in arrays}
    n_classes = len(values.values)
    return {**_named(in_order, names), "n_classes": n_classes, "values": values.values}


def _named(arrays: dict[str, Any], names: ClassNames | None) -> dict[str, Any]:
    """Add class names; where they are numbers, gold is given by them."""
    if names is None:
        return arrays
    # Without the values as ids: the arrays hold codes, and ids would be taken for them.
    plain = ClassNames(tuple(names))
    return {**arrays, "L": plain.as_numbers(arrays["L"]), "classes": plain}


def _of_codes(
    path: Any, arrays: dict[str, np.ndarray], stated: Any, names: ClassNames | None
) -> dict[str, Any]:
    for name in ("l", "m", "L", "k"):
        if name in arrays:
            _numbers(path, name, arrays[name])
    arrays = {**arrays, "L": arrays["L"].ravel()}
    n_classes = _n_classes(path, arrays, stated)
    votes = _votes(path, arrays["l"], arrays["m"], n_classes)
    read = {**arrays, **_plain_arrays(path, arrays, votes), "l": votes}
    read["m"] = (votes != ABSTAIN).astype(np.int64)
    read["L"] = _gold(path, arrays["L"], n_classes)
    _check_rule_classes(path, arrays.get("k", np.empty(0)), n_classes)
    if names is not None and values_of(names) != list(range(n_classes)):
        raise FileFormatError(
            f"{path} has the classes 0 to {n_classes - 1}, names are given for {values_of(names)}"
        )
    return {**_named(read, names), "n_classes": n_classes}


def _plain_arrays(path: Any, arrays: dict[str, np.ndarray], votes: np.ndarray) -> dict[str, Any]:
    """Return what both kinds of file write alike: x, d, r, and n and s if they are there."""
    read = {name: _numbers(path, name, arrays[name]) for name in "xdrn" if name in arrays}
    read["d"] = read["d"].ravel()
    for name in "drn":
        if name in read and not np.isin(read[name], (0, 1)).all():
            raise FileFormatError(f"{path}: {name} must hold 0 and 1 only")
    if "s" in arrays:
        continuous = read.get("n", np.zeros(votes.shape[1])) == 1
        read["s"] = _scores(path, arrays["s"], votes, continuous)
    return read


def _scores(path: Any, scores: np.ndarray, votes: np.ndarray, continuous: np.ndarray) -> np.ndarray:
    """Scores as floats; None, where a rule has none, becomes 0."""
    if scores.dtype.kind != "O" or not scores.size:
        return _numbers(path, "s", scores) if scores.size else scores.astype(float)
    missing = np.array([score is None for score in scores.ravel().tolist()]).reshape(scores.shape)
    if (missing & (votes != ABSTAIN))[:, continuous].any():
        raise FileFormatError(f"{path}: s holds no score where a continuous rule fired")
    try:
        return np.where(missing, 0.0, scores).astype(float)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: s must hold numbers and None only: {error}") from error


def _stated_classes(path: Any, stated: Any) -> int | None:
    """Return the number of classes at the end of the file, None if there is none."""
    if stated is None:
        return None
    whole = isinstance(stated, int | float) and not isinstance(stated, bool)
    if not whole or stated not in range(1, MAX_CLASSES):
        raise FileFormatError(
            f"{path} does not say how many classes there are (stated: {stated!r}, expected a whole "
            f"number from 1 to {MAX_CLASSES - 1})"
        )
    return int(stated)


def _n_classes(path: Any, arrays: dict[str, Any], stated: Any) -> int:
    """Classes: as stated, else the code that stands where rules did not fire."""
    known = _stated_classes(path, stated)
    if known is not None:
        return known
    resting = np.unique(arrays["l"][arrays["m"] == 0])
    if len(resting) == 1:
        known = resting[0]
    elif len(resting) == 0:
        known = max(arrays["l"].max(initial=0), arrays["L"].max(initial=0)) + 1
    if known is None or known not in range(1, MAX_CLASSES):
        raise FileFormatError(
            f"{path} does not say how many classes there are (stated: {stated!r}; where no rule "
            f"fired l holds {resting[:7].tolist()}, expected the number of classes)"
        )
    return int(known)


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


def _check_rule_classes(path: Any, k: np.ndarray, n_classes: int) -> None:
    if not np.isin(k, np.arange(n_classes)).all():
        raise FileFormatError(f"{path}: k must lie in 0 to {n_classes - 1}, found {k}")
