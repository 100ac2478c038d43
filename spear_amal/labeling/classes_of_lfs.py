"""The applier of a file or list of LFs on a table, with the classes that their names need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from spear_amal._typing import NamedFunction, PathLike
from spear_amal.errors import InputError
from spear_amal.labeling.appliers import PandasLFApplier
from spear_amal.labeling.load_lfs import load_lfs
from spear_amal.votes.class_set import ClassesLike

LFsLike: TypeAlias = PathLike | Iterable[NamedFunction]


def applier_of(
    lfs: LFsLike,
    classes: ClassesLike = None,
    labels: Iterable[Any] = (),
    text_column: str | None = None,
) -> PandasLFApplier:
    """Make the applier of LFs.

    Parameters
    ----------
    lfs : list of LFs, or path of a Python file of them
        The file is run.
    classes : as for the appliers, optional
        Default: ``CLASSES`` of the file; of a list in which each LF is declared to vote for a class
        by name, the labels that are there.
    labels : iterable of str
        Gold labels of the table, as names.
    text_column : str, optional
        As for the appliers: rows without a text in it get no votes.

    Raises
    ------
    InputError
        If an LF votes for a name that is no label, or there is no such file.

    Examples
    --------
    >>> from spear_amal.labeling import keyword_lf
    >>> applier_of([keyword_lf("free", ["free"], "spam")], labels=["spam", "ham"])
    PandasLFApplier, LFs: ['free']
    """
    if isinstance(lfs, str | os.PathLike):
        loaded = load_lfs(lfs)
        classes = loaded.classes if classes is None else classes
        return PandasLFApplier(loaded.lfs, classes, text_column)
    listed = list(lfs) if isinstance(lfs, Iterable) and not callable(lfs) else lfs
    if classes is None and isinstance(listed, list):
        classes = _classes_of_labels(listed, sorted(set(labels)))
    return PandasLFApplier(listed, classes, text_column)


def _classes_of_labels(lfs: Sequence[Any], gold: list[str]) -> list[str] | None:
    """Return the gold labels as classes where all LFs name their class, None otherwise."""
    declared = [getattr(lf, "label", None) for lf in lfs]
    named = sorted({name for name in declared if isinstance(name, str)})
    if not named or not all(isinstance(name, str) for name in declared):
        return None  # numbers, members of an Enum, or LFs that name it row by row
    other = [name for name in named if name not in gold]
    if gold and other:
        lf = next(lf for lf in lfs if lf.label == other[0])
        raise InputError(
            f"LF {lf.name!r} votes for {other[0]!r}, but the labels are {gold}; mend the one or "
            "the other, or say with classes= which classes there are"
        )
    return gold or named
