"""Label matrices drawn at random, with their classes: what the hyper label model is trained on.

Each draw first draws what kind of corpus it is: how many classes, rows and LFs, how uneven the
classes are, how often LFs fire, whether they vote for one class or several, how good they are and
how different, how much they err together. LFs are better than chance: each fires (or votes for a
class) more often where it is right to do so than on rows of any other class, but for a few.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Draw(NamedTuple):
    """One label matrix.

    Attributes
    ----------
    votes : ndarray of int, shape (n, m)
        -1 where an LF abstains.
    y : ndarray of int, shape (n,)
        The classes, 0 to C - 1.
    n_classes : int
    gold : ndarray of int, shape (n,)
        The classes that a model is told, -1 elsewhere.
    balance : ndarray of shape (C,), or None
        Shares of the classes, if a model is told them.
    """

    votes: np.ndarray
    y: np.ndarray
    n_classes: int
    gold: np.ndarray
    balance: np.ndarray | None


def draw_matrix(rng: np.random.Generator) -> Draw:
    """Draw votes, classes, and what of them a model is told."""
    while True:
        n_classes = 2 if rng.random() < 0.5 else int(rng.integers(3, 11))
        m = round(_log_uniform(rng, max(2, n_classes // 2), 200))
        per_row = min(_log_uniform(rng, 0.4, 8), 0.7 * m)
        n = round(_log_uniform(rng, 60, min(3000, 8000 / per_row, 300_000 / m)))
        shares = _balance(rng, n_classes)
        y = rng.choice(n_classes, n, p=shares)
        votes = _copied(rng, _votes(rng, y, n_classes, m, per_row / m))
        votes = votes[:, [len(np.unique(column)) > 1 for column in votes.T]]
        if votes.shape[1]:
            balance = shares if rng.random() < 0.15 else None
            return Draw(votes, y, n_classes, _gold(rng, y, n_classes), balance)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _balance(rng: np.random.Generator, n_classes: int) -> np.ndarray:
    """Class shares (C,), from far from even to even; none below 2%."""
    shares = rng.dirichlet(np.full(n_classes, rng.choice([1.0, 2.0, 10.0, 100.0])))
    shares = np.maximum(shares, 0.02)
    return shares / shares.sum()


def _votes(
    rng: np.random.Generator, y: np.ndarray, n_classes: int, m: int, coverage: float
) -> np.ndarray:
    """Votes (n, m) of LFs that fire where a score of row and LF is high."""
    n = len(y)
    # How good LFs are: by how many standard deviations a score is higher where the LF is right.
    quality = rng.uniform(0.5, 3.5) * np.exp(rng.normal(0, rng.choice([0.2, 0.5]), m))
    wrong = rng.random(m) < rng.choice([0.0, 0.0, 0.1, 0.2])
    quality[wrong] *= rng.uniform(-0.5, 0.2, wrong.sum())
    # What rows have in common beside their class: LFs that look at it err together.
    factors = rng.normal(size=(n, 3)).astype(np.float32)
    pull = rng.choice([0.0, rng.uniform(0, 1.2)]) * rng.normal(size=(3, m)).astype(np.float32)
    clear = np.exp(rng.normal(0, rng.choice([0.0, 0.6]), n))[:, None]  # some rows are clear
    noise = factors @ pull + rng.standard_normal((n, m), dtype=np.float32)
    alike = rng.uniform(0, 0.8)  # how much an LF's score rises on some other classes, at most
    rise = np.minimum(np.abs(rng.normal(0, alike, (m, n_classes))), 0.9)
    several = rng.random(m) < rng.choice([0.0, 0.0, 0.0, 0.5, 1.0])
    votes = np.full((n, m), -1, dtype=np.int64)
    target = rng.choice(n_classes, m, p=rng.dirichlet(np.full(n_classes, rng.choice([1, 5, 50]))))
    rise[np.arange(m), target] = 1
    # LFs for rare classes fire less often where people wrote them with care.
    rarity = (n_classes * np.bincount(y, minlength=n_classes) / n)[target] + 0.01
    covers = coverage * rarity ** rng.choice([0.0, 0.5, 1.0]) * np.exp(rng.normal(0, 0.7, m))
    covers = np.clip(covers, 2 / n, 0.95)
    score = noise + clear * quality * rise[:, y].T * ~several
    threshold = _quantiles(score, 1 - covers)
    fires = score > threshold
    votes[:, ~several] = np.where(fires, target, -1)[:, ~several]
    for j in np.flatnonzero(several):
        lean = rng.normal(0, 0.5, n_classes) + rng.gumbel(size=(n, n_classes))
        liking = 1.5 * quality[j] * clear * _confusion(rng, n_classes, alike)[:, y].T
        votes[:, j] = np.where(fires[:, j], (lean + liking).argmax(1), -1)
    return votes


def _confusion(rng: np.random.Generator, n_classes: int, alike: float) -> np.ndarray:
    """How much (vote, class) an LF of several classes likes a vote; 1 where it is right."""
    likes = np.minimum(np.abs(rng.normal(0, alike, (n_classes, n_classes))), 0.9)
    np.fill_diagonal(likes, 1)
    return likes


def _quantiles(score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The quantile (m,) of each column of (n, m) at its own share."""
    ordered = np.sort(score, axis=0)
    at = np.minimum((shares * len(score)).astype(int), len(score) - 1)
    return ordered[at, np.arange(score.shape[1])]


def _copied(rng: np.random.Generator, votes: np.ndarray) -> np.ndarray:
    """In a third of the matrices some LFs are near-copies of one another."""
    n, m = votes.shape
    if m < 3 or rng.random() > 0.33:
        return votes
    for _ in range(rng.integers(1, 3)):
        some = rng.choice(m, min(m - 1, int(rng.integers(2, 7))), replace=False)
        kept = rng.random((n, len(some))) < rng.uniform(0.7, 1)
        votes[:, some] = np.where(kept, votes[:, some[:1]], votes[:, some])
    return votes


def _gold(rng: np.random.Generator, y: np.ndarray, n_classes: int) -> np.ndarray:
    """Gold (n,): in two of three matrices none; in some of the others chosen by its class."""
    gold = np.full(len(y), -1)
    if rng.random() < 0.67:
        return gold
    rows = np.arange(len(y))
    if rng.random() < 0.2:
        classes = rng.random(n_classes) < rng.uniform(0.2, 0.8)
        rows = np.flatnonzero(classes[y])
    if len(rows):
        most = max(2, min(len(y) // 2, 300))
        told = rng.choice(rows, min(len(rows), round(_log_uniform(rng, 2, most))), replace=False)
        gold[told] = y[told]
    return gold
