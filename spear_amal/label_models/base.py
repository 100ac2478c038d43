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
from spear_amal.label_models.against_majority import BothWrong
from spear_amal.label_models.class_balance import (
    ESTIMATED,
    GOLD,
    asks_for,
    estimate_shares,
    gold_shares,
    resolve_class_balance,
    with_balance_ratio,
)
from spear_amal.label_models.files import class_or_object, read_label_model, write_label_model
from spear_amal.label_models.one_class import constant_lfs, count_votes, without_votes
from spear_amal.label_models.scores import (
    best_classes,
    check_tie_break_policy,
    score_predictions,
)
from spear_amal.label_models.vote_patterns import count_rows
from spear_amal.votes.gold import gold_codes
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.parquet import VoteFiles, open_votes, parts_of


class LabelModel(BaseEstimator):
    """Base: input checks, ties and ``predict``; a model writes ``_fit`` and ``_posterior``.

    Parameters of all label models are keyword-only and only stored by the constructor. One that
    all of them have is ``class_balance``, how frequent the classes are:

    * None: what the model does of itself.
    * "balanced", shares by class name or an array (C,): these.
    * "gold": counted on the gold rows that ``fit`` is given, one row added to each class. Gold that
      was chosen by its class cannot tell.
    * "estimated": from the votes, by EM. A model that does not estimate it has its posteriors
      turned to the balance that is their own mean
      (:func:`~spear_amal.label_models.class_balance.estimate_shares`).

    A model that takes no class balance, as the majority vote, has its posteriors multiplied by how
    much more frequent each class is than it assumes, mostly that all are alike.

    Votes may lie on disk (:class:`~spear_amal.votes.parquet.VoteFiles`). ``fit`` then needs memory
    for the *distinct* rows of votes, and for one part; predictions for one part and what they
    return.

    Attributes
    ----------
    classes_ : ClassNames
        Classes (C,) in the order of the columns of ``predict_proba``, as L names them.
    uses_gold : bool
        Of the class: ``fit`` learns from `y` where it is given; other models ignore it, unless
        ``class_balance="gold"``.
    uses_scores : bool
        Of the class: ``fit`` learns from scores of continuous LFs.
    counts_rows : bool
        Of the class: ``_fit(L, y, n_rows)`` takes distinct rows and how many rows each stands for.
        Other models are given all rows at once, votes on disk as well.
    drops_constant : bool
        Of the class: LFs that cast the same vote on every row are not heard, in ``fit`` and later.
        They tell nothing of any row, but a model that believes them draws all rows to their class.
    has_balance, estimates_balance : bool
        Of the class: ``_fit`` takes the class balance into account and sets ``class_balance_``; and
        estimates it where it is not known.
    constant_ : ndarray of bool, shape (m,)
        Those LFs; none where scores are learnt from, or where no other LF votes.
    class_balance_ : ndarray of shape (C,)
        Where the model has a class balance, or was asked for one.
    """

    uses_gold: bool = False
    uses_scores: bool = False
    counts_rows: bool = False
    drops_constant: bool = False
    has_balance: bool = False
    estimates_balance: bool = False
    class_balance_: np.ndarray

    def fit(self, L: StoredVotesLike, y: VectorLike | None = None) -> Self:
        """Learn from votes (n, m); `y` (n,), where known, is used by models that take gold.

        Parameters
        ----------
        L : LabelMatrix or array of shape (n, m), VoteFiles or the path of such a folder
            From a folder, rows with equal votes are merged as they are read, if the model counts
            rows and uses no scores that are there; the result is that of all rows in memory.
        y : array (n,), optional
            Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
            unknown. Learnt from only if ``uses_gold``.

        Raises
        ------
        InputError
            If no LF votes, or `y` has other rows or a label that is no class of L.

        Warns
        -----
        UserWarning
            If `y` has 20 rows with votes or more, and the model is right on fewer of them than the
            majority vote, beyond chance. What learnt from these rows is flattered by them.
        """
        compared = self._fit_silently(L, y)
        if compared is not None:
            compared.warn(type(self).__name__, stacklevel=2)
        return self

    def _fit_silently(self, L: StoredVotesLike, y: VectorLike | None = None) -> BothWrong | None:
        """Fit without the warning; return how the model compares with the majority vote on gold."""
        self.check_parameters()
        votes = open_votes(L)
        if votes.nnz == 0:
            raise InputError("all LFs abstain on all rows: there is nothing to learn from")
        gold = self._gold(y, votes, "y")
        self.classes_ = votes.classes
        self.n_classes_ = votes.n_classes
        self.n_lfs_ = votes.shape[1]
        n_rows = None
        if isinstance(votes, VoteFiles):
            votes, gold, n_rows = self._read_files(votes, gold)
        self.plan_ = votes.unipolar_plan()
        self.constant_ = self._find_constant(votes, n_rows)
        heard, counted = self._heard(votes), () if n_rows is None else (n_rows,)
        learnt_from = gold if self.learns_from_gold else None
        self._fit(heard, learnt_from, *counted)
        self._turn_balance(heard, learnt_from, n_rows)
        return None if gold is None else BothWrong.of(self._probabilities, votes, gold, n_rows)

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""

    @property
    def learns_from_gold(self) -> bool:
        """True if what ``fit`` learns hangs on `y`."""
        return self.uses_gold or asks_for(self._balance_asked, GOLD)

    @property
    def _balance_asked(self) -> Any:
        """What ``class_balance`` is; None for a model that has no such parameter."""
        return getattr(self, "class_balance", None)

    def _known_balance(
        self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Class shares (C,) that were given or are counted on gold; None where there are none.

        Raises
        ------
        InputError
            If they are wrong, or gold is to tell them and there is none that can.
        """
        if not asks_for(self._balance_asked, GOLD):
            return resolve_class_balance(self._balance_asked, self.classes_)
        shares = gold_shares(y, count_votes(L, n_rows), n_rows)
        if shares is None:
            raise InputError(
                "class_balance='gold' needs gold rows that were drawn by chance, and y holds none; "
                "say the shares, as class_balance={'ham': 0.9, 'spam': 0.1}, or take 'estimated'"
            )
        return shares

    def _balance_or_even(
        self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Class shares (C,): known, unasked counted on gold, or even, as to be estimated later."""
        shares = self._known_balance(L, y, n_rows)
        if shares is None and self._balance_asked is None:
            shares = gold_shares(y, count_votes(L, n_rows), n_rows)
        return np.full(self.n_classes_, 1 / self.n_classes_) if shares is None else shares

    def _assumed_balance(self) -> np.ndarray:
        """Class balance (C,) under which ``_posterior`` holds."""
        if self.has_balance:
            return self.class_balance_
        return np.full(self.n_classes_, 1 / self.n_classes_)

    def _turn_balance(
        self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None
    ) -> None:
        """Set the ratio (C,) by which posteriors are turned to the class balance asked for."""
        self.balance_ratio_ = np.ones(self.n_classes_)
        estimated = asks_for(self._balance_asked, ESTIMATED)
        done = self.estimates_balance if estimated else self.has_balance
        if done or self._balance_asked is None:
            return
        assumed = self._assumed_balance()
        shares = self._known_balance(L, y, n_rows)
        if shares is None:
            weights = L.covered() * (1.0 if n_rows is None else n_rows)
            shares = estimate_shares(self._posterior(L), assumed, weights, y)
        self.class_balance_, self.balance_ratio_ = shares, shares / assumed

    @staticmethod
    def _gold(y: VectorLike | None, votes: LabelMatrix | VoteFiles, name: str) -> np.ndarray | None:
        """Gold codes (n,), -1 where unknown; None if none is known."""
        gold = None if y is None else gold_codes(y, votes, name, grow=False)
        return None if gold is None or (gold < 0).all() else gold

    def _read_files(
        self, votes: VoteFiles, gold: np.ndarray | None
    ) -> tuple[LabelMatrix, np.ndarray | None, np.ndarray | None]:
        """Votes, gold and how many rows each stands for, where the model counts rows."""
        if not self.counts_rows or (self.uses_scores and votes.continuous.any()):
            return votes.to_label_matrix(), gold, None
        rows = count_rows(votes, gold)
        return rows.L, None if gold is None else rows.gold, rows.n_rows

    def _find_constant(self, L: LabelMatrix, n_rows: np.ndarray | None) -> np.ndarray:
        """LFs (m,) that are not heard, as they cast the same vote on every row."""
        if not self.drops_constant:
            return np.zeros(self.n_lfs_, dtype=bool)
        counts = count_votes(L, n_rows)
        constant = constant_lfs(counts, len(L) if n_rows is None else n_rows.sum())
        constant &= ~(self.uses_scores & L.continuous)
        return constant & counts[~constant].any()

    def _heard(self, L: LabelMatrix) -> LabelMatrix:
        """Votes of the LFs that the model hears."""
        return without_votes(L, self.constant_) if self.constant_.any() else L

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
        tie_break_policy : {"abstain", "first", "random"}
            What a tie gives: -1, the lowest of the tied classes, or one of them that depends on the
            number of the row alone, so that a second call gives the same.
        """
        check_tie_break_policy(tie_break_policy)
        votes = self._votes(L)
        classes = np.empty(len(votes), dtype=np.int64)
        for rows, part in parts_of(votes):
            p = self._probabilities(part)
            classes[rows] = best_classes(p, tie_break_policy, np.arange(len(votes))[rows])
        return self.classes_.as_numbers(classes)

    def score(
        self,
        L: StoredVotesLike,
        Y: VectorLike,
        metrics: Sequence[str] = ("accuracy",),
        tie_break_policy: str = "abstain",
    ) -> dict[str, float]:
        """Score predictions by gold, under the name and with the metrics of Snorkel's method.

        Rows without gold are left out; so are rows without a prediction, of which "coverage" tells.

        Parameters
        ----------
        L : as for :meth:`fit`
        Y : array (n,)
            Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
            unknown.
        metrics : sequence of str
            Of "accuracy", "coverage", "f1_micro", "f1_macro" and "matthews_corrcoef", and with two
            classes "precision", "recall", "f1" (of class 1) and "roc_auc".
        tie_break_policy : {"abstain", "first", "random"}
            As for :meth:`predict`.

        Raises
        ------
        InputError
            If a metric is unknown or asks for two classes, or no row is left to score.
        """
        votes = self._votes(L)
        if isinstance(votes, LabelMatrix):
            votes = as_label_matrix(votes, self.classes_)
        gold = self._gold(Y, votes, "Y")
        if gold is None:
            raise InputError("Y holds no gold class, so that there is nothing to score by")
        return score_predictions(gold, self.predict_proba(votes), metrics, tie_break_policy)

    def get_weights(self) -> np.ndarray:
        """Return how often each LF is right where it fires (m,), as the model believes.

        Of LFs that vote for one class only some models say how often that would be, were classes
        equally frequent; see their ``accuracies_``. LFs that are not heard have that of chance.

        Raises
        ------
        InputError
            If the model weighs no LFs.
        """
        check_is_fitted(self, "n_classes_")
        return np.where(self.constant_, 1 / self.n_classes_, self._weights())

    def _weights(self) -> np.ndarray:
        raise InputError(f"{type(self).__name__} has no weights of LFs to tell")

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

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write the fitted model into one file, which :meth:`load` reads.

        Arrays go into a safetensors file, the rest into its header; written aside, then renamed.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        InputError
            If a parameter, or what ``fit`` learnt, is no number, text or array.
        """
        check_is_fitted(self, "n_classes_")
        write_label_model(self, path, overwrite)

    @class_or_object
    def load(receiver: Any, path: PathLike) -> LabelModel:
        """Read a fitted model from the file that :meth:`save` wrote.

        ``DawidSkene.load(path)`` makes one, and ``LabelModel.load(path)`` one of the class that the
        file names; ``model.load(path)``, as Snorkel has it, fills a model of that class.

        Raises
        ------
        FileFormatError
            If the file is damaged, holds something else or a model of another class. Files of
            Snorkel's ``LabelModel.save`` are pickles, which are never read.
        """
        return read_label_model(receiver, path, LabelModel)

    def _votes(self, L: StoredVotesLike) -> LabelMatrix | VoteFiles:
        """Open votes to predict on."""
        check_is_fitted(self, "n_classes_")
        votes = open_votes(L)
        if votes.shape[1] != self.n_lfs_:
            raise InputError(f"L has {votes.shape[1]} LFs, the model was fitted on {self.n_lfs_}")
        return votes

    def _probabilities(self, L: LabelMatrix) -> np.ndarray:
        matrix = self._heard(as_label_matrix(L, self.classes_))
        p = self._posterior(matrix)
        ratio = vars(self).get("balance_ratio_")  # files of earlier versions have none
        if ratio is not None and (ratio != 1).any():
            p = with_balance_ratio(p, ratio)
        p[~matrix.covered()] = 1.0 / self.n_classes_
        return p

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        raise NotImplementedError

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        raise NotImplementedError


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
