"""A corpus under one partition, cut in two: what training may see, and what only a scorer opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import confusion_matrix

from spear_amal._typing import Features
from spear_amal.data import Corpus, Partition, TextFeatures, partition
from spear_amal.data.splits import without_duplicates
from spear_amal.errors import InputError
from spear_amal.maths.reliability import reliability_gap
from spear_amal.training import METRICS, score
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix


@dataclass(frozen=True)
class Split:
    """Everything that training may see.

    Attributes
    ----------
    name, metric, classes
    x_train, votes_train : features and votes of labelled and unlabelled rows
    y_train : ndarray (n,)
        Gold codes, -1 on unlabelled rows; in a supervised split none is -1.
    x_val, y_val, votes_val : validation rows, all with gold
    train_rows : ndarray (n,)
        Positions of the training rows in the corpus, for looking texts up.
    seed : int
        What drew the partition.
    exemplars : csr_array (n, m) of bool, or None
        Which labelled row LF j was written from, where that is known.
    """

    name: str
    metric: str
    classes: tuple[str, ...]
    x_train: Features
    y_train: np.ndarray
    votes_train: LabelMatrix
    x_val: Features
    y_val: np.ndarray
    votes_val: LabelMatrix
    train_rows: np.ndarray
    seed: int
    exemplars: sp.csr_array | None = None

    @property
    def n_labelled(self) -> int:
        """Gold rows in L."""
        return int((self.y_train >= 0).sum())

    @property
    def n_unlabelled(self) -> int:
        """Rows in U."""
        return int((self.y_train < 0).sum())


class HeldOutScorer:
    """Holds the test rows; nothing that trains or selects gets at them.

    Parameters
    ----------
    x, y, votes : test rows
    metric : str
        Name of the corpus' own metric.
    distinct : ndarray (n,) of bool, optional
        Rows whose text does not occur in training; None where the corpus has no texts.
    """

    def __init__(
        self,
        x: Features,
        y: np.ndarray,
        votes: LabelMatrix,
        metric: str,
        distinct: np.ndarray | None = None,
    ) -> None:
        self._x, self._y, self._votes = x, np.asarray(y), votes
        self._distinct = distinct
        self.metric = metric

    def __len__(self) -> int:
        return len(self._y)

    @property
    def n_distinct(self) -> int | None:
        """Test rows whose text does not occur in training; None where there are no texts."""
        return None if self._distinct is None else int(self._distinct.sum())

    def probabilities(self, estimator: Any) -> np.ndarray:
        """Return class probabilities (n, C) of the test rows; 0 for classes not in training."""
        votes = (self._votes,) if getattr(estimator, "exponent_", 0.0) > 0 else ()
        p = estimator.predict_proba(self._x, *votes)
        schema = getattr(estimator, "vote_schema_", None)
        if schema is not None and schema.codes is not None:  # classes_ are sorted names
            p = p[:, list(schema.codes)]
        n_classes = self._votes.n_classes
        if p.shape[1] == n_classes:
            return p
        full = np.zeros((len(p), n_classes))
        full[:, np.asarray(estimator.classes_, dtype=int)] = p
        return full

    def score(self, estimator: Any) -> dict[str, float]:
        """Score every metric; "nll" in nats per row, "ece" the calibration error, in [0, 1]."""
        return score_table(self.probabilities(estimator), self._y)

    def score_both(self, estimator: Any) -> tuple[dict[str, float], dict[str, float] | None]:
        """Score all test rows, and those whose text does not occur in training (None if unknown).

        None as well where every test text occurs in training.
        """
        p = self.probabilities(estimator)
        rows = self._distinct
        some = None if rows is None or not rows.any() else score_table(p[rows], self._y[rows])
        return score_table(p, self._y), some

    def confusion(self, estimator: Any) -> np.ndarray:
        """Count (C, C): gold in rows, predicted in columns."""
        p = self.probabilities(estimator)
        return confusion_matrix(self._y, p.argmax(1), labels=np.arange(p.shape[1]))

    def calibration(self, estimator: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the confidence (n,) of the predicted class and whether it was right (n,) bool."""
        p = self.probabilities(estimator)
        return p.max(1), p.argmax(1) == self._y


