"""A project around a table of the user's own: columns are found, LFs start from the classes."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from spear_amal.cli.console import warnings_as_notes
from spear_amal.cli.options.start import InitOptions
from spear_amal.data import read_rows, read_table, require_columns
from spear_amal.errors import InputError

_MOST_CLASSES = 50  # a column of more kinds of cells is no column of labels
_NAMES = ("FIRST", "SECOND")  # stand for classes that no label tells

LFS = '''\
"""Labelling functions (LFs): each votes for one class, or abstains where it does not know.

They need not be right every time: training finds out how far to trust each of them. Write what you
know about your rows, run `spear-amal apply`, and look at what `spear-amal analyze` says of each.
"""

from spear_amal.labeling import Row, keyword_lf, labeling_function

# Names of the classes, as they stand in the column of labels.{remark}
CLASSES = {classes}

# Whole words that speak for a class; capitals do not matter. The class's own name is a mere
# beginning: add the words that you would look for yourself.
{keywords}


# Any Python function of a row: x.text is the text, other columns are there by their names. It
# says True to vote for the class, False to abstain. Take the # away and make it yours.
# @labeling_function(label={first})
# def long_text(x: Row) -> bool:
#     """A text of more than 500 characters."""
#     return len(x.text) > 500
'''


@dataclass(frozen=True)
class OwnTable:
    """What a project needs to know of a table.

    Attributes
    ----------
    data : tuple of Path
    text_column : str
    label_column : str or None
        None if the table has none.
    rows, labelled : int
        Numbers of rows.
    classes : tuple of str
        Class names among the labels, sorted; empty without labels.
    """

    data: tuple[Path, ...]
    text_column: str
    label_column: str | None
    rows: int
    labelled: int
    classes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What was found, in a line."""
        labels = (
            f"labels in {self.label_column!r}: {self.labelled} rows, {len(self.classes)} classes"
        )
        if not self.classes:
            column = self.label_column or "label"
            labels = f"no labels yet (they would stand in a column {column!r})"
        return f"{self.rows} rows; texts in {self.text_column!r}; {labels}"


def look_at_table(options: InitOptions) -> OwnTable:
    """Read the table that the options name and find out which column holds texts and which labels.

    A text column that is not named is ``text``, else the column of texts that are longest in the
    mean; one of labels is ``label``, else the one column of few different cells, some empty.

    Raises
    ------
    InputError
        If a column that was named is not there, or none looks like texts.
    """
    layout = options.model_dump(include={"id_column", "sep", "encoding", "sheet"})
    with warnings_as_notes():  # both readings in one block: their notes are the same
        frame = read_table(options.data, **layout)
        where = ", ".join(map(str, options.data))
        named = (options.text_column, options.label_column, options.id_column)
        require_columns(frame, [name for name in named if name is not None], where)
        text = options.text_column or _text_column(frame, options.id_column, where)
        label = options.label_column or _label_column(frame, text, options.id_column)
        values: list[str] = []
        if label is not None:
            read = read_table(options.data, label_column=label, **layout)
            values = [value for value in read_rows.label_values(read, label, where) if value]
    classes = tuple(read_rows.classes_of_table(None, values))
    return OwnTable(options.data, text, label, len(frame), len(values), classes)


def _text_column(frame: pd.DataFrame, ids: str | None, where: str) -> str:
    if "text" in frame:
        return "text"
    lengths = {
        str(name): frame[name].dropna().astype(str).str.len().mean()
        for name in frame
        if name != ids and not is_numeric_dtype(frame[name]) and frame[name].notna().any()
    }
    if not lengths:
        raise InputError(
            f"{where}: no column holds texts, there are {list(frame)}; name it with --text-column"
        )
    return max(lengths, key=lengths.__getitem__)


def _label_column(frame: pd.DataFrame, text: str, ids: str | None) -> str | None:
    if "label" in frame:
        return "label"
    partly = [
        str(name)
        for name in frame
        if name not in (text, ids)
        and 0 < frame[name].notna().sum() < len(frame)
        and 2 <= frame[name].nunique() <= _MOST_CLASSES
    ]
    return partly[0] if len(partly) == 1 else None


def lfs_file(classes: Sequence[str]) -> str:
    """Return the text of a file of LFs: one for each class, which looks for the class's name.

    Nothing is counted on labelled rows: words found there would look good on just these rows.
    """
    names = project_class_names(classes)
    invented = names[len(classes) :]
    remark = f"\n# TODO: put your own in place of {' and '.join(invented)}." if invented else ""
    keywords = [
        f"{lf} = keyword_lf({_quoted(lf)}, [{_quoted(name.lower())}], label={_quoted(name)})"
        for lf, name in zip(_lf_names(names), names, strict=True)
    ]
    return LFS.format(
        classes=f"({', '.join(map(_quoted, names))},)",
        keywords="\n".join(keywords),
        first=_quoted(names[0]),
        remark=remark,
    )


def project_class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of a new project: those of the table, and made-up names up to two."""
    missing = max(0, len(_NAMES) - len(classes))
    return (*classes, *[name for name in _NAMES if name not in classes][:missing])


def _quoted(text: str) -> str:
    """Return text as a literal; one of JSON is one of Python."""
    return json.dumps(text, ensure_ascii=False)


def _lf_names(classes: Sequence[str]) -> list[str]:
    """Return a name for each class's LF that Python takes, each another."""
    names: list[str] = []
    for number, name in enumerate(classes):
        plain = unicodedata.normalize("NFKD", name.casefold())  # ö is o and two dots
        word = re.sub(r"[^a-z0-9]+", "_", re.sub(r"[\u0300-\u036f]", "", plain)).strip("_")
        lf = f"says_{word}"
        names.append(lf if word and lf not in names else f"says_class_{number}")
    return names


def relative(path: Path, folder: Path) -> str:
    """Return a path as the settings file of a folder names it."""
    return Path(os.path.relpath(path, folder)).as_posix()
