"""WRENCH folders and archives: train, valid and test with data, gold, votes; label.json: classes.

BoxWRENCH's folders are the same, with ``labels`` for ``label`` in some rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.data.download.archives import is_archive, members
from spear_amal.data.json_lines import json_bytes, unique_keys
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.atomic import refuse_existing, write_aside, written_together
from spear_amal.votes.class_set import ClassNames, is_listed
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.votes.row_ids import align_votes

PARTS = ("train", "valid", "test")
# Names of the gold in a row, and of the file of classes without its ending.
GOLD = ("label", "labels")


@dataclass(frozen=True)
class WrenchPart:
    """One part of a WRENCH folder.

    Attributes
    ----------
    frame : DataFrame of n rows
        The fields of ``data`` (``text`` for text corpora) and ``label`` (gold codes, -1 where it is
        missing); the index holds the ids of the file, strings.
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


class _WrenchFiles:
    """The files of a folder, or those of an archive, which is read without unpacking it."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.folder = path
        self._contents: dict[Path, bytes] | None = None
        if is_archive(path) and path.is_file():
            wanted = {f"{name}.json" for name in names}
            found = dict(members(path, lambda name: PurePosixPath(name).name in wanted))
            folders = sorted({PurePosixPath(name).parent for name in found})
            if len(folders) > 1:
                named = ", ".join(map(str, folders[:3]))
                raise FileFormatError(
                    f"{path} holds such files in {len(folders)} folders ({named}, ..); unpack it "
                    "and name one of them"
                )
            self.folder = path.joinpath(*folders)
            self._contents = {path / name: content for name, content in found.items()}

    def __contains__(self, path: Path) -> bool:
        return path.is_file() if self._contents is None else path in self._contents

    def read(self, path: Path) -> bytes:
        """Return a file's content, that of an archive once: it does not stay in memory."""
        if self._contents is None:
            return path.read_bytes()
        if path not in self._contents:
            raise FileNotFoundError(path)
        return self._contents.pop(path)


