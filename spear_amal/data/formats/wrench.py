"""WRENCH folders: train, valid and test with data, gold and votes; label.json with classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.votes.row_ids import align_votes

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class WrenchPart:
    """One part of a WRENCH folder.

    Attributes
    ----------
    frame : DataFrame of n rows
        The fields of ``data`` (``text`` for text corpora) and ``label`` (gold as numbers: codes, or
        where classes are called by numbers, those; -1 where it is missing); the index holds the
        ids of the file, strings.
    label_matrix : LabelMatrix (n, m)
        Votes, with the same ids; given in another order, they are joined by id.

    Raises
    ------
    InputError
        If the lengths or ids differ, or the frame has no column ``label``.
    """

    frame: pd.DataFrame
    label_matrix: LabelMatrix

    def __post_init__(self) -> None:
        aligned = align_votes(self.label_matrix, [self.frame], "the frame", "the votes")
        object.__setattr__(self, "label_matrix", aligned)
        if len(self.frame) != len(self.label_matrix):
            raise InputError(
                f"the frame has {len(self.frame)} rows, the votes {len(self.label_matrix)}"
            )
        if "label" not in self.frame:
            raise InputError("the frame needs a column 'label' (-1 or None for no gold)")


def read_wrench(
    folder: PathLike,
    parts: Sequence[str] = PARTS,
    lf_names: Sequence[str] | None = None,
) -> dict[str, WrenchPart]:
    """Read a WRENCH folder.

    Parameters
    ----------
    folder : path
    parts : sequence of str
        Parts to read; a part that is not there is an error, so leave out what a folder lacks.
    lf_names : sequence of str, optional
        Names of the LFs, which the format does not hold; default lf0, lf1, ...

    Returns
    -------
    dict of str to WrenchPart

    Raises
    ------
    FileFormatError
        If a file is missing, is no JSON, or holds votes or labels that are no class, or rows with
        differing numbers of votes; names file and row.
    """
    folder = Path(folder)
    classes = _classes(folder / "label.json")
    read = {part: _part(folder / f"{part}.json", classes, lf_names) for part in parts}
    widths = {part: rows.label_matrix.shape[1] for part, rows in read.items() if len(rows.frame)}
    if len(set(widths.values())) > 1:
        raise FileFormatError(f"{folder}: the parts have differing numbers of votes: {widths}")
    return read


def write_wrench(
    parts: Mapping[str, WrenchPart], folder: PathLike, overwrite: bool = False
) -> None:
    """Write parts as a WRENCH folder; columns of the frames but ``label`` become ``data``.

    Labels are read against the classes of the votes, as everywhere, and written as codes.

    Raises
    ------
    OutputExistsError
        If a file is there already; nothing is written then.
    InputError
        If there is no part, or the parts have different classes.
    """
    folder = Path(folder)
    classes = {rows.label_matrix.classes for rows in parts.values()}
    if len(classes) != 1:
        raise InputError(f"the parts must have the same classes, found {sorted(map(str, classes))}")
    contents: dict[str, Any] = {part: _as_json(rows) for part, rows in parts.items()}
    contents["label"] = {str(code): str(name) for code, name in enumerate(classes.pop())}
    for name in contents:
        refuse_existing(folder / f"{name}.json", overwrite)
    for name, content in contents.items():
        with write_aside(folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _as_json(part: WrenchPart) -> dict[str, Any]:
    votes = part.label_matrix.to_dense().tolist()
    gold = read_gold(part.frame["label"].to_numpy(), part.label_matrix, "label", grow=False)
    # pandas' own JSON turns its types (missing values, dates) into plain ones.
    data = json.loads(part.frame.drop(columns="label").to_json(orient="records"))
    return {
        str(row): {"label": int(label), "weak_labels": vote, "data": fields}
        for row, label, vote, fields in zip(part.frame.index, gold.codes, votes, data, strict=True)
    }


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{path} is missing; a WRENCH folder holds label.json and {', '.join(PARTS)}.json "
            "(pass parts= to read fewer)"
        ) from error
    except ValueError as error:
        raise FileFormatError(f"{path} is not JSON or is damaged ({error})") from error
    if not isinstance(content, dict):
        raise FileFormatError(f"{path} must hold one object, found {type(content).__name__}")
    return content


def _classes(path: Path) -> tuple[str, ...]:
    content = _load(path)
    if set(content) != {str(code) for code in range(len(content))}:
        raise FileFormatError(f"{path} must number its classes 0, 1, ..; found {sorted(content)}")
    return tuple(str(content[str(code)]) for code in range(len(content)))


def _part(path: Path, classes: tuple[str, ...], lf_names: Sequence[str] | None) -> WrenchPart:
    content = _load(path)
    try:
        votes = [row["weak_labels"] for row in content.values()]
        labels = [ABSTAIN if row["label"] is None else row["label"] for row in content.values()]
        frame = pd.DataFrame([row["data"] for row in content.values()], index=list(content))
    except (KeyError, TypeError) as error:
        raise FileFormatError(
            f"{path}: every row needs data, label and weak_labels ({error!r})"
        ) from error
    _check_rows(path, content, votes, labels, len(classes))
    width = len(votes[0]) if votes else len(lf_names or ())
    try:
        label_matrix = LabelMatrix.from_dense(
            np.asarray(votes, dtype=np.int64).reshape(len(votes), width),
            classes=classes,
            row_ids=list(content) or None,
            lf_names=lf_names,
        )
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error
    gold = label_matrix.classes.as_numbers(np.asarray(labels, dtype=np.int64))
    return WrenchPart(frame.assign(label=gold), label_matrix)


def _check_rows(
    path: Path, ids: Mapping[str, Any], votes: list[Any], labels: list[Any], n_classes: int
) -> None:
    allowed = set(range(ABSTAIN, n_classes))
    for row, vote, label in zip(ids, votes, labels, strict=True):
        if not isinstance(vote, list) or len(vote) != len(votes[0]):
            raise FileFormatError(
                f"{path}, row {row}: expected {len(votes[0])} votes, found {vote}"
            )
        wrong = [v for v in (*vote, label) if type(v) is not int or v not in allowed]
        if wrong:
            raise FileFormatError(
                f"{path}, row {row}: {wrong[0]!r} is no class; there are {n_classes}, from 0 "
                "(-1 = abstain)"
            )
