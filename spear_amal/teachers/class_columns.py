"""Columns of a teacher in the order of the student's classes, with values fit to learn from."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError

# Smallest probability that is told from 0: about what float32 can still tell from 1 - p.
FLOOR = 1e-7
# How far the sum of a row of probabilities may be from 1: four printed digits, a few classes.
SUM_TOLERANCE = 1e-2
SHOWN = 5
KINDS = ("logits", "probabilities")


def plain_class(classes: Any) -> list[Any]:
    """Class labels as a list of Python objects."""
    if isinstance(classes, str | bytes) or not isinstance(classes, Iterable):
        raise InputError(f"classes must be several labels, found {classes!r}")
    return classes.tolist() if isinstance(classes, np.ndarray) else list(classes)


def check_classes(classes: Any) -> list[Any]:
    """Class labels as a list; raise if one is there twice or there are fewer than two."""
    labels = plain_class(classes)
    unhashable = [label for label in labels if not isinstance(label, Hashable)]
    if unhashable:
        raise InputError(f"classes must be numbers or texts, found {unhashable[0]!r}")
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise InputError(f"classes must be two or more different labels, found {labels}")
    return labels


def column_order(
    width: int, columns: Sequence[Any] | None, wanted: VectorLike | None, missing: str = "error"
) -> list[int] | None:
    """Find for every wanted class the column that the teacher has for it.

    Parameters
    ----------
    width : int
        Number of columns the teacher gives.
    columns : sequence or None
        Classes of these columns; None where the teacher does not know: then they are taken to be
        the student's, in its order.
    wanted : sequence or None
        Classes of the student; None for the teacher's own order.
    missing : {"error", "low"}
        What to do about classes the teacher lacks.

    Returns
    -------
    list of int (C,), or None
        -1 for a class that the teacher lacks; None where the columns are right as they are.

    Raises
    ------
    InputError
        If the classes are not the same.
    """
    if columns is not None and width != len(columns):
        raise InputError(
            f"it gives {width} columns for its {len(columns)} classes {_short(columns)}"
        )
    if wanted is None:
        return None
    wanted = plain_class(wanted)
    if columns is None:
        if width != len(wanted):
            raise InputError(
                f"it gives {width} columns, the student has {len(wanted)} classes "
                f"{_short(wanted)}; a teacher needs one column for each class"
            )
        return None
    return _matched(columns, wanted, missing)


def _matched(columns: Sequence[Any], wanted: list[Any], missing: str) -> list[int] | None:
    lookup = {label: column for column, label in enumerate(columns)}
    # The header of a table is text, whatever the classes are.
    if not set(lookup) & set(wanted) and all(isinstance(label, str) for label in columns):
        wanted = [str(label) for label in wanted]
    strangers = [label for label in columns if label not in wanted]
    lacking = [label for label in wanted if label not in lookup]
    if strangers or (lacking and missing != "low"):
        parts = [f"it does not know {_short(lacking)}"] if lacking else []
        parts += [f"the student does not know {_short(strangers)}"] if strangers else []
        hint = "; missing='low' gives them a low probability" if lacking and not strangers else ""
        raise InputError(
            f"its classes {_short(columns)} are not the student's {_short(wanted)}: "
            f"{' and '.join(parts)}{hint}"
        )
    order = [lookup.get(label, -1) for label in wanted]
    return None if order == list(range(len(columns))) else order


def arrange(logits: Tensor, order: list[int] | None) -> Tensor:
    """Return columns (n, C') in order (C,); a class without column gets probability ``FLOOR``."""
    if order is None:
        return logits
    low = logits.logsumexp(-1, keepdim=True) + math.log(FLOOR)
    index = torch.as_tensor(order, device=logits.device)
    return torch.where(index < 0, low, logits[:, index.clamp(min=0)])


def log_probabilities(p: np.ndarray) -> np.ndarray:
    """Log of probabilities (n, C) clipped to ``FLOOR``; NaN stays NaN.

    Raises
    ------
    InputError
        If a row is not a distribution.
    """
    p = np.asarray(p, dtype=np.float64)
    spoken = ~np.isnan(p).all(axis=1)
    with np.errstate(invalid="ignore"):
        bad = ~((p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= SUM_TOLERANCE)) & spoken
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{int(bad.sum())} rows are no probabilities (not negative, sum 1); row {row} is "
            f"{p[row, :SHOWN].tolist()}. For scores before softmax say kind='logits'"
        )
    return np.log(np.clip(p, FLOOR, None))


def from_kind(values: np.ndarray, kind: str | None) -> np.ndarray:
    """Make logits (n, C) of values of a kind; None means logits that do not look otherwise.

    Raises
    ------
    InputError
        If `kind` is unknown, or is not given and every row looks like probabilities.
    """
    if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
        raise InputError(f"kind must be 'logits' or 'probabilities', found {kind!r}")
    if kind == "probabilities":
        return log_probabilities(values)
    if kind is None and len(values) and _look_like_probabilities(values):
        raise InputError(
            "every row lies between 0 and 1 and sums to 1: say kind='probabilities', or "
            "kind='logits' if these are scores before softmax after all"
        )
    return values


def _look_like_probabilities(values: np.ndarray) -> bool:
    spoken = values[~np.isnan(values).any(axis=1)]
    inside = bool(((spoken >= 0) & (spoken <= 1)).all())
    return len(spoken) > 0 and inside and bool(np.allclose(spoken.sum(1), 1, atol=1e-4))


def check_values(logits: np.ndarray, silent: bool) -> None:
    """Raise unless all logits (n, C) are finite; rows of NaN pass where silence is allowed."""
    bad = ~np.isfinite(logits).all(axis=1)
    if silent:
        bad &= ~np.isnan(logits).all(axis=1)
    if bad.any():
        rows = np.flatnonzero(bad)[:SHOWN].tolist()
        hint = (
            "silent=True takes rows of NaN as rows without an answer"
            if np.isnan(logits[bad]).all()
            else "clip log-probabilities, or train the teacher again"
        )
        raise InputError(
            f"its logits are NaN or infinite in {int(bad.sum())} of {len(logits)} rows, first in "
            f"{rows}; {hint}"
        )


def _short(labels: Sequence[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:10])
    return f"[{shown}{', ..' if len(labels) > 10 else ''}]"
