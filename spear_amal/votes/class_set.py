"""Class names and codes: from an answer (number, name, Enum member) to a class code."""

from __future__ import annotations

import functools
import operator
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Set
from enum import Enum
from typing import Any, Self, TypeAlias, TypeGuard

import numpy as np
import pandas as pd

from spear_amal.errors import InputError

#: Vote of a labelling function that has no answer, and label of a row without one.
ABSTAIN = -1
# Votes are stored as vote + 1 in int16 at most.
MAX_CLASSES = np.iinfo(np.int16).max

# What may be handed over as ``classes=``; see :func:`class_names`.
ClassesLike: TypeAlias = "int | Iterable[Any] | Mapping[Any, Any] | type[Enum] | ClassSet | None"

# Members that stand for "no answer" where their value is -1; any other name is a class with a
# value that it cannot have.
_NO_ANSWER = frozenset(
    "abstain none null na nan missing unknown unlabelled unlabeled nolabel noanswer undecided "
    "unsure skip".split()
)


class ClassNames(tuple[Any, ...]):
    """Class names (C,) in code order; a tuple that also knows what else classes are called by.

    Attributes
    ----------
    ids : tuple or None
        Of each class the value of its Enum member, or its id in a mapping of names and ids; None
        where they say no more than the names.
    given_ids : tuple or None
        The same wherever there were any, so that it can be told whether somebody numbered the
        classes.
    """

    ids: tuple[Any, ...] | None
    given_ids: tuple[Any, ...] | None = None

    def __new__(cls, names: Iterable[Any], ids: Iterable[Any] | None = None) -> Self:
        """Make the tuple; ids are by default those of `names`, and kept where they say more."""
        made = super().__new__(cls, names)
        own = getattr(names, "given_ids", None) if ids is None else tuple(ids)
        made.ids, made.given_ids = None, own
        if own not in (None, made.numbers, tuple(made)):
            made.ids = own
        return made

    @property
    def are_numbered(self) -> bool:
        """True if classes are called by numbers, or somebody gave each a number."""
        if self.given_ids is not None and all(type(number) is int for number in self.given_ids):
            return True
        return all(whole_number(name) is not None for name in self)

    @property
    def mere_codes(self) -> bool:
        """True if classes have no names but their codes 0 to C - 1."""
        return self.ids is None and tuple(self) == tuple(range(len(self)))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Number (C,) that stands for each class: id or name where these are numbers, else code."""
        for terms in (self.ids, tuple(self)):
            numbers = [whole_number(term) for term in terms or (None,)]
            known = [number for number in numbers if number is not None]
            if len(known) == len(self) == len(set(known)):
                return tuple(known)
        return tuple(range(len(self)))

    def as_numbers(self, codes: np.ndarray) -> np.ndarray:
        """Return class codes (-1 for none) as the numbers that stand for these classes."""
        if self.numbers == tuple(range(len(self))):
            return codes
        return np.array([*self.numbers, ABSTAIN], dtype=np.int64)[codes]


def whole_number(value: Any) -> int | None:
    """Return a whole number, also one that is written as a text; None for anything else."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", value) else None
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def spelling(name: str) -> str:
    r"""Return a name without what two spellings of one class differ by: case, white space, accents.

    Accents differ in how they are encoded alone.

    Examples
    --------
    >>> spelling(" Card  Lost"), spelling("cafe\u0301") == spelling("caf\u00e9")
    ('card lost', True)
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def is_listed(values: Any) -> TypeGuard[Iterable[Any]]:
    """Return whether values can be walked through; an array without axes cannot."""
    return isinstance(values, Iterable) and getattr(values, "ndim", 1) != 0


def class_names(classes: ClassesLike) -> ClassNames | None:
    """Return class names in code order, from all that may be handed over as ``classes=``.

    Parameters
    ----------
    classes : int, iterable, mapping, Enum class, ClassSet or None
        The number of classes; their names in code order; names with ids, in either direction
        (``label2id`` or ``id2label``), in the order of the ids; an Enum class, ordered by value if
        all values are whole numbers, else as it is defined. An id or value of -1 or None is a way
        to abstain and no class.

    Raises
    ------
    InputError
        For a set or the view of a mapping's keys, a mapping whose direction is open, ids or names
        that repeat, or a class with the value -1.
    """
    if classes is None or isinstance(classes, ClassNames):
        return classes
    if isinstance(classes, ClassSet):
        return classes.names
    if isinstance(classes, int | np.integer) and not isinstance(classes, bool):
        return _first_codes(int(classes))
    if isinstance(classes, type) and issubclass(classes, Enum):
        return _with_ids([(member.name, member.value) for member in classes], f"{classes.__name__}")
    if isinstance(classes, Mapping):
        return _with_ids(_direction(classes), "the mapping")
    if isinstance(classes, Set):
        raise InputError(
            f"classes must have an order, found {type(classes).__name__}, whose order is nobody's "
            "choice; give a list of names in code order, or a mapping of names and numbers"
        )
    if isinstance(classes, str | type) or not is_listed(classes):
        raise InputError(
            "classes must be a number, a list of names, a mapping of names and numbers or an Enum "
            f"class, found {classes!r}"
        )
    names = ClassNames(_plain(name) for name in classes)
    if any(isinstance(name, str) and name.casefold() == "abstain" for name in names):
        raise InputError(
            f"classes holds 'abstain', which is no class: leave it out of {list(names)}; an LF "
            "abstains by -1 or None"
        )
    if any(whole_number(name) == ABSTAIN for name in names):
        raise InputError(
            f"no class can be called -1, which means abstain or unlabelled, found {list(names)}"
        )
    return names


def _first_codes(count: int) -> ClassNames:
    if not 0 <= count < MAX_CLASSES:
        raise InputError(f"the number of classes must be 0 to {MAX_CLASSES - 1}, found {count}")
    return ClassNames(range(count))


def _direction(classes: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Names and ids of a mapping: the side that holds whole numbers is that of the ids."""
    keys, values = ([_plain(part) for part in side] for side in (classes, classes.values()))
    numbered = [
        all(isinstance(part, int) or (part is None and side is values) for part in side)
        for side in (keys, values)
    ]
    if numbered == [False, False]:  # from JSON, whose keys are texts
        numbered = [all(whole_number(part) is not None for part in side) for side in (keys, values)]
        keys = [whole_number(key) for key in keys] if numbered[0] else keys
    if numbered == [False, True]:
        return list(zip(keys, values, strict=True))
    if numbered == [True, False]:
        return list(zip(values, keys, strict=True))
    raise InputError(
        "classes as a mapping must give names their numbers or numbers their names, found "
        f"{dict(classes)!r}; give a list of names in code order"
    )


