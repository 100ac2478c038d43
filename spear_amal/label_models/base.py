"""Label models: from votes alone to one class distribution per row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from spear_amal._typing import PathLike, StoredVotesLike, VectorLike
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.label_models.vote_patterns import count_rows
from spear_amal.votes.gold import gold_codes
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix, as_label_matrix
from spear_amal.votes.parquet import VoteFiles, open_votes, parts_of

TIE = 1e-9  # posteriors closer than this are tied


class LabelModel(BaseEstimator):
    """Base: input checks, ties and ``predict``; a model writes ``_fit`` and ``_posterior``.

    Parameters of all label models are keyword-only and only stored by the constructor.

    Votes may lie on disk (:class:`~spear_amal.votes.parquet.VoteFiles`). ``fit`` then needs memory
    for the *distinct* rows of votes, and for one part; predictions for one part and what they
    return.

    Attributes
    ----------
    classes_ : ClassNames
        Classes (C,) in the order of the columns of ``predict_proba``, as L names them.
    uses_gold : bool
        Of the class: ``fit`` learns from `y` where it is given; other models ignore it.
    uses_scores : bool
        Of the class: ``fit`` learns from scores of continuous LFs.
    counts_rows : bool
        Of the class: ``_fit(L, y, n_rows)`` takes distinct rows and how many rows each stands for.
        Other models are given all rows at once, votes on disk as well.
    """

    uses_gold: bool = False
    uses_scores: bool = False
    counts_rows: bool = False

    def fit(self, L: StoredVotesLike, y: VectorLike | None = None) -> Self:
        """Learn from votes (n, m); `y` (n,), where known, is used by models that take gold.

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m), VoteFiles or the path of such a folder
            From a folder, rows with equal votes are merged as they are read, if the model counts
            rows and uses no scores that are there; the result is that of all rows in memory.
        y : array (n,), optional
            Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
            unknown. Ignored unless ``uses_gold``.

        Raises
        ------
        InputError
            If no LF votes, or `y` has other rows or a label that is no class of L.
        """
        votes = open_votes(L)
        if votes.nnz == 0:
            raise InputError("all LFs abstain on all rows: there is nothing to learn from")
        gold = self._gold(y, votes) if self.uses_gold else None
        self.classes_ = votes.classes
        self.n_classes_ = votes.n_classes
        self.n_lfs_ = votes.shape[1]
        if isinstance(votes, VoteFiles):
            self._fit_files(votes, gold)
        else:
            self.plan_ = votes.unipolar_plan()
            self._fit(votes, gold)
        return self

    @staticmethod
    def _gold(y: VectorLike | None, votes: LabelMatrix | VoteFiles) -> np.ndarray | None:
        """Gold codes (n,), -1 where unknown; None if none is known."""
        gold = None if y is None else gold_codes(y, votes, "y", grow=False)
        return None if gold is None or (gold < 0).all() else gold

    def _fit_files(self, votes: VoteFiles, gold: np.ndarray | None) -> None:
        """Learn from votes on disk."""
        if not self.counts_rows or (self.uses_scores and votes.continuous.any()):
            self.plan_ = (matrix := votes.to_label_matrix()).unipolar_plan()
            self._fit(matrix, gold)
            return
        rows = count_rows(votes, gold)
        self.plan_ = rows.L.unipolar_plan()
        known = None if gold is None else rows.gold
        self._fit(rows.L, known, rows.n_rows)  # type: ignore[call-arg]

    def predict_proba(self, L: StoredVotesLike) -> np.ndarray:
        """Class probabilities (n, C); uniform where all LFs abstain.

        `L` as for :meth:`fit`. For more rows than memory holds see :meth:`predict_parts`.
        """
        votes = self._votes(L)
        if isinstance(votes, LabelMatrix):
            return self._probabilities(votes)
        p = np.empty((len(votes), self.n_classes_))
        for rows, part in parts_of(votes):
            p[rows] = self._probabilities(part)
        return p

    def predict(self, L: StoredVotesLike, tie_break_policy: str = "abstain") -> np.ndarray:
        """Classes (n,) by number, -1 where there is no answer; every argument for gold reads them.

        Numbers are codes, places in ``classes_``, unless classes are called by numbers themselves
        (1, 2, 3; an Enum from 1): then they are those.

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m), VoteFiles or the path of such a folder
        tie_break_policy : {"abstain", "first"}
            What a tie gives: -1, or the lowest of the tied classes.
        """
        if tie_break_policy not in ("abstain", "first"):
            raise InputError(
                f"tie_break_policy must be 'abstain' or 'first', found {tie_break_policy!r}"
            )
        votes = self._votes(L)
        classes = np.empty(len(votes), dtype=np.int64)
        for rows, part in parts_of(votes):
            classes[rows] = best_classes(self._probabilities(part), tie_break_policy)
        return self.classes_.as_numbers(classes)

    def predict_parts(self, L: StoredVotesLike) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Row ids (k,) and class probabilities (k, C) of one part after the other.

        `L` as for :meth:`fit`; votes in memory are one part.
        """
        votes = self._votes(L)
        return ((part.row_ids, self._probabilities(part)) for _, part in parts_of(votes))

    def write_proba(self, L: StoredVotesLike, path: PathLike, overwrite: bool = False) -> Path:
        """Write class probabilities as a Parquet file, one part of the votes at a time.

        Parameters
        ----------
        L : as for :meth:`fit`
        path : path
            Written aside, then renamed. Columns ``row_id, p_0, .., p_{C-1}``; its metadata hold the
            names of the classes.
        overwrite : bool

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        """
        return write_proba_file(self.predict_parts(L), self.classes_, path, overwrite)

    def _votes(self, L: StoredVotesLike) -> LabelMatrix | VoteFiles:
        """Open votes to predict on."""
        check_is_fitted(self, "n_classes_")
        votes = open_votes(L)
        if votes.shape[1] != self.n_lfs_:
            raise InputError(f"L has {votes.shape[1]} LFs, the model was fitted on {self.n_lfs_}")
        return votes

    def _probabilities(self, L: LabelMatrix) -> np.ndarray:
        matrix = as_label_matrix(L, self.classes_)
        p = self._posterior(matrix)
        p[~matrix.covered()] = 1.0 / self.n_classes_
        return p

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        raise NotImplementedError

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        raise NotImplementedError


