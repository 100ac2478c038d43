"""The table of a project as the workbench holds it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import ids_of, read_rows
from spear_amal.data.id_column import ID_COLUMN
from spear_amal.workbench.gold_file import KnownRows
from spear_amal.workbench.project import Project


@dataclass(frozen=True)
class OpenTable:
    """A table that was read, with what is known of its rows.

    Attributes
    ----------
    frame : DataFrame of n rows
    lf_rows : DataFrame of n rows
        What LFs see: without gold, with the texts under the name that LFs expect.
    texts : list of str (n,)
    ids : ndarray (n,) or None
    labels : list of (str or None) (n,)
        Labels of the table and of further files of gold.
    label_values : tuple of str
        The different ones.
    label_places : ndarray of int (n,)
        Which of them each row has; -1 for none.
    digest : str
        Another one as soon as texts or ids differ, or their order.
    """

    frame: pd.DataFrame
    lf_rows: pd.DataFrame
    texts: list[str]
    ids: np.ndarray | None
    labels: list[str | None]
    label_values: tuple[str, ...]
    label_places: np.ndarray
    digest: str

    @classmethod
    def read(cls, project: Project) -> OpenTable:
        """Read the table of a project; errors are those of its ``read_table``."""
        frame = project.read_table()
        column = project.label_column
        labels: list[str | None] = [None] * len(frame)
        if column in frame:
            labels = read_rows.label_values(frame, column, "the data")
        rows = read_rows.for_lfs(frame, project.text_column)
        if column in rows and column not in (project.text_column, read_rows.LF_COLUMN):
            rows = rows.drop(columns=[column])
        texts = frame[project.text_column].tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said when the table was read
            ids = ids_of(frame, project.id_column)
        places, values = pd.factorize(np.array(labels, dtype=object))
        digest = _digest(texts, ids)
        return cls(frame, rows, texts, ids, labels, tuple(values.tolist()), places, digest)

    def known_rows(self, project: Project) -> KnownRows:
        """Return the rows as the file of gold knows them."""
        ids = None if self.ids is None else self.ids.astype(np.str_).tolist()
        columns = (project.text_column, project.label_column, project.id_column or ID_COLUMN)
        return KnownRows(self.texts, ids, self.labels, *columns)


def _digest(texts: Sequence[str], ids: Any) -> str:
    made = hashlib.blake2b(digest_size=8)
    for part in (texts, [] if ids is None else ids.tolist()):
        cells = [str(cell) for cell in part]
        made.update(np.array([len(cell) for cell in cells], dtype=np.int64).tobytes())
        made.update("".join(cells).encode("utf-8", "surrogatepass"))
    return made.hexdigest()
