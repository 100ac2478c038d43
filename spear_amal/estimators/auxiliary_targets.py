"""Auxiliary tasks at the door: what was asked for, and targets that came with the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from spear_amal.errors import InputError
from spear_amal.mixers.loss_roles import role
from spear_amal.models.multi_task import BUILT_IN, L2
from spear_amal.models.rotations import N_VIEWS

CLASSIFICATION, REGRESSION = "classification", "regression"
UNKNOWN = -1


class AuxiliaryTask(NamedTuple):
    """An auxiliary task with targets of the user's.

    Attributes
    ----------
    name : str
        Of its loss and of its targets in ``fit(.., tasks={name: targets})``.
    kind : {"classification", "regression"}, optional
        By default whole numbers are classes and floats are numbers.
    n_outputs : int, optional
        Number of classes; by default one more than the largest class.
    """

    name: str
    kind: str | None = None
    n_outputs: int | None = None


@dataclass(frozen=True)
class TaskPlan:
    """Tasks with kind and number of outputs settled, and the targets of the training rows.

    Attributes
    ----------
    tasks : tuple of Task
    targets : dict of str to ndarray (n,)
        int64, -1 where unknown, or float64, NaN where unknown; none for tasks that models make.
    """

    tasks: tuple[AuxiliaryTask, ...]
    targets: dict[str, np.ndarray] = field(default_factory=dict)

    def padded(self, n: int) -> dict[str, np.ndarray]:
        """Targets of n rows, unknown where none were given: on validation rows."""
        return {name: _padded(held, n) for name, held in self.targets.items()}


def check_tasks(tasks: Any) -> tuple[AuxiliaryTask, ...]:
    """Return the tasks that were named, as :class:`AuxiliaryTask`.

    Parameters
    ----------
    tasks : list or tuple
        Of names, :class:`AuxiliaryTask`, or (name, kind, n_outputs) as files hold them.

    Raises
    ------
    InputError
        For anything else, names twice or names that mean something else.
    """
    if not isinstance(tasks, list | tuple) or isinstance(tasks, AuxiliaryTask):
        raise InputError(f"tasks must be a list, found {tasks!r}: put it in [..]")
    found = tuple(_as_task(one) for one in tasks)
    names = [task.name for task in found]
    if len(set(names)) < len(names):
        raise InputError(f"every task needs a name of its own, found {names}")
    for task in found:
        _check_task(task)
    return found


def _as_task(one: Any) -> AuxiliaryTask:
    if isinstance(one, str):
        return AuxiliaryTask(one)
    if isinstance(one, list | tuple) and 1 <= len(one) <= len(AuxiliaryTask._fields):
        return AuxiliaryTask(*one)
    raise InputError(f"a task must be a name or a Task, found {one!r}")


def _check_task(task: AuxiliaryTask) -> None:
    name, kind, n = task
    if not isinstance(name, str):
        raise InputError(f"the name of a task must be a string, found {name!r}")
    if role(name) is not None:
        raise InputError(
            f"a task cannot be called {name!r}, which is the name of another loss; rename it"
        )
    if not name or "." in name or "/" in name or hasattr(nn.ModuleDict, name):
        raise InputError(f"a task cannot be called {name!r}; use a plain word")
    if name in BUILT_IN and (kind, n) != (None, None):
        raise InputError(f"the task {name!r} is made from X: leave out kind and n_outputs")
    if kind not in (None, CLASSIFICATION, REGRESSION):
        raise InputError(
            f"task {name!r}: kind must be '{CLASSIFICATION}' or '{REGRESSION}', found {kind!r}"
        )
    least = 1 if kind == REGRESSION else 2
    whole = isinstance(n, Integral) and not isinstance(n, bool)
    if n is not None and not (whole and least <= n and (kind != REGRESSION or n == 1)):
        needed = "1 for regression" if kind == REGRESSION else "the number of classes, 2 or more"
        raise InputError(f"task {name!r}: n_outputs must be {needed}; found {n!r}")


def plan_tasks(tasks: Iterable[AuxiliaryTask], given: Any) -> TaskPlan:
    """Settle kinds and outputs by the targets that were given.

    Parameters
    ----------
    tasks : iterable of Task
    given : mapping of str to array (n,), or None

    Raises
    ------
    InputError
        Targets of unknown tasks, tasks without targets, or targets that cannot be used.
    """
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise InputError(f"tasks must be targets by name, {{name: array}}, found {type(given)}")
    asked = {task.name: task for task in tasks}
    _check_names(asked, given)
    targets = {
        name: _targets(task, given[name]) for name, task in asked.items() if name not in BUILT_IN
    }
    settled = [_settled(task, targets.get(name)) for name, task in asked.items()]
    return TaskPlan(tuple(settled), targets)


def _check_names(asked: Mapping[str, AuxiliaryTask], given: Mapping[str, Any]) -> None:
    for name in given:
        if name in BUILT_IN:
            raise InputError(f"the task {name!r} is made from X; give no targets for it")
        if name not in asked:
            raise InputError(
                f"fit was given targets of a task {name!r} that the classifier does not have; its "
                f"tasks are {list(asked)}: add it to tasks="
            )
    for name in asked:
        if name not in given and name not in BUILT_IN:
            near = get_close_matches(name, BUILT_IN, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"unknown task {name!r}{meant} Known without targets are {', '.join(BUILT_IN)}; "
                f"targets of any other go to fit(.., tasks={{{name!r}: array}})"
            )


def _targets(task: AuxiliaryTask, given: Any) -> np.ndarray:
    """Targets (n,) of a task as int64 or float64."""
    values = np.asarray(given)
    where = f"targets of the task {task.name!r}"
    if values.ndim != 1 or values.dtype.kind not in "iubf":
        raise InputError(
            f"{where} must be one number a row (class codes, -1 where unknown, or floats, NaN "
            f"where unknown), found {values.dtype} of shape {values.shape}"
        )
    floats = values.dtype.kind == "f"
    if floats and task.kind == CLASSIFICATION:
        raise InputError(
            f"{where} must be class codes, whole numbers with -1 where unknown; found "
            f"{values.dtype}: pass them as integers, or use kind='{REGRESSION}'"
        )
    if floats or task.kind == REGRESSION:
        return _numbers(values.astype(np.float64), where)
    return _codes(values.astype(np.int64), task.n_outputs, where)


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if np.isinf(values).any():
        raise InputError(f"{where} hold infinite numbers; use NaN where a target is unknown")
    if np.isnan(values).all():
        raise InputError(f"{where} are all unknown (NaN); leave the task out")
    return values


def _codes(codes: np.ndarray, n_classes: int | None, where: str) -> np.ndarray:
    if (codes == UNKNOWN).all():
        raise InputError(f"{where} are all unknown (-1); leave the task out")
    top = int(codes.max())
    if codes.min() < UNKNOWN or (n_classes is not None and top >= n_classes):
        known = f"from 0 to {n_classes - 1}" if n_classes else "from 0 on"
        wrong = codes[(codes < UNKNOWN) | (codes >= (n_classes or top + 1))][0]
        raise InputError(f"{where} must be class codes {known}, -1 where unknown; found {wrong}")
    if n_classes is None and top < 1:
        raise InputError(f"{where} hold only one class, 0; there is nothing to tell apart")
    return codes


def _settled(task: AuxiliaryTask, targets: np.ndarray | None) -> AuxiliaryTask:
    if targets is None:
        return task if task.name == L2 else AuxiliaryTask(task.name, CLASSIFICATION, N_VIEWS)
    if targets.dtype.kind == "f":
        return AuxiliaryTask(task.name, REGRESSION, 1)
    return AuxiliaryTask(task.name, CLASSIFICATION, int(task.n_outputs or targets.max() + 1))


def _padded(held: np.ndarray, n: int) -> np.ndarray:
    unknown = np.nan if held.dtype.kind == "f" else UNKNOWN
    return np.concatenate([held, np.full(n - len(held), unknown, dtype=held.dtype)])
