"""From the user's tables to texts, class names and class codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.read_table import require_columns
from spear_amal.errors import InputError
from spear_amal.votes.class_set import ClassNames, class_names, spelling
from spear_amal.votes.counted_from_one import refuse_counting_from_one
from spear_amal.votes.gold import classes_with_gold, read_gold
from spear_amal.votes.label_matrix import LabelMatrix

UNLABELLED = -1
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,14})(?:\.0*)?")
_SHOWN = 12
# What tools write for a missing value when they make texts of a column.
_WRITTEN_MISSING = ("nan", "NaN", "<NA>", "NaT")
LF_COLUMN = "text"  # what labelling functions look at unless they say otherwise


def for_lfs(frame: pd.DataFrame, text_column: str) -> pd.DataFrame:
    """Add the text under the name that LFs expect, if the table does not use that name itself."""
    if LF_COLUMN in frame or text_column not in frame:
        return frame
    renamed = frame.copy()
    renamed[LF_COLUMN] = frame[text_column]
    return renamed


def label_values(frame: pd.DataFrame, column: str, where: str) -> list[str | None]:
    """Return labels as strings, None where unlabelled: an empty cell or -1.

    Raises
    ------
    InputError
        If there is no such column, or a label is the word for a missing value.
    """
    require_columns(frame, [column], where)
    values = [_value(cell) for cell in frame[column].tolist()]
    for word in _WRITTEN_MISSING:
        if word in values:
            raise InputError(
                f"{where}: row {values.index(word)} (counted from 0) has the label {word!r}, which "
                "is a missing value made a text; leave the cell empty where a row has no label"
            )
    return values


def _value(cell: Any) -> str | None:
    if pd.isna(cell):
        return None
    # Many tools make floats of whole numbers beside missing ones, and write 1.0.
    text = str(cell).strip()
    if _WHOLE.fullmatch(text):
        text = str(int(float(text)))
    return None if text in ("", str(UNLABELLED)) else text


def classes_of_table(voted: Sequence[Any] | None, values: Sequence[str | None]) -> ClassNames:
    """Return the classes in code order, from the votes' classes (None without LFs) and the labels.

    Raises
    ------
    InputError
        If labels are names, but the LFs vote with mere numbers; if no classes are known, and labels
        are names and numbers, or two of them differ by case and white space alone.
    """
    seen = {value for value in values if value is not None}
    declared = class_names(voted)
    if declared is None:
        check_learnt(values)
        return ClassNames(sorted(seen, key=_by_number))
    names = sorted(value for value in seen if not value.isdecimal())
    if declared.mere_codes and names:
        raise InputError(
            f"the labels are names ({', '.join(names[:3])}), but the LFs vote with numbers: say "
            f"in the LF file which is which, e.g. CLASSES = {tuple(sorted(seen))!r}"
        )
    return classes_with_gold(values, declared, "the labels")


def _by_number(value: str) -> tuple[int, int, str]:
    return (0, int(value), "") if value.isdecimal() else (1, 0, value)


def check_learnt(values: Sequence[str | None]) -> None:
    """Raise InputError if labels, of which nobody said what the classes are, do not look right."""
    rows: dict[str, int] = {}
    for row, value in enumerate(values):
        if value is not None:
            rows.setdefault(value, row)
    numbers = [value for value in rows if value.isdecimal()]
    if numbers and len(numbers) < len(rows):
        names = [value for value in rows if not value.isdecimal()]
        raise InputError(
            f"the labels are names ({', '.join(map(repr, names[:3]))}) and numbers "
            f"({numbers[0]!r} in row {rows[numbers[0]]}, counted from 0): write the name of the "
            "class there; if the number is a class of its own, give it a name"
        )
    by_letters: dict[str, str] = {}
    for value, row in rows.items():
        other = by_letters.setdefault(spelling(value), value)
        if other != value:
            raise InputError(
                f"the labels {other!r} (row {rows[other]}, counted from 0) and {value!r} (row "
                f"{row}) differ by case or white space alone: write them alike; if they are two "
                "classes, say so with classes= (CLASSES of an LF file)"
            )


def class_codes(
    values: Sequence[str | None],
    classes: Sequence[Any],
    where: str,
    votes: LabelMatrix | None = None,
) -> np.ndarray:
    """Return class codes (n,) of labels as texts, read as :func:`read_gold` reads them.

    Numbers are taken for codes only where it is sure that they are: of named classes that nobody
    numbered, all of the labels must be numbers, from 0 on.

    Parameters
    ----------
    values : sequence of str or None, length n
    classes : sequence, length C
    where : str
        What messages call the labels.
    votes : LabelMatrix (n, m), optional
        Of the same rows: shows whether labels count from 1, and classes that nothing else knows.

    Raises
    ------
    InputError
        If a label is no class; names row (counted from 0) and label. If it cannot be told which
        class a number means.
    """
    names = ClassNames(classes)
    numbers = {value for value in values if value is not None and value.isdecimal()}
    if numbers and not names.are_numbered:
        _check_codes(values, names, where)
    codes = read_gold(values, names, where).codes
    if votes is not None and numbers and names.numbers == tuple(range(len(names))):
        refuse_counting_from_one(codes, votes, where)
    if votes is not None and votes.classes.mere_codes:
        _check_voted(codes, votes, where)
    return codes


def _check_codes(values: Sequence[str | None], names: ClassNames, where: str) -> None:
    """Raise InputError unless numbers are surely the codes of classes that have names."""
    labels = [value for value in values if value is not None]
    numbers = [int(value) for value in labels if value.isdecimal()]
    row = next(row for row, value in enumerate(values) if value is not None and value.isdecimal())
    if len(numbers) == len(labels) and 0 in numbers and max(numbers) < len(names):
        return
    why = "none of them is 0" if 0 not in numbers else f"the largest is {max(numbers)}"
    if len(numbers) < len(labels):
        why = "others are names"
    first = {name: number for number, name in enumerate(names, start=0 if 0 in numbers else 1)}
    raise InputError(
        f"{where}: the label in row {row} (counted from 0) is the number {values[row]}, where "
        f"classes have names ({', '.join(map(str, names[:_SHOWN]))}), and {why}: write the names "
        f"in the table, or say which number means which class, such as CLASSES = {first!r} in the "
        "LF file (classes= in Python)"
    )


def numbers_note(values: Sequence[str | None], classes: Sequence[Any]) -> str:
    """Return a remark on numbers that were read as the codes of named classes; mostly empty."""
    names = ClassNames(classes)
    if names.are_numbered or not any(value and value.isdecimal() for value in values):
        return ""
    pairs = ", ".join(f"{code} is {name!r}" for code, name in enumerate(names[:_SHOWN]))
    return f"Labels are numbers, read in the order of the classes: {pairs}"


def _check_voted(codes: np.ndarray, votes: LabelMatrix, where: str) -> None:
    """Raise InputError if an LF votes for a number so high that classes below it are empty."""
    gold = set(np.unique(codes[codes >= 0]).tolist())
    voted = {int(code) - 1 for code in np.unique(votes.codes.data)}
    top = max(voted, default=UNLABELLED)
    empty = [code for code in range(top) if code not in gold | voted]
    if not gold or not empty or top <= max(gold):
        return
    lf = votes.lf_names[int(votes.codes.max(axis=0).toarray().argmax())]
    raise InputError(
        f"LF {lf!r} votes for the class {top}, but {where} holds labels up to {max(gold)}, and "
        f"nothing speaks for the class {empty[0]}: mend the LF, or declare the classes with "
        f"CLASSES = {top + 1} in the LF file (classes= in Python)"
    )
