"""Runs chosen rules on all rows, and tells what each would be to the votes that there are."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import read_rows
from spear_amal.declared_lfs import Rule, SimilarRule, make_lf, nearest_similarities, vectors_of
from spear_amal.labeling import PandasLFApplier
from spear_amal.labeling.analysis import VotesInParts, wilson_interval
from spear_amal.labeling.guessed_rows import GuessedRows
from spear_amal.labeling.lf_values import VoteGame
from spear_amal.labeling.review_rows import GoldVotes
from spear_amal.suggest.candidate import Candidate
from spear_amal.suggest.choice import Choice
from spear_amal.suggest.many_tests import ManyTests
from spear_amal.suggest.pool import ConditionPool
from spear_amal.votes.label_matrix import LabelMatrix

# Share of the rows of a candidate and an LF that both have, from which nothing is new.
_SAME = 0.8


def judged(
    choices: Sequence[Choice],
    pool: ConditionPool,
    tests: ManyTests,
    frame: pd.DataFrame,
    text_column: str,
    votes: LabelMatrix,
    gold: np.ndarray,
    taken: Collection[str],
) -> list[tuple[Choice, Candidate]]:
    """Return candidates with what they do on all rows, those left out that an LF votes already.

    Parameters
    ----------
    choices : sequence of Choice
    pool : ConditionPool
    tests : ManyTests
    frame : DataFrame of n rows
    text_column : str
    votes : LabelMatrix (n, m)
        Of the LFs so far; its classes are those of the rules.
    gold : ndarray of int (n,)
    taken : collection of str
        Names of LFs.
    """
    if not choices:
        return []
    labels = tuple(votes.classes)
    names, rules = set(taken), []
    for choice in choices:
        condition = pool.conditions[choice.condition]
        rules.append(condition.rule(labels[choice.code], text_column, names))
        names.add(rules[-1].name)
    rows_of = rows_of_rules(rules, frame, text_column, labels)
    before = _Before(votes, gold)
    candidates = []
    for choice, rule in zip(choices, rules, strict=True):
        rows = rows_of[rule.name]
        # What is judged must be what was tested.
        tested = pool.holds[: pool.n_gold, [choice.condition]].toarray().ravel()
        if not np.array_equal(np.isin(pool.rows[: pool.n_gold], rows), tested):
            continue
        if before.votes_it_already(rows, choice.code):
            continue
        own, n_gold = gold[rows] == choice.code, int((gold[rows] >= 0).sum())
        low, high = wilson_interval(np.array([own.sum()]), np.array([n_gold]), choice.level)
        gain = before.gain_of(rows, choice.code, choice.level)
        known = gold[gold >= 0]
        candidate = Candidate(
            rule=rule,
            words=pool.conditions[choice.condition].words,
            signature=pool.conditions[choice.condition].signature(rule.label),
            rows=rows,
            right=rows[own],
            wrong=rows[(gold[rows] >= 0) & ~own],
            coverage=len(rows) / len(gold),
            new_coverage=float((~before.covered[rows]).sum() / len(gold)),
            precision=float(own.sum() / n_gold) if n_gold else float("nan"),
            low=float(low[0]),
            high=float(high[0]),
            chance=float((known == choice.code).mean()) if len(known) else 1 / len(labels),
            gain=gain[0],
            gain_low=gain[1],
            gain_high=gain[2],
            p_value=float(tests.adjusted[choice.condition, choice.code]),
            n_confident=choice.n_confident,
            confident=choice.confident,
            more_gold=choice.more_gold,
            alike=choice.alike,
        )
        candidates.append((choice, candidate))
    return candidates


def rows_of_rules(
    rules: Sequence[Rule], frame: pd.DataFrame, text_column: str, labels: Sequence[str | int]
) -> dict[str, np.ndarray]:
    """Return the rows on which each rule votes, by its name.

    Parameters
    ----------
    rules : sequence of Rule
    frame : DataFrame
    text_column : str
    labels : sequence
        Classes in code order.
    """
    rows_of: dict[str, np.ndarray] = {}
    likeness: dict[str, Any] = {}
    texts = [value if isinstance(value, str) else "" for value in frame[text_column].tolist()]
    for rule in rules:
        # All texts become vectors once, not once for each rule.
        if isinstance(rule, SimilarRule):
            if rule.encoder not in likeness:
                likeness[rule.encoder] = vectors_of(rule.encoder, texts)
            examples = vectors_of(rule.encoder, rule.examples)
            nearest = nearest_similarities(likeness[rule.encoder], examples)
            blank = np.array([not text.strip() for text in texts])
            rows_of[rule.name] = np.flatnonzero((nearest >= rule.at_least) & ~blank)
    lfs = [make_lf(rule) for rule in rules if rule.name not in rows_of]
    if lfs:
        applier = PandasLFApplier(lfs, labels, text_column)
        fires = applier.apply(
            read_rows.for_lfs(frame, text_column), progress_bar=False
        ).codes.tocsc()
        for k, lf in enumerate(lfs):
            rows_of[lf.name] = np.sort(fires.indices[fires.indptr[k] : fires.indptr[k + 1]])
    return rows_of


class _Before:
    """The votes that there are, and what one more LF would change."""

    def __init__(self, votes: LabelMatrix, gold: np.ndarray) -> None:
        self._codes = votes.codes.tocsc()
        self._gold_rows = np.flatnonzero(gold >= 0)
        self.covered = votes.covered()
        counts = VotesInParts(votes)
        with warnings.catch_warnings():  # whatever is odd about the labels was said before
            warnings.simplefilter("ignore", UserWarning)
            self._rows = GuessedRows.of(counts, GoldVotes.of(counts, gold), gold)
        self._game = VoteGame.of(self._rows)

    def votes_it_already(self, rows: np.ndarray, code: int) -> bool:
        """Return whether an LF votes for the class on nearly the same rows."""
        of_class = self._codes == code + 1
        sizes = np.asarray(of_class.sum(axis=0)).ravel()
        both = np.asarray(of_class.tocsr()[rows].sum(axis=0)).ravel()
        return bool((both >= _SAME * (len(rows) + sizes - both)).any())

    def gain_of(self, rows: np.ndarray, code: int, level: float) -> tuple[float, float, float]:
        """Return the gain in credit of one more LF with these votes, and its interval."""
        places = (self._gold_rows, self._rows.other_rows)
        new = tuple(np.where(np.isin(place, rows), code, -1) for place in places)
        gain = self._game.gain_of_adding((new[0], new[1]))
        if np.isnan(gain.value):
            return float("nan"), gain.low, gain.high
        gain = gain.at_level(level)
        return gain.value, max(gain.low, -1.0), min(gain.high, 1.0)