def score_table(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Compute every metric of class probabilities (n, C) against gold codes (n,)."""
    scores = {name: score(name, y, p.argmax(1)) for name in METRICS}
    picked = p[np.arange(len(y)), y]
    scores["nll"] = float(-np.log(np.clip(picked, 1e-12, 1)).mean())
    scores["ece"] = calibration_error(p, y)
    return scores


def calibration_error(p: np.ndarray, y: np.ndarray) -> float:
    """Compute the expected calibration error in ten bins of equal width.

    Mean gap between confidence and accuracy, weighted by the rows in each bin.

    Examples
    --------
    >>> calibration_error(np.array([[0.25, 0.75], [0.25, 0.75]]), np.array([1, 0]))
    0.25
    """
    return reliability_gap(p.max(1), p.argmax(1) == y)


def make_split(
    corpus: Corpus,
    label_matrix: LabelMatrix | None = None,
    seed: int = 0,
    *,
    n_labelled: int | None = None,
    n_validation: int | None = None,
    features: TextFeatures | Features | None = None,
    supervised: bool = False,
    exemplars: sp.csr_array | None = None,
    **options: Any,
) -> tuple[Split, HeldOutScorer]:
    """Partition a corpus; return what training may see, and the scorer of the test rows.

    Text features (TF-IDF by default) are fitted on training and validation text only.

    Parameters
    ----------
    corpus : Corpus
    label_matrix : LabelMatrix, optional
        Votes for all rows of the corpus; default the published ones.
    seed : int
        Draws the partition.
    n_labelled, n_validation : int, optional
        Sizes of L and V; default those of the corpus.
    features : TextFeatures or array (n, D), optional
        Unfitted text features, or features of all rows of the corpus that were made beforehand
        (without looking at test rows); default the published ones, else TF-IDF.
    supervised : bool
        Hand out gold for every training row: the ceiling, for no other method.
    exemplars : csr_array (n, m) of bool, optional
        Which row LF j was written from; the split keeps those of labelled rows.
    **options
        Passed to :func:`spear_amal.data.partition`.
    """
    votes = _votes_of(corpus, label_matrix)
    parts = partition(corpus, seed, n_labelled, n_validation, **options)
    x = _features_of(corpus, features, np.concatenate([parts.train, parts.validation]))
    rows = (parts.labelled, parts.unlabelled, parts.validation)
    split = cut_split(corpus, votes, x, rows, seed, supervised, exemplars)
    test, y = parts.test, corpus.labels
    return split, HeldOutScorer(
        x[test], y[test], votes[test], corpus.metric, _distinct(corpus, parts)
    )


def cut_split(
    corpus: Corpus,
    votes: LabelMatrix,
    x: Features,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    seed: int = 0,
    supervised: bool = False,
    exemplars: sp.csr_array | None = None,
) -> Split:
    """Cut labelled, unlabelled and validation rows out of a corpus.

    Parameters
    ----------
    corpus : Corpus of n rows
    votes : LabelMatrix (n, m)
    x : array (n, D)
    rows : tuple of three ndarray of int
        Positions of the rows of L, U and V.
    seed : int
        Only noted.
    supervised : bool
        Hand out gold for U as well.
    exemplars : csr_array (n, m) of bool, optional
        As for :func:`make_split`.
    """
    labelled, unlabelled, validation = rows
    train = np.sort(np.concatenate([labelled, unlabelled]))
    y = corpus.labels
    in_l = np.isin(train, labelled)
    known = in_l | supervised
    return Split(
        name=corpus.name,
        metric=corpus.metric,
        classes=corpus.classes,
        x_train=x[train],
        y_train=np.where(known, y[train], ABSTAIN),
        votes_train=votes[train],
        x_val=x[validation],
        y_val=y[validation],
        votes_val=votes[validation],
        train_rows=train,
        seed=seed,
        exemplars=None if exemplars is None else _only(exemplars[train], in_l),
    )


def _only(exemplars: Any, rows: np.ndarray) -> Any:
    """Keep entries (n, m) of some rows (n,): an exemplar in U would tell its gold."""
    kept = sp.csr_array(exemplars.multiply(rows[:, None]), dtype=bool)
    kept.eliminate_zeros()
    return kept


def _votes_of(corpus: Corpus, label_matrix: LabelMatrix | None) -> LabelMatrix:
    votes = label_matrix if label_matrix is not None else corpus.label_matrix
    if votes is None:
        raise InputError(f"corpus {corpus.name!r} has no votes of its own: pass label_matrix=")
    if not isinstance(votes, LabelMatrix):
        raise InputError(f"label_matrix must be a LabelMatrix, found {type(votes).__name__}")
    if len(votes) != len(corpus):
        raise InputError(f"label_matrix has {len(votes)} rows, the corpus {len(corpus)}")
    return votes.with_coded_classes()


def _features_of(corpus: Corpus, features: Any, seen: np.ndarray) -> Any:
    """Return features (n, D) of all rows; what is fitted is fitted on the rows `seen`."""
    if features is None and corpus.features is not None:
        return corpus.features
    if features is not None and not isinstance(features, TextFeatures):
        if features.shape[0] != len(corpus):
            raise InputError(f"features has {features.shape[0]} rows, the corpus {len(corpus)}")
        return features
    fitted = (features or TextFeatures()).fit(corpus.frame["text"].iloc[seen])
    return fitted.transform(corpus.frame["text"])


def _distinct(corpus: Corpus, parts: Partition) -> np.ndarray | None:
    """Return which test rows (n_test,) have a text that is no training or validation text."""
    if "text" not in corpus.frame:
        return None
    pool = np.concatenate([parts.train, parts.validation])
    return np.isin(parts.test, without_duplicates(parts.test, pool, corpus.texts))
