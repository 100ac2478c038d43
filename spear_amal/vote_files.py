"""Votes on disk in parts: a folder of Parquet files with sparse votes, and what they mean.

For more rows than memory holds. Each part is a label matrix of its own; row ids are kept. A folder
is valid once ``votes.json`` is there, which is written last and names every part with its size.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import FileFormatError
from spear_amal.files import write_aside
from spear_amal.label_matrix import LabelMatrix
from spear_amal.vote_parts import Part, part_name, read_part, write_part

__all__ = ["MANIFEST", "Part", "VoteFiles", "finish_votes", "part_name", "write_part"]

FORMAT = 1
MANIFEST = "votes.json"
KIND = "votes"


class VoteFiles:
    """A folder of votes, read part by part; nothing but the manifest is held.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    lf_names : tuple of str, length m
    classes : tuple, length C
    lf_classes : ndarray of int, shape (m,)
    continuous : ndarray of bool, shape (m,)
    files : tuple of Part
        In the order of the rows.
    about : dict
        What the writer noted beside: faults, the fingerprint of the LFs.

    Raises
    ------
    FileNotFoundError
        If there is no manifest: the folder is no folder of votes, or was never finished.
    FileFormatError
        If the manifest is damaged or of a newer format.

    Examples
    --------
    >>> import tempfile
    >>> L = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, -1]], row_ids=["a", "b", "c"])
    >>> folder = tempfile.mkdtemp()
    >>> part = write_part(folder, 0, L)
    >>> votes = finish_votes(folder, [part], lf_names=L.lf_names)
    >>> votes.shape, votes.nnz, [part.row_ids.tolist() for part in votes.parts()]
    ((3, 2), 3, [['a', 'b', 'c']])
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        held = _read_manifest(self.folder / MANIFEST)
        self.files = tuple(Part(**part) for part in held["parts"])
        self.lf_names: tuple[str, ...] = tuple(held["lf_names"])
        self.classes: tuple[Any, ...] = tuple(held["classes"])
        self.lf_classes = np.asarray(held["lf_classes"], dtype=np.int64)
        self.continuous = np.asarray(held["continuous"], dtype=bool)
        self.about: dict[str, Any] = held["about"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and LFs."""
        return (sum(part.rows for part in self.files), len(self.lf_names))

    @property
    def nnz(self) -> int:
        """Number of votes that are not abstain."""
        return sum(part.votes for part in self.files)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    @property
    def starts(self) -> np.ndarray:
        """Number of the first row of each part, and the number of rows, (parts + 1,)."""
        return np.cumsum([0, *(part.rows for part in self.files)])

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, m = self.shape
        return f"VoteFiles(n={n}, m={m}, parts={len(self.files)}, folder={str(self.folder)!r})"

    def part(self, i: int) -> LabelMatrix:
        """Read one part.

        Raises
        ------
        FileFormatError
            Naming the file, if it is missing, truncated or damaged.
        """
        return read_part(self.folder, self.files[i], self)

    def parts(self) -> Iterator[LabelMatrix]:
        """Read the parts one after the other, in the order of the rows."""
        for i in range(len(self.files)):
            yield self.part(i)

    def to_label_matrix(self) -> LabelMatrix:
        """All parts as one label matrix in memory."""
        parts = list(self.parts())
        fields = {"lf_names": self.lf_names, "classes": self.classes}
        if not parts:
            return LabelMatrix(sp.csr_array((0, len(self.lf_names)), dtype=np.int8), **fields)
        scores = [p.scores for p in parts if p.scores is not None]
        return LabelMatrix(
            sp.csr_array(sp.vstack([p.codes for p in parts], format="csr")),
            **fields,
            row_ids=np.concatenate([p.row_ids for p in parts]),
            lf_classes=self.lf_classes,
            scores=sp.csr_array(sp.vstack(scores, format="csr")) if scores else None,
            continuous=self.continuous,
        )


def finish_votes(
    folder: str | os.PathLike[str],
    parts: Iterable[Part],
    *,
    lf_names: Sequence[str],
    classes: Sequence[Any] | None = None,
    lf_classes: Any = None,
    continuous: Any = None,
    about: dict[str, Any] | None = None,
) -> VoteFiles:
    """Write the manifest over finished parts; from here on the folder can be read.

    Parameters
    ----------
    classes : sequence, optional
        Names in code order; by default as many numbers as votes need, at least two.
    """
    parts = list(parts)
    top = max((part.top for part in parts), default=-1)
    m = len(lf_names)
    held = {
        "kind": KIND,
        "format": FORMAT,
        "lf_names": list(lf_names),
        "classes": _plain(range(max(top + 1, 2)) if classes is None else classes),
        "lf_classes": _plain(np.full(m, -1) if lf_classes is None else lf_classes),
        "continuous": [bool(c) for c in (np.zeros(m) if continuous is None else continuous)],
        "parts": [asdict(part) for part in parts],
        "about": about or {},
    }
    with write_aside(Path(folder) / MANIFEST) as temporary:
        temporary.write_text(json.dumps(held, indent=1), encoding="utf-8")
    return VoteFiles(folder)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["kind"] == KIND and held["format"] > FORMAT:
            raise FileFormatError(
                f"{path} has format {held['format']}, this version reads up to {FORMAT}; "
                "update spear_amal"
            )
        if held["kind"] != KIND or not {"parts", "lf_names", "classes"} <= held.keys():
            raise ValueError("it describes something else")
        return held
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist: {path.parent} is no folder of votes, or applying the "
            "labelling functions to it did not end; run it again, finished parts are kept"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise FileFormatError(f"{path} is no list of vote files or is damaged ({error})") from error


def _plain(values: Iterable[Any]) -> list[Any]:
    return [value if isinstance(value, str) else int(value) for value in values]
