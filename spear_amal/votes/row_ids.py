"""Whether two tables are of the same rows in the same order, as their row ids tell.

A frame that was shuffled or filtered after voting has as many rows as the votes, or fewer, and goes
together with them by position without a word. Its index tells: where both sides have ids of their
own the rows are joined exactly, where ids contradict the position it is an error. An index that
counts 0, 1, 2, .. may be one that was reset, so it is no id to join by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed

__all__ = ["align_column", "align_votes", "check_same_rows", "row_places"]


class HasRowIds(Protocol):
    """Votes in memory or on disk."""

    @property
    def row_ids(self) -> np.ndarray:
        """Return the ids (n,) of the rows."""

    @property
    def has_row_ids(self) -> bool:
        """Return whether they were given, and are not mere numbers."""


def align_votes(L: Any, tables: Sequence[Any], name: str = "X", of: str = "L") -> Any:
    """Return votes in the order of the rows of a table of pandas; anything else as it is.

    Parameters
    ----------
    L : LabelMatrix, or another form of votes, which has no ids
    tables : sequence
        The first that is a DataFrame or Series tells the rows: labels where features have no index.
    name, of : str
        What messages call the rows and `L`.

    Raises
    ------
    InputError
        If ids say that the rows are others, or are in an order that cannot be told.

    Examples
    --------
    >>> from spear_amal import LabelMatrix
    >>> L = LabelMatrix.from_dense([[0], [1], [-1]], row_ids=["a", "b", "c"])
    >>> align_votes(L, [pd.DataFrame({"x": [1, 2]}, index=["c", "b"])]).to_dense().tolist()
    [[-1], [1]]
    """
    for table in tables if getattr(L, "has_row_ids", False) else ():
        if isinstance(table, pd.DataFrame | pd.Series):
            places = row_places(index_ids(table), L.row_ids, name, of)
            return L if places is None else L[places]
    return L


def align_column(y: Any, votes: HasRowIds, name: str = "Y", of: str = "L") -> Any:
    """Return a pandas column in the order of the votes' rows; anything else as it is.

    Parameters
    ----------
    y : Series
        May have some of the rows alone, or more: rows that it lacks have a missing value then.
    votes : LabelMatrix or VoteFiles of n rows
    name, of : str
        What messages call `y` and `votes`.

    Raises
    ------
    InputError
        As :func:`align_votes` does.

    Examples
    --------
    >>> from spear_amal import LabelMatrix
    >>> L = LabelMatrix.from_dense([[0], [1], [-1]], row_ids=["a", "b", "c"])
    >>> align_column(pd.Series([1, 0], index=["c", "a"]), L).tolist()
    [0, None, 1]
    """
    if not (isinstance(y, pd.Series) and votes.has_row_ids):
        return y
    places = row_places(votes.row_ids, index_ids(y), of, name, partly=True)
    if places is None:
        return y
    taken = y.iloc[np.maximum(places, 0)]
    return taken if (places >= 0).all() else taken.astype(object).where(places >= 0, None)


def check_same_rows(rows: Any, others: Any, name: str, of: str) -> None:
    """Raise InputError unless two tables of pandas have the same rows in the same order.

    Ids of other rows altogether, where one side counts from 0, are no error.
    """
    tables = pd.DataFrame | pd.Series
    if isinstance(rows, tables) and isinstance(others, tables) and len(rows) == len(others):
        ids, known = index_ids(rows), index_ids(others)
        if row_places(ids, known, name, of) is not None:
            _refuse(*_comparable(ids, known), name, of)


def index_ids(rows: pd.DataFrame | pd.Series) -> np.ndarray:
    """Return the index of a table as row ids (n,), as a label matrix has them."""
    return as_row_ids(rows.index)


def as_row_ids(row_ids: Iterable[Any]) -> np.ndarray:
    """Return row ids as an integer or string array: nothing that would need pickle to be saved."""
    row_ids = list(row_ids) if isinstance(row_ids, Iterator) else row_ids
    unordered = isinstance(row_ids, str | bytes | set | frozenset | Mapping)
    foreign = hasattr(row_ids, "__array__") and not isinstance(row_ids, np.ndarray | np.generic)
    if unordered or not (is_listed(row_ids) or foreign):
        raise InputError(f"row_ids must be a list of ids, one a row, found {row_ids!r:.99}")
    known = isinstance(row_ids, np.ndarray) or not isinstance(row_ids, Iterable)
    # An index of whole numbers is an array already; one of texts or dates is read one by one.
    known = known or getattr(getattr(row_ids, "dtype", None), "kind", "O") in "iu"
    try:
        ids = np.asarray(row_ids if known else list(row_ids))
    except ValueError:  # ids of several parts, not all of one length
        ids = np.empty((0, 0))
    if ids.ndim == 1 and ids.dtype.kind in "iuU":
        return ids
    return np.asarray([str(row_id) for row_id in row_ids], dtype=np.str_)


def counts_rows(ids: np.ndarray) -> bool:
    """Return whether ids just count the rows: 0, 1, 2, .., as numbers or texts."""
    count = np.arange(len(ids))
    return len(ids) > 0 and np.array_equal(
        ids, count.astype(np.str_) if ids.dtype.kind == "U" else count
    )


def exact_places(ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the place (n,) of each id among the known ones.

    Raises
    ------
    InputError
        If one is not there, or the known ones repeat.
    """
    ids, known = _comparable(ids, known)
    index = pd.Index(known)
    if not index.is_unique:
        repeated = index[index.duplicated()][0]
        raise InputError(f"row ids repeat, such as {repeated!r}: rows cannot be picked by id")
    places = index.get_indexer(pd.Index(ids))
    if (places < 0).any():
        missing = ids[int(places.argmin())].item()
        raise InputError(
            f"there is no row with the id {missing!r}; the votes are of {len(known)} rows, such as "
            f"{known[:3].tolist()}"
        )
    return np.asarray(places)


