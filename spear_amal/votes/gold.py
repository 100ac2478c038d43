"""The one reader of gold: labels of rows, however they are written, become class codes.

Names, codes, numbers that classes are called by, members of an Enum; arrays, lists, columns of
pandas, Arrow and Polars. -1, None, NaN, NA, NaT, and among texts "-1" and "", are rows without a
label. What a number means follows from the classes alone: where they are called by numbers (1, 2,
3; an Enum from 1) it is that class, else it is a code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.votes.class_set import (
    ABSTAIN,
    MAX_CLASSES,
    ClassesLike,
    ClassNames,
    ClassSet,
    class_names,
    spelling,
    whole_number,
)
from spear_amal.votes.counted_from_one import warn_of_counting_from_one
from spear_amal.votes.label_column import LabelColumn, as_objects, label_kind, only_column
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles
from spear_amal.votes.row_ids import align_column

__all__ = [
    "Gold",
    "classes_with_gold",
    "gold_codes",
    "group_labels",
    "has_label",
    "read_gold",
]

# Codes without a vote and without gold that a plain array of votes may leave below its top.
_FEW_EMPTY = 4
# Fewer labels may well be 1 and -1 by chance.
_ENOUGH = 20
# From here on labels that hardly repeat are taken for ids.
_MANY = 100
_SHOWN = 12
_TEXT_OF_MISSING = ("nan", "<NA>", "NaT", "NaN")


@dataclass(frozen=True)
class Gold:
    """Labels of n rows, read.

    Attributes
    ----------
    codes : ndarray of int64 (n,)
        Class codes, -1 where a row has no label.
    labels : ndarray (C,)
        What these labels call each class, in code order: names, numbers, or numbers as texts.
    classes : ClassNames
        The classes (C,) as the votes name them, or `labels` where there are no votes.
    from_signs : bool
        True if all labels are 1 and -1: they may be meant as two classes.
    """

    codes: np.ndarray
    labels: np.ndarray
    classes: ClassNames
    from_signs: bool = False


def gold_codes(
    y: Any, votes: LabelMatrix | VoteFiles, name: str = "Y", grow: bool = True
) -> np.ndarray:
    """Return gold of the rows of votes as class codes (n,) int64, -1 where a row has none.

    Parameters
    ----------
    y : VectorLike of n labels
    votes : LabelMatrix or VoteFiles of n rows
    name, grow
        As for :func:`read_gold`.

    Raises
    ------
    InputError
        As :func:`read_gold` does.

    Warns
    -----
    UserWarning
        If there are two classes and 20 labels or more, all of them 1 and -1: -1 is read as "no
        label".
    """
    gold = read_gold(y, votes, name, grow)
    if gold.from_signs and len(gold.classes) == 2 and len(gold.codes) >= _ENOUGH:
        warnings.warn(
            f"{name} holds only 1 and -1, and -1 means that a row has no label; if it is a class, "
            "give class names, or 0 for it",
            UserWarning,
            stacklevel=4,
        )
    return gold.codes


def has_label(y: Any, name: str = "y") -> np.ndarray:
    """Return which rows (n,) have a label, as bool.

    Examples
    --------
    >>> has_label(["ham", None, -1]).tolist()
    [True, False, False]
    """
    labelled: np.ndarray = LabelColumn.of(y, name).which >= 0
    return labelled


def group_labels(y: Any, name: str = "labels") -> tuple[list[Any], np.ndarray]:
    """Return the distinct labels, and the place (n,) of each row's label among them.

    For labels without known classes. The distinct ones are sorted after -1, which is that of rows
    without a label. Whole numbers are ints, members of an Enum their names.

    Raises
    ------
    InputError
        If `y` is not one label a row.
    """
    gold = _learnt(LabelColumn.of(y, name), repeat=False)
    labels = [int(one) if isinstance(one, float) else one for one in gold.labels.tolist()]
    return [ABSTAIN, *labels], gold.codes + 1


def read_gold(
    y: Any,
    votes: LabelMatrix | VoteFiles | ClassesLike = None,
    name: str = "y",
    grow: bool = True,
    strict: bool = True,
) -> Gold:
    """Read labels against known classes, or learn the classes from them.

    Parameters
    ----------
    y : VectorLike of n labels
        Or a table of one column.
    votes : LabelMatrix, VoteFiles, classes or None
        Where the classes are known from. With votes, `y` must have their length, or ids of theirs
        for an index: then it is joined by id (:func:`~spear_amal.votes.row_ids.align_column`).
        None: the sorted labels are the classes.
    name : str
        What messages call `y`.
    grow : bool
        Where votes have mere codes, gold may hold higher ones: a class that no LF votes for.
    strict : bool
        Otherwise a label that is none of the classes gets the code C and no error: no model can
        predict it, so it counts as wrong.

    Raises
    ------
    InputError
        If a label is none of the classes, labels are of several kinds, there are rows too many or
        too few, or the index says that they are others.

    Examples
    --------
    >>> read_gold(["spam", None, "ham"], ["ham", "spam"]).codes.tolist()
    [1, -1, 0]
    >>> read_gold([3, 1, -1], [1, 2, 3]).codes.tolist()
    [2, 0, -1]
    >>> read_gold(["b", "a"]).labels.tolist()
    ['a', 'b']
    """
    if not isinstance(votes, LabelMatrix | VoteFiles):
        column, names = LabelColumn.of(y, name), class_names(votes)
        return _learnt(column) if names is None else _read(column, names, strict)
    column = LabelColumn.of(align_column(only_column(y), votes, name), name)
    if len(column.which) != len(votes):
        raise InputError(f"{name} has {len(column.which)} labels, L has {len(votes)} rows")
    in_memory = votes if isinstance(votes, LabelMatrix) else None
    names = _grown(column, votes.classes, in_memory) if grow else votes.classes
    gold = _read(column, names, strict)
    if in_memory is not None and _may_count_from_one(gold, votes.n_classes):
        warn_of_counting_from_one(gold.codes, in_memory, name)
    return gold


def classes_with_gold(y: Any, names: ClassNames, name: str = "y") -> ClassNames:
    """Return the classes of votes, with those that only gold has where classes are mere codes.

    Raises
    ------
    InputError
        If a code is so high that most classes below it are empty.
    """
    return _grown(LabelColumn.of(y, name), names, None)


def _may_count_from_one(gold: Gold, n_classes: int) -> bool:
    """Return whether gold was given by codes, and has no 0 or one code too many."""
    if gold.labels.tolist() != list(range(len(gold.labels))) or not len(gold.codes):
        return False
    return len(gold.labels) == n_classes + 1 or not (gold.codes == 0).any()


# -- classes that are known ----------------------------------------------------------------------


def _read(column: LabelColumn, names: ClassNames, strict: bool) -> Gold:
    if strict:
        column.check_kinds()
    labels, codes = min(_readings(column, names), key=lambda reading: reading[1].count(None))
    if None in codes and strict:
        raise InputError(_no_class(column, names, codes))
    known = [len(names) if code is None else code for code in codes]
    mixed = len({isinstance(label, str) for label in labels}) > 1  # must not become texts
    array = as_objects(labels) if mixed else np.asarray(labels)
    return Gold(column.take(known), array, names, column.from_signs)


def _readings(
    column: LabelColumn, names: ClassNames
) -> Iterator[tuple[Sequence[Any], list[int | None]]]:
    """Yield what classes may be called, and the code (or None) of each label if they are."""
    if any(isinstance(label, Enum) for label in column.labels):
        yield names, [_code_of_member(label, names) for label in column.labels]
        return
    called: list[Sequence[Any]] = [names, names.ids or names, names.numbers]
    called.append([str(number) for number in names.numbers])
    if names.numbers == (0, 1):
        called.append((False, True))
    for terms in called:
        # True and 1 are one key of a dict, and are not one label.
        codes = {(isinstance(term, bool), term): code for code, term in enumerate(terms)}
        yield terms, [codes.get((isinstance(one, bool), one)) for one in column.labels]


def _code_of_member(member: Any, names: ClassNames) -> int | None:
    try:
        return ClassSet(names).code(member)
    except InputError:
        return None


def _grown(column: LabelColumn, names: ClassNames, votes: LabelMatrix | None) -> ClassNames:
    """Return the classes of mere codes with those that only gold has."""
    numbers = [
        None if isinstance(label, bool | Enum) else whole_number(label) for label in column.labels
    ]
    gold = {number for number in numbers if number is not None and number >= 0}
    top = max(gold, default=ABSTAIN)
    if not names.mere_codes or len(gold) < len(numbers) or top < len(names):
        return names
    voted = range(len(names)) if votes is None else np.unique(votes.codes.data).astype(int) - 1
    seen = gold | {int(code) for code in voted}
    empty = top + 1 - len(seen)
    if empty >= max(len(seen), _FEW_EMPTY) or top >= MAX_CLASSES:
        raise InputError(
            f"{column.name} holds the class {top}{column.first_row(numbers.index(top))}, and "
            f"{empty} classes below it have neither gold nor a vote; {_question(top)}if it is a "
            "class, make L with classes=, which says how many there are"
        )
    return ClassNames(range(top + 1))


# -- classes that are learnt ---------------------------------------------------------------------


def _learnt(column: LabelColumn, repeat: bool = True) -> Gold:
    column.check_kinds()
    for place, label in enumerate(column.labels):
        found = f"{column.name} holds {label!r}{column.first_row(place)}"
        if isinstance(label, float) and not label.is_integer():
            raise InputError(
                f"Unknown label type: continuous. {found}; labels are names or whole numbers"
            )
        if label in _TEXT_OF_MISSING:
            raise InputError(
                f"{found}, a missing value that became a text; use None or NaN for no label"
            )
    if repeat:
        _check_count(column)
    terms = [one.name if isinstance(one, Enum) else one for one in column.labels]
    order = sorted(range(len(terms)), key=terms.__getitem__)
    labels = [terms[place] for place in order]
    codes = np.empty(len(order), dtype=np.int64)
    codes[order] = np.arange(len(order))
    array = _as_array(labels, column)
    return Gold(column.take(codes.tolist()), array, ClassNames(labels), column.from_signs)


def _check_count(column: LabelColumn) -> None:
    """Raise if labels hardly repeat: they are ids, dates or measurements."""
    distinct, known = len(column.labels), int((column.which >= 0).sum())
    if distinct > MAX_CLASSES or (distinct >= _MANY and distinct > known / 2):
        raise InputError(
            f"{column.name} holds {distinct} different labels on {known} labelled rows; are they "
            f"ids, dates or amounts? Needed are classes that repeat, {MAX_CLASSES} at most"
        )


def _as_array(labels: Sequence[Any], column: LabelColumn) -> np.ndarray:
    """Labels as an array of the type that they were given in, where it can hold them."""
    kinds = {label_kind(label) for label in labels}
    if kinds == {"names"}:
        given = column.dtype is not None and column.dtype.kind == "O"
        return np.asarray(labels, dtype=object if given else np.str_)
    array = np.asarray(labels)
    fits = column.dtype is not None and column.dtype.kind in "iuf" and array.dtype.kind in "iuf"
    cast = array.astype(column.dtype) if fits else array
    return cast if (cast == array).all() else array


# -- messages ------------------------------------------------------------------------------------


def _no_class(column: LabelColumn, names: ClassNames, codes: list[int | None]) -> str:
    """Return in words which label is no class, and what to do."""
    place, others = codes.index(None), codes.count(None) - 1
    label = column.labels[place]
    more = f" (and {others} other labels)" if others else ""
    return (
        f"{column.name} holds {label!r}{column.first_row(place)}{more}, which is none of the "
        f"classes {_described(names)}; {_advice(label, names)}"
    )


def _described(names: ClassNames) -> str:
    """Names of classes with their numbers, where these are others."""
    pairs = list(zip(names, names.numbers, strict=True))[:_SHOWN]
    shown = [repr(n) if str(n) == str(i) else f"{n!r} ({i})" for n, i in pairs]
    return ", ".join(shown) + (f", .. ({len(names)})" if len(names) > _SHOWN else "")


def _advice(label: Any, names: ClassNames) -> str:
    if isinstance(label, Enum):
        return "use members of the Enum that the votes were made with"
    if isinstance(label, str):
        return _advice_on_text(label, names)
    if isinstance(label, bool):
        return "truth values stand for classes 0 and 1 of two"
    if isinstance(label, float) and not label.is_integer():
        return "labels are classes, no probabilities or amounts"
    if names.mere_codes:
        return f"{_question(label)}if it is a class, make L with classes=, which has them all"
    return (
        f"{_question(label)}numbers are read as {names.numbers[0]} to {max(names.numbers)} with "
        "these classes; use None or -1 for a row without a label"
    )


def _advice_on_text(label: str, names: ClassNames) -> str:
    alike = [n for n in names if spelling(str(n)) == spelling(label)]
    if alike:
        return f"did you mean {alike[0]!r}?"
    if label in _TEXT_OF_MISSING:
        return "a missing value became a text: use None or NaN for rows without a label"
    if names.mere_codes:
        return "the votes are mere codes: make L with classes=[..] to name them"
    return (
        "mend the label, leave it out (None, an empty cell) if the row has none, or declare the "
        "class in classes= (CLASSES of an LF file)"
    )


def _question(number: float) -> str:
    """Return a question for a number that is no class: what else it may be."""
    if number in (255, 65535, 2**32 - 1, 2**64 - 1):
        return "is it -1 in an unsigned type? Use a signed one; "
    if 19_000_101 <= number <= 21_001_231:
        return "is it a date? Labels are classes; "
    return "is it an id or an amount? Labels are classes; " if number >= 1000 else ""
