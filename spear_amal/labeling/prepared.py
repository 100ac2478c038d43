"""Rows with preprocessors applied, each preprocessor once a row whatever the number of LFs."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from spear_amal.labeling.preprocess import BasePreprocessor, map_rows


class Failure:
    """Stands for a row on which a preprocessor failed."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class PreparedRows:
    """A chunk of rows under every chain of preprocessors that was asked for.

    Parameters
    ----------
    rows : list
        Data points as they came; they are not changed.
    """

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows
        self._known: dict[Hashable, list[Any]] = {}

    def get(self, chain: tuple[Any, ...]) -> list[Any]:
        """Rows after a chain; chains with a common beginning share its work."""
        if not chain:
            return self._rows
        key = tuple(share_key(one) for one in chain)
        if key not in self._known:
            self._known[key] = _map_what_can(chain[-1], self.get(chain[:-1]))
        return self._known[key]


def share_key(one: Any) -> Hashable:
    """Equal for preprocessors of which one run serves both."""
    return one.share_key() if isinstance(one, BasePreprocessor) else id(one)


def _map_what_can(one: Any, rows: list[Any]) -> list[Any]:
    """Map the rows that have not failed before; a :class:`Failure` stands for those that fail."""
    good = [x for x in rows if not isinstance(x, Failure)]
    mapped = iter(_map_in_halves(one, good))
    return [x if isinstance(x, Failure) else next(mapped) for x in rows]


def _map_in_halves(one: Any, rows: list[Any]) -> list[Any]:
    """Map rows as a batch; if that fails each half, down to the rows at fault."""
    try:
        return map_rows(one, rows)
    except Exception as error:
        if len(rows) == 1:
            return [Failure(error)]
    middle = len(rows) // 2
    return _map_in_halves(one, rows[:middle]) + _map_in_halves(one, rows[middle:])
