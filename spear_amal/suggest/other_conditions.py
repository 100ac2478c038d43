"""Conditions on numeric columns, and on being like certain rows to an encoder."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import nearest_similarities
from spear_amal.declared_lfs.rules import NGRAMS
from spear_amal.labeling.cell_values import number_column
from spear_amal.suggest.condition import Mined, RowCondition

if TYPE_CHECKING:
    from spear_amal.declared_lfs.similar import UnitVectors

_BOUNDS = 9  # of a column of numbers, by quantiles
# Shares of the rows that a neighbourhood holds, from a few near rows to many.
_SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
_CLUSTERS = 24
_FEW_ROWS = 100  # rows with gold around which neighbourhoods are drawn
# Texts below this similarity have hardly more in common than any two.
_LEAST_LIKE, _LEAST_LIKE_NGRAMS = 0.4, 0.2
_EXAMPLES = 3  # rows that stand for a cluster


def number_conditions(frame: pd.DataFrame, columns: Iterable[str], least_rows: int) -> Mined:
    """Return conditions on columns of numbers, and the rows on which they hold (n, J).

    Bounds are quantiles with three figures.
    """
    kept, masks = [], []
    for column in columns:
        values, known = number_column(frame[column])
        numbers = np.asarray(values, dtype=float)
        numbers = numbers if known is None else np.where(known, numbers, np.nan)
        if not np.isfinite(numbers).any():
            continue
        finite = numbers[np.isfinite(numbers)]
        quantiles = np.quantile(finite, np.arange(1, _BOUNDS + 1) / (_BOUNDS + 1))
        for bound in sorted({float(f"{value:.3g}") for value in quantiles.tolist()}):
            for side, mask in (("at_least", numbers >= bound), ("at_most", numbers <= bound)):
                if least_rows <= mask.sum() < len(finite):
                    words = f"{column} {side.replace('_', ' ')} {bound:g}"
                    kept.append(
                        RowCondition("threshold", (("column", column), (side, bound)), words)
                    )
                    masks.append(mask)
    return kept, np.stack(masks, axis=1) if masks else np.empty((len(frame), 0), bool)


def numeric_columns(frame: pd.DataFrame, without: Iterable[str]) -> list[str]:
    """Return the columns of numbers that may tell something: not those of ids."""
    left_out = set(without)
    names = []
    for name in frame.columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if name in left_out or not numeric or not isinstance(name, str):
            continue
        counts_rows = pd.api.types.is_integer_dtype(column) and column.is_unique and len(column) > 1
        if not counts_rows and column.nunique() > 1:
            names.append(name)
    return names


def neighbour_conditions(
    texts: Sequence[str], vectors: UnitVectors, gold_rows: np.ndarray, encoder: str, least_rows: int
) -> Mined:
    """Return conditions on likeness to rows with gold and to the middles of clusters.

    Parameters
    ----------
    texts : sequence of str (n,)
    vectors : array or sparse array (n, D)
        Of :func:`~spear_amal.declared_lfs.vectors_of`.
    gold_rows : ndarray of int (g,)
    encoder : str
        Its name, for the rule.
    least_rows : int
    """
    least_like = _LEAST_LIKE_NGRAMS if encoder == NGRAMS else _LEAST_LIKE
    groups = [[int(row)] for row in gold_rows[:_FEW_ROWS]] + _middles(vectors)
    kept, masks = [], []
    for group in groups:
        likeness = nearest_similarities(vectors, vectors[group])
        examples = tuple(dict.fromkeys(texts[row] for row in group if texts[row].strip()))
        if not examples:
            continue
        bounds: set[float] = set()
        for share in _SHARES:
            bound = float(np.floor(np.quantile(likeness, 1 - share) * 100) / 100)
            mask = likeness >= bound
            if (
                bound in bounds
                or bound < least_like
                or not least_rows <= mask.sum() <= len(texts) // 2
            ):
                continue
            bounds.add(bound)
            fields = (("examples", examples), ("at_least", bound), ("encoder", encoder))
            words = "like " + " ".join(examples[0].split()[:4])
            kept.append(RowCondition("similar", fields, words, 8))
            masks.append(mask)
    return kept, np.stack(masks, axis=1) if masks else np.empty((len(texts), 0), bool)


def _middles(vectors: UnitVectors) -> list[list[int]]:
    """Return the rows next to the middle of each cluster."""
    from sklearn.cluster import MiniBatchKMeans

    # Counts of n-grams have too many columns for middles.
    if not isinstance(vectors, np.ndarray) or len(vectors) < 10 * _CLUSTERS:
        return []
    with warnings.catch_warnings():  # of fewer distinct rows than clusters
        warnings.simplefilter("ignore")
        clusters = MiniBatchKMeans(_CLUSTERS, n_init=1, random_state=0).fit(vectors)
    near = vectors @ clusters.cluster_centers_.T
    top = np.argsort(-near, axis=0, kind="stable")[:_EXAMPLES]
    return [sorted(set(top[:, k].tolist())) for k in range(_CLUSTERS)]