def read_wrench(
    folder: PathLike,
    parts: Sequence[str] = PARTS,
    lf_names: Sequence[str] | None = None,
) -> dict[str, WrenchPart]:
    """Read a WRENCH or BoxWRENCH folder, or an archive of one (.tar.gz, .zip, ..).

    Parameters
    ----------
    folder : path
        Archives are read without unpacking them; the files lie at the top or in one folder of it.
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
        If a file is missing, is no JSON, or holds votes or labels that are no class, rows with
        differing numbers of votes, or an id twice; names file and row. If an archive is damaged, or
        holds the files of several folders.
    """
    folder = Path(folder)
    if isinstance(parts, str) or not is_listed(parts) or not all(isinstance(p, str) for p in parts):
        raise InputError(f"parts must be a list of names of {PARTS}, found {parts!r}")
    files = _WrenchFiles(folder, (*parts, *GOLD))
    label_files = [files.folder / f"{name}.json" for name in GOLD]
    classes = _classes(next((path for path in label_files if path in files), label_files[0]), files)
    read = {part: _part(files.folder / f"{part}.json", classes, lf_names, files) for part in parts}
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
        If there is no part, the parts have different classes, row ids are not unique as texts,
        a label is no class, or a value has no form in JSON.
    """
    folder = Path(folder)
    if wrong := [name for name in parts if name in GOLD or Path(name).name != name]:
        raise InputError(f"a part cannot be called {wrong[0]!r}; name it as one of {PARTS}")
    classes = {rows.label_matrix.classes for rows in parts.values()}
    if len(classes) != 1:
        raise InputError(f"the parts must have the same classes, found {sorted(map(str, classes))}")
    names = {str(code): str(name) for code, name in enumerate(classes.pop())}
    # All are made ready before the first is written.
    contents = {
        part: json_bytes(_as_json(part, rows), f"part {part!r}") for part, rows in parts.items()
    }
    contents["label"] = json.dumps(names, ensure_ascii=False).encode()
    for name in contents:
        refuse_existing(folder / f"{name}.json", overwrite)
    with written_together():
        for name, content in contents.items():
            with write_aside(folder / f"{name}.json") as temporary:
                temporary.write_bytes(content)


def _as_json(name: str, part: WrenchPart) -> dict[str, Any]:
    ids = [str(row) for row in part.frame.index]
    if repeated := [row for row, times in Counter(ids).items() if times > 1]:
        raise InputError(
            f"part {name!r} has {len(repeated)} row ids that are not unique as texts, such as "
            f"{repeated[0]!r}, and the file would keep one row of each; give every row an id of "
            "its own, for instance by frame.reset_index(drop=True)"
        )
    if part.frame.columns.map(str).has_duplicates:
        raise InputError(f"part {name!r} has a column twice: {list(part.frame.columns)}")
    votes = part.label_matrix.to_dense().tolist()
    gold = read_gold(
        part.frame["label"], part.label_matrix, f"the label of part {name!r}", grow=False
    )
    data = part.frame.drop(columns="label")
    columns = [data[column].tolist() for column in data]
    names = [str(column) for column in data]
    fields = zip(*columns, strict=True) if columns else ((),) * len(ids)
    return {
        row: {"label": label, "weak_labels": vote, "data": dict(zip(names, values, strict=True))}
        for row, label, vote, values in zip(ids, gold.codes.tolist(), votes, fields, strict=True)
    }


def _load(path: Path, files: _WrenchFiles) -> dict[str, Any]:
    try:
        text = files.read(path).decode("utf-8")
        content = json.loads(text, object_pairs_hook=unique_keys)
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{path} is missing; a WRENCH folder holds label.json and {', '.join(PARTS)}.json "
            "(pass parts= to read fewer)"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON or is damaged ({error})") from error
    if not isinstance(content, dict):
        raise FileFormatError(f"{path} must hold one object, found {type(content).__name__}")
    return content


def _classes(path: Path, files: _WrenchFiles) -> ClassNames:
    content = _load(path, files)
    if set(content) != {str(code) for code in range(len(content))}:
        raise FileFormatError(f"{path} must number its classes 0, 1, ..; found {sorted(content)}")
    # With ids, since labels are codes also where classes are called "1", "2", ...
    return ClassNames((str(content[str(c)]) for c in range(len(content))), range(len(content)))


def _part(
    path: Path, classes: ClassNames, lf_names: Sequence[str] | None, files: _WrenchFiles
) -> WrenchPart:
    content = _load(path, files)
    for row, fields in content.items():
        _check_row(path, row, fields)
    votes = [fields["weak_labels"] for fields in content.values()]
    labels = [_label(fields) for fields in content.values()]
    _check_votes(path, content, votes, labels, len(classes))
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
    frame = _frame([fields["data"] for fields in content.values()], list(content))
    return WrenchPart(frame.assign(label=np.asarray(labels, dtype=np.int64)), label_matrix)


def _frame(data: list[dict[str, Any]], ids: list[str]) -> pd.DataFrame:
    try:
        return pd.DataFrame(data, index=ids)
    except UnicodeEncodeError:  # a lone surrogate, which Arrow's texts cannot hold
        return pd.DataFrame(data, index=ids, dtype=object)


def _check_row(path: Path, row: str, fields: Any) -> None:
    known = isinstance(fields, dict) and {"data", "weak_labels"} <= fields.keys()
    if not known or sum(name in fields for name in GOLD) != 1:
        raise FileFormatError(
            f"{path}, row {row}: every row needs data, label and weak_labels, found "
            f"{sorted(fields) if isinstance(fields, dict) else type(fields).__name__}"
        )
    if not isinstance(fields["data"], dict):
        raise FileFormatError(f"{path}, row {row}: data must hold fields by name")


def _label(fields: dict[str, Any]) -> Any:
    label = fields["label"] if "label" in fields else fields["labels"]
    return ABSTAIN if label is None else label


def _check_votes(
    path: Path, ids: Mapping[str, Any], votes: list[Any], labels: list[Any], n_classes: int
) -> None:
    allowed = set(range(ABSTAIN, n_classes))
    # The number of votes that most rows have: a short first row must not blame the others.
    widths = [len(vote) if isinstance(vote, list) else -1 for vote in votes]
    usual = Counter(widths).most_common(1)[0][0] if votes else 0
    for row, vote, width, label in zip(ids, votes, widths, labels, strict=True):
        if width != usual or width < 0:
            raise FileFormatError(f"{path}, row {row}: expected {usual} votes, found {vote}")
        wrong = [v for v in (*vote, label) if type(v) is not int or v not in allowed]
        if wrong:
            raise FileFormatError(
                f"{path}, row {row}: {wrong[0]!r} is no class; there are {n_classes}, from 0 "
                "(-1 = abstain)"
            )
