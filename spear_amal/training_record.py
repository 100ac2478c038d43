"""What a model was trained on: kept in its file, so that a model card needs no data."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

import spear_amal
from spear_amal._typing import PathLike
from spear_amal.data.download.cache import sha256_of
from spear_amal.labeling.analysis import VotesInParts, share
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.row_digests import row_digests
from spear_amal.labeling.significance import lf_check
from spear_amal.training_rows import LabelledTable, TrainingData

_LONGEST_FACT = 300  # characters of what an LF says of itself
_KINDS = {
    **{"LabelingFunction": "function", "TextLF": "words or pattern", "SimilarLF": "similar texts"},
}


@dataclass(frozen=True)
class FileRecord:
    """A file that went into a model.

    Attributes
    ----------
    role : str
        "data", "gold", "validation", "test", "lfs" or "rules".
    name : str
        Without its folder.
    size : int
        Bytes.
    sha256 : str
    """

    role: str
    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, role: str, path: PathLike) -> Self:
        """Read a file and return its record."""
        path = Path(path)
        return cls(role, path.name, path.stat().st_size, sha256_of(path))


@dataclass(frozen=True)
class LFRecord:
    """What a labelling function did on the training rows.

    Attributes
    ----------
    name, kind : str
        Of the kind is "" where the LF itself is not known, as of votes that were read.
    votes_for : tuple of class names
    votes : int
        Rows that it voted on.
    coverage : float
        Their share.
    gold_votes, right : int
        Votes on labelled rows, and the right ones among them.
    accuracy, low, high : float or None
        Share of right ones, with its 95% Wilson interval; None without votes on labelled rows.
    facts : dict of str to str
        What the LF says of itself: what it looks for, which model it asks.
    """

    name: str
    kind: str
    votes_for: tuple[str | int, ...]
    votes: int
    coverage: float
    gold_votes: int
    right: int
    accuracy: float | None
    low: float | None
    high: float | None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RowsRecord:
    """How many rows there were, and what is known of them.

    Attributes
    ----------
    rows, labelled : int
    gold : tuple of (class name, int)
        Labelled rows of each class, in code order.
    covered : int or None
        Rows with a vote; None without votes.
    sha256 : str
        Of :func:`rows_sha256`.
    """

    rows: int
    labelled: int
    gold: tuple[tuple[str | int, int], ...]
    covered: int | None
    sha256: str


@dataclass(frozen=True)
class TrainingRecord:
    """What a model was trained on, and how, as its file keeps it.

    Attributes
    ----------
    train : RowsRecord
    validation : RowsRecord or None
        Of rows that came in a table of their own.
    columns, hashed : tuple of str
        Of the table; and those of which the rows' sha256 is.
    lfs : tuple of LFRecord
    muted : tuple of str
        LFs that were left out.
    files : tuple of FileRecord
    drawn : dict of str to int
        How the labelled rows of files of gold came up, as the workbench notes it: "random", ..
    features : str
    max_epochs : int
    version : str
        Of this package.
    """

    train: RowsRecord
    validation: RowsRecord | None
    columns: tuple[str, ...]
    hashed: tuple[str, ...]
    lfs: tuple[LFRecord, ...]
    muted: tuple[str, ...]
    files: tuple[FileRecord, ...]
    drawn: dict[str, int]
    features: str
    max_epochs: int
    version: str

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TrainingRecord:
        """Make it of what :meth:`as_json` returned.

        Raises
        ------
        ValueError
            If a part is missing or of another type.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(TrainingRecord).validate_python(content)


