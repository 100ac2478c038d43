"""The labels of all rows, from the table and from the workbench, and the classes that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.workbench.coded_labels import CodedLabels
from spear_amal.workbench.gold_file import GoldFile, squeezed
from spear_amal.workbench.labelling import Labelling
from spear_amal.workbench.lf_board import LFBoard
from spear_amal.workbench.project import Project
from spear_amal.workbench.project_classes import NO_CLASSES, ProjectClasses
from spear_amal.workbench.table import OpenTable


class ProjectLabels:
    """Labels of rows by classes; whoever calls a method keeps other threads out.

    Parameters
    ----------
    board : LFBoard
        LFs name classes too.
    table : OpenTable
    project : Project

    Attributes
    ----------
    classes : ProjectClasses
    gold : ndarray of int (n,)
        Codes of the labels, -1 where there is none; another array after every change.
    chosen : dict of int to str
        How rows that were labelled here came up, see :mod:`.gold_origin`.
    problem : str or None
        Why some labels, or all of them, do not count.
    """

    def __init__(self, board: LFBoard, table: OpenTable, project: Project) -> None:
        self._board, self._labelling = board, Labelling()
        self.classes = NO_CLASSES
        self.gold = np.full(len(table.texts), -1)
        self.chosen: Mapping[int, str] = {}
        self.problem: str | None = None
        self.take_table(table, project)

    def take_table(self, table: OpenTable, project: Project) -> None:
        """Be about the rows of this table from now on; :meth:`read` says how they are labelled."""
        self._table, self._lfs = table, project.lfs
        self._file = GoldFile(project.gold, table.known_rows(project))

    def read(self) -> None:
        """Read the labels as the files have them now, by the classes as they are now."""
        coded = CodedLabels.read(self._table, self._file, self._classes_of)
        self.classes, self.chosen, self.problem = coded.classes, coded.chosen, coded.problem
        if not np.array_equal(coded.gold, self.gold):
            self.gold = coded.gold

    def classes_with(self, rule: Rule) -> ProjectClasses:
        """Return the classes as they would be with a further rule."""
        return self._classes_of([*self._table.label_values, *self._given()], rule)

    def _classes_of(self, labels: Sequence[str], *rules: Rule) -> ProjectClasses:
        """Return the classes, with these labels and further rules."""
        board = self._board
        n_voted = board.n_voted if self.classes.names is None else 0
        labels = list(dict.fromkeys(labels))
        return ProjectClasses.of(board.file, (*board.rules.rules, *rules), labels, n_voted)

    def _given(self) -> list[str]:
        """Return the labels of the workbench's file."""
        return list(self._file.read().by_row.values())

    # -- labelling -------------------------------------------------------------------------------

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep other processes from labelling during a block that reads and labels."""
        return self._file.exclusively()

    def label(
        self,
        rows: Sequence[int],
        label: str | None,
        client: str,
        new_class: bool,
        chosen: Mapping[int, str] | None,
    ) -> tuple[int, ...]:
        """Write the label of rows; return all rows that changed.

        Parameters and errors are those of :meth:`.Workspace.label`.
        """
        spelled = None if label is None else self._spelled(label, new_class)
        return self._labelling.label(self._file, rows, spelled, client, chosen)

    def undo(self, client: str) -> tuple[int, ...]:
        """Undo what a tab labelled last; see :meth:`.Workspace.undo`."""
        return self._labelling.undo(self._file, client)

    def _spelled(self, label: str, new_class: bool) -> str:
        """Return a class as the table spells labels; InputError if it is none, and must be one."""
        known = self._table.label_values
        if label in self.classes.shown or not new_class or not label.strip():
            return self.classes.spelled(label, known)
        if not self.classes.is_open:
            raise InputError(
                f"there is no class {label!r}; add it to CLASSES in {self._lfs}, which says "
                f"that there are {list(self.classes.shown)}"
            )
        label = label.strip()
        labels = [*known, *self._given(), label]
        self._classes_of(labels).codes(labels, f"with the new class {label!r}, the labels")
        return label

    def copies_of(self, row: int) -> tuple[int, ...]:
        """Return the other rows with the text and the label of a row, and labels of their own."""
        try:
            by_id = self._file.read().by_id
        except (SpearAmalError, OSError):  # the page of a row is shown all the same
            return ()
        if not by_id or row >= len(self._table.texts):
            return ()
        alike = self._file.rows.places(by_id=False)[squeezed(self._table.texts[row])]
        return tuple(x for x in alike if x != row and self.gold[x] == self.gold[row])