def row_places(
    ids: np.ndarray, known: np.ndarray, name: str, of: str, partly: bool = False
) -> np.ndarray | None:
    """Return the place (n,) of each id among the known ones; None if rows go by position.

    Parameters
    ----------
    ids : ndarray (n,)
    known : ndarray (k,)
        Must differ, for there to be places.
    name, of : str
        What messages call the holders of `ids` and of `known`.
    partly : bool, default=False
        Ids that are not known get the place -1, if at least all known ones are among the ids.

    Raises
    ------
    InputError
        If an id is not known, or if the same ids are there in another order and it cannot be told
        whether they are ids: they repeat, or one side just counts its rows.
    """
    count = counts_rows(ids) or counts_rows(known)
    ids, known = _comparable(ids, known)
    if np.array_equal(ids, known):
        return None
    index = pd.Index(known)
    if count:
        if len(ids) == len(known) and np.array_equal(np.sort(ids), np.sort(known)):
            _refuse(ids, known, name, of)
        return None
    if index.is_unique:
        places = index.get_indexer(pd.Index(ids))
        if (places >= 0).all() or (partly and index.isin(ids).all()):
            return np.asarray(places)
    _refuse(ids, known, name, of)


def _comparable(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as texts, if one of them is: files know no difference between 1 and "1"."""
    if (ids.dtype.kind == "U") == (known.dtype.kind == "U"):
        return ids, known
    return ids.astype(np.str_), known.astype(np.str_)


def _refuse(ids: np.ndarray, known: np.ndarray, name: str, of: str) -> NoReturn:
    unknown = ~np.isin(ids, known)
    if unknown.any():
        row = int(unknown.argmax())
        what = f"row {row} of {name} has the id {ids[row].item()!r}, which {of} does not have"
    elif len(ids) == len(known):
        row = int((ids != known).argmax())
        what = (
            f"row {row} has the id {ids[row].item()!r} in {name} and {known[row].item()!r} in {of}"
        )
    else:
        what = f"{of} has an id more than once, so that rows cannot be joined by id"
    raise InputError(
        f"{name} and {of} are not of the same rows in the same order: {what}. Join them by id, as "
        "L.for_rows(frame.index) does for votes and y.loc[ids] for a column; if they do go "
        "together by position, say so with to_numpy() or reset_index(drop=True)"
    )
