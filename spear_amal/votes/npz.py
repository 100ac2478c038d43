"""Label matrices as files: ``.npz`` without pickled objects, with a format number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.atomic import refuse_existing
from spear_amal.io.guard import guarded_reading
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.row_ids import counts_rows
from spear_amal.votes.voted_rows import VotedRows

FORMAT = 1
KIND, ADVICE = "a label matrix file", "apply the LFs again"


class Fields(Protocol):
    """What is stored of a label matrix."""

    codes: sp.csr_array
    scores: sp.csr_array | None
    lf_names: tuple[str, ...]
    classes: ClassNames
    row_ids: np.ndarray
    has_row_ids: bool
    lf_classes: np.ndarray
    continuous: np.ndarray
    voted_rows: VotedRows | None


def write_label_matrix(
    matrix: Fields,
    path: PathLike,
    overwrite: bool = False,
    further: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a label matrix aside, then rename it to `path`.

    Parameters
    ----------
    matrix : LabelMatrix
    path : path
    overwrite : bool, default=False
    further : mapping of str to array, optional
        Kept beside it, for whoever reads the arrays of the file.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    refuse_existing(path, overwrite)
    meta = {
        "format": FORMAT,
        "shape": matrix.codes.shape,
        "lf_names": matrix.lf_names,
        "has_row_ids": matrix.has_row_ids,
        "classes": [c if isinstance(c, str) else int(c) for c in matrix.classes],
        "class_ids": matrix.classes.given_ids,
    }
    digests: dict[str, np.ndarray] = {}
    if matrix.voted_rows is not None:
        meta["voted_columns"] = matrix.voted_rows.columns
        digests["row_digests"] = matrix.voted_rows.digests
    arrays = {
        "meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
        "row_ids": matrix.row_ids,
        "lf_classes": matrix.lf_classes,
        "continuous": matrix.continuous,
        **_parts("codes", matrix.codes),
        **({} if matrix.scores is None else _parts("scores", matrix.scores)),
        **digests,
        **(further or {}),
    }
    write_arrays(path, arrays)


def read_label_matrix(path: PathLike) -> dict[str, Any]:
    """Read the fields of a label matrix; runs no code from the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is truncated, damaged, of a newer format or no label matrix.
    """
    arrays = read_arrays(path, KIND, ADVICE)
    with guarded_reading(path, KIND, ADVICE):
        return _fields(path, arrays)


def _fields(path: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    meta = json.loads(arrays["meta"].tobytes())
    if meta["format"] > FORMAT:
        raise FileFormatError(
            f"{path} has format {meta['format']}, this version reads up to {FORMAT}; "
            "update spear_amal"
        )
    shape = tuple(meta["shape"])
    return {
        "codes": _whole("codes", arrays, shape),
        "scores": _whole("scores", arrays, shape) if "scores_data" in arrays else None,
        "lf_names": meta["lf_names"],
        "classes": ClassNames(meta["classes"], meta.get("class_ids")),
        "row_ids": arrays["row_ids"],
        # Files of 0.1.0 do not tell; numbers that just count are held against nothing then.
        "has_row_ids": bool(meta.get("has_row_ids", not counts_rows(arrays["row_ids"]))),
        "lf_classes": arrays["lf_classes"],
        "continuous": arrays["continuous"],
        "voted_rows": _voted_rows(meta, arrays),
    }


def _voted_rows(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> VotedRows | None:
    if "voted_columns" not in meta:
        return None
    columns, digests = tuple(meta["voted_columns"]), arrays["row_digests"]
    if digests.shape != arrays["row_ids"].shape or digests.dtype != np.uint64:
        raise ValueError(f"there are no digests of its rows, but {digests.dtype} {digests.shape}")
    if not all(isinstance(name, str) for name in columns):
        raise ValueError(f"its columns are no names: {columns!r:.99}")
    return VotedRows(columns, digests)


def _parts(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray]:
    return {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}


def _whole(name: str, arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> sp.csr_array:
    parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    matrix = sp.csr_array(parts, shape=shape)
    matrix.check_format(full_check=True)
    return matrix
