"""Hugging Face's ``Dataset`` as a table, and tables as a ``Dataset``."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.votes.class_set import ABSTAIN, ClassesLike, ClassNames, class_names
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["as_frame", "is_dataset", "to_dataset"]

_PACKAGE = "datasets"


def is_dataset(table: Any) -> bool:
    """Return whether a table is a ``datasets.Dataset``.

    Raises
    ------
    InputError
        If it is several splits (``DatasetDict``), or is read as it is streamed.
    """
    module = sys.modules.get(_PACKAGE)  # whoever has such an object has imported it
    kind = getattr(module, "Dataset", None)
    if kind is not None and isinstance(table, kind):
        return True
    name = type(table).__name__
    if type(table).__module__.partition(".")[0] == _PACKAGE and name.endswith("DatasetDict"):
        raise InputError(f"a {name} holds the splits {list(table)}; pick one, as in ds['train']")
    if type(table).__module__.partition(".")[0] == _PACKAGE and name == "IterableDataset":
        raise InputError("an IterableDataset has no number of rows; make a Dataset of its rows")
    return False


def as_frame(table: Any) -> Any:
    """Return a ``datasets.Dataset`` as a DataFrame; anything else as it is.

    Columns of class labels hold the names of the classes, None where a row has none (None or -1).
    Whole numbers beside missing ones stay whole.

    Raises
    ------
    InputError
        As :func:`is_dataset`.
    """
    if not is_dataset(table):
        return table
    arrow = table.with_format("arrow")[:]
    return pd.DataFrame(
        {name: _column(arrow.column(name), table.features[name]) for name in arrow.column_names}
    )


def _column(column: Any, feature: Any) -> pd.Series:
    import pyarrow as pa

    if type(feature).__name__ == "ClassLabel":
        names = [*feature.names, None]
        codes = (-1 if code is None else code for code in column.to_pylist())
        return pd.Series([names[code] if code >= 0 else None for code in codes], dtype=object)
    if column.null_count and pa.types.is_integer(column.type):
        return pd.Series(column.to_pylist(), dtype="Int64")
    if column.null_count and pa.types.is_boolean(column.type):
        return pd.Series(column.to_pylist(), dtype=object)
    return pd.Series(column.to_pandas())


def to_dataset(
    frame: pd.DataFrame,
    *,
    label: str | None = None,
    classes: ClassesLike = None,
    votes: LabelMatrix | None = None,
    probabilities: Any = None,
) -> Any:
    """Make a ``datasets.Dataset`` of a table, with votes and class probabilities beside it.

    Parameters
    ----------
    frame : DataFrame of n rows
        Its index is left out.
    label : str, optional
        Column of labels, which becomes one of class labels; None for a row without one.
    classes : as for the appliers, optional
        Class names in code order; default: those of the votes, else the labels that are there.
    votes : LabelMatrix (n, m), optional
        A column of class labels for each LF, under its name; None where it abstains.
    probabilities : array (n, C), optional
        Columns ``p_CLASS``, in the order of the classes.

    Raises
    ------
    MissingExtraError
        If the package ``datasets`` is not installed. A mere folder of that name does not count.
    InputError
        If rows, columns or classes do not go together.
    """
    datasets = _import_datasets()
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"needed is a DataFrame, found {type(frame).__name__}")
    if not isinstance(label, Hashable) or (label is not None and label not in frame):
        raise InputError(f"the table has no column {label!r}; it has {list(frame)}")
    names = class_names(classes)
    names = votes.classes if names is None and votes is not None else names
    coded: dict[str, np.ndarray] = {}
    if label is not None:
        gold = read_gold(frame[label].tolist(), names, label)
        names, coded = gold.classes, {label: gold.codes}
    if votes is not None:
        if len(votes) != len(frame):
            raise InputError(f"there are votes on {len(votes)} rows, the table has {len(frame)}")
        coded |= dict(zip(votes.lf_names, votes.to_dense().T, strict=True))
    numbers = _by_class(probabilities, names, len(frame))
    clash = [name for name in (*coded, *numbers) if name in frame and name != label]
    if clash:
        raise InputError(f"the table has a column {clash[0]!r} already; rename it")
    columns: dict[str, Any] = {str(name): _listed(frame[name]) for name in frame.columns}
    features = datasets.Dataset.from_dict(columns).features
    for name, codes in coded.items():
        columns[name] = [None if code == ABSTAIN else int(code) for code in codes]
        features[name] = datasets.ClassLabel(names=[str(one) for one in names or ()])
    for name, values in numbers.items():
        columns[name], features[name] = values.tolist(), datasets.Value("float64")
    return datasets.Dataset.from_dict(columns, features=features)


def _by_class(probabilities: Any, names: ClassNames | None, n: int) -> dict[str, np.ndarray]:
    """Return the columns of probabilities (n, C) by their names."""
    if probabilities is None:
        return {}
    try:
        p = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"probabilities must be numbers (n, C): {error}") from error
    if names is None or p.shape != (n, len(names)):
        needed = "classes=" if names is None else f"the shape {(n, len(names))}"
        raise InputError(f"probabilities need {needed}, found the shape {p.shape}")
    return {f"p_{name}": p[:, code] for code, name in enumerate(names)}


def _listed(column: Iterable[Any]) -> list[Any]:
    values = pd.Series(column)
    return [
        None if is_missing else value
        for value, is_missing in zip(values.tolist(), values.isna().tolist(), strict=True)
    ]


def _import_datasets() -> Any:
    # A folder without __init__.py can be imported too: clones of this project have one.
    module = sys.modules.get(_PACKAGE)
    if module is None or not hasattr(module, "Dataset"):
        spec = importlib.util.find_spec(_PACKAGE) if module is None else None
        if spec is None or spec.origin is None:
            raise MissingExtraError(_PACKAGE, "datasets", "to_dataset")
    import datasets

    return datasets