def _with_ids(pairs: list[tuple[Any, Any]], what: str) -> ClassNames:
    kept = [(name, value) for name, value in pairs if not is_no_answer(name, value, what)]
    values = [value for _, value in kept]
    if all(isinstance(value, int) for value in values):
        kept.sort(key=lambda pair: pair[1])
    names, ids = [name for name, _ in kept], [value for _, value in kept]
    for side in (names, ids):
        repeated = [part for part in side if side.count(part) > 1]
        if repeated:
            raise InputError(f"classes of {what} must differ, found {repeated[0]!r} twice: {pairs}")
    crossed = [i for i, n in zip(ids, names, strict=True) if i != n and i in names]
    if crossed:
        raise InputError(
            f"{crossed[0]!r} is the name of one class of {what} and the value of another; rename"
        )
    texts_or_numbers = all(isinstance(i, str) or whole_number(i) is not None for i in ids)
    plain = [i if isinstance(i, str) else whole_number(i) for i in ids]
    return ClassNames(names, plain if texts_or_numbers else None)


def is_no_answer(name: Any, value: Any, what: str) -> bool:
    """Return whether a member means abstain; raise if its value says so and its name does not."""
    if value is None or value != ABSTAIN:
        return value is None
    if re.sub("[^a-z]", "", str(name).casefold()) not in _NO_ANSWER:
        raise InputError(
            f"{name!r} of {what} has the value -1, which means abstain or unlabelled; give the "
            "class another value, or call the member ABSTAIN if it is none"
        )
    return True


class ClassSet:
    """The classes of a task and the ways to name one of them.

    Parameters
    ----------
    classes : int, iterable of names, mapping, Enum class, ClassSet or None
        As :func:`class_names` takes them. None: any code from 0 counts.

    Attributes
    ----------
    names : ClassNames or None
        Class names in code order; None if the number of classes is not known.

    Examples
    --------
    >>> spam = ClassSet(["ham", "spam"])
    >>> spam.code("spam"), spam.code(0), spam.code(None)
    (1, 0, -1)
    >>> ClassSet({"good": 2, "bad": 1}).code(2)
    1
    """

    def __init__(self, classes: ClassesLike = None) -> None:
        self.names = class_names(classes)
        self._by_name: dict[Any, int] = {}
        self._by_number: dict[int, int] = {}
        if self.names is None:
            return
        names = self.names
        if unhashable := [name for name in names if not isinstance(name, Hashable)]:
            raise InputError(f"classes must be names or numbers, found {unhashable[0]!r}")
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError(f"classes must be at least two different names, found {list(names)}")
        if len({isinstance(name, str) for name in names}) > 1:
            raise InputError(f"classes must be all names or all numbers, found {list(names)}")
        for terms in (names.ids or (), names):
            self._by_name |= {t: code for code, t in enumerate(terms) if isinstance(t, str)}
        self._by_number = {number: code for code, number in enumerate(names.numbers)}

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells these classes from others, as plain tuples: names and ids."""
        return () if self.names is None else (tuple(self.names), self.names.ids)

    @functools.cached_property
    def numbered(self) -> int:
        """Count of numbers from 0 on that are their own codes; 0 where they must be looked up."""
        if self.names is None:
            return MAX_CLASSES
        return len(self.names) if self.names.numbers == tuple(range(len(self.names))) else 0

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
            return self._look_up(self._by_name, answer)
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
        if self.names is None and 0 <= number < MAX_CLASSES:
            return number
        return self._look_up(self._by_number, number)

    def _of_member(self, member: Enum) -> int:
        # Names before numbers: Label.ACTION = 0 must not become class 0 of ("romance", "action").
        for name in self.names or ():
            if isinstance(name, str) and name.casefold() == member.name.casefold():
                return self._by_name[name]
        if is_no_answer(member.name, member.value, type(member).__name__):
            return ABSTAIN
        return self.code(member.value)

    def _look_up(self, table: Mapping[Any, int], key: Any) -> int:
        if key not in table:
            raise InputError(f"{_shown(key)}; {self._needed()}")
        return table[key]

    def _needed(self) -> str:
        if self.names is None:
            return (
                "needed None or -1 (abstain) or a class number from 0 (names need classes=[...], "
                "in an LF file CLASSES)"
            )
        return (
            "needed None or -1 (abstain) or one of the "
            f"{len(self.names)} classes {list(self.names)} or its number "
            f"({', '.join(map(str, self.names.numbers))})"
        )


def _plain(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def _shown(answer: Any) -> str:
    return f"{answer!r} ({type(answer).__name__})"
