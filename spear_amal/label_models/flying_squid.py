"""FlyingSquid's triplets: how good LFs are, in closed form, from how three of them go together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.mixture import Mixture, safe_log
from spear_amal.label_models.one_class import count_votes, votes_one_class
from spear_amal.label_models.vote_patterns import VotePatterns, cast_votes, find_patterns
from spear_amal.params import check_not_negative, check_share
from spear_amal.votes.label_matrix import LabelMatrix

SIGN_ROUNDS = 3
# Shares of votes are kept from 0 by a part of a row and of their mean, and from 1.
LEAST_SHARE, MOST_SHARE = 0.02, 0.99


class FlyingSquid(LabelModel):
    """Votes independent given the class, learnt from triplets in closed form (Fu et al., 2020).

    Where votes i, j, l of three LFs hang together through the class only, their covariances are
    products, ``cov_ij = s_i s_j`` with ``s_i = d_i sqrt(pi (1 - pi))`` and ``d_i = P(vote i | class
    k) - P(vote i | another class)``. So ``s_i^2 = cov_ij cov_il / cov_jl`` for every pair j, l: no
    steps, no seed. What differs from the published method, which reckons with one accuracy per LF
    and averages over triplets:

    * A vote is "LF j says v" against all else that j can do, silence included. So LFs that vote for
      one class only, whose votes never contradict each other, are learnt from how often they fire
      together; and an LF may be better on one class than on another.
    * All triplets of a vote are one least-squares fit, in which those with little overlap count
      little: ``s_i^2 = sum cov_ij cov_il cov_jl / sum cov_jl^2`` of the votes scaled to variance 1.
      As much weight as chance alone gives to that sum, n rows given, is given to what an LF of
      `prior_accuracy` would have: LFs that rarely meet others stay at it.
    * Signs: an LF is believed to be better than chance unless its covariances with the others, by
      the signs that those have, say otherwise.
    * More than two classes: each against the rest. A triplet then holds two votes for the class, or
      three; other votes covary for reasons of their own.

    The tables are exact where LFs are independent given the class and, with more than two classes,
    votes for a class are equally likely in all the others. LFs that go together for other reasons,
    such as near-copies, look good. Silence is an answer of LFs that vote for one class only, as in
    :class:`~spear_amal.label_models.dawid_skene.DawidSkene`. LFs that cast the same vote on every
    row are not heard.

    Parameters
    ----------
    prior_accuracy : float
        What LFs are believed to be, were classes even, strictly between 0 and 1.
    prior_strength : float
        How much that counts, in multiples of what chance alone would give; 0 is triplets alone.
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        How frequent the classes are; see :class:`LabelModel`. Default: counted on gold that was not
        chosen by its class, else even; triplets do not tell it.

    Attributes
    ----------
    conditionals_ : ndarray of shape (m, C, C)
        P(LF j votes v | y) at ``[j, v, y]``; for LFs of several classes, given that it fires.
    abstains_ : ndarray of shape (m, C)
        P(LF j abstains | y) of LFs of one class; 1 for the others, whose silence says nothing.
    one_class_ : ndarray of bool, shape (m,)
        LFs that voted, and for one class only.
    class_balance_ : ndarray of shape (C,)

    References
    ----------
    Fu et al., "Fast and Three-rious: Speeding Up Weak Supervision with Triplet Methods", ICML 2020.

    Examples
    --------
    >>> votes = [[0, -1, -1], [0, 0, -1], [-1, -1, 1], [-1, -1, 1], [0, -1, 1], [0, 0, -1]] * 50
    >>> FlyingSquid().fit(votes).predict(votes[:4]).tolist()
    [0, 0, 1, 1]
    """

    uses_gold = True
    counts_rows = True
    drops_constant = True
    has_balance = True

    def __init__(
        self,
        *,
        prior_accuracy: float = 0.8,
        prior_strength: float = 1.0,
        class_balance: ClassBalanceLike | None = None,
    ) -> None:
        self.prior_accuracy = prior_accuracy
        self.prior_strength = prior_strength
        self.class_balance = class_balance

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        check_share("prior_accuracy", self.prior_accuracy)
        check_not_negative("prior_strength", self.prior_strength)

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        counts = count_votes(L, n_rows)
        self.one_class_ = votes_one_class(counts)
        self.class_balance_ = self._balance_or_even(L, y, n_rows)
        votes = Votes.of(find_patterns(L, L.n_classes, n_rows=n_rows), L.n_classes)
        prior = self._prior(votes)
        tables = np.stack([self._table(votes, prior, k) for k in range(L.n_classes)], axis=1)
        self._set_tables(votes, tables)

    def _prior(self, votes: Votes) -> np.ndarray:
        """P(vote | y), shape (c, C), of LFs of `prior_accuracy` that vote as often."""
        odds = self.prior_accuracy / (1 - self.prior_accuracy) * (self.n_classes_ - 1)
        pi = self.class_balance_[votes.classes]
        inside = np.minimum(votes.shares / (pi + (1 - pi) / odds), np.minimum(votes.shares / pi, 1))
        outside = (votes.shares - pi * inside) / (1 - pi)
        own = votes.classes[:, None] == np.arange(self.n_classes_)
        return np.where(own, inside[:, None], outside[:, None])

    def _table(self, votes: Votes, prior: np.ndarray, k: int) -> np.ndarray:
        """P(vote | class k), shape (c,), by triplets of class `k` against the rest."""
        pi = self.class_balance_[k]
        scale = np.sqrt(pi * (1 - pi))
        believed = (prior[:, k] - votes.shares) / (1 - pi) * scale / votes.deviations
        # With two classes a vote for the other is one against this: all triplets count.
        first = votes.classes == k if self.n_classes_ > 2 else np.full(len(believed), True)
        own, others = np.flatnonzero(first), np.flatnonzero(~first)
        among, beside = votes.correlations(own, own), votes.correlations(own, others)
        strength = self.prior_strength / votes.n_rows
        size = np.empty(len(believed))
        size[own] = among.loadings(beside, believed[own], strength)
        size[others] = beside.loadings_of_others(among, believed[others], strength)
        signs = self._signs(among.values, beside.values, size, believed, own, others, votes.n_rows)
        return votes.shares + (1 - pi) * signs * size * votes.deviations / scale

    @staticmethod
    def _signs(
        among: np.ndarray,
        beside: np.ndarray,
        size: np.ndarray,
        believed: np.ndarray,
        own: np.ndarray,
        others: np.ndarray,
        n_rows: float,
    ) -> np.ndarray:
        """Signs (c,): as believed, unless covariances with the others speak against it."""
        expected = np.where(believed < 0, -1.0, 1.0)
        signs = expected
        for _ in range(SIGN_ROUNDS):
            signed = signs * size
            told = np.empty_like(size)
            told[own] = among @ signed[own] + beside @ signed[others]
            told[others] = beside.T @ signed[own]
            signs = np.where(np.abs(told) > 1 / np.sqrt(n_rows), np.sign(told), expected)
        return signs if (signs * size * believed).sum() >= 0 else -signs

    def _set_tables(self, votes: Votes, tables: np.ndarray) -> None:
        """Keep P(vote | y) (c, C) within what the shares of the votes allow, and by LF."""
        shares, pi = votes.shares[:, None], self.class_balance_
        least = np.minimum(LEAST_SHARE * shares, 1 / votes.n_rows)
        tables = np.clip(tables, least, np.minimum(shares / pi, MOST_SHARE))
        tables = np.minimum(tables * shares / (tables @ pi)[:, None], MOST_SHARE)
        m, n_classes = self.n_lfs_, self.n_classes_
        full = np.zeros((m, n_classes, n_classes))
        full[votes.lfs, votes.classes] = tables
        one = self.one_class_
        self.abstains_ = np.where(one[:, None], 1 - full.sum(1), 1.0)
        fires = np.where(one[:, None], 1.0, np.maximum(full.sum(1), 1e-300))
        self.conditionals_ = full / fires[:, None]
        # Of a class that nobody votes for nothing is known: it is to be no row's likeliest.
        voted = np.isin(np.arange(n_classes), votes.classes)
        for table in (self.conditionals_, self.abstains_) if voted.any() else ():
            table[..., ~voted] = table[..., voted].min(-1, keepdims=True)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        table = safe_log(self.conditionals_.reshape(-1, self.n_classes_))
        # A vote that was never cast says nothing.
        table[self.conditionals_.reshape(-1, self.n_classes_).sum(1) == 0] = 0.0
        mixture = Mixture(np.log(self.class_balance_), table, safe_log(self.abstains_))
        return mixture.posterior(cast_votes(L, self.n_classes_))

    def _weights(self) -> np.ndarray:
        """Return how often each LF is right where it fires (m,), as the model believes."""
        fires = (self.conditionals_.sum(1) * self.class_balance_).sum(1)
        right = (np.diagonal(self.conditionals_, axis1=1, axis2=2) * self.class_balance_).sum(1)
        with np.errstate(invalid="ignore"):
            return np.where(fires > 0, right / fires, self.prior_accuracy)


class Correlations(NamedTuple):
    """Correlations (a, b) of votes with others; those of one and the same LF do not count.

    Attributes
    ----------
    values : ndarray of shape (a, b)
        0 where they do not count.
    counted : ndarray of shape (a, b)
        1 where they do.
    """

    values: np.ndarray
    counted: np.ndarray

    def loadings(self, beside: Correlations, believed: np.ndarray, strength: float) -> np.ndarray:
        """Return |s| (a,) of votes from their triplets among each other and with the `beside`."""
        among, w = self.values, self.counted
        fit = (among * (among @ among + 2 * beside.values @ beside.values.T)).sum(1)
        weight = ((w @ among**2) * w).sum(1)
        weight += 2 * ((w @ beside.values**2) * beside.counted).sum(1)
        pairs = ((w @ w) * w).sum(1) + 2 * ((w @ beside.counted) * beside.counted).sum(1)
        return drawn_to(fit, weight, believed, strength * pairs)

    def loadings_of_others(
        self, among: Correlations, believed: np.ndarray, strength: float
    ) -> np.ndarray:
        """Return |s| (b,) of the votes in the columns, from pairs of the rows."""
        values, w = self.values, self.counted
        fit = (values * (among.values @ values)).sum(0)
        weight = (w * (among.values**2 @ w)).sum(0)
        pairs = (w * (among.counted @ w)).sum(0)
        return drawn_to(fit, weight, believed, strength * pairs)


def drawn_to(
    fit: np.ndarray, weight: np.ndarray, believed: np.ndarray, strength: np.ndarray
) -> np.ndarray:
    """Return square roots of ``fit / weight``, drawn to what is believed; at most 1."""
    total = weight + strength
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(total > 0, (fit + strength * believed**2) / total, believed**2)
    return np.sqrt(np.clip(squares, 0.0, 1.0))


class Votes(NamedTuple):
    """The c votes "LF j says v" that occur, and on how many rows.

    Attributes
    ----------
    lfs, classes : ndarray of int, shape (c,)
    cast : csc_array of shape (u, c)
        1 where a pattern of votes has the vote.
    patterns : ndarray of shape (u,)
        Shares of the rows that show each pattern.
    shares, deviations : ndarray of shape (c,)
        Mean and standard deviation of each vote.
    n_rows : float
    """

    lfs: np.ndarray
    classes: np.ndarray
    cast: sp.csc_array
    patterns: np.ndarray
    shares: np.ndarray
    deviations: np.ndarray
    n_rows: float

    @classmethod
    def of(cls, found: VotePatterns, n_classes: int) -> Votes:
        """Count the votes of patterns; one that every row casts says nothing and is left out."""
        n_rows = found.n_rows.sum()
        shares = found.cast.T @ (found.n_rows / n_rows)
        columns = np.flatnonzero((shares > 0) & (shares < 1 - 1e-12))
        lfs, classes = np.divmod(columns, n_classes)
        shares = shares[columns]
        deviations = np.sqrt(shares * (1 - shares))
        cast = sp.csc_array(found.cast)[:, columns]
        return cls(lfs, classes, cast, found.n_rows / n_rows, shares, deviations, n_rows)

    def correlations(self, rows: np.ndarray, columns: np.ndarray) -> Correlations:
        """Correlations of some votes (a,) with others (b,)."""
        weighted = self.cast[:, rows] * self.patterns[:, None]
        together = (weighted.T @ self.cast[:, columns]).toarray()
        counted = (self.lfs[rows][:, None] != self.lfs[columns]).astype(float)
        values = together - np.outer(self.shares[rows], self.shares[columns])
        values /= np.outer(self.deviations[rows], self.deviations[columns])
        return Correlations(values * counted, counted)
