"""Gold by class codes: the labels of the table, and those of the workbench's file over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.errors import SpearAmalError
from spear_amal.workbench.gold_file import GoldFile
from spear_amal.workbench.project_classes import NO_CLASSES, ProjectClasses
from spear_amal.workbench.table import OpenTable

MakeClasses = Callable[[Sequence[str]], ProjectClasses]


@dataclass(frozen=True)
class CodedLabels:
    """Labels of all rows.

    Attributes
    ----------
    classes : ProjectClasses
    gold : ndarray of int (n,)
        Codes, -1 where there is no label.
    chosen : dict of int to str
        How rows with a label of the file came up, see :mod:`.gold_origin`.
    problem : str or None
        Why some labels, or all of them, do not count.
    """

    classes: ProjectClasses
    gold: np.ndarray
    chosen: Mapping[int, str]
    problem: str | None = None

    @classmethod
    def read(cls, table: OpenTable, file: GoldFile, make_classes: MakeClasses) -> CodedLabels:
        """Read the file, and code what it and the table say."""
        problem = None
        try:
            given = file.read()
            if given.problems:
                others = len(given.problems) - 1
                more = f" (and {others} more such records)" if others else ""
                problem = f"{given.problems[0]}{more}; it does not count"
            return cls(*_coded(table, given.by_row, make_classes), given.chosen, problem)
        except SpearAmalError as error:
            problem = f"{error}; no label of {file.path.name} counts until then"
        try:
            return cls(*_coded(table, {}, make_classes), {}, problem)
        except SpearAmalError as error:
            problem = f"{error}; no row counts as labelled until then"
        try:
            classes = make_classes(())
        except SpearAmalError:
            classes = NO_CLASSES
        return cls(classes, np.full(len(table.texts), -1), {}, problem)


def _coded(
    table: OpenTable, given: Mapping[int, str], make_classes: MakeClasses
) -> tuple[ProjectClasses, np.ndarray]:
    labels = tuple(dict.fromkeys((*table.label_values, *given.values())))
    classes = make_classes(labels)
    codes = classes.codes(labels, "the labels")
    gold = np.append(codes, -1)[table.label_places]  # a place of -1 is the last one
    code_of = dict(zip(labels, codes.tolist(), strict=True))
    for row, label in given.items():
        gold[row] = code_of[label]
    return classes, gold
