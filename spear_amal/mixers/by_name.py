"""What a mixer knows about losses: their names. Two names stand for roles.

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
# Weights of Hinton's distillation: label and teacher.
HINTON = {LABEL: 0.1, TEACHER: 0.9}


def role(name: str) -> str | None:
    """Tell the role of a loss by its name; None if it has none.

    Examples
    --------
    >>> [role(name) for name in ("gold", "label", "teacher1", "entropy")]
    ['label', 'label', 'teacher', None]
    """
    if name in (LABEL, "gold"):
        return LABEL
    return TEACHER if name.startswith(TEACHER) else None


def in_role(names: Sequence[str], wanted: str) -> Tensor:
    """Which losses have a role (K,), bool."""
    return torch.tensor([role(name) == wanted for name in names], dtype=torch.bool)


def check_by_name(option: str, values: Any) -> None:
    """Raise InputError unless `values` gives weights of at least 0 by loss name."""
    if not isinstance(values, Mapping):
        raise InputError(f"{option} must be weights by loss name, found {values!r}")
    for name, value in values.items():
        if not isinstance(value, Real) or not 0 <= float(value) < math.inf:
            raise InputError(f"{option}[{name!r}] must be a number from 0 on, found {value!r}")


def by_name(option: str, values: Mapping[str, float], names: Sequence[str]) -> Tensor:
    """Values (K,) of the losses: by a loss' own name, else by its role, else 1.

    Raises
    ------
    InputError
        If `values` names a loss that is not trained. A role may have no loss.
    """
    unknown = sorted(set(values) - {*names, *ROLES})
    if unknown:
        raise InputError(f"{option} names losses that are not trained: {unknown}; have {names}")
    found = [values.get(name, values.get(role(name) or name, 1.0)) for name in names]
    return torch.tensor([float(value) for value in found])
