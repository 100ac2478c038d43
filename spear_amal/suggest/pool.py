"""All conditions that a table offers, mined from its texts and numbers without gold classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal.declared_lfs import vectors_of
from spear_amal.suggest.condition import Mined, RowCondition
from spear_amal.suggest.form_conditions import form_conditions
from spear_amal.suggest.other_conditions import (
    neighbour_conditions,
    number_conditions,
    numeric_columns,
)
from spear_amal.suggest.word_conditions import word_conditions

#: Rows with gold that are looked at; more of them would need no test.
MOST_GOLD = 1_000
_MOST_ROWS = 6_000
_MOST_CHARACTERS = 1_500_000  # of all texts that are looked at
_SHOWN_OF_A_TEXT = 20_000
_LEAST_ROWS = 3
_LEAST_SHARE = 0.001
_MOST_SHARE = 0.6  # a rule of more rows says little of each
_STREAM = 51_307


@dataclass(frozen=True)
class ConditionPool:
    """Conditions, and the rows of a sample on which they hold.

    Attributes
    ----------
    rows : ndarray of int (s,)
        Positions of the sample: rows with gold first.
    n_gold : int
        How many of them have gold.
    conditions : tuple of RowCondition
    holds : sparse array of bool (s, J)
    asked : ndarray of bool (J, C), optional
        For which classes each condition may vote; None for all.
    """

    rows: np.ndarray
    n_gold: int
    conditions: tuple[RowCondition, ...]
    holds: sp.csc_array
    asked: np.ndarray | None = None


def mine_conditions(
    frame: pd.DataFrame,
    text_column: str,
    has_gold: np.ndarray,
    without: Collection[str] = (),
    encoder: str | None = None,
    seed: int = 0,
) -> ConditionPool:
    """Return the conditions on a sample: all rows with gold (1,000 at most), and others.

    Parameters
    ----------
    frame : DataFrame of n rows
    text_column : str
    has_gold : ndarray of bool (n,)
        Which rows have gold; of which class it is must not matter here.
    without : collection of str
        Columns to leave alone: labels, ids.
    encoder : str, optional
        For conditions on likeness.
    seed : int
    """
    texts = [value if isinstance(value, str) else "" for value in frame[text_column].tolist()]
    rows, n_gold = sampled_rows(texts, has_gold, seed)
    sample = [texts[row][:_SHOWN_OF_A_TEXT] for row in rows.tolist()]
    least = max(_LEAST_ROWS, int(_LEAST_SHARE * len(rows)))
    part = frame.iloc[rows]
    mined: list[Mined] = [
        word_conditions(sample, least),
        form_conditions(sample, least),
        number_conditions(part, numeric_columns(part, (text_column, *without)), least),
    ]
    if encoder is not None:
        vectors = vectors_of(encoder, sample)
        mined.append(neighbour_conditions(sample, vectors, np.arange(n_gold), encoder, least))
    conditions = [condition for made, _ in mined for condition in made]
    holds = sp.csc_array(sp.hstack([sp.csc_array(columns) for _, columns in mined], format="csc"))
    kept = np.flatnonzero(np.diff(holds.indptr) <= _MOST_SHARE * len(rows))
    return ConditionPool(rows, n_gold, tuple(conditions[j] for j in kept.tolist()), holds[:, kept])


def sampled_rows(texts: list[str], has_gold: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """Return rows with gold, then others as far as there is room, and how many have gold.

    Parameters
    ----------
    texts : list of str (n,)
    has_gold : ndarray of bool (n,)
    seed : int
    """
    generator = np.random.default_rng([_STREAM, seed])
    gold, others = (generator.permutation(np.flatnonzero(some)) for some in (has_gold, ~has_gold))
    gold, others = gold[:MOST_GOLD], others[:_MOST_ROWS]
    lengths = [min(len(texts[row]), _SHOWN_OF_A_TEXT) for row in np.r_[gold, others].tolist()]
    n_rows = max(int((np.cumsum(lengths) <= _MOST_CHARACTERS).sum()), 1)
    return np.r_[gold, others][:n_rows], min(len(gold), n_rows)
