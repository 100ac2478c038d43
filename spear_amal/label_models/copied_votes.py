"""Votes that depend on each other given the class: LFs that copy a common source, hard rows.

Each row has a hidden state s: a class y and a level d of difficulty. On level d an LF guesses with
probability kappa_d, by how often it votes for each class at all, and else votes by its table
P(v | y). A group of LFs has a hidden answer z of its own, drawn as a vote is; each member repeats z
with its probability of copying, and else votes of itself:

``P(l_g | s) = sum over z of P(z | s) * prod over members j that vote of
(copying_j * 1(l_j = z) + (1 - copying_j) * P(l_j | s))``

Sums over rows are sparse products of the votes with tables (votes x states), so a step costs
O(votes * C * levels) for single LFs and C times that for those in groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from spear_amal.label_models.mixture import safe_log
from spear_amal.label_models.vote_groups import counted_less
from spear_amal.maths.posteriors import normalise, total

#: How many rows times states times answers are in memory at once.
MOST_CELLS = 4_000_000


@dataclass
class CopiedVotes:
    """Parameters of the model, and its E step.

    Attributes
    ----------
    balance : ndarray of shape (C,)
        P(y).
    tables : ndarray of shape (m, C, C)
        P(LF j votes v of itself | y) at ``[j, v, y]``.
    guesses : ndarray of shape (m, C)
        How an LF votes where it guesses.
    guessing : ndarray of shape (m, D)
        Probability that LF j guesses on each level.
    level_shares : ndarray of shape (D,)
        P(d).
    groups : list of ndarray of int
        Members of each group.
    copying : ndarray of shape (m,)
        Probability that LF j repeats its group's answer; 0 outside groups.
    sources : ndarray of shape (G, C, C)
        P(group g answers z | y) at ``[g, z, y]``.
    alike : ndarray of shape (m, m)
        Of LFs of one class, how far another one's vote comes with theirs; see
        :func:`~spear_amal.label_models.vote_groups.counted_less`.
    """

    balance: np.ndarray
    tables: np.ndarray
    guesses: np.ndarray
    guessing: np.ndarray
    level_shares: np.ndarray
    groups: list[np.ndarray]
    copying: np.ndarray
    sources: np.ndarray
    alike: np.ndarray

    @property
    def n_states(self) -> int:
        """Classes times levels; state ``y * D + d``."""
        return len(self.balance) * len(self.level_shares)

    def own(self) -> np.ndarray:
        """P(LF j votes v of itself | state), shape (m, C, S)."""
        return with_guesses(self.tables, self.guesses, self.guessing)

    def answers(self, g: int) -> np.ndarray:
        """P(group g answers z | state), shape (C, S)."""
        members = self.groups[g]
        guesses = self.guesses[members].mean(0)[None]
        return with_guesses(self.sources[g][None], guesses, self.guessing[members].mean(0)[None])[0]

    def repeats(self, g: int, own: np.ndarray) -> np.ndarray:
        """P(member votes v | z, state), shape (k, v, z, S)."""
        members = self.groups[g]
        q = self.copying[members][:, None, None, None]
        same = np.eye(len(self.balance))[None, :, :, None]
        return q * same + (1 - q) * own[members][:, :, None, :]

    def marginal_tables(self) -> np.ndarray:
        """P(LF j votes v | y, it votes), copied or not, on rows of any level: (m, C, C)."""
        own = self.own()
        for g, members in enumerate(self.groups):
            q = self.copying[members][:, None, None]
            own[members] = (1 - q) * own[members] + q * self.answers(g)
        return own.reshape(*self.tables.shape, -1) @ self.level_shares

    def posterior(self, cast: sp.csr_array) -> np.ndarray:
        """P(y | l_i), shape (n, C), of votes `cast` (n, m * C)."""
        C, D = len(self.balance), len(self.level_shares)
        p = np.empty((cast.shape[0], C))
        for part in self.parts(cast):
            joint = self._expect(part)[0]
            normalise(joint)
            p[part.rows] = joint.reshape(len(joint), C, D).sum(2)
        return p

    def parts(self, cast: sp.csr_array) -> Iterator[VotedPart]:
        """Rows, so many at a time that the answers of a group fit into memory."""
        C = len(self.balance)
        step = max(1, MOST_CELLS // (self.n_states * (C if self.groups else 1)))
        columns = [columns_of(members, C) for members in self.groups]
        for start in range(0, cast.shape[0], step):
            rows = slice(start, min(start + step, cast.shape[0]))
            of_groups = [cast[rows][:, some] for some in columns]
            yield VotedPart(rows, cast[rows], counted_less(cast[rows], self.alike, C), of_groups)

    def _expect(self, part: VotedPart) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        """Log joint (n, S), and of each group and answer z P(z | l_i, state) (n, S)."""
        m, C, own = len(self.tables), len(self.balance), self.own()
        single = np.ones(m, dtype=bool)
        for members in self.groups:
            single[members] = False
        tables = np.where(single[:, None, None], safe_log(own), 0.0)
        joint = part.counted @ tables.reshape(m * C, -1)
        joint += safe_log(np.multiply.outer(self.balance, self.level_shares)).ravel()
        given = []
        for g, votes in enumerate(part.of_groups):
            table = safe_log(self.repeats(g, own))
            answers = safe_log(self.answers(g))
            p = [votes @ table[:, :, z].reshape(-1, self.n_states) + answers[z] for z in range(C)]
            top = reduce(np.maximum, p)
            for of_answer in p:
                of_answer -= top
                np.exp(of_answer, out=of_answer)
            scale = reduce(np.add, p)
            voted = (np.diff(votes.indptr) > 0)[:, None]
            joint += voted * (top + np.log(scale))
            given.append([of_answer / scale * voted for of_answer in p])
        return joint, given

    def expect(
        self, parts: Sequence[VotedPart], gold: np.ndarray, weights: np.ndarray
    ) -> ExpectedCounts:
        """E step over rows (u,) with gold, -1 where unknown, each counted `weights` times."""
        counts = ExpectedCounts.none(self, len(gold))
        of_class = np.repeat(np.arange(len(self.balance)), len(self.level_shares))
        for part in parts:
            joint, given = self._expect(part)
            known = np.flatnonzero(gold[part.rows] >= 0)
            other = of_class != gold[part.rows][known, None]
            joint[known] = np.where(other, -np.inf, joint[known])
            value = normalise(joint)
            counts.log_likelihood += total(weights[part.rows], value)
            counts.add(self, part, joint, given, weights[part.rows])
        return counts


class VotedPart(NamedTuple):
    """Votes of some rows, as an E step needs them.

    Attributes
    ----------
    rows : slice
    cast : csr_array of shape (n, m * C)
    counted : csr_array of shape (n, m * C)
        The same, some of which count less; see
        :func:`~spear_amal.label_models.vote_groups.counted_less`.
    of_groups : list of csr_array of shape (n, k * C)
        Those of the members of each group.
    """

    rows: slice
    cast: sp.csr_array
    counted: sp.csr_array
    of_groups: list[sp.csr_array]


@dataclass
class ExpectedCounts:
    """What the E step hands to the M step.

    Attributes
    ----------
    votes : ndarray of shape (m, v, y)
        Votes that LFs cast of themselves and without guessing.
    copied, cast : ndarray of shape (m,)
        Votes that repeat the answer of the group, and all votes.
    answers : ndarray of shape (G, z, y)
        Answers of groups that were no guesses.
    levels : ndarray of shape (D,)
        Rows of each level.
    posterior : ndarray of shape (u, C)
    log_likelihood : float
    """

    votes: np.ndarray
    copied: np.ndarray
    cast: np.ndarray
    answers: np.ndarray
    levels: np.ndarray
    posterior: np.ndarray
    log_likelihood: float = 0.0

    @classmethod
    def none(cls, model: CopiedVotes, n: int) -> ExpectedCounts:
        """Return the counts before any of n rows."""
        m, C, D = len(model.tables), len(model.balance), len(model.level_shares)
        return cls(
            votes=np.zeros((m, C, C)),
            copied=np.zeros(m),
            cast=np.zeros(m),
            answers=np.zeros((len(model.groups), C, C)),
            levels=np.zeros(D),
            posterior=np.empty((n, C)),
        )

    def add(
        self,
        model: CopiedVotes,
        part: VotedPart,
        p: np.ndarray,
        given: list[list[np.ndarray]],
        weights: np.ndarray,
    ) -> None:
        """Add the counts of some rows, whose states have posteriors `p` (n, S)."""
        m, C, D = len(model.tables), len(model.balance), len(model.level_shares)
        own = model.own()
        weighted = p * weights[:, None]
        self.levels += weighted.sum(0).reshape(C, D).sum(0)
        self.posterior[part.rows] = p.reshape(len(p), C, D).sum(2)
        votes = np.asarray(part.cast.T @ weighted).reshape(m, C, -1)
        self.cast += votes.sum((1, 2))
        for g, members in enumerate(model.groups):
            of_answers = [of_answer * weighted for of_answer in given[g]]
            of_votes = [np.asarray(part.of_groups[g].T @ answer) for answer in of_answers]
            cast = np.stack([v.reshape(len(members), C, -1) for v in of_votes], axis=2)
            q = model.copying[members][:, None, None, None]
            repeated = q * np.eye(C)[None, :, :, None]
            copied = cast * share_of(repeated, model.repeats(g, own))
            self.copied[members] += copied.sum((1, 2, 3))
            votes[members] = (cast - copied).sum(2)
            told = not_guessed(
                model.sources[g][None], model.guessing[members].mean(0)[None], model.answers(g)
            )
            answers = np.stack([answer.sum(0) for answer in of_answers])
            self.answers[g] += (answers * told[0]).reshape(C, C, D).sum(2)
        votes = votes * not_guessed(model.tables, model.guessing, own)
        self.votes += votes.reshape(m, C, C, D).sum(3)


def with_guesses(tables: np.ndarray, guesses: np.ndarray, guessing: np.ndarray) -> np.ndarray:
    """Return P(v | state) (k, C, S): tables (k, v, y), guesses (k, v) by `guessing` (k, D)."""
    kappa = guessing[:, None, None, :]
    mixed = (1 - kappa) * tables[..., None] + kappa * guesses[:, :, None, None]
    return mixed.reshape(*tables.shape[:2], -1)


def not_guessed(tables: np.ndarray, guessing: np.ndarray, mixed: np.ndarray) -> np.ndarray:
    """Return the share (k, v, S) of votes that follow the tables, of those that are `mixed`."""
    followed = (1 - guessing)[:, None, None, :] * tables[..., None]
    return share_of(followed.reshape(*tables.shape[:2], -1), mixed)


def share_of(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where the whole is 0."""
    return part / np.maximum(whole, 1e-300)


def columns_of(members: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the columns of `cast` that hold the votes of some LFs."""
    return (members[:, None] * n_classes + np.arange(n_classes)).ravel()
