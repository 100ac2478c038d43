"""Roles of losses by their names: which is on labels, and which are on teachers.

"label" stands for the loss on labels, whether it is called "label" or "gold"; "teacher" for every
loss whose name starts so: "teacher", "teacher0", "teacher1" and so on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from spear_amal.errors import InputError

LABEL, TEACHER = "label", "teacher"
ROLES = (LABEL, TEACHER)
#: Weights of Hinton's distillation: label and teacher.
HINTON = {LABEL: 0.1, TEACHER: 0.9}


def role(name: str) -> str | None:
    """Return the role of a loss, by its name; None if it has none.

    Examples
    --------
    >>> [role(name) for name in ("gold", "label", "teacher1", "entropy")]
    ['label', 'label', 'teacher', None]
    """
    if name in (LABEL, "gold"):
        return LABEL
    return TEACHER if name.startswith(TEACHER) else None


def in_role(names: Sequence[str], wanted: str) -> Tensor:
    """Return which losses have a role (K,), bool."""
    return torch.tensor([role(name) == wanted for name in names], dtype=torch.bool)


def check_by_name(option: str, values: Any, least: float = 0.0) -> None:
    """Raise InputError unless `values` is None or gives finite weights by loss name.

    `least` is the smallest weight that is allowed.
    """
    if values is None:
        return
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{option} must be weights by loss name, found {values!r}")
    for name, value in values.items():
        if not isinstance(value, Real) or not least <= float(value) < math.inf:
            needed = f"a number from {least:g} on" if math.isfinite(least) else "a finite number"
            raise InputError(f"{option}[{name!r}] must be {needed}, found {value!r}")


def by_name(
    option: str,
    values: Mapping[str, float] | None,
    names: Sequence[str],
    default: Mapping[str, float] | None = None,
) -> Tensor:
    """Return values (K,) of the losses: by a loss' own name, else by its role, else 1.

    Where `values` is None, `default` stands in.

    Raises
    ------
    InputError
        If `values` names a loss that is not trained, or a number is not finite. A role may have
        no loss.
    """
    values = (default or {}) if values is None else values
    unknown = sorted(set(values) - {*names, *ROLES})
    if unknown:
        raise InputError(f"{option} names losses that are not trained: {unknown}; have {names}")
    by_loss = [values.get(name, values.get(role(name) or name, 1.0)) for name in names]
    numbers = torch.tensor([float(value) for value in by_loss])
    if not bool(numbers.isfinite().all()):
        raise InputError(f"{option} must hold numbers that are finite in float32, found {values}")
    return numbers


def check_main(main: Any) -> None:
    """Raise InputError unless the option `main` is None or a name."""
    if main is not None and (not isinstance(main, str) or not main):
        raise InputError(f"main must be the name of a loss or None, found {main!r}")


def main_loss(main: str | None, names: Sequence[str]) -> int:
    """Place of the main loss among `names`.

    Parameters
    ----------
    main : str or None
        Its name; None takes the first in the role "label" (see
        :mod:`spear_amal.mixers.loss_roles`), else the first.
    names : sequence of str, length K at least 1

    Raises
    ------
    InputError
        If no loss has the name.

    Examples
    --------
    >>> main_loss(None, ["entropy", "gold"]), main_loss("b", ["a", "b"])
    (1, 1)
    >>> main_loss(None, ["a", "b"])
    0
    """
    names = list(names)
    if main is None:
        return next((k for k, name in enumerate(names) if role(name) == LABEL), 0)
    if main not in names:
        raise InputError(f"main names a loss that is not trained: {main!r}; have {names}")
    return names.index(main)
