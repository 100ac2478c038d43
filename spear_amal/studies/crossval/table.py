"""What a comparison is made on: rows with gold and without, maybe test rows of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.table_features import FeaturesLike, TableFeatures
from spear_amal.studies.corpus_votes import votes_digest
from spear_amal.studies.crossval.folds import text_groups
from spear_amal.training_rows import LabelledTable, TrainingData
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.label_matrix import LabelMatrix

# Makes an unfitted object with ``fit_transform`` and ``transform``.
NewFeatures = Callable[[], Any]
_WATCHED = 300


@dataclass(frozen=True)
class TableRows:
    """Rows of one role.

    Attributes
    ----------
    inputs : list of str, DataFrame, ndarray or csr_array, of n rows
        What features are made of, or features.
    y : ndarray (n,)
        Class codes, -1 for rows without gold.
    votes : LabelMatrix (n, m) or None
        Its classes are those of the table.
    groups : ndarray (n,)
        Rows of one text have one number.
    """

    inputs: Any
    y: np.ndarray
    votes: LabelMatrix | None
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> TableRows:
        """Return some rows, by their numbers (k,) or as a mask (n,)."""
        numbers = np.flatnonzero(rows) if rows.dtype == bool else rows
        return TableRows(
            _taken(self.inputs, numbers),
            self.y[numbers],
            None if self.votes is None else self.votes[numbers],
            self.groups[numbers],
        )

    def joined(self, other: TableRows) -> Any:
        """Return the inputs of these rows and of others, one below the other."""
        if isinstance(self.inputs, pd.DataFrame):
            return pd.concat([self.inputs, other.inputs], ignore_index=True)
        return [*self.inputs, *other.inputs]

    def digest_parts(self) -> list[Any]:
        """Return what tells these rows from others, for a digest."""
        inputs = self.inputs
        if isinstance(inputs, pd.DataFrame):
            inputs = pd.util.hash_pandas_object(inputs, index=False).to_numpy()
        elif isinstance(inputs, list):
            inputs = "\0".join(inputs)
        votes = [] if self.votes is None else [self.votes.codes, " ".join(self.votes.lf_names)]
        return [inputs, self.y, self.groups, *votes]


def _taken(inputs: Any, rows: np.ndarray) -> Any:
    if isinstance(inputs, pd.DataFrame):
        return inputs.iloc[rows]
    return [inputs[row] for row in rows] if isinstance(inputs, list) else inputs[rows]


@dataclass(frozen=True)
class ComparedTable:
    """A partly labelled table, with what else stands beside it.

    Attributes
    ----------
    name : str
        Of the data, for the results file.
    rows : TableRows
    classes : ClassNames
        In code order.
    features : str
        Name of the features, for the results file.
    new_features : callable or None
        None where the inputs are features already.
    validation : TableRows, optional
        Rows with gold that choose epochs and weights; never scored.
    test : TableRows, optional
        Rows with gold to score on, in place of folds.
    """

    name: str
    rows: TableRows
    classes: ClassNames
    features: str = "tfidf"
    new_features: NewFeatures | None = None
    validation: TableRows | None = None
    test: TableRows | None = None

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits of all rows, labels and votes."""
        tables = [table for table in (self.rows, self.validation, self.test) if table is not None]
        parts = [part for table in tables for part in table.digest_parts()]
        return votes_digest([*parts, *map(str, self.classes)])

    @property
    def positive(self) -> int:
        """Code of the class whose F1 the metric "f1" is: that called 1, else the second one."""
        numbers = self.classes.numbers
        return numbers.index(1) if 1 in numbers else 1

    @property
    def gold(self) -> np.ndarray:
        """Numbers of the rows with gold."""
        return np.flatnonzero(self.rows.y >= 0)

    @cached_property
    def watched(self) -> np.ndarray:
        """Numbers of up to 300 rows without gold and without the text of a row with gold.

        No fold leaves them out, so that the models of all folds can be held against each other.
        """
        groups = self.rows.groups
        always = np.flatnonzero((self.rows.y < 0) & ~np.isin(groups, groups[self.gold]))
        order = np.random.default_rng(0).permutation(len(always))
        return np.sort(always[order[:_WATCHED]])

    @property
    def scored(self) -> TableRows:
        """The rows that methods are scored on: those of the test table, else those with gold."""
        return self.rows.take(self.gold) if self.test is None else self.test

    def with_gold_of(self, labelled: np.ndarray) -> ComparedTable:
        """Return the table with the gold of some rows only; `labelled` is a mask (n,)."""
        y = np.where(labelled, self.rows.y, -1)
        return replace(self, rows=replace(self.rows, y=y))

    def without_groups(self, groups: np.ndarray) -> ComparedTable:
        """Return the table without rows of some groups, in training and validation alike."""
        validation = self.validation
        if validation is not None:
            validation = validation.take(~np.isin(validation.groups, groups))
        kept = self.rows.take(~np.isin(self.rows.groups, groups))
        return replace(self, rows=kept, validation=validation)


def compared_table(
    data: TrainingData,
    name: str,
    features: FeaturesLike = "tfidf",
    test: LabelledTable | None = None,
) -> ComparedTable:
    """Return what was read of a user's tables, ready to be compared on.

    Parameters
    ----------
    data : TrainingData
    name : str
        Of the data, for the results file.
    features : as for TableFeatures
    test : LabelledTable, optional
        Rows to score on, in place of folds.
    """
    tables = [*data.tables, *([] if test is None else [test])]
    if all(table.texts for table in tables):
        groups = text_groups([text for table in tables for text in table.texts])
    else:  # no texts: every row is another one
        groups = np.arange(sum(len(table.y) for table in tables))
    ends = np.cumsum([len(table.y) for table in tables])[:-1]
    rows, *others = (
        TableRows(table.frame, table.y, table.votes, numbers)
        for table, numbers in zip(tables, np.split(groups, ends), strict=True)
    )
    return ComparedTable(
        name,
        rows,
        data.classes,
        features if isinstance(features, str) else repr(features),
        partial(TableFeatures, features, data.text_column),
        validation=None if data.validation is None else others[0],
        test=None if test is None else others[-1],
    )
