"""Classes as decile-spear writes them, by the values of the user's Enum, turned into codes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.label_matrix import ABSTAIN

# Names by value, or the other way round, or the Enum itself.
ValueNames: TypeAlias = Mapping[Any, Any] | type[Enum]


class EnumValues:
    """The values of an Enum in order: their numbers are the class codes.

    Parameters
    ----------
    path : path
        For messages.
    named : dict of str to str, or None
        Class names by the text of the value.
    n_classes : int or None
        As the file states it.
    arrays : dict of str to array
        ``l``, ``L`` and ``k`` hold values, and None for nothing.

    Attributes
    ----------
    names : tuple, length C
        Class names, or the values themselves where no names are known.

    Raises
    ------
    FileFormatError
        If the values are not all known, or contradict the number of classes.
    """

    def __init__(
        self,
        path: Any,
        named: dict[str, str] | None,
        n_classes: int | None,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        self._path = path
        columns = (arrays[name].ravel().tolist() for name in "lLk" if name in arrays)
        given = [value for column in columns for value in column if not _is_nothing(value)]
        if wrong := [value for value in given if not isinstance(value, int | float | str)]:
            raise FileFormatError(f"{path}: {wrong[0]!r} is no value of a class")
        seen = set(given)
        values: list[Any] = _in_order(named if named is not None else self._all(seen, n_classes))
        if n_classes not in (None, len(values)):
            raise FileFormatError(
                f"{path} states {n_classes} classes, {len(values)} are named: {values}"
            )
        self.names = tuple(values) if named is None else tuple(named[value] for value in values)
        self._codes = {_text(value): code for code, value in enumerate(values)}
        if len(self._codes) < len(values):
            raise FileFormatError(f"{path}: values of two classes are equal as texts: {values}")

    def _all(self, seen: set[Any], n_classes: int | None) -> set[Any]:
        """Return the values seen if they are all there are, or the codes of which they are some."""
        if n_classes is None:
            raise FileFormatError(
                f"{self._path} does not say how many classes there are; pass classes=, the JSON "
                "file that was written beside it or the Enum"
            )
        if n_classes == len(seen):
            return seen
        codes = set(range(n_classes))
        if seen <= codes and (0 in seen or not seen):
            return codes
        raise FileFormatError(
            f"{self._path} has {n_classes} classes, of which only the values {_in_order(seen)} "
            "occur; pass classes=, the JSON file that was written beside it or the Enum"
        )

    def codes(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return class codes in the shape of the values, -1 for None; `name` is for messages."""
        codes = [
            ABSTAIN if _is_nothing(value) else self._codes.get(_text(value))
            for value in values.ravel().tolist()
        ]
        if None in codes:
            wrong = values.ravel().tolist()[codes.index(None)]
            raise FileFormatError(
                f"{self._path}: {name} holds {wrong!r}, which is none of the classes "
                f"{list(self._codes)}"
            )
        return np.array(codes, dtype=np.int64).reshape(values.shape)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _text(value: Any) -> str:
    """Text of a value; 1.0 and True are 1, as arrays of one type may write it."""
    whole = isinstance(value, int | float) and value == value // 1
    return str(int(value) if whole else value)


def _in_order(values: Any) -> list[Any]:
    """Values in ascending order: as numbers if all are, else as texts."""
    values = list(values)
    try:
        return sorted(values, key=lambda value: (float(value), _text(value)))
    except (ValueError, OverflowError):
        return sorted(values, key=_text)


def value_names(classes: ValueNames | PathLike | None) -> dict[str, str] | None:
    """Return class names by the text of their values; None if there are none.

    Parameters
    ----------
    classes : dict, Enum class, path of a JSON file or None
        Names by value, or values by name.

    Raises
    ------
    FileNotFoundError
    FileFormatError
        If the file holds no JSON object of names.
    InputError
        If it is something else, or two values have one name.
    """
    if classes is None:
        return None
    if isinstance(classes, str | os.PathLike):
        return value_names(_read_names(Path(classes)))
    if isinstance(classes, type) and issubclass(classes, Enum):
        return {_text(member.value): member.name for member in classes}
    if not isinstance(classes, Mapping):
        raise InputError(
            "classes must be the JSON file of class names, a dict of names by value, or an Enum "
            f"class, found {classes!r}"
        )
    named = dict(classes)
    # {"spam": 1} as well as {1: "spam"} and JSON's {"1": "spam"}.
    if all(isinstance(value, int) for value in named.values()):
        named = {value: name for name, value in classes.items()}
    if len(set(named.values())) < len(classes):
        raise InputError(f"classes must have different names, found {dict(classes)}")
    return {_text(value): str(name) for value, name in named.items()}


def _read_names(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON or is damaged ({error})") from error
    if not isinstance(content, dict) or not all(isinstance(n, str) for n in content.values()):
        raise FileFormatError(f"{path} must hold an object of class names by value")
    return content


def beside(path: Path) -> Path | None:
    """Return the file of class names that decile-spear writes beside a pickle, if it is there."""
    stem = path.name.removesuffix("_pickle.pkl")
    named = path.with_name(f"{stem}_json.json")
    return named if stem != path.name and named.is_file() else None
