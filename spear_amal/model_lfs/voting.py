"""From probabilities to votes and scores, and the labelling functions that cast them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal._typing import ClassLike
from spear_amal.labeling.builders import ColumnLF, text_of
from spear_amal.labeling.cell_values import as_list
from spear_amal.labeling.data_points import get_column
from spear_amal.labeling.functions import ContinuousScorer, LabelingFunction
from spear_amal.labeling.rows import field
from spear_amal.model_lfs.probability_model import ModelInput, ProbabilityModel


class TaskProbabilities:
    """Probabilities of the classes of the task, as a model of other classes says.

    Parameters
    ----------
    model : ProbabilityModel
        Of K classes.
    classes : mapping
        Of the model's classes to the task's, None for those without one.
    batch_size : int
        Rows that the model is given at once.

    Attributes
    ----------
    model, classes, batch_size
        As above.
    targets : tuple
        The classes of the task, None among them where some class of the model has none.
    """

    def __init__(
        self,
        model: ProbabilityModel,
        classes: Mapping[Any, ClassLike | None],
        batch_size: int,
    ) -> None:
        self.model, self.classes, self.batch_size = model, dict(classes), batch_size
        self.targets = tuple(dict.fromkeys(classes[name] for name in model.class_names))
        self._memo: _Remembered | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what is remembered of the last rows."""
        return self.__dict__ | {"_memo": None}

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on; the size of batches does not count."""
        return [self.model, list(self.classes.items())]

    def of(self, values: ModelInput, asker: Hashable) -> np.ndarray:
        """Return the probabilities of the targets (n, T); NaN for rows without an answer.

        Classes of the model that are one of the task count together: their sum, or the largest
        where they may go together. So do those without a class.

        Parameters
        ----------
        values : list of str or None, or DataFrame of n rows
        asker : hashable
            Who asks. The last rows are remembered for others that ask for them; whoever asks twice
            has the model go through them again, which may have been trained meanwhile.
        """
        memo = self._memo
        if memo is not None and asker not in memo.askers and _same(memo.values, values):
            memo.askers.add(asker)
            return memo.p
        found = self.model.probabilities(values, self.batch_size)
        names = self.model.class_names
        parts = [
            found[:, [self.classes[name] == target for name in names]] for target in self.targets
        ]
        together = np.sum if self.model.is_exclusive else np.max
        p = np.stack([np.round(np.clip(together(part, axis=1), 0, 1), 4) for part in parts], axis=1)
        self._memo = _Remembered(values, p, {asker})
        return p


class _Remembered(NamedTuple):
    """The last rows, their probabilities, and who was given them."""

    values: ModelInput
    p: np.ndarray
    askers: set[Hashable]


def _same(values: ModelInput, others: ModelInput) -> bool:
    if isinstance(values, pd.DataFrame) or isinstance(others, pd.DataFrame):
        return values is others
    return values == others


@dataclass(frozen=True)
class ModelVotes:
    """What a model votes: the class that is most probable, if it is probable enough.

    Parameters
    ----------
    source : TaskProbabilities
    label : class, optional
        The one class that is voted for; all of them by default.
    at_least : float
        Probability that a vote needs.
    """

    source: TaskProbabilities
    label: ClassLike | None
    at_least: float

    @property
    def labels(self) -> tuple[ClassLike, ...]:
        """Return the classes that may be voted for."""
        if self.label is not None:
            return (self.label,)
        return tuple(target for target in self.source.targets if target is not None)

    def answers(self, values: ModelInput) -> np.ndarray:
        """Return for each row (n,) a class of the task, or None."""
        p = self.source.of(values, ("votes", self.label))
        votes = np.full(len(p), None, dtype=object)
        for label in self.labels:
            k = self.source.targets.index(label)
            enough = p[:, k] >= self.at_least  # not where p is NaN
            # Of classes that go together each is asked for by itself.
            if self.label is None or self.source.model.is_exclusive:
                enough &= (np.delete(p, k, axis=1) < p[:, [k]]).all(axis=1)
            votes[enough] = label
        return votes

    def scores(self, values: ModelInput) -> np.ndarray:
        """Return the probability (n,) of the class that is voted for; 0 without an answer."""
        p = self.source.of(values, ("scores", self.label))[
            :, self.source.targets.index(self.labels[0])
        ]
        return np.where(np.isnan(p), 0.0, p)

    def for_each_class(self) -> list[ModelVotes]:
        """Return votes for each class alone."""
        return [replace(self, label=label) for label in self.labels]

    def facts(self) -> dict[str, str]:
        """Return what is known of the votes, in words by name."""
        source = self.source
        named = [
            f"{name} as {target}" for name, target in source.classes.items() if target is not None
        ]
        return {
            "model": source.model.described(),
            "its classes": ", ".join(named),
            "votes from": f"a probability of {self.at_least:g} on",
        }


class ModelLF(ColumnLF):
    """An LF that votes as a model says of the texts of one column.

    Attributes
    ----------
    votes : ModelVotes
    """

    def __init__(
        self, name: str, column: str, votes: ModelVotes, version: str | int | None = None
    ) -> None:
        super().__init__(name, column, self._votes_on, label=votes.label, version=version)
        self.votes = votes
        if votes.label is not None:
            self.scorer = ContinuousScorer(name, self._scores_of_batch)

    def by_class(self) -> list[ModelLF]:
        """Return a continuous LF for each class; the model goes through the rows once for all."""
        return [
            ModelLF(f"{self.name}_{votes.label}", self.column, votes, self.version)
            for votes in self.votes.for_each_class()
        ]

    def _texts(self, values: Sequence[Any]) -> list[str | None]:
        return [text_of(value, self.name) for value in values]

    def _votes_on(self, values: list[Any]) -> np.ndarray:
        return self.votes.answers(self._texts(values))

    def _on_batch(self, batch: Any, continuous_score: Any = None) -> Any:
        return self._votes_on(as_list(get_column(batch, self.column)))

    def _scores_of_batch(self, batch: Any) -> np.ndarray:
        return self.votes.scores(self._texts(as_list(get_column(batch, self.column))))

    def _on_row(self, x: Any, continuous_score: Any = None) -> Any:
        return self._votes_on([field(x, self.column)])[0]

    def _score_of_row(self, x: Any) -> float:
        return float(self.votes.scores(self._texts([field(x, self.column)]))[0])

    @property
    def row_form(self) -> LabelingFunction:
        """The same LF on rows."""
        scorer = None if self.scorer is None else self._score_of_row
        return LabelingFunction(self.name, self._on_row, label=self.label, cont_scorer=scorer)

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name."""
        return super().facts() | self.votes.facts()


