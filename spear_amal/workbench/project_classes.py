"""The classes of a project: those that LFs name, or what labels and declared rules say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.data import read_rows
from spear_amal.declared_lfs.project_lfs import classes_of_project
from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError
from spear_amal.labeling import LoadedLFs
from spear_amal.votes.class_set import ClassNames, ClassSet
from spear_amal.workbench.lf_process import LoadedFile


@dataclass(frozen=True)
class ProjectClasses:
    """Classes in code order.

    Attributes
    ----------
    names : ClassNames or None
        As LFs know them; None where they vote with mere numbers.
    all : ClassNames
        With those that only labels name.
    is_open : bool
        Whether a label may name a class that there was not yet: no Python file says which there
        are.
    """

    names: ClassNames | None
    all: ClassNames
    is_open: bool

    @classmethod
    def of(
        cls,
        file: LoadedFile | None,
        rules: Sequence[Rule],
        labels: Sequence[str | None],
        n_voted: int,
    ) -> ProjectClasses:
        """Make the classes.

        Parameters
        ----------
        file : LoadedFile or None
            The user's Python file, if there is one.
        rules : sequence of Rule
        labels : sequence of str or None
            Gold labels of the table; each may stand there once.
        n_voted : int
            One more than the highest class number among the votes.

        Raises
        ------
        InputError
            If labels and votes do not go together; see
            :func:`~spear_amal.data.read_rows.classes_of_table`.
        """
        has_file = file is not None and (file.classes is not None or bool(file.lfs))
        known = {label for label in labels if label is not None}
        if file is not None and has_file:
            names = file.classes
        else:
            named = classes_of_project(LoadedLFs([], None), rules, known) if rules else None
            names = ClassSet(named).names
        voted = names
        if names is None and (has_file or rules):
            voted = ClassNames(range(max(n_voted, 2)))
        return cls(names, read_rows.classes_of_table(voted, labels), not has_file)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names to show."""
        return tuple(map(str, self.all))

    @property
    def key(self) -> tuple[object, ...]:
        """What tells the classes that LFs know from others."""
        return () if self.names is None else (tuple(self.names), self.names.ids)

    def codes(self, labels: Sequence[str | None], where: str) -> np.ndarray:
        """Return labels as codes, -1 for None; InputError for one that is no class."""
        return np.asarray(read_rows.class_codes(labels, self.all, where))

    def spelled(self, label: str, others: Sequence[str | None]) -> str:
        """Return a class as the table spells its labels: by name, or by number.

        Raises
        ------
        InputError
            If there is no such class.
        """
        if label not in self.shown:
            raise InputError(f"there is no class {label!r}; the classes are {list(self.shown)}")
        known = [other for other in others if other is not None]
        if known and all(other.isdecimal() for other in known):
            return str(self.all.numbers[self.shown.index(label)])
        return label


#: Before anything is known.
NO_CLASSES = ProjectClasses(None, ClassNames(()), True)
