"""Which rows to label next: uncertain and disputed ones, and rare classes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.join_votes import matrix_on_rows
from spear_amal.seeds import settle_seed
from spear_amal.votes.gold import gold_codes
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.matrix_checks import as_floats
from spear_amal.votes.parquet import open_votes
from spear_amal.votes.row_ids import align_votes

# Candidates for each row that is chosen by its score: the diverse ones are taken from these.
_CANDIDATES = 20
# Of two rows with a higher cosine one is enough.
NEAR = 0.9
# Features are floats: of rows with one text they are alike up to rounding.
_SAME = 1 - 1e-9
# Numbers of its own, so that a split with the same seed is another draw.
_STREAM = 2_741


def next_rows(
    L: VotesLike | PathLike,
    y: VectorLike | None = None,
    n: int = 20,
    proba: MatrixLike | None = None,
    X: Any = None,
    seed: int = 0,
    *,
    rows: pd.DataFrame | None = None,
    text_column: str = "text",
) -> pd.DataFrame:
    """Choose rows whose labels would help most.

    One half by a score of how little is known of a row: the margin between its two most probable
    classes, votes that contradict each other, no vote at all. With features the score is higher for
    typical rows, and rows are picked one by one, each score lowered by the likeness to rows that
    are picked or labelled already; near duplicates of them are left out.

    The other half is drawn at random: always from the likely rows of the class that has the fewest
    labels so far. Uncertain rows alone are odd ones, and teach a classifier little of the rest.
    With features near duplicates come last here, and of rows with the same features, those with a
    label included, no second one is chosen.

    Parameters
    ----------
    L : LabelMatrix, array (n_rows, m), or path of a file or folder of votes
        -1 for abstain.
    y : array (n_rows,), optional
        Gold classes, -1, None or NaN where unknown: these rows may be chosen.
    n : int
        How many.
    proba : array (n_rows, C), optional
        Probabilities of the classes, from a model or a label model; default: shares of the votes.
    X : array or sparse matrix (n_rows, D), optional
        Features such as TF-IDF, by which rows are alike; without them all rows differ.
    seed : int
        Draws the second half.
    rows : DataFrame of n_rows rows, optional
        What the votes are of. Votes that know their rows, as those of ``spear-amal apply`` do, are
        brought into its order, exactly; other rows are refused. `y`, `proba` and `X` go with it.
    text_column : str
        Of `rows`.

    Returns
    -------
    DataFrame
        ``row`` (position), ``reason``, ``score`` and ``class`` (the most probable one), the first
        half in the order in which it was picked; fewer than `n` rows if no more are left.

    Raises
    ------
    InputError
        If lengths differ, or no row is without a label.

    Examples
    --------
    >>> L = np.array([[0, 0], [0, 1], [-1, -1], [1, 1], [0, 0]])
    >>> next_rows(L, [0, -1, -1, -1, -1], n=3)[["row", "reason"]].to_numpy().tolist()[1:]
    [[2, 'no LF votes on it'], [3, 'it may be of class 1, which has the fewest labels']]
    """
    check_whole("n", n, 1)
    generator = np.random.default_rng([_STREAM, settle_seed(seed, "seed")])
    matrix = _votes(L, rows, text_column)
    gold = np.full(len(matrix), -1) if y is None else gold_codes(y, matrix, "y")
    if not (gold < 0).any():
        raise InputError("all rows have a label: there is none to choose")
    counts = _votes_by_class(matrix, max(matrix.n_classes, int(gold.max(initial=-1)) + 1))
    p = _probabilities(proba, counts, gold)
    features = None if X is None else _unit_rows(X, len(matrix))
    parts = _parts(p, counts)
    score = np.sum(list(parts.values()), axis=0) * _typical(features, len(matrix))
    picked = _diverse(score, features, gold, n - n // 2)
    guesses = p.argmax(axis=1)
    drawn = _of_rare_classes(guesses, gold, features, picked, n - len(picked), generator)
    rows = np.concatenate([picked, drawn])
    names = list(matrix.classes)
    classes = [names[code] if code < len(names) else code for code in guesses[rows].tolist()]
    is_rare = _is_rarest(gold, p.shape[1])[guesses[drawn]]
    reasons = [_reason(parts, row) for row in picked]
    reasons += [_why_drawn(*of) for of in zip(classes[len(picked) :], is_rare, strict=True)]
    return pd.DataFrame({"row": rows, "reason": reasons, "score": score[rows], "class": classes})


def _votes(L: Any, rows: pd.DataFrame | None, text_column: str) -> LabelMatrix:
    is_path = isinstance(L, str | os.PathLike)
    if rows is not None and not isinstance(rows, pd.DataFrame):
        raise InputError(f"rows must be a DataFrame, found {type(rows).__name__}")
    if rows is not None and (is_path or isinstance(L, LabelMatrix)):
        matrix: LabelMatrix = align_votes(matrix_on_rows(L, rows, None, text_column), [rows])
    elif is_path:
        opened = open_votes(L)
        matrix = opened if isinstance(opened, LabelMatrix) else opened.to_label_matrix()
    else:
        matrix = as_label_matrix(L)
    if rows is not None and len(rows) != len(matrix):
        raise InputError(f"rows has {len(rows)} rows, L has {len(matrix)}")
    return matrix


def _votes_by_class(matrix: Any, C: int) -> np.ndarray:
    """Count votes (n, C) of each row for each class."""
    codes = matrix.codes.tocoo()
    rows, _ = codes.coords
    cells = rows.astype(np.int64) * C + codes.data.astype(np.int64) - 1
    return np.bincount(cells, minlength=len(matrix) * C).reshape(len(matrix), C)


def _probabilities(proba: Any, counts: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return probabilities (n, C): those given, or shares of the votes, smoothed."""
    n, C = counts.shape
    if proba is None:
        of_class = np.bincount(gold[gold >= 0], minlength=C) + 1.0
        smoothed = counts + of_class / of_class.sum()
        return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))
    p = as_floats(proba, "proba")
    if p.ndim != 2 or len(p) != n or p.shape[1] < C or not np.isfinite(p).all():
        raise InputError(
            f"proba must hold probabilities of {C} classes for {n} rows, found shape {p.shape}"
        )
    return p


