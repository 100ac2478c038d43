"""Candidates for labelling functions, mined from a table and tested on its gold rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import VectorLike, VotesLike
from spear_amal.checks import check_whole
from spear_amal.data.read_table import require_columns
from spear_amal.errors import InputError
from spear_amal.seeds import settle_seed
from spear_amal.suggest.candidate import Suggestions
from spear_amal.suggest.choice import choose
from spear_amal.suggest.confident_rows import confident_classes
from spear_amal.suggest.judge import judged
from spear_amal.suggest.many_tests import try_conditions
from spear_amal.suggest.pool import ConditionPool, mine_conditions
from spear_amal.votes.class_set import ClassesLike, class_names, is_listed
from spear_amal.votes.gold import classes_with_gold, gold_codes, read_gold
from spear_amal.votes.label_matrix import LabelMatrix

_N_EARLY = 12


def suggest_lfs(
    rows: Sequence[str] | pd.DataFrame,
    y: VectorLike,
    L: VotesLike | None = None,
    proba: Any = None,
    *,
    classes: ClassesLike = None,
    text_column: str = "text",
    without: Collection[str] = (),
    encoder: str | None = None,
    rejected: Collection[str] = (),
    names: Collection[str] = (),
    n: int = 30,
    seed: int = 0,
    pool: ConditionPool | None = None,
) -> Suggestions:
    """Suggest labelling functions: declared rules, each tested against chance.

    Conditions are mined without a look at gold classes: runs of words, patterns of frequent forms,
    bounds of numeric columns and of the length of a text, likeness to rows with gold. Each is
    tested for each class on the gold rows, and the p-values are corrected for all that were tried,
    by permutations of the gold classes (step-down minP of Westfall and Young): with 95% probability
    nothing that is admitted is there by luck. Confident rows of a model never admit a candidate,
    as they may have learnt from the same gold; they order what it is too early to say something of.

    Parameters
    ----------
    rows : sequence of str, or DataFrame of n rows
    y : array (n,)
        Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
        unknown.
    L : LabelMatrix or integer array (n, m), optional
        Votes of the LFs so far: gains are gains over these, and what they vote already is not
        suggested.
    proba : array (n, C), optional
        Class probabilities of a model. Without them those of a label model of `L` stand in.
    classes : optional
        Class names in code order; by default those of `L`, else the sorted ones of `y`.
    text_column : str
        Of a DataFrame.
    without : collection of str
        Columns to leave alone: labels, ids.
    encoder : str, optional
        For rules "like these rows": "ngrams", or as :class:`~spear_amal.data.TextEncoder` takes it.
    rejected : collection of str
        Signatures of candidates not to be suggested, nor what votes on nearly the same rows.
    names : collection of str
        Names that are taken, beside those of the LFs of `L`.
    n : int
        Most candidates that are returned as admitted.
    seed : int
        Same seed, same suggestions.
    pool : ConditionPool, optional
        What :func:`mine_conditions` returned of the same rows with the same gold rows.

    Raises
    ------
    InputError
        If rows differ in number, a label is no class, or there is no such column.

    Examples
    --------
    >>> texts = ["win a prize now", "free prize draw", "see you at lunch", "lunch at one"] * 10
    >>> found = suggest_lfs(texts, ["spam", "spam", "ham", "ham"] * 10)
    >>> table = found.table.sort_values(["coverage", "rule"], ascending=[False, True])
    >>> table[["rule", "class", "right"]].head(3).to_numpy().tolist()
    [["says 'at'", 'ham', 20], ["says 'prize'", 'spam', 20], ["says 'free'", 'spam', 10]]
    """
    check_whole("n", n, 1)
    seed = settle_seed(seed, "seed")
    table = RowsWithGold.of(rows, text_column, y, L, classes)
    if pool is None:
        has_gold = table.gold >= 0
        pool = mine_conditions(table.frame, text_column, has_gold, without, encoder, seed)
    gold = table.gold[pool.rows[: pool.n_gold]]
    labels = tuple(table.votes.classes)
    tests = try_conditions(
        pool.holds[: pool.n_gold], gold, len(labels), seed=seed, asked=pool.asked
    )
    sure = confident_classes(table.votes, table.gold, proba)[pool.rows]
    choices = choose(pool, tests, gold, sure, labels, rejected, (2 * n, 2 * _N_EARLY))
    taken = {*names, *table.votes.lf_names}
    pairs = judged(choices, pool, tests, table.frame, text_column, table.votes, table.gold, taken)
    admitted = [candidate for choice, candidate in pairs if choice.is_admitted]
    early = [candidate for choice, candidate in pairs if not choice.is_admitted]
    return Suggestions(
        admitted=tuple(sorted(admitted, key=lambda one: -one.gain)[:n]),
        early=tuple(early[:_N_EARLY]),
        n_gold=int((table.gold >= 0).sum()),
        n_conditions=len(pool.conditions),
        n_tried=tests.n_tried,
        threshold=tests.threshold,
    )


@dataclass(frozen=True)
class RowsWithGold:
    """Rows, votes and gold that fit each other.

    Attributes
    ----------
    frame : DataFrame of n rows
    votes : LabelMatrix (n, m)
    gold : ndarray of int (n,)
    """

    frame: pd.DataFrame
    votes: LabelMatrix
    gold: np.ndarray

    @classmethod
    def of(
        cls,
        rows: Sequence[str] | pd.DataFrame,
        text_column: str,
        y: VectorLike,
        L: VotesLike | None,
        classes: ClassesLike,
    ) -> RowsWithGold:
        """Check what a user hands over; as :func:`suggest_lfs` takes it."""
        frame = rows if isinstance(rows, pd.DataFrame) else _frame(rows, text_column)
        require_columns(frame, [text_column], "the rows")
        if L is None:
            gold = read_gold(y, class_names(classes), "y")
            none = np.empty((len(gold.codes), 0), np.int64)
            votes, codes = LabelMatrix.from_dense(none, classes=gold.classes), gold.codes
        else:
            votes = L if isinstance(L, LabelMatrix) else LabelMatrix.from_dense(L, classes=classes)
            codes = gold_codes(y, votes, "y")
            if codes.max(initial=-1) >= votes.n_classes:
                votes = votes.with_classes(classes_with_gold(y, votes.classes))
        if not len(frame) == len(votes) == len(codes):
            raise InputError(
                f"there are {len(frame)} rows, {len(votes)} rows of votes and {len(codes)} labels; "
                "they must be as many"
            )
        return cls(frame, votes, codes)


def _frame(rows: Sequence[str], text_column: str) -> pd.DataFrame:
    is_table = is_listed(rows) and not isinstance(rows, str)
    if not is_table or not all(isinstance(text, str) for text in rows):
        raise InputError(f"rows must be texts or a DataFrame, found {type(rows).__name__}")
    return pd.DataFrame({text_column: list(rows)})
