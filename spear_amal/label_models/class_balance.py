"""How frequent the classes are: given, counted on gold rows, or estimated from posteriors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError
from spear_amal.label_models.one_class import gold_tells_balance
from spear_amal.votes.class_set import ClassSet

BALANCED, GOLD, ESTIMATED = "balanced", "gold", "estimated"
# Even rows added to each class: enough that a few rows cannot rule a class out.
BALANCE_STRENGTH = 10.0
_MOST_STEPS, _LEAST_CHANGE = 200, 1e-6


def resolve_class_balance(
    class_balance: ClassBalanceLike | None, classes: Sequence[Any]
) -> np.ndarray | None:
    """Return given class shares (C,) as an array, None if none are given.

    Parameters
    ----------
    class_balance : {"balanced", "gold", "estimated"}, mapping of class name to share, or array (C,)
        None, "gold" and "estimated" give none.
    classes : sequence of length C
        The names of the classes.

    Raises
    ------
    InputError
        Unless there is one number above 0 for each class, and they sum to 1.

    Examples
    --------
    >>> resolve_class_balance({"spam": 0.25, "ham": 0.75}, ["ham", "spam"]).tolist()
    [0.75, 0.25]
    >>> resolve_class_balance("balanced", ["ham", "spam"]).tolist()
    [0.5, 0.5]
    """
    if class_balance is None:
        return None
    if isinstance(class_balance, str):
        if class_balance in (GOLD, ESTIMATED):
            return None
        if class_balance != BALANCED:
            raise InputError(
                f"class_balance must be 'balanced', 'gold', 'estimated', shares by class name, or "
                f"{len(classes)} shares, found {class_balance!r}"
            )
        return np.full(len(classes), 1 / len(classes))
    named = isinstance(class_balance, Mapping)
    shares = _by_name(class_balance, classes) if named else class_balance  # type: ignore[arg-type]
    try:
        balance = np.asarray(shares, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"class_balance must be numbers, found {class_balance!r}") from None
    if balance.shape != (len(classes),):
        raise InputError(
            f"class_balance must have {len(classes)} shares, one for each of {_listed(classes)}, "
            f"found {class_balance!r}"
        )
    if not (balance > 0).all() or not np.isclose(balance.sum(), 1):
        told = {str(name): float(share) for name, share in zip(classes, balance, strict=True)}
        raise InputError(f"class_balance must be above 0 and sum to 1, found {told}")
    return balance


def asks_for(class_balance: ClassBalanceLike | None, what: str) -> bool:
    """Return whether a class balance is this word."""
    return isinstance(class_balance, str) and class_balance == what


def gold_shares(
    gold: np.ndarray | None, counts: np.ndarray, n_rows: np.ndarray | None = None
) -> np.ndarray | None:
    """Return class shares (C,) of gold rows, one row added to each class; None if they tell none.

    Parameters
    ----------
    gold : ndarray of int, shape (n,), or None
        Gold codes, -1 where unknown.
    counts : ndarray of shape (m, C)
        Votes of each LF for each class; see :func:`gold_tells_balance`.
    n_rows : ndarray of shape (n,), optional
        How many rows each row stands for; 1 by default.
    """
    if gold is None or (gold < 0).all() or not gold_tells_balance(gold, counts, n_rows).all():
        return None
    known = gold >= 0
    weights = None if n_rows is None else n_rows[known]
    rows = np.bincount(gold[known], weights, minlength=counts.shape[1]) + 1.0
    return rows / rows.sum()


def estimate_shares(
    p: np.ndarray, assumed: np.ndarray, weights: np.ndarray, gold: np.ndarray | None = None
) -> np.ndarray:
    """Return the class shares (C,) under which posteriors have these shares as their mean.

    Posteriors that hold under one class balance are turned to another by their ratio; the balance
    is the mean of the posteriors; and so on until it rests: EM for the class balance alone, from
    Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities" (2002). Ten even rows for each class keep it from ruling one out.

    Parameters
    ----------
    p : ndarray of shape (n, C)
    assumed : ndarray of shape (C,)
        The class balance under which they hold.
    weights : ndarray of shape (n,)
        How many rows each stands for.
    gold : ndarray of int, shape (n,), optional
        Codes of rows whose class is known, -1 elsewhere.

    Examples
    --------
    Two kinds of rows, with the probabilities that an even balance gives them.

    >>> p = np.array([[0.8, 0.2], [0.2, 0.8]])
    >>> even = np.array([0.5, 0.5])
    >>> estimate_shares(p, even, np.array([70_000.0, 30_000.0])).round(2).tolist()
    [0.83, 0.17]
    """
    known = np.flatnonzero(gold >= 0) if gold is not None else np.empty(0, dtype=np.int64)
    shares = assumed
    for _ in range(_MOST_STEPS):
        rows = with_balance_ratio(p, shares / assumed)
        if gold is not None:
            rows[known] = np.eye(len(assumed))[gold[known]]
        before, shares = shares, weights @ rows + BALANCE_STRENGTH
        shares = shares / shares.sum()
        if np.abs(shares - before).max() <= _LEAST_CHANGE:
            break
    return shares


def with_balance_ratio(p: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Return posteriors (n, C) under another class balance, `ratio` (C,) times the one before."""
    q = p * ratio
    q /= q.sum(1, keepdims=True)
    return q


def _by_name(shares: Mapping[Any, Any], classes: Sequence[Any]) -> list[Any]:
    """Shares in the order of the classes, whatever names a class: text, number, Enum member."""
    known, by_text = ClassSet(classes), {str(name): code for code, name in enumerate(classes)}
    try:
        codes = [by_text[str(key)] if str(key) in by_text else known.code(key) for key in shares]
    except InputError:
        codes = []
    if sorted(codes) != list(range(len(classes))):
        raise InputError(
            f"class_balance must give one share for each of {_listed(classes)}, by these names, "
            f"found {dict(shares)!r}"
        )
    by_code = dict(zip(codes, shares.values(), strict=True))
    return [by_code[code] for code in range(len(classes))]


def _listed(classes: Sequence[Any]) -> str:
    return f"the {len(classes)} classes {list(classes)}"
