"""A column of labels, whatever holds it: its distinct labels, and which of them each row has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.votes.class_set import ABSTAIN, is_no_answer


@dataclass(frozen=True)
class LabelColumn:
    """Distinct labels, and which of them each row has.

    Attributes
    ----------
    name : str
    labels : list
        As plain Python objects; missing ones are left out.
    which : ndarray of int (n,)
        Position in `labels`, -1 where a row has no label.
    dtype : numpy dtype or None
        Of labels that came as an array.
    negative : bool
        True if a row holds the number -1.
    """

    name: str
    labels: list[Any]
    which: np.ndarray
    dtype: Any
    negative: bool

    @classmethod
    def of(cls, y: Any, name: str) -> LabelColumn:
        """Read the labels of an array, a list, or a column of pandas, Arrow or Polars."""
        values, dtype = _as_vector(y, name)
        try:
            which, distinct = pd.factorize(values)
        except TypeError as error:
            raise InputError(f"{name} holds labels that are no names or numbers: {error}") from None
        labels = [_plain(label, name) for label in distinct.tolist()]
        kept = np.array([not _is_missing(label) for label in labels], dtype=bool)
        places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        return cls(
            name,
            [label for label, keep in zip(labels, kept, strict=True) if keep],
            places[which].astype(np.int64),
            dtype,
            any(not isinstance(one, str | Enum) and one == ABSTAIN for one in labels),
        )

    def check_kinds(self) -> None:
        """Raise InputError unless labels are of one kind."""
        first: dict[str, int] = {}
        for place, label in enumerate(self.labels):
            first.setdefault(label_kind(label), place)
        if len(first) > 1:
            examples = [f"{kind} ({self.labels[place]!r})" for kind, place in first.items()]
            raise InputError(f"{self.name} mixes {' and '.join(examples)}; use labels of one kind")

    @property
    def from_signs(self) -> bool:
        """True if all labels are 1 and -1."""
        return self.negative and self.labels == [1] and not isinstance(self.labels[0], bool)

    def first_row(self, place: int) -> str:
        """Return in words in which row the label at this place comes first."""
        return f" in row {int(np.flatnonzero(self.which == place)[0])} (counted from 0)"

    def take(self, codes: Sequence[int]) -> np.ndarray:
        """Codes (n,) of the rows, from the codes of the distinct labels."""
        return np.append(np.asarray(codes, dtype=np.int64), ABSTAIN)[self.which]


def _as_vector(y: Any, name: str) -> tuple[Any, Any]:
    """Labels as an array or pandas column (n,) that pandas can count, and the dtype if it tells."""
    if y is None or isinstance(y, str | bytes | Mapping | Set):
        raise InputError(f"{name} must be one label a row, in order, found {type(y).__name__}")
    y = only_column(y)
    if isinstance(y, pd.Series | pd.Index | pd.Categorical):
        kind = y.dtype.categories.dtype if isinstance(y.dtype, pd.CategoricalDtype) else y.dtype
        return y, kind if isinstance(kind, np.dtype) else getattr(
            kind, "numpy_dtype", np.dtype(object)
        )
    for method in ("to_pylist", "to_list"):  # Arrow, Polars
        if hasattr(y, method):
            return as_objects(getattr(y, method)()), None
    if isinstance(y, Iterable) and not hasattr(y, "__array__"):
        return as_objects(y), None
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iufbOUM":
        raise InputError(
            f"{name} must hold one label for each row, found shape {array.shape} of {array.dtype}"
        )
    return array, array.dtype


def only_column(y: Any) -> Any:
    """Return the column of a table that has but one; anything else as it is."""
    if isinstance(y, pd.DataFrame):
        return y.iloc[:, 0] if y.shape[1] == 1 else y
    if hasattr(y, "to_series") and hasattr(y, "columns"):  # Polars
        return y.to_series() if len(y.columns) == 1 else y
    return y.column(0) if len(getattr(y, "column_names", ())) == 1 else y  # Arrow


def as_objects(labels: Iterable[Any]) -> np.ndarray:
    """Return labels as an array of objects (n,)."""
    # Read one by one: as an array, ["ham", -1] would become texts, and [1, None] a float.
    listed = list(labels)
    return np.fromiter(listed, dtype=object, count=len(listed))


def _plain(label: Any, name: str) -> Any:
    """One distinct label as a text, a number, a bool or a member of an Enum."""
    plain = label.item() if isinstance(label, np.generic) else label
    if isinstance(plain, str | Enum | bool | int | float):
        return plain
    raise InputError(
        f"{name} holds {label!r} ({type(label).__name__}); labels are names, whole numbers or "
        "members of an Enum"
    )


def _is_missing(label: Any) -> bool:
    if isinstance(label, Enum):
        return is_no_answer(label.name, label.value, type(label).__name__)
    if isinstance(label, str):
        return label.strip() in ("", "-1", "-1.0")
    return bool(label == ABSTAIN or label != label)


def label_kind(label: Any) -> str:
    """Return the kind of a label: those of one column must be of one kind."""
    if isinstance(label, bool):
        return "truth values"
    if isinstance(label, Enum):
        return "members of an Enum"
    return "names" if isinstance(label, str) else "numbers"
