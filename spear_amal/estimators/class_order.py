"""Classes in sorted order, as scikit-learn wants them, whatever order the votes have.

Codes of votes follow the label matrix, codes of a model follow ``classes_``. Where gold is given by
name the two may differ: votes are recoded once, at the door.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix


def sorted_classes(labels: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Return the classes (C,) among labels, each once and in sorted order.

    Raises
    ------
    InputError
        If they have no order: texts and numbers mixed, or objects that cannot be compared.

    Examples
    --------
    >>> sorted_classes(["romance", "action"]).tolist()
    ['action', 'romance']
    """
    try:
        # An array keeps its type; of a list NumPy would make texts where texts and numbers mix.
        found = np.unique(labels) if isinstance(labels, np.ndarray) else sorted(set(labels))
    except TypeError as error:
        raise InputError(
            f"the classes have no order, which scikit-learn needs ({error}); name all of them by "
            f"texts, or all by numbers: found {list(dict.fromkeys(labels))}"
        ) from error
    classes = np.asarray(found)
    if classes.shape != (len(found),):
        raise InputError(f"classes must be texts or numbers, found {found}")
    return classes


def codes_of_votes(voted: Sequence[Any], classes: np.ndarray) -> tuple[int, ...] | None:
    """Return for each class of the votes, by name, its code among `classes` (C,).

    None where codes stay as they are: in one order, or gold was given by codes.
    """
    labels = classes.tolist()
    if list(voted) == labels or set(voted) != set(labels):
        return None
    return tuple(labels.index(name) for name in voted)


def recode_votes(
    votes: LabelMatrix, codes: Sequence[int] | np.ndarray, classes: Sequence[Any]
) -> LabelMatrix:
    """Return the same votes (n, m) with ``codes[k]`` in place of class k; `classes` name the codes.

    Examples
    --------
    >>> votes = LabelMatrix.from_dense([[0, 1], [-1, 0]], classes=["romance", "action"])
    >>> recode_votes(votes, [1, 0], ["action", "romance"]).to_dense().tolist()
    [[1, 0], [-1, 1]]
    """
    stored = votes.codes
    dtype = np.int8 if len(codes) < np.iinfo(np.int8).max else np.int16
    new = np.array([0, *(code + 1 for code in codes)], dtype=dtype)[stored.data]
    return LabelMatrix(
        sp.csr_array((new, stored.indices, stored.indptr), shape=stored.shape),
        lf_names=votes.lf_names,
        classes=classes,
        row_ids=votes.row_ids,
        lf_classes=np.array([*codes, ABSTAIN])[votes.lf_classes],  # -1 takes the last
        scores=votes.scores,
        continuous=votes.continuous,
    )


def sort_loaded_classes(estimator: Any) -> None:
    """Put a model that was stored with classes in the order of its votes into sorted order.

    Warns where the network is of the user's own, whose last layer is not known for certain: such a
    model stays as it was stored.
    """
    stored = estimator.classes_.tolist()
    classes = sorted_classes(stored)
    codes = codes_of_votes(stored, classes)
    if codes is None:
        return
    if not isinstance(estimator.feature_model, str):
        warnings.warn(
            f"this model was stored by an earlier version: its classes_ {stored} are not sorted, "
            "as scikit-learn's tools expect, and its network is your own, so they stay; read "
            "columns by classes_, or train again",
            UserWarning,
            stacklevel=4,
        )
        return
    for model in estimator.models_:
        _sort_outputs(model, torch.as_tensor(codes))
    estimator.classes_ = classes
    estimator.plan_ = [(j, codes[k]) for j, k in estimator.plan_]
    if estimator.vote_schema_ is not None:
        estimator.vote_schema_ = replace(estimator.vote_schema_, codes=codes)


@torch.no_grad()
def _sort_outputs(model: Any, codes: torch.Tensor) -> None:
    """Give class k of a joint model the code ``codes[k]``."""
    order = codes.argsort()
    by_class = [model.feature.head.weight, model.feature.head.bias]
    if model.rules is not None:
        model.rules.k.copy_(codes[model.rules.k])
        by_class += [getattr(model.rules, name, None) for name in ("theta", "pi")]
    for tensor in by_class:
        if tensor is not None:
            tensor.copy_(tensor[order].clone())
