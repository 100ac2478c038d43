"""From the user's tables to texts, class names and class codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.read_table import require_columns
from spear_amal.errors import InputError
from spear_amal.votes.class_set import ClassNames, class_names
from spear_amal.votes.gold import classes_with_gold, read_gold

UNLABELLED = -1
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,14})(?:\.0*)?")
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
        If there is no such column.
    """
    require_columns(frame, [column], where)
    return [_value(cell) for cell in frame[column].tolist()]


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
        If labels are names, but the LFs vote with mere numbers.
    """
    seen = {value for value in values if value is not None}
    declared = class_names(voted)
    if declared is None:
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


def class_codes(values: Sequence[str | None], classes: Sequence[Any], where: str) -> np.ndarray:
    """Return class codes (n,) of labels as texts, read as :func:`read_gold` reads them.

    Raises
    ------
    InputError
        If a label is no class; names row (counted from 0) and label.
    """
    return read_gold(values, classes, where).codes