def training_record(
    data: TrainingData, features: Any, feature_columns: Sequence[str], max_epochs: int
) -> TrainingRecord:
    """Return the record of rows that a model is trained on.

    Parameters
    ----------
    data : TrainingData
    features : str or object
        As the classifier is given them.
    feature_columns : sequence of str
        Columns that are features, beside the texts.
    max_epochs : int
    """
    text = [data.text_column] if data.train.texts else []
    hashed = [*text, *(name for name in feature_columns if name not in text)]
    origin = data.origin
    return TrainingRecord(
        train=_rows_record(data.train, data, hashed),
        validation=None if data.validation is None else _rows_record(data.validation, data, hashed),
        columns=tuple(map(str, data.train.frame)),
        hashed=(*hashed, *([] if data.label_column is None else [data.label_column])),
        lfs=_lf_records(data.train, origin.lfs),
        muted=tuple(origin.muted),
        files=tuple(FileRecord.of(role, path) for role, path in origin.files),
        drawn=dict(origin.drawn),
        features=features if isinstance(features, str) else repr(features),
        max_epochs=max_epochs,
        version=spear_amal.__version__,
    )


def _rows_record(table: LabelledTable, data: TrainingData, hashed: Sequence[str]) -> RowsRecord:
    counts = np.bincount(table.y[table.y >= 0], minlength=len(data.classes))
    label = data.label_column
    labels = [data.classes[code] if code >= 0 else None for code in table.y.tolist()]
    frame = table.frame[list(hashed)]
    if label is not None:
        frame = frame.assign(**{label: pd.Series(labels, index=frame.index, dtype=object)})
    return RowsRecord(
        rows=len(table.y),
        labelled=int(counts.sum()),
        gold=tuple(
            (_plain(name), int(count)) for name, count in zip(data.classes, counts, strict=True)
        ),
        covered=None if table.votes is None else int(VotesInParts(table.votes).totals.covered),
        sha256=rows_sha256(frame),
    )


def rows_sha256(frame: pd.DataFrame) -> str:
    """Return a sha256 of the cells of a table, row by row; the same for CSV, JSON and Parquet.

    Examples
    --------
    >>> rows_sha256(pd.DataFrame({"text": ["a", "b"]}))[:8]
    '425902bc'
    """
    digest = hashlib.sha256("\0".join(map(str, frame)).encode("utf-8", "surrogatepass"))
    digest.update(row_digests(frame, list(frame)).astype("<u8").tobytes())
    return digest.hexdigest()


def _lf_records(table: LabelledTable, lfs: Iterable[Any]) -> tuple[LFRecord, ...]:
    if table.votes is None:
        return ()
    by_name = {lf.name: lf for lf in lfs}
    counts, names = VotesInParts(table.votes), table.votes.classes
    check = lf_check(table.votes, names.as_numbers(table.y))
    coverage = share(counts.totals.fired, len(table.y))
    return tuple(
        LFRecord(
            name=name,
            kind=_kind_of(by_name[name]) if name in by_name else "",
            votes_for=tuple(
                _plain(names[code]) for code in np.flatnonzero(counts.totals.votes[j]).tolist()
            ),
            votes=int(counts.totals.fired[j]),
            coverage=float(coverage[j]),
            gold_votes=int(check["votes"].iloc[j]),
            right=int(check["right"].iloc[j]),
            **_precision(check.iloc[j]),
            facts=_facts(by_name[name]) if name in by_name else {},
        )
        for j, name in enumerate(table.votes.lf_names)
    )


def _precision(row: pd.Series) -> dict[str, float | None]:
    if not row["votes"]:
        return dict.fromkeys(("accuracy", "low", "high"))
    values = {"accuracy": row["precision"], "low": row["low"], "high": row["high"]}
    return {name: float(value) for name, value in values.items() if not math.isnan(value)}


def _kind_of(lf: Any) -> str:
    """Return in a word what kind of LF one is."""
    name = type(lf).__name__
    return _KINDS.get(name) or name.removesuffix("LF").lower()


def _facts(lf: Any) -> dict[str, str]:
    if not isinstance(lf, LabelingFunction):
        return {}
    facts = lf.facts()
    facts.pop("votes for", None)
    return {name: _shortened(str(value)) for name, value in facts.items()}


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_FACT else f"{text[: _LONGEST_FACT - 2]}.."


def _plain(name: Any) -> str | int:
    return name if isinstance(name, str) else int(name)
