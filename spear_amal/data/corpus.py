"""A corpus: rows with gold labels and named parts, and what came with them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import Features
from spear_amal.checks import check_metric
from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.matrix_checks import as_class_names

PARTS = ("train", "labelled", "unlabelled", "validation", "test")
METRICS = ("accuracy", "f1", "macro-f1")


@dataclass(frozen=True, repr=False)
class Corpus:
    """Rows with gold labels, as published.

    Attributes
    ----------
    name : str
    classes : tuple of str, length C
        Class names in the order of their codes.
    frame : DataFrame of n rows
        Columns ``text`` (if the corpus has text), ``label`` (int gold, 0 to C-1), ``part`` (one of
        `PARTS`) and whatever else belongs to a row; the index is unique and stable. Gold is there
        for every row so that predictions can be scored: training may use it on the labelled and
        the validation rows only (see :meth:`Partition.observed_labels`).
    metric : {"accuracy", "f1", "macro-f1"}
        How results on this corpus are reported; "f1" is binary F1 of class `positive`.
    source : str
        Where these very bytes came from, and who defined the parts.
    positive : int
        The class whose F1 counts.
    features : csr_array or ndarray (n, D) float32, or None
        Published features, for corpora without text.
    label_matrix : LabelMatrix (n, m) or None
        Published votes.
    n_labelled, n_validation : int
        Sizes that :func:`partition` takes if it is given none.

    Raises
    ------
    InputError
        If a column is missing, an index value repeats, a label is no class or lengths differ.
    """

    name: str
    classes: tuple[str, ...]
    frame: pd.DataFrame
    metric: str
    source: str
    positive: int = 1
    features: Features | None = None
    label_matrix: LabelMatrix | None = None
    n_labelled: int = 100
    n_validation: int = 100

    def __post_init__(self) -> None:
        if not isinstance(self.frame, pd.DataFrame):
            raise InputError(
                f"corpus {self.name!r}: needed is a DataFrame, found {type(self.frame).__name__}"
            )
        if not is_listed(self.classes):
            raise InputError(f"corpus {self.name!r}: classes must be names, found {self.classes!r}")
        as_class_names(self.classes)
        missing = {"label", "part"} - set(self.frame.columns)
        if missing:
            raise InputError(f"corpus {self.name!r}: the frame needs columns {sorted(missing)}")
        if not self.frame.index.is_unique:
            raise InputError(f"corpus {self.name!r}: the index of the frame must be unique")
        if not isinstance(self.metric, str) or self.metric not in METRICS:
            raise InputError(f"corpus {self.name!r}: metric {self.metric!r} is none of {METRICS}")
        check_metric(self.metric, len(list(self.classes)))
        self._check_values()
        for what in ("features", "label_matrix"):
            values = getattr(self, what)
            n = len(self) if values is None else values.shape[0]
            if n != len(self):
                raise InputError(
                    f"corpus {self.name!r}: {what} has {n} rows, the frame {len(self)}"
                )

    def _check_values(self) -> None:
        # Sorted as texts: what is no class may be of any type.
        wrong = sorted(_distinct(self.frame["label"]) - set(range(len(self.classes))), key=str)
        if wrong:
            raise InputError(
                f"corpus {self.name!r}: labels {wrong} are no class; there are "
                f"{len(self.classes)}: {list(self.classes)}"
            )
        unknown = sorted(_distinct(self.frame["part"]) - set(PARTS), key=str)
        if unknown:
            raise InputError(f"corpus {self.name!r}: parts {unknown} are none of {PARTS}")

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        sizes = {part: len(self.rows(part)) for part in PARTS if part in set(self.frame["part"])}
        return f"Corpus({self.name!r}, classes={list(self.classes)}, rows={sizes})"

    @property
    def labels(self) -> np.ndarray:
        """Gold labels (n,) int64."""
        return self.frame["label"].to_numpy(dtype=np.int64)

    @property
    def texts(self) -> list[str]:
        """Texts, length n.

        Raises
        ------
        InputError
            If the corpus was published as features only.
        """
        if "text" not in self.frame:
            raise InputError(f"corpus {self.name!r} has no text, only features; use its .features")
        return self.frame["text"].tolist()

    def rows(self, part: str) -> np.ndarray:
        """Positions (k,) of the rows of a part, in order; empty if the corpus has none."""
        if not isinstance(part, str) or part not in PARTS:
            raise InputError(f"part must be one of {PARTS}, found {part!r}")
        return np.flatnonzero((self.frame["part"] == part).to_numpy())


def _distinct(column: pd.Series) -> set[Any]:
    """Return the different cells of a column, as texts those that cannot be in a set."""
    return {cell if isinstance(cell, Hashable) else repr(cell) for cell in column}
