"""The applier of files or lists of LFs on a table, with the classes that their names need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from spear_amal._typing import NamedFunction, PathLike
from spear_amal.declared_lfs.project_lfs import load_project_lfs
from spear_amal.errors import InputError
from spear_amal.labeling.appliers import PandasLFApplier
from spear_amal.votes.class_set import ClassesLike

#: LFs, a file of LFs or of declared rules, or several such files.
LFsLike: TypeAlias = PathLike | Iterable[PathLike] | Iterable[NamedFunction]
_RULES = ".toml"


def applier_of(
    lfs: LFsLike,
    classes: ClassesLike = None,
    labels: Iterable[Any] = (),
    text_column: str | None = None,
) -> PandasLFApplier:
    """Make the applier of LFs.

    Parameters
    ----------
    lfs : list of LFs, or path of a Python file of them, of a file of declared rules, or both
        A Python file is run; LFs that a file of rules mutes are left out.
    classes : as for the appliers, optional
        Default: ``CLASSES`` of the file; where there is none, and each LF is declared to vote for a
        class by name, the labels that are there.
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
    files = files_of_lfs(lfs)
    if files is not None:
        loaded = load_project_lfs(*files, classes, labels)
        return PandasLFApplier(loaded.lfs, loaded.classes, text_column)
    listed: Any = list(lfs) if isinstance(lfs, Iterable) and not callable(lfs) else lfs
    if classes is None and isinstance(listed, list):
        classes = _classes_of_labels(listed, sorted(set(labels)))
    return PandasLFApplier(listed, classes, text_column)


def files_of_lfs(lfs: LFsLike) -> tuple[Path | None, Path | None] | None:
    """Return the Python file and the file of rules that are given; None where LFs are.

    Raises
    ------
    InputError
        If there is no such file, or there are two of a kind.

    Examples
    --------
    >>> files_of_lfs([]) is None
    True
    """
    listed = [lfs] if isinstance(lfs, str | os.PathLike) else lfs
    if not isinstance(listed, list | tuple) or not listed:
        return None
    if not all(isinstance(path, str | os.PathLike) for path in listed):
        return None
    paths = [Path(path) for path in listed]
    for path in paths:
        if not path.is_file():
            raise InputError(f"no such file of labelling functions: {path}")
    rules = [path for path in paths if path.suffix.lower() == _RULES]
    python = [path for path in paths if path not in rules]
    if max(len(rules), len(python)) > 1:
        raise InputError(
            f"give one Python file and one file of rules at most, found {list(map(str, paths))}; "
            "a Python file may import LFs from others"
        )
    return next(iter(python), None), next(iter(rules), None)


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
