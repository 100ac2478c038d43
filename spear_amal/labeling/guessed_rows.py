"""Votes on rows with gold and without, and what the votes let guess of the class of each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.review_rows import GoldVotes
from spear_amal.maths.prediction_powered import PoweredMean, powered_share
from spear_amal.votes.parquet import parts_of

#: Rows without gold that are looked at: more of them tell hardly more.
MOST_OTHERS = 5_000
_SMOOTHING = 2.0  # gold rows of each class that vote as all rows do


@dataclass(frozen=True)
class GuessedRows:
    """Votes of rows with gold and of others, and guesses of their classes.

    Guesses are posteriors of naive Bayes, which learns from the gold rows how each LF votes in each
    class, abstaining among it. The guess of a gold row is made without the row itself, so that it
    is worth as much as that of another one.

    Attributes
    ----------
    votes : ndarray of int (g, m)
        On rows with gold; -1 for abstain.
    gold : ndarray of int (g,)
    guesses : ndarray (g, C)
    other_rows : ndarray of int (N,)
        Positions of the rows without gold, or of a sample of them.
    other_votes : ndarray of int (N, m)
        On these rows.
    other_guesses : ndarray (N, C)
    """

    votes: np.ndarray
    gold: np.ndarray
    guesses: np.ndarray
    other_rows: np.ndarray
    other_votes: np.ndarray
    other_guesses: np.ndarray

    @classmethod
    def of(cls, counts: VotesInParts, voted: GoldVotes, gold: np.ndarray) -> GuessedRows:
        """Read votes on other rows and make the guesses.

        Parameters
        ----------
        counts : VotesInParts
            Of all rows.
        voted : GoldVotes
        gold : ndarray (n,)
            Class codes of all rows, -1 for none.
        """
        other_rows = _other_rows(gold)
        others = _votes_of(counts, other_rows)
        votes, y, C = voted.votes.to_dense(), voted.gold, len(voted.names)
        bayes = _NaiveBayes.of(votes, y, np.concatenate([votes, others]), C)
        guesses = bayes.posteriors(votes, y), bayes.posteriors(others, None)
        return cls(votes, y, guesses[0], other_rows, others, guesses[1])

    @property
    def n_classes(self) -> int:
        """C."""
        return self.guesses.shape[1]

    def class_shares(self) -> list[PoweredMean]:
        """Return the share of each class among rows like these, with its interval."""
        return [
            powered_share(self.gold == c, self.guesses[:, c], self.other_guesses[:, c])
            for c in range(self.n_classes)
        ]

    def lf_accuracies(self) -> list[PoweredMean]:
        """Return the accuracy of each LF where it votes, with its interval."""
        return [self._accuracy(lf) for lf in range(self.votes.shape[1])]

    def _accuracy(self, lf: int) -> PoweredMean:
        votes, others = self.votes[:, lf], self.other_votes[:, lf]
        fired, also = np.flatnonzero(votes >= 0), np.flatnonzero(others >= 0)
        return powered_share(
            votes[fired] == self.gold[fired],
            self.guesses[fired, votes[fired]],
            self.other_guesses[also, others[also]],
        )


def _other_rows(gold: np.ndarray) -> np.ndarray:
    """Return the rows (N,) without gold, a random sample of them where there are many."""
    others = np.flatnonzero(gold < 0)
    if len(others) > MOST_OTHERS:
        generator = np.random.default_rng(0)
        others = np.sort(generator.choice(others, MOST_OTHERS, replace=False))
    return others


def _votes_of(counts: VotesInParts, others: np.ndarray) -> np.ndarray:
    """Return the votes (N, m) on some rows, in order."""
    parts = [np.empty((0, counts.L.shape[1]), dtype=np.int64)]
    for rows, part in parts_of(counts.L):
        here = others[(others >= rows.start) & (others < rows.stop)] - rows.start
        parts.append(part[here].to_dense())
    return np.concatenate(parts)


@dataclass(frozen=True)
class _NaiveBayes:
    """Counts (m, C + 1, C) of votes, abstaining first, by gold class, and shares of votes."""

    counts: np.ndarray
    of_class: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, votes: np.ndarray, gold: np.ndarray, everywhere: np.ndarray, C: int) -> _NaiveBayes:
        m = votes.shape[1]
        counts = np.zeros((m, C + 1, C))
        np.add.at(counts, (np.arange(m), votes + 1, gold[:, None]), 1)
        shares = np.stack([(everywhere == vote).mean(0) for vote in range(-1, C)], axis=1)
        return cls(counts, np.bincount(gold, minlength=C).astype(float), shares)

    def posteriors(self, votes: np.ndarray, gold: np.ndarray | None) -> np.ndarray:
        """Return class probabilities (n, C); with `gold` those of a row without the row itself."""
        n, m = votes.shape
        C = len(self.of_class)
        scores = np.empty((n, C))
        places = (np.arange(m), votes + 1)
        shares = self.shares[places]  # (n, m)
        for c in range(C):
            own = np.zeros((n, 1)) if gold is None else (gold == c)[:, None].astype(float)
            known = self.of_class[c] - own
            counts = self.counts[:, :, c][places] - own
            likelihoods = (counts + _SMOOTHING * shares) / (known + _SMOOTHING)
            scores[:, c] = np.log(known[:, 0] + 1) + np.log(likelihoods).sum(1)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)


def with_powered(table: pd.DataFrame, means: list[PoweredMean], name: str) -> pd.DataFrame:
    """Return a table with an estimate and its bounds, ``NAME``, ``NAME low`` and ``NAME high``."""
    columns = {
        name: [mean.value for mean in means],
        f"{name} low": [mean.low for mean in means],
        f"{name} high": [mean.high for mean in means],
    }
    return table.assign(**columns)
