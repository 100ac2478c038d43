"""A label model of LFs that err alike: groups that repeat one answer, rows that are hard for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models.accuracy import AccuracyModel, RowsOfEM, even_tables
from spear_amal.label_models.copied_votes import CopiedVotes, ExpectedCounts
from spear_amal.label_models.vote_groups import candidate_groups
from spear_amal.label_models.vote_patterns import VotePatterns, cast_votes, vote_sums
from spear_amal.maths.posteriors import total
from spear_amal.seeds import random_generator
from spear_amal.votes.label_matrix import LabelMatrix

#: How often an LF guesses on rows of each level of difficulty.
GUESSING = (0.0, 0.5, 1.0)
_SEARCH_ROWS, _SEARCH_STEPS = 5_000, 30


class CorrelatedLabelModel(AccuracyModel):
    """LFs, prompts or judges that vote alike when wrong."""

    def __init__(
        self,
        *,
        groups: Any = "auto",
        difficulty: bool | str = "auto",
        class_balance: ClassBalanceLike | None = None,
        max_rows: int = 20_000,
        max_iter: int = 100,
        tol: float = 1e-6,
        random_state: int = 0,
    ) -> None:
        super().__init__(class_balance=class_balance, max_iter=max_iter, tol=tol)
        self.groups = groups
        self.difficulty = difficulty
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        rows = self._rows_of_em(L, y, n_rows)
        self._em(rows)
        generator = random_generator(self.random_state)
        rows = thinned(rows, self.max_rows, generator)
        few = thinned(rows, _SEARCH_ROWS, generator)
        self.bic_ = {}
        best = None
        for groups in [[], *candidate_groups(few.patterns, self.one_class_, self.n_classes_)]:
            for levels in ((0.0,), GUESSING):
                votes, ll = self._em_copied(few, groups, levels, _SEARCH_STEPS)
                bic = ll - 0.5 * np.log(few.weights.sum()) * self._n_parameters(groups, levels)
                self.bic_[str([list(g) for g in groups]) + str(len(levels))] = bic
                if best is None or bic > best[0] :
                    best = bic, groups, levels
        _, groups, levels = best
        self.groups_ = groups
        self.votes, self.ll = self._em_copied(rows, groups, levels, self.max_iter)

    def _n_parameters(self, groups, levels) -> int:
        C = self.n_classes_
        return len(levels) - 1 + sum(len(g) + C * (C - 1) for g in groups)

    def _em_copied(self, rows: RowsOfEM, groups, levels, steps):
        votes = self._start(rows, groups, levels)
        before = None
        least = self.tol * rows.weights.sum()
        for _ in range(steps):
            counts = votes.expect(rows.patterns.cast, rows.patterns.gold, rows.weights)
            if before is not None and total(rows.weights, np.abs(counts.posterior - before).sum(1)) <= least:
                break
            before = counts.posterior
            votes = self._learn(votes, rows, counts)
        return votes, counts.log_likelihood

    def _start(self, rows, groups, levels):
        m, C = self.n_lfs_, self.n_classes_
        posterior = group_shares(rows.patterns, groups, m, C)
        self._learn_lfs(rows.patterns.cast, rows.weights, posterior)
        counts = (rows.patterns.cast.T @ rows.weights).reshape(m, C)
        guesses = (counts + 1) / (counts.sum(1, keepdims=True) + C)
        guessing = np.where(self.one_class_[:, None], 0.0, np.array(levels)[None])
        copying = np.zeros(m)
        for g in groups:
            copying[g] = 0.5
        shares = np.array([1.0]) if len(levels) == 1 else np.array([0.8, *[0.2 / (len(levels) - 1)] * (len(levels) - 1)])
        sources = np.array([self.conditionals_[g].mean(0) for g in groups]).reshape(-1, C, C)
        return CopiedVotes(rows.class_balance(posterior), self.conditionals_, guesses, guessing, shares, groups, copying, sources)

    def _learn(self, votes, rows, counts: ExpectedCounts):
        self._learn_tables(counts.votes, rows.weights @ counts.posterior)
        prior = self.accuracy_strength * even_tables(np.array([self.prior_accuracy]), self.n_classes_)
        drawn = counts.answers + prior
        levels = counts.levels + 1.0
        return replace(votes,
            balance=rows.class_balance(counts.posterior),
            tables=self.conditionals_,
            copying=np.where(votes.copying > 0, (counts.copied + 1) / (counts.cast + 2), 0.0),
            sources=drawn / drawn.sum(1, keepdims=True),
            level_shares=levels / levels.sum(),
        )

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self.votes.posterior(cast_votes(L, self.n_classes_))


def group_shares(patterns: VotePatterns, groups, m: int, n_classes: int) -> np.ndarray:
    """Share of each class in the votes of a pattern (u, C), each group counted once."""
    cast = patterns.cast
    lfs = cast.indices // n_classes
    group = np.arange(m)
    for members in groups:
        group[members] = members[0]
    row = np.repeat(np.arange(cast.shape[0]), np.diff(cast.indptr))
    cell = row * m + group[lfs]
    _, which, size = np.unique(cell, return_inverse=True, return_counts=True)
    sums = vote_sums(cast.indptr, cast.indices % n_classes, n_classes, 1.0 / size[which])
    sums[~patterns.covered] = 1
    shares = sums / sums.sum(1, keepdims=True)
    known = np.flatnonzero(patterns.gold >= 0)
    shares[known] = np.eye(n_classes)[patterns.gold[known]]
    return shares


def thinned(rows: RowsOfEM, n: int, generator) -> RowsOfEM:
    p = rows.patterns
    counts = np.round(p.n_rows).astype(np.int64)
    if counts.sum() <= n:
        return rows
    drawn = generator.multivariate_hypergeometric(counts, n, method="marginals")
    drawn = np.where(p.gold >= 0, counts, drawn)
    kept = np.flatnonzero(drawn)
    patterns = VotePatterns(p.cast[kept].tocsr(), drawn[kept].astype(float), p.gold[kept], kept)
    scale = drawn[kept] / p.n_rows[kept]
    return RowsOfEM(patterns, rows.weights[kept] * scale, rows.drawn[kept] * scale, rows.telling[kept], rows.known_balance)
