"""All LFs of a project: those of its Python file, then the declared ones, without the muted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from spear_amal._typing import NamedFunction, PathLike
from spear_amal.declared_lfs.make_lf import make_lf
from spear_amal.declared_lfs.rules import Rule
from spear_amal.declared_lfs.rules_toml import RulesFile, read_rules_file
from spear_amal.errors import InputError
from spear_amal.labeling.appliers import enum_of_labels
from spear_amal.labeling.load_lfs import LoadedLFs, load_lfs
from spear_amal.votes.class_set import ClassesLike, ClassSet, whole_number


def load_project_lfs(
    lfs: PathLike | None,
    rules: PathLike | None,
    classes: ClassesLike = None,
    labels: Iterable[str] = (),
) -> LoadedLFs:
    """Return the labelling functions of a project, and their classes.

    First those of the Python file, then the declared ones in the order of their names, without
    those that the file of rules mutes.

    Parameters
    ----------
    lfs : path or None
        Python file; it is run. With declared rules it may hold no LF.
    rules : path or None
        File of declared rules; one that is missing holds none.
    classes : as for the appliers, optional
        Default: ``CLASSES`` of the Python file. Without such a file, the labels of rules and table.
    labels : iterable of str
        Gold labels of the table, as names.

    Raises
    ------
    InputError
        If there are no LFs, all are muted, two have one name, or a rule votes for a label that is
        no class; what :func:`~spear_amal.labeling.load_lfs` and :func:`read_rules_file` raise.
    """
    file = RulesFile() if rules is None else read_rules_file(rules)
    where = "the rules" if rules is None else str(rules)
    python = LoadedLFs([], None)
    if lfs is not None:
        python = load_lfs(lfs, may_be_empty=bool(file.rules))
    if classes is None:
        classes = classes_of_project(python, file.rules, labels)
    declared = [make_lf(rule_with_class(rule, classes, where, lfs)) for rule in file.rules]
    clash = {lf.name for lf in python.lfs} & {lf.name for lf in declared}
    if clash:
        raise InputError(
            f"{where}: the rule {min(clash)!r} has the name of a labelling function of {lfs}; "
            "rename one of the two"
        )
    loaded = [*python.lfs, *declared]
    if not loaded:
        raise InputError(f"there are no labelling functions: {where} declares none")
    return LoadedLFs(_audible(loaded, file.muted, where), classes)


def classes_of_project(
    python: LoadedLFs, rules: Sequence[Rule], labels: Iterable[str]
) -> ClassesLike:
    """Return the classes that LFs vote for; None where they are mere numbers."""
    if python.classes is not None or not rules:
        return python.classes
    if python.lfs:
        return enum_of_labels(python.lfs)
    named = {str(rule.label) for rule in rules} | set(labels)
    if all(whole_number(name) is not None for name in named):
        return None
    if len(named) < 2:
        raise InputError(
            f"the rules vote for {min(named)!r} alone, and nothing says which other classes there "
            f"are: write a Python file with CLASSES = ({min(named)!r}, ..), and name it with --lfs "
            "(lfs=)"
        )
    return tuple(sorted(named))


def rule_with_class(rule: Rule, classes: ClassesLike, where: str, lfs: PathLike | None) -> Rule:
    """Return a rule whose label is one of the classes: of numbers, a number."""
    known = ClassSet(classes)
    number = whole_number(rule.label)
    if number is not None and (known.names is None or known.names.are_numbered):
        if known.names is None or rule.label not in known.names:
            rule = rule.model_copy(update={"label": number})
    elif known.names is None:
        raise InputError(
            f"{where}: the rule {rule.name!r} votes for {rule.label!r}, but nothing says which "
            f"classes there are: add CLASSES = ({rule.label!r}, ..) to {lfs or 'the Python file'}"
        )
    try:
        known.code(rule.label)
    except InputError:
        raise InputError(
            f"{where}: the rule {rule.name!r} votes for {rule.label!r}, which is none of the "
            f"classes {list(known.names or ())}; mend its label, or add the class to CLASSES"
        ) from None
    return rule


def _audible(lfs: Sequence[Any], muted: Iterable[str], where: str) -> list[NamedFunction]:
    """Return the LFs that are not muted; warn of a name that is muted and is none of theirs."""
    unknown = sorted(set(muted) - {lf.name for lf in lfs})
    if unknown:
        warnings.warn(
            f"{where} mutes {', '.join(map(repr, unknown))}, which no labelling function is called",
            stacklevel=3,
        )
    left = [lf for lf in lfs if lf.name not in muted]
    if not left:
        raise InputError(f"{where} mutes all {len(lfs)} labelling functions; take one from `muted`")
    return left
