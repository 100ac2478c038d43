"""A model that gives probabilities of classes, whatever package it is of, applied in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from spear_amal.errors import InputError

#: What a model reads: n texts, None where one is missing, or n rows of a table.
ModelInput: TypeAlias = "list[str | None] | pd.DataFrame"

# Networks round by what else is in a batch; votes must not hang on that.
_DIGITS = 4
_ROUNDING = 1e-5  # by which sums of floats may leave [0, 1]


class ProbabilityModel(ABC):
    """A model of K classes.

    Parameters
    ----------
    class_names : sequence
        The classes as the model calls them, in the order of its columns.
    is_exclusive : bool
        Whether a row has one class, so that probabilities sum to 1.
    version : str or int, optional
        Stands for the content of the model, where that cannot be seen.

    Attributes
    ----------
    class_names : tuple
    is_exclusive : bool
    pads : bool
        Whether the texts of a batch are padded to the longest: similar lengths go together then.
    batches_itself : bool
        Whether it divides what it is given into batches.
    """

    pads = False
    batches_itself = False

    def __init__(
        self,
        class_names: Sequence[Any],
        is_exclusive: bool = True,
        version: str | int | None = None,
    ) -> None:
        self.class_names = tuple(class_names)
        self.is_exclusive = is_exclusive
        self.version = version

    @abstractmethod
    def batch_probabilities(self, batch: Any) -> Any:
        """Return probabilities (b, K) of a batch: texts without blank ones, or rows of a table.

        A row of NaN is one of which the model has nothing to say.
        """

    @abstractmethod
    def content(self) -> Any:
        """Return what the probabilities depend on, fit for a hash.

        Raises
        ------
        Unhashable
            If it cannot be seen.
        """

    def described(self) -> str:
        """Return in a few words what the model is."""
        return type(self).__name__

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on, in place of the attributes."""
        seen = self.content() if self.version is None else ["stated", self.version]
        return [seen, list(self.class_names), self.is_exclusive]

    def probabilities(self, values: ModelInput, batch_size: int) -> np.ndarray:
        """Return probabilities (n, K), rounded to four digits; NaN for rows without an answer.

        Blank and missing texts have none. Each distinct text goes through the model once.

        Parameters
        ----------
        values : list of str or None, or DataFrame of n rows
        batch_size : int

        Raises
        ------
        InputError
            If the model gives something else than such a table of probabilities.
        """
        if isinstance(values, pd.DataFrame):
            return self._in_batches(values, len(values), batch_size)
        places: dict[str, list[int]] = {}
        for row, text in enumerate(values):
            if text is not None and text.strip():
                places.setdefault(text, []).append(row)
        texts = sorted(places, key=len) if self.pads else list(places)
        found = self._in_batches(texts, len(texts), batch_size)
        p = np.full((len(values), len(self.class_names)), np.nan)
        sizes = [len(places[text]) for text in texts]
        rows = [row for text in texts for row in places[text]]
        p[rows] = np.repeat(found, sizes, axis=0)
        return p

    def _in_batches(self, values: Any, n: int, size: int) -> np.ndarray:
        parts = [np.empty((0, len(self.class_names)))]
        size = max(n, 1) if self.batches_itself else size
        for start in range(0, n, size):
            stop = min(start + size, n)
            frame = isinstance(values, pd.DataFrame)
            batch = values.iloc[start:stop] if frame else values[start:stop]
            parts.append(self._checked(self.batch_probabilities(batch), stop - start))
        return np.concatenate(parts)

    def _checked(self, answer: Any, n: int) -> np.ndarray:
        shape = (n, len(self.class_names))
        try:
            p = np.asarray(answer, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"the model must give numbers of shape {shape}: {error}") from error
        if p.ndim == 1 and shape[1] == 1:
            p = p[:, None]
        if p.shape != shape:
            raise InputError(
                f"the model must give a probability for each of {n} rows and each of its classes "
                f"{list(self.class_names)}, {shape}; found shape {p.shape}"
            )
        outside = (p < -_ROUNDING) | (p > 1 + _ROUNDING)
        unknown = np.isnan(p)
        if outside.any() or (unknown.any(axis=1) & ~unknown.all(axis=1)).any():
            raise InputError(
                "the model must give probabilities from 0 to 1; found "
                f"{p[outside][0] if outside.any() else 'NaN for some classes of a row'}"
            )
        return np.round(np.clip(p, 0.0, 1.0), _DIGITS)


class FunctionModel(ProbabilityModel):
    """A function from a batch of texts, or rows of a table, to probabilities (b, K)."""

    def __init__(
        self, function: Any, class_names: Sequence[Any], version: str | int | None = None
    ) -> None:
        super().__init__(class_names, version=version)
        self.function = function

    def batch_probabilities(self, batch: Any) -> Any:
        """Return what the function answers."""
        return self.function(batch)

    def content(self) -> Any:
        """Return the function: its code and what it reads are hashed."""
        return self.function
