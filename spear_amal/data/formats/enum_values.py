"""Classes as decile-spear writes them, by the values of the user's Enum, turned into codes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.class_set import ABSTAIN, ClassesLike, ClassNames, class_names


class EnumValues:
    """The values of an Enum in order: their numbers are the class codes.

    Parameters
    ----------
    path : path
        For messages.
    named : ClassNames or None
        Class names with their values as ids.
    n_classes : int or None
        As the file states it.
    arrays : dict of str to array
        ``l``, ``L`` and ``k`` hold values, and None for nothing.

    Attributes
    ----------
    values : tuple, length C
        In the order of the class codes.

    Raises
    ------
    FileFormatError
        If the values are not all known, or contradict the number of classes.
    """

    def __init__(
        self,
        path: Any,
        named: ClassNames | None,
        n_classes: int | None,
        arrays: Mapping[str, np.ndarray],
    ) -> None:
        self._path = path
        columns = (arrays[name].ravel().tolist() for name in "lLk" if name in arrays)
        given = [value for column in columns for value in column if not _is_nothing(value)]
        if wrong := [value for value in given if not isinstance(value, int | float | str)]:
            raise FileFormatError(f"{path}: {wrong[0]!r} is no value of a class")
        seen = set(given)
        known = _in_order(self._all(seen, n_classes)) if named is None else values_of(named)
        if n_classes not in (None, len(known)):
            raise FileFormatError(
                f"{path} states {n_classes} classes, {len(known)} are named: {known}"
            )
        self.values = tuple(known)
        self._codes = {_text(value): code for code, value in enumerate(self.values)}
        if len(self._codes) < len(self.values):
            raise FileFormatError(f"{path}: values of two classes are equal as texts: {known}")

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


def values_of(named: ClassNames) -> list[Any]:
    """Return the value of each class: its id, or its code where it has none."""
    return list(range(len(named)) if named.ids is None else named.ids)


def read_class_names(classes: ClassesLike | PathLike) -> ClassNames | None:
    """Return class names with their values as ids; None if there are none.

    Parameters
    ----------
    classes : path of a JSON file, mapping of names and values, Enum class, list of names or None
        Names of a list have the values 0, 1, ..

    Raises
    ------
    FileNotFoundError
    FileFormatError
        If the file holds no JSON object of names.
    InputError
        If it is something else, or two values have one name.
    """
    if not isinstance(classes, str | os.PathLike):
        return class_names(classes)
    path = Path(classes)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise InputError(f"needed is an object of class names by value, found {content!r:.99}")
        return class_names(content)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is no JSON file of class names ({error})") from error


def beside(path: Path) -> Path | None:
    """Return the file of class names that decile-spear writes beside a pickle, if it is there."""
    stem = path.name.removesuffix("_pickle.pkl")
    named = path.with_name(f"{stem}_json.json")
    return named if stem != path.name and named.is_file() else None
