"""Why a row is classified as it is: votes, weights of losses, and words for and against a class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from spear_amal.notebook_html import html_block, html_table
from spear_amal.printable import printable

COEFFICIENTS, OCCLUSION = "coefficients", "occlusion"
_WORD = re.compile(r"\w+")
_WORDS_AND_REST = re.compile(r"(\w+)")
_MOST_WORDS = 200  # that are left out one by one
_SHOWN = 10  # words in a printed explanation
_TEXT = 300  # characters of it
Contributions = list[tuple[str, float]]


@dataclass(frozen=True, repr=False)
class Explanation:
    """What spoke for the class of one row; print it, or look at its attributes.

    Attributes
    ----------
    text : str
    predicted : object
        Class name.
    probabilities : dict of class name to float
    label : object
        Gold class of a training row, None where there is none.
    votes : dict of str to object, or None
        Class name that each LF voted for, None where it abstained. None in all if no LFs are at
        hand.
    rules : dict of class name to float, or None
        Probabilities of the model of the rules, where the prediction uses it.
    weights : dict of str to float, or None
        What each loss weighed on a training row, where it was defined.
    words : list of (str, float)
        Words (and columns) with what they add to the log-odds of the predicted class, the largest
        first; below 0 they speak against it.
    how : {"coefficients", "occlusion"}
        Whether `words` are products of coefficients and features, which with `constant` sum up to
        the log-odds against the mean of the other classes; or by how much the log-odds fall when a
        word is left out. Of several models the coefficients are means, and of a pool weighted sums
        of these: then, and where the rules predict as well, the sum is not that of the prediction,
        and a note tells both.
    constant : float
        Of the coefficients; 0 otherwise.
    notes : list of str
        What is not known, and why.
    """

    text: str
    predicted: Any
    probabilities: dict[Any, float]
    words: Contributions
    how: str
    constant: float = 0.0
    label: Any = None
    votes: dict[str, Any] | None = None
    rules: dict[Any, float] | None = None
    weights: dict[str, float] | None = None
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Explanation(predicted={self.predicted!r}, text={_short(self.text, 60)!r})"

    def __str__(self) -> str:
        lines = [_short(self.text, _TEXT)]
        for title, rows in self._parts():
            width = max(len(name) for name, _ in rows)
            lines += ["", title, *(f"  {name:<{width}}  {value}".rstrip() for name, value in rows)]
        return printable("\n".join([*lines, *(f"\nNote: {note}" for note in self.notes)]))

    def _repr_html_(self) -> str:
        parts = [
            html_block(
                title, parts=[html_table({"": [n for n, _ in rows], " ": [v for _, v in rows]})]
            )
            for title, rows in self._parts()
        ]
        notes = {"Note": "; ".join(self.notes)} if self.notes else {}
        return html_block(_short(self.text, _TEXT), notes, parts)

    def _parts(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Titles and rows of the tables that are shown."""
        likeliest = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        gold = "" if self.label is None else f" (its label is {self.label})"
        parts = [(f"Predicted: {self.predicted}{gold}", _percentages(dict(likeliest)))]
        if self.words:
            means = "coefficient times feature" if self.how == COEFFICIENTS else "without it"
            title = f"Words for (+) and against (-) {self.predicted}, in log-odds ({means})"
            largest = self.words[:_SHOWN]
            parts.append((title, [(word, f"{value:+.3f}") for word, value in largest]))
            if len(self.words) > _SHOWN:
                rest = sum(value for _, value in self.words[_SHOWN:])
                parts[-1][1].append((f"({len(self.words) - _SHOWN} others)", f"{rest:+.3f}"))
        if self.votes is not None:
            voted = [(name, str(one)) for name, one in self.votes.items() if one is not None]
            silent = len(self.votes) - len(voted)
            abstained = [(f"({silent} abstain)", "")] if silent else []
            parts.append(("Votes of labelling functions", voted + abstained))
        if self.rules is not None:
            parts.append(
                ("Model of the rules, which the prediction uses", _percentages(self.rules))
            )
        if self.weights:
            weights = [(name, f"{value:.3f}") for name, value in self.weights.items()]
            parts.append(("Weights of losses in training (1: as without AMAL)", weights))
        return [(title, rows) for title, rows in parts if rows]


def _percentages(probabilities: Mapping[Any, float]) -> list[tuple[str, str]]:
    return [(str(name), f"{value:.1%}") for name, value in probabilities.items()]


def _short(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 2] + ".."


def has_coefficients(estimator: Any) -> bool:
    """Return whether a fitted estimator has linear feature models."""
    return bool(estimator.feature_model == "linear")


def linear_contributions(
    estimator: Any, x: Any, names: np.ndarray, code: int
) -> tuple[Contributions, float]:
    """Return what each feature of a row adds to the log-odds of a class, and the constant.

    Log-odds are the logit of the class less the mean logit of the others: in two classes, those of
    the one against the other. Of several models the mean is taken.

    Parameters
    ----------
    estimator : fitted estimator with linear feature models
    x : csr_array or ndarray (1, D)
    names : ndarray (D,)
    code : int
        Of the class, in ``estimator.classes_``.
    """
    from spear_amal.estimators.serving import merged_coefficients  # imports torch

    weights, constants = cast(Any, merged_coefficients(estimator))  # asked of linear models only
    others = np.arange(len(constants)) != code
    margin = weights[code] - weights[others].mean(0)
    row = sp.csr_array(x)
    products = row.data.astype(np.float64) * margin[row.indices]
    named = zip(names[row.indices].tolist(), products.tolist(), strict=True)
    return largest_first(named), float(constants[code] - constants[others].mean())


def texts_without_words(text: str) -> tuple[dict[str, str], bool]:
    """Return a text without each of its words, by word, and whether there were too many of them.

    Examples
    --------
    >>> texts_without_words("Win, win now")
    ({'win': ',  now', 'now': 'Win, win '}, False)
    """
    words = list(dict.fromkeys(word.casefold() for word in _WORD.findall(text)))
    looked_at = words[:_MOST_WORDS]
    without = {
        word: "".join(
            "" if part.casefold() == word else part for part in _WORDS_AND_REST.split(text)
        )
        for word in looked_at
    }
    return without, len(words) > len(looked_at)


def largest_first(contributions: Iterable[tuple[str, float]]) -> Contributions:
    """Return contributions by size, whatever their sign; those of one size by name."""
    return sorted(contributions, key=lambda pair: (-abs(pair[1]), pair[0]))
