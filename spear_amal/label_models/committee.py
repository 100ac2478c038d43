"""Several label models whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.registry import LABEL_MODELS, make_label_model
from spear_amal.votes.label_matrix import LabelMatrix

#: Who votes unless told otherwise: three that learn by different principles (agreement, EM, a
#: network that has seen drawn votes), none of which falls to one class where classes are uneven.
MEMBERS = ("weighted-majority", "label-model", "hyper")


class LabelModelCommittee(LabelModel):
    """The mean of the probabilities of several label models.

    Each label model is wrong where its own assumption is: that agreement is accuracy, that LFs are
    independent, that a class is as frequent as another. Without gold nobody can tell which of them
    holds. Where members err in different ways their mean errs less than most of them, and it is
    unsure where they disagree.

    Parameters
    ----------
    members : sequence of names in ``LABEL_MODELS``, optional
        Default :data:`MEMBERS`.
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        That of all members; see :class:`LabelModel`.
    random_state : int
        Seed of members that draw.

    Attributes
    ----------
    models_ : dict of str to LabelModel
        The fitted members by name.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, -1, 1]]
    >>> LabelModelCommittee().fit(votes).predict(votes).tolist()
    [0, 1, 0, 1, 0]
    """

    uses_gold = True
    has_balance = True  # each member its own
    estimates_balance = True

    def __init__(
        self,
        *,
        members: Sequence[str] | None = None,
        class_balance: ClassBalanceLike | None = None,
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.class_balance = class_balance
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_member_names("members", MEMBERS if self.members is None else self.members)

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        gold = None if y is None else gold_names(L, y)
        options = balance_options(self.class_balance)
        names = MEMBERS if self.members is None else self.members
        self.models_ = {name: make_label_model(name, options, self.random_state) for name in names}
        for model in self.models_.values():
            model._fit_silently(L, gold)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return np.mean([model.predict_proba(L) for model in self.models_.values()], axis=0)

    def _weights(self) -> np.ndarray:
        return np.mean([model.get_weights() for model in self.models_.values()], axis=0)


def check_member_names(what: str, names: Any, without: type[LabelModel] | None = None) -> None:
    """Raise InputError unless these are names of label models, and none of a model `without`."""
    known = [
        name
        for name, model in LABEL_MODELS.items()
        if without is None or not issubclass(model, without)
    ]
    if isinstance(names, str) or not isinstance(names, Sequence) or not len(names):
        raise InputError(f"{what} must be a list of names of label models, found {names!r}")
    wrong = [name for name in names if not isinstance(name, str) or name not in known]
    if wrong:
        raise InputError(f"{what} cannot hold {wrong[0]!r}; choose from {sorted(known)}")


def balance_options(class_balance: ClassBalanceLike | None) -> Mapping[str, Any]:
    """Return the option that hands a class balance on; none, as others' models may lack it."""
    return {} if class_balance is None else {"class_balance": class_balance}


def gold_names(L: LabelMatrix, gold: np.ndarray) -> np.ndarray:
    """Return gold codes (n,) by the names of the classes, None where unknown."""
    return np.array([*L.classes, None], dtype=object)[gold]