def _parts(p: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return what makes a row (n,) worth a label, by reason; each from 0 to 1."""
    ordered = np.sort(p, axis=1)
    margin = ordered[:, -1] - (ordered[:, -2] if p.shape[1] > 1 else 0)
    voted = counts.sum(axis=1)
    agreed = counts.max(axis=1) / np.maximum(voted, 1)
    return {
        "the classifier is uncertain": 1 - margin,
        "votes contradict each other": np.where(voted > 0, 2 * (1 - agreed), 0.0).clip(max=1),
        "no LF votes on it": 0.5 * (voted == 0),
    }


def _reason(parts: dict[str, np.ndarray], row: int) -> str:
    """Return what counts most for a row; without a vote all else follows from that."""
    if parts["no LF votes on it"][row]:
        return "no LF votes on it"
    return max(parts, key=lambda name: parts[name][row])


def _is_rarest(gold: np.ndarray, C: int) -> np.ndarray:
    """Return which classes (C,) have the fewest labels; none where all have as many."""
    labels = np.bincount(gold[gold >= 0], minlength=C)
    return np.asarray((labels == labels.min()) & (labels < labels.max()))


def _why_drawn(name: Any, is_rarest: bool) -> str:
    why = "which has the fewest labels" if is_rarest else "drawn so that all classes get labels"
    return f"it may be of class {name}, {why}"


def _unit_rows(X: Any, n: int) -> sp.csr_array:
    """Return features as sparse rows of length 1, or 0."""
    values = X if sp.issparse(X) else as_floats(X, "X")
    if values.ndim != 2 or values.shape[0] != n:
        raise InputError(f"X must be features of {n} rows, as L has, found shape {values.shape}")
    features = sp.csr_array(values, dtype=np.float64)
    if not np.isfinite(features.data).all():
        raise InputError("X holds a value that is not finite; fill or leave out missing ones")
    lengths = np.sqrt(features.multiply(features).sum(axis=1))
    scale = np.divide(1.0, lengths, out=np.zeros(n), where=lengths > 0)
    return sp.csr_array(sp.diags_array(scale) @ features)


def _typical(features: sp.csr_array | None, n: int) -> np.ndarray:
    """Return how typical rows (n,) are: root of the mean cosine to all, the largest being 1."""
    if features is None:
        return np.ones(n)
    mean_cosine = features @ np.asarray(features.mean(axis=0)).ravel()
    return np.sqrt((mean_cosine / max(mean_cosine.max(initial=0.0), 1e-12)).clip(min=0))


def _diverse(
    score: np.ndarray, features: sp.csr_array | None, gold: np.ndarray, n: int
) -> np.ndarray:
    """Pick rows greedily: the highest ``score * (1 - cosine to the nearest row known)``."""
    unlabelled = np.flatnonzero(gold < 0)
    candidates = unlabelled[np.argsort(-score[unlabelled], kind="stable")]
    if features is None:
        return candidates[:n]
    candidates = candidates[: max(_CANDIDATES * n, 500)]
    own = features[candidates]
    nearest = _nearest(own, features, np.flatnonzero(gold >= 0))
    picked: list[int] = []
    left = np.ones(len(candidates), dtype=bool)
    while len(picked) < n:
        left &= nearest < NEAR
        if not left.any():
            break
        worth = np.where(left, (score[candidates] + 1e-9) * (1 - nearest), -1.0)
        best = int(worth.argmax())
        picked.append(int(candidates[best]))
        left[best] = False
        alike = (own @ features[candidates[[best]]].T).toarray()[:, 0]
        nearest = np.maximum(nearest, alike)
    return np.array(picked, dtype=np.int64)


def _nearest(own: sp.csr_array, features: sp.csr_array, known: np.ndarray) -> np.ndarray:
    """Return the cosine of each row (k,) to the nearest of some known ones; 0 without any."""
    nearest = np.zeros(own.shape[0])
    for start in range(0, len(known), 1000):
        alike = (own @ features[known[start : start + 1000]].T).toarray()
        nearest = np.maximum(nearest, alike.max(axis=1))
    return nearest


def _of_rare_classes(
    guesses: np.ndarray,
    gold: np.ndarray,
    features: sp.csr_array | None,
    picked: np.ndarray,
    n: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Draw rows one by one, each among those that look like the class with the fewest labels."""
    free = gold < 0
    free[picked] = False
    C = max(int(guesses.max(initial=0)), int(gold.max(initial=0))) + 1
    waiting = [generator.permutation(np.flatnonzero(free & (guesses == code))) for code in range(C)]
    if features is not None:
        most = max(_CANDIDATES * n, 500) // C + n
        waiting = [rows[:most] for rows in waiting]
    labels = np.bincount(gold[gold >= 0], minlength=C) + np.bincount(guesses[picked], minlength=C)
    known = np.append(np.flatnonzero(gold >= 0), picked)
    likeness = _Likeness(np.concatenate(waiting), features, known)
    drawn: list[int] = []
    for too_alike in (NEAR, _SAME):  # near duplicates last
        rows_of = [rows.tolist() for rows in waiting]
        while len(drawn) < n and any(rows_of):
            code = min((k for k in range(C) if rows_of[k]), key=lambda k: labels[k])
            row = rows_of[code].pop()
            if likeness.of(row) < too_alike:
                drawn.append(row)
                likeness.add(row)
                labels[code] += 1
    return np.array(drawn, dtype=np.int64)


class _Likeness:
    """How much rows are like those that are labelled or chosen; not at all without features."""

    def __init__(self, rows: np.ndarray, features: sp.csr_array | None, known: np.ndarray) -> None:
        self._place = {row: place for place, row in enumerate(rows.tolist())}
        self._nearest = np.zeros(len(rows))
        self._own = None if features is None else features[rows]
        if self._own is not None and features is not None:
            self._nearest = _nearest(self._own, features, known)

    def of(self, row: int) -> float:
        """Return the cosine of a row to the nearest known one."""
        return float(self._nearest[self._place[row]])

    def add(self, row: int) -> None:
        """Add a row to the known ones, so that it is not drawn again."""
        place = self._place[row]
        if self._own is not None:
            alike = (self._own @ self._own[[place]].T).toarray()[:, 0]
            self._nearest = np.maximum(self._nearest, alike)
        self._nearest[place] = 1.0