class TableModelLF(LabelingFunction):
    """An LF that votes as a model says of some columns of a table.

    Attributes
    ----------
    columns : tuple of str
    votes : ModelVotes
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[str],
        votes: ModelVotes,
        version: str | int | None = None,
    ) -> None:
        super().__init__(name, self._votes_on, label=votes.label, vectorized=True, version=version)
        self.__name__ = name
        self.columns, self.votes = tuple(columns), votes
        if votes.label is not None:
            self.scorer = ContinuousScorer(name, self._scores_of_batch)

    def by_class(self) -> list[TableModelLF]:
        """Return a continuous LF for each class."""
        return [
            TableModelLF(f"{self.name}_{votes.label}", self.columns, votes, self.version)
            for votes in self.votes.for_each_class()
        ]

    def _frame(self, batch: Any) -> pd.DataFrame:
        if isinstance(batch, pd.DataFrame):
            return pd.DataFrame({name: get_column(batch, name) for name in self.columns})
        return pd.DataFrame({name: as_list(get_column(batch, name)) for name in self.columns})

    def _votes_on(self, batch: Any, continuous_score: Any = None) -> np.ndarray:
        return self.votes.answers(self._frame(batch))

    def _scores_of_batch(self, batch: Any) -> np.ndarray:
        return self.votes.scores(self._frame(batch))

    def __call__(self, x: Any) -> int | Any:
        """Vote on one row: an object or mapping that has the columns."""
        scorer = None if self.scorer is None else self._score_of_row
        return LabelingFunction(self.name, self._on_row, label=self.label, cont_scorer=scorer)(x)

    def _on_row(self, x: Any, continuous_score: Any = None) -> Any:
        return self.votes.answers(self._row(x))[0]

    def _score_of_row(self, x: Any) -> float:
        return float(self.votes.scores(self._row(x))[0])

    def _row(self, x: Any) -> pd.DataFrame:
        return pd.DataFrame({name: [field(x, name)] for name in self.columns})

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name."""
        columns = ", ".join(map(repr, self.columns))
        return super().facts() | {"reads": f"the columns {columns}"} | self.votes.facts()
