"""Gold by class codes: the labels of the table, and those of the workbench's file over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.errors import SpearAmalError
from spear_amal.workbench.gold_file import GivenLabels, GoldFile
from spear_amal.workbench.project_classes import NO_CLASSES, ProjectClasses
from spear_amal.workbench.table import OpenTable

_MOST_LABELS = 1_000  # that are tried one by one: more are no classes, but texts

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
            by_row, problems = _usable(table, given, make_classes, file.path.name)
            if problems:
                more = f" (and {len(problems) - 1} more such records)" if problems[1:] else ""
                problem = f"{problems[0]}{more}; it does not count"
            return cls(*_coded(table, by_row, make_classes), given.chosen, problem)
        except (SpearAmalError, OSError) as error:
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


def _usable(
    table: OpenTable, given: GivenLabels, make_classes: MakeClasses, name: str
) -> tuple[Mapping[int, str], list[str]]:
    """Return the labels of a file that can be classes, and what is wrong with other records."""
    first_rows = {label: row for row, label in reversed(given.by_row.items())}
    problems = list(given.problems)
    if _fit(table, list(first_rows), make_classes) or len(first_rows) > _MOST_LABELS:
        return given.by_row, problems
    usable: list[str] = []
    for label in dict.fromkeys(given.by_row.values()):
        if _fit(table, [*usable, label], make_classes):
            usable.append(label)
        else:
            known = list(make_classes((*table.label_values, *usable)).shown)
            problems.append(
                f"{name}: the label {label!r} of row {first_rows[label]} does not go with the "
                f"classes {known}"
            )
    return {row: label for row, label in given.by_row.items() if label in usable}, problems


def _fit(table: OpenTable, labels: Sequence[str], make_classes: MakeClasses) -> bool:
    """Return whether these labels can stand beside those of the table."""
    both = tuple(dict.fromkeys((*table.label_values, *labels)))
    try:
        make_classes(both).codes(both, "the labels")
    except SpearAmalError:
        return False
    return True


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
