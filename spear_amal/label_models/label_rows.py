"""What the votes say of each row: a label, how sure it is, and how many LFs stand behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from spear_amal._typing import VotesLike
from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.registry import LABEL_MODELS
from spear_amal.label_models.scores import best_classes
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix

#: What to say where no row has gold.
UNKNOWN_WITHOUT_GOLD = (
    "No row has a label, so nobody can know how often these answers are right, how frequent the "
    "classes are, or which labelling functions are right. To find out, label some rows drawn at "
    "random, about 50, and score the answers on them."
)


def label_rows(
    L: VotesLike, model: str | LabelModel = "label-model", lf_votes: bool = False
) -> pd.DataFrame:
    """Return what a label model makes of the votes of each row.

    Parameters
    ----------
    L : LabelMatrix or array (n, m)
    model : name in ``LABEL_MODELS`` or LabelModel
        One that is not fitted yet is fitted on these votes; gold has no part in it, so that it may
        judge the labels afterwards.
    lf_votes : bool
        Add a column ``lf_NAME`` for each LF, with the class that it votes for, None where it
        abstains.

    Returns
    -------
    DataFrame of n rows, by row id
        ``predicted`` (class name; None where no LF votes, and for a tie), ``confidence`` (its
        probability; that of the likeliest class where there is none), ``p_CLASS`` for each class,
        ``n_votes``, ``conflict`` (LFs vote for different classes), ``covered`` (any LF votes).

    Raises
    ------
    InputError
        If no LF votes, or the model is unknown.

    Examples
    --------
    >>> L = LabelMatrix.from_dense([[0, 0], [1, 0], [-1, -1], [1, 1]], classes=["ham", "spam"])
    >>> label_rows(L, "majority")[["predicted", "n_votes", "conflict"]].values.tolist()
    [['ham', 2, False], [None, 2, True], [None, 0, False], ['spam', 2, False]]
    """
    votes = as_label_matrix(L)
    fitted = _fitted(model, votes)
    p = fitted.predict_proba(votes)
    codes = best_classes(p, "abstain", np.arange(len(p)))
    codes[~votes.covered()] = -1
    return table_of_labels(p, codes, list(fitted.classes_), votes, lf_votes)


def _fitted(model: str | LabelModel, votes: LabelMatrix) -> LabelModel:
    if isinstance(model, str):
        check_name("label model", model, LABEL_MODELS)
        return LABEL_MODELS[model]().fit(votes)
    if not isinstance(model, LabelModel):
        raise InputError(
            f"model must be a name or a LabelModel, found {model!r}; names: {sorted(LABEL_MODELS)}"
        )
    return model if hasattr(model, "classes_") else clone(model).fit(votes)


def table_of_labels(
    p: np.ndarray,
    codes: np.ndarray,
    classes: Sequence[Any],
    votes: LabelMatrix | None = None,
    lf_votes: bool = False,
) -> pd.DataFrame:
    """Return probabilities (n, C), labels and what is known of the votes as one table.

    Parameters
    ----------
    p : ndarray (n, C)
    codes : ndarray (n,)
        Labels, -1 where there is none.
    classes : sequence of C names
    votes : LabelMatrix (n, m), optional
    lf_votes : bool
        As for :func:`label_rows`, whose columns these are; without votes the last three are
        missing.
    """
    names = np.array([*classes, None], dtype=object)
    index = pd.RangeIndex(len(p)) if votes is None else pd.Index(votes.row_ids)
    table: dict[str, Any] = {
        "predicted": _names(names[codes], index),
        "confidence": np.where(codes >= 0, p[np.arange(len(p)), codes], p.max(1, initial=0.0)),
    }
    table |= {f"p_{name}": p[:, k] for k, name in enumerate(classes)}
    if votes is None:
        return pd.DataFrame(table, index=index)
    dense = votes.to_dense()
    fired = dense >= 0
    most = np.where(fired, dense, -1).max(1, initial=-1)
    least = np.where(fired, dense, len(names)).min(1, initial=len(names))
    table["n_votes"] = fired.sum(1)
    table["conflict"] = fired.any(1) & (most != least)
    table["covered"] = fired.any(1)
    if lf_votes:
        voted = np.array([*votes.classes, None], dtype=object)
        columns = zip(votes.lf_names, dense.T, strict=True)
        table |= {f"lf_{name}": _names(voted[column], index) for name, column in columns}
    return pd.DataFrame(table, index=index)


def _names(names: np.ndarray, index: pd.Index) -> pd.Series:
    """Class names as they are, with None where there is none: pandas would make NaN of it."""
    return pd.Series(names, index=index, dtype=object)
