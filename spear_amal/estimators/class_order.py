"""Classes as scikit-learn wants them: sorted, whatever order the votes have, and -1 none of them.

Codes of votes follow the label matrix, codes of a model follow ``classes_``. Where gold is given by
name the two may differ: votes are recoded once, at the door.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

SURE = 3.0  # standard errors


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


def codes_of_model(codes: np.ndarray, of_votes: Sequence[int] | None) -> np.ndarray:
    """Return codes (n,) of the votes' classes as a model has them; C (no class) and -1 stay."""
    if of_votes is None:
        return codes
    return np.array([*of_votes, len(of_votes), ABSTAIN], dtype=np.int64)[codes]


def warn_of_sorted_codes(votes: LabelMatrix, y: np.ndarray) -> None:
    """Warn where gold codes `y` (n,) fit the votes much better as codes of the sorted classes.

    Tools of scikit-learn hand on the number of each label in sorted order; where the votes name
    their classes in another one, the codes mean something else here.
    """
    names = list(votes.classes)
    if not all(isinstance(name, str) for name in names) or names == sorted(names):
        return
    known = y >= 0
    cast = votes.codes[known].tocoo()
    gold, voted = y[known][cast.row], cast.data.astype(int) - 1
    as_votes = voted == gold
    as_sorted = np.array([sorted(names).index(name) for name in names])[voted] == gold
    gain = as_sorted.astype(float) - as_votes
    if len(gain) and gain.mean() > SURE * gain.std() / np.sqrt(len(gain)):
        warnings.warn(
            f"y holds codes of the classes of L, {names}, and agrees with {as_votes.mean():.0%} of "
            f"the votes; as codes of the sorted classes it would with {as_sorted.mean():.0%}. "
            "cross_val_predict(method='predict_proba'), VotingClassifier and StackingClassifier "
            "pass such codes on: give them L.in_class_order(sorted(L.classes))",
            UserWarning,
            stacklevel=7,
        )


def refuse_unlabelled_in_calibration() -> None:
    """Raise InputError where CalibratedClassifierCV is training this model on unlabelled rows.

    It would take -1 for a class and calibrate against it. Other tools that do so code the labels
    anew beforehand, so that nothing is left to see.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") == "sklearn.calibration":
            raise InputError(
                "y has unlabelled rows, which CalibratedClassifierCV takes for a class of their "
                "own; fit this model first, then calibrate it on labelled rows: "
                "CalibratedClassifierCV(FrozenEstimator(model)).fit(X_gold, y_gold)"
            )


def sort_loaded_classes(estimator: Any) -> None:
    """Reorder a model that was stored with its classes in the order of its votes.

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
    """Reorder the outputs of a joint model: class k gets the code ``codes[k]``."""
    order = codes.argsort()
    by_class = [model.feature.head.weight, model.feature.head.bias]
    if model.rules is not None:
        model.rules.k.copy_(codes[model.rules.k])
        by_class += [getattr(model.rules, name, None) for name in ("theta", "pi")]
    for tensor in by_class:
        if tensor is not None:
            tensor.copy_(tensor[order].clone())
