"""The methods of a comparison by name, each an estimator over the one trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spear_amal.errors import InputError
from spear_amal.estimators import (
    GoldClassifier,
    LabelModelClassifier,
    SpearClassifier,
    TrainedClassifier,
)
from spear_amal.studies.task import Task


@dataclass(frozen=True)
class Method:
    """One row of a comparison.

    Attributes
    ----------
    name, title : str
    given : str
        What it sees, with ``{l}``, ``{v}``, ``{u}`` for the numbers of rows.
    make : callable
        Keyword settings -> unfitted estimator.
    uses_votes : bool
    """

    name: str
    title: str
    given: str
    make: Callable[..., TrainedClassifier]
    uses_votes: bool = True

    def was_given(self, task: Task) -> str:
        """Say in words what the method sees of a task."""
        return self.given.format(l=task.n_labelled, v=len(task.y_val), u=task.n_unlabelled)


_CHOICE = "V: {v} to choose the epoch"
_RULES = "{l} gold, votes on {u}"

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("only-l", "Only-L", "{l} gold; " + _CHOICE, GoldClassifier, uses_votes=False),
        Method(
            "only-lv",
            "Classifier on L+V",
            "{l} + {v} gold",
            lambda **kw: GoldClassifier(final="refit", **kw),
            uses_votes=False,
        ),
        Method(
            "only-lv-crossfit",
            "Classifier on L+V, 5 folds",
            "{l} + {v} gold, each fold V once",
            lambda **kw: GoldClassifier(final="crossfit", **kw),
            uses_votes=False,
        ),
        Method(
            "majority", "Majority vote + classifier", f"{_RULES}; {_CHOICE}", LabelModelClassifier
        ),
        Method(
            "spear",
            "SPEAR",
            f"{_RULES}; {_CHOICE}",
            lambda **kw: SpearClassifier(mixer="fixed", **kw),
        ),
        Method(
            "spear-crossfit",
            "SPEAR, 5 folds",
            "{l} + {v} gold, each fold V once; votes on {u}",
            lambda **kw: SpearClassifier(mixer="fixed", final="crossfit", **kw),
        ),
        Method(
            "amal-single",
            "AMAL, one model",
            _RULES + "; V: {v} to learn weights and choose the epoch",
            SpearClassifier,
        ),
        Method(
            "amal",
            "AMAL, 5 folds",
            "{l} + {v} gold, each fold V once; votes on {u}",
            lambda **kw: SpearClassifier.preset("recommended", **kw),
        ),
    )
}


def find_method(name: str) -> Method:
    """Look a method up; an unknown name raises with the nearest known ones."""
    if name in METHODS:
        return METHODS[name]
    from difflib import get_close_matches

    near = get_close_matches(name, METHODS, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(f"unknown method {name!r}; {hint}known: {', '.join(METHODS)}")
