"""Class names and codes: from an answer (number, name, Enum member) to a class code."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import ABSTAIN, MAX_CLASSES

# The number of classes, their names in code order or an Enum; None: any code from 0.
ClassesLike: TypeAlias = "int | Iterable[Any] | type[Enum] | ClassSet | None"


class ClassSet:
    """The classes of a task and the ways to name one of them.

    Parameters
    ----------
    classes : int, iterable of names, Enum class, ClassSet or None
        The number of classes, their names in code order, or an Enum class. Members of an Enum
        are ordered by value if all values are integers, else as they are defined; a member with
        the value -1 or None is no class but another way to abstain. None: any code from 0 counts.

    Attributes
    ----------
    names : tuple or None
        Class names in code order; None if the number of classes is not known.

    Examples
    --------
    >>> spam = ClassSet(["ham", "spam"])
    >>> spam.code("spam"), spam.code(0), spam.code(None)
    (1, 0, -1)
    """

    def __init__(self, classes: ClassesLike = None) -> None:
        self.names: tuple[Any, ...] | None = None
        self._codes: dict[Any, int] = {}
        if isinstance(classes, ClassSet):
            self.names, self._codes = classes.names, classes._codes
        elif isinstance(classes, type) and issubclass(classes, Enum):
            self._take_enum(classes)
        elif classes is not None:
            self._take_names(_names(classes))

    def _take_names(self, names: tuple[Any, ...]) -> None:
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"classes must be at least two different names, found {list(names)}")
        self.names = names
        self._codes = {name: code for code, name in enumerate(names)}

    def _take_enum(self, enum: type[Enum]) -> None:
        members = [member for member in enum if member.value not in (ABSTAIN, None)]
        if all(isinstance(member.value, int) for member in members):
            members.sort(key=lambda member: member.value)
        self._take_names(tuple(member.name for member in members))
        # An integer answer is then the value of a member, as SPEAR's users write it.
        self._codes |= {m.value: code for code, m in enumerate(members)}
        self._codes |= {m.name: code for code, m in enumerate(members)}

    @property
    def numbered(self) -> int:
        """Count of numbers from 0 on that are their own codes; 0 where they must be looked up."""
        if self.names is None:
            return MAX_CLASSES
        codes = range(len(self.names))
        looked_up = any(isinstance(key, int) for key in self._codes)
        return 0 if looked_up and any(self._codes.get(k) != k for k in codes) else len(codes)

    def code(self, answer: Any) -> int:
        """Class code of one answer; -1 for None, pandas' NA and -1.

        Raises
        ------
        InputError
            If the answer is a bool, a float, a name or a number that is no class.
        """
        if answer is None or answer is pd.NA:
            return ABSTAIN
        if isinstance(answer, Enum):
            return self._of_member(answer)
        if isinstance(answer, str):
            return self._look_up(answer)
        if isinstance(answer, bool | np.bool_):
            raise InputError(
                f"{_shown(answer)}, which is no class; declare label=... to answer True or False"
            )
        try:
            return self._of_number(operator.index(answer))
        except TypeError:
            raise InputError(f"{_shown(answer)}; {self._needed()}") from None

    def _of_number(self, number: int) -> int:
        if number == ABSTAIN:
            return ABSTAIN
        if self.names is not None and any(isinstance(key, int) for key in self._codes):
            return self._look_up(number)
        if 0 <= number < (MAX_CLASSES if self.names is None else len(self.names)):
            return number
        raise InputError(f"{_shown(number)}; {self._needed()}")

    def _of_member(self, member: Enum) -> int:
        if member.value is None or member.value == ABSTAIN:
            return ABSTAIN
        # Names before numbers: Label.ACTION = 0 must not become class 0 of ("romance", "action").
        for name in self.names or ():
            if isinstance(name, str) and name.casefold() == member.name.casefold():
                return self._codes[name]
        return self.code(member.value)

    def _look_up(self, key: Any) -> int:
        if key not in self._codes:
            raise InputError(f"{_shown(key)}; {self._needed()}")
        return self._codes[key]

    def _needed(self) -> str:
        if self.names is None:
            return "needed None or -1 (abstain) or a class number from 0 (names need classes=[...])"
        return (
            "needed None or -1 (abstain) or one of the "
            f"{len(self.names)} classes {list(self.names)} or its number"
        )


def _names(classes: Any) -> tuple[Any, ...]:
    if isinstance(classes, int | np.integer) and not isinstance(classes, bool):
        return tuple(range(int(classes)))
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise InputError(
            f"classes must be a number, a list of names or an Enum class, found {classes!r}"
        )
    return tuple(c if isinstance(c, str) or not hasattr(c, "item") else c.item() for c in classes)


def _shown(answer: Any) -> str:
    return f"{answer!r} ({type(answer).__name__})"