def best_classes(p: np.ndarray, tie_break_policy: str) -> np.ndarray:
    """Classes (n,) of highest probability (n, C); a tie gives -1, or the lowest by "first"."""
    classes = p.argmax(1)
    if tie_break_policy == "abstain":
        tied = (p >= p.max(1, keepdims=True) - TIE).sum(1) > 1
        classes[tied] = ABSTAIN
    return classes


def write_proba_file(
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[Any],
    path: PathLike,
    overwrite: bool = False,
) -> Path:
    """Write row ids (k,) and probabilities (k, C) of each part as a row group of one file.

    Columns are ``row_id, p_0, .., p_{C-1}``; the names of the classes are metadata.

    Raises
    ------
    InputError
        If some parts have numbers for row ids and others texts.
    MissingExtraError
        Without pyarrow.
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "probabilities on disk") from error
    path = refuse_existing(path, overwrite)
    tables = (_table(pa, ids, p) for ids, p in parts if len(ids))
    first = next(tables, None)
    if first is None:
        first = _table(pa, np.empty(0, dtype=np.int64), np.empty((0, len(classes))))
    schema = first.schema.with_metadata({"classes": json.dumps([str(name) for name in classes])})
    with write_aside(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        writer.write_table(first)
        for table in tables:
            if table.schema.field("row_id") != schema.field("row_id"):
                raise InputError(
                    f"row ids are {schema.field('row_id').type} in some parts of the votes and "
                    f"{table.schema.field('row_id').type} in others; give all rows ids of one kind"
                )
            writer.write_table(table)
    return path


def _table(pa: Any, ids: np.ndarray, p: np.ndarray) -> Any:
    columns = {f"p_{k}": pa.array(p[:, k]) for k in range(p.shape[1])}
    text = ids.dtype.kind == "U"
    return pa.table({"row_id": pa.array(ids.tolist(), pa.string()) if text else ids} | columns)
