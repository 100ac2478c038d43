"""Which of thousands of conditions are worth a look, without near copies of one another."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.labeling.analysis import wilson_interval
from spear_amal.suggest.confident_rows import ConfidentRows
from spear_amal.suggest.many_tests import LEVEL, ManyTests, upper_tail
from spear_amal.suggest.pool import ConditionPool

#: Share of the rows of two candidates that both have, from which one stands for both.
ALIKE = 0.7
_MOST_LIKE = 5  # candidates "like these rows" of a list: they are many, and hard to read
_MOST_COMPARED = 400
# Gold rows that confident rows count for; and of chance, where there are none.
_WORTH, _BLIND = 4.0, 2.0
_LEAST_EVIDENCE = 0.5  # a p-value of 0.6, or confident rows that weigh as much
# As many unrelated tests as a few hundred gold rows allow: with ten there are hardly any, but the
# bar rises when rows are added.
_LATER_TESTS = 100
# Numbers of further gold rows that are told apart.
_MORE_GOLD = (
    *range(5, 50, 5),
    *range(50, 200, 10),
    *range(200, 1_000, 50),
    *range(1_000, 5_001, 500),
)


@dataclass(frozen=True)
class Choice:
    """A condition and a class to vote for.

    Attributes
    ----------
    condition : int
        Its place in the pool.
    code : int
    is_admitted : bool
    level : float
        Of intervals, so that those of all that are shown hold together.
    n_confident : int
    confident : float
    more_gold : int or None
    alike : tuple of str
        What votes on nearly the same rows, in words.
    """

    condition: int
    code: int
    is_admitted: bool
    level: float
    n_confident: int
    confident: float
    more_gold: int | None
    alike: tuple[str, ...]


def choose(
    pool: ConditionPool,
    tests: ManyTests,
    gold: np.ndarray,
    sure: np.ndarray,
    labels: Sequence[str | int],
    rejected: Collection[str],
    n: tuple[int, int],
) -> list[Choice]:
    """Return what gold admits, then what looks best beside it.

    Parameters
    ----------
    pool : ConditionPool
    tests : ManyTests
    gold : ndarray of int (g,)
        Of the first rows of the pool.
    sure : ndarray of int (s,)
        Classes of confident rows of the pool, -1 where none is.
    labels : sequence
        Classes in code order.
    rejected : collection of str
        Signatures.
    n : pair of int
        Most admitted, and other, choices.
    """
    evidence = _Evidence.of(pool, tests, gold, sure, len(labels))
    picked = _Picked(pool, labels)
    picked.block(rejected)
    admitted = picked.of(evidence.admitted(), n[0])
    early = picked.of(evidence.early(), n[1])
    choices = []
    for pairs in (admitted, early):
        level = evidence.level(len(pairs))
        for (j, c), alike in pairs.items():
            count, share = evidence.confident.said_of(j, c)
            more = 0 if pairs is admitted else evidence.more_gold(j, c)
            words = tuple(pool.conditions[other].words for other in alike)
            choices.append(Choice(j, c, pairs is admitted, level, count, share, more, words))
    return choices


@dataclass(frozen=True)
class _Evidence:
    """What speaks for conditions j and classes c, in arrays (J, C), (J,) and (C,)."""

    tests: ManyTests
    n_gold: int
    chance: np.ndarray
    coverage: np.ndarray
    cost: np.ndarray
    confident: ConfidentRows

    @classmethod
    def of(
        cls,
        pool: ConditionPool,
        tests: ManyTests,
        gold: np.ndarray,
        sure: np.ndarray,
        n_classes: int,
    ) -> _Evidence:
        """Count rows."""
        return cls(
            tests,
            len(gold),
            (np.bincount(gold, minlength=n_classes) + 1) / (len(gold) + n_classes),
            np.diff(pool.holds.indptr) / len(pool.rows),
            np.array([condition.cost for condition in pool.conditions], dtype=np.int64),
            ConfidentRows.of(pool.holds[pool.n_gold :], sure[pool.n_gold :], n_classes),
        )

    def level(self, n_shown: int) -> float:
        """Return the level of intervals that hold for 95% of those that are shown.

        After Benjamini and Yekutieli (2005): of m intervals R are shown because of what they say,
        so each is one of level 1 - 0.05 R / m.
        """
        return 1 - LEVEL * min(max(n_shown, 1) / max(self.tests.n_tried, 1), 1)

    @property
    def middle(self) -> np.ndarray:
        """Return the precision half way from chance to always right: less is a weak LF."""
        return (1 + self.chance) / 2

    def admitted(self) -> list[tuple[int, int]]:
        """Return what is no luck and no weak LF, those that surely gain most first."""
        tests = self.tests
        votes = np.maximum(tests.votes, 1)[:, None]
        passes = (tests.adjusted <= LEVEL) & (tests.right / votes >= self.middle)
        j, c = np.nonzero(passes)
        low, _ = wilson_interval(tests.right[j, c], tests.votes[j], self.level(len(j)))
        return self._sorted(j, c, (low - self.chance[c]) * self.coverage[j])

    def early(self) -> list[tuple[int, int]]:
        """Return what is not told from luck yet; the strongest evidence comes first."""
        tests, expected = self.tests, self.expected()
        votes = tests.votes[:, None]
        enough = (votes >= 2) | self.confident.tells
        fits = (votes == 0) | (tests.right / np.maximum(votes, 1) >= self.middle)
        j, c = np.nonzero(
            (tests.adjusted > LEVEL) & tests.asked & enough & fits & (expected >= self.middle)
        )
        evidence = -np.log(tests.p_value[j, c])
        evidence += self._worth()[j, c] * np.log(self._prior()[j, c] / self.chance[c])
        speaks = evidence >= _LEAST_EVIDENCE
        return self._sorted(j[speaks], c[speaks], evidence[speaks])

    def expected(self) -> np.ndarray:
        """Return the precision (J, C) that gold and confident rows let expect."""
        worth = np.maximum(self._worth(), _BLIND)
        return (self.tests.right + worth * self._prior()) / (self.tests.votes[:, None] + worth)

    def _worth(self) -> np.ndarray:
        """Return for how many gold rows (J, C) the confident ones count."""
        return np.where(self.confident.tells, _WORTH, 0.0)

    def _prior(self) -> np.ndarray:
        """Return the precision (J, C) by confident rows; chance where they tell nothing."""
        odds = self.chance / (1 - self.chance) * self.confident.ratio
        return np.where(self.confident.tells, odds / (1 + odds), self.chance)

    def more_gold(self, j: int, c: int) -> int | None:
        """Return how many random gold rows more would pass the test, were all as expected."""
        bar = min(self.tests.threshold or 1.0, LEVEL / _LATER_TESTS)
        expected = self.expected()[j, c]
        place = bisect_left(
            _MORE_GOLD, 1, key=lambda more: self._later(j, c, expected, more) <= bar
        )
        return _MORE_GOLD[place] if place < len(_MORE_GOLD) else None

    def _later(self, j: int, c: int, expected: float, more: int) -> float:
        """Return the p-value with more gold rows, were those with votes right as is expected."""
        votes = self.tests.votes[j] + self.coverage[j] * more
        right = self.tests.right[j, c] + expected * self.coverage[j] * more
        total = self.n_gold + more
        tail = upper_tail(total, round(max(self.chance[c] * total, right)), round(votes))
        return float(tail[min(int(right), len(tail) - 1)])

    def _sorted(self, j: np.ndarray, c: np.ndarray, score: np.ndarray) -> list[tuple[int, int]]:
        """Return pairs by score, of equal ones those that are read most easily."""
        order = np.lexsort((self.cost[j], -np.round(score, 6)))
        return list(zip(j[order].tolist(), c[order].tolist(), strict=True))


class _Picked:
    """Picks pairs of condition and class, and leaves out near copies of what is picked."""

    def __init__(self, pool: ConditionPool, labels: Sequence[str | int]) -> None:
        self._pool, self._labels = pool, labels
        self._holds = pool.holds.astype(np.float32)
        self._sizes = np.diff(pool.holds.indptr)
        self._picked: list[tuple[int, int]] = []
        self._signatures: set[str] = set()

    def block(self, rejected: Collection[str]) -> None:
        """Leave out what was rejected, and its near copies."""
        if not rejected:
            return
        self._picked += [
            (j, c)
            for j, condition in enumerate(self._pool.conditions)
            for c, label in enumerate(self._labels)
            if condition.signature(label) in rejected
        ]

    def of(self, pairs: list[tuple[int, int]], n: int) -> dict[tuple[int, int], list[int]]:
        """Return the first `n` pairs that are no near copies, each with its near copies."""
        pairs = pairs[:_MOST_COMPARED]
        columns = [j for j, _ in [*self._picked, *pairs]]
        holds = self._holds[:, columns].toarray()
        sizes = self._sizes[columns]
        both = holds.T @ holds
        alike = both / np.maximum(sizes[:, None] + sizes - both, 1) >= ALIKE
        places = list(range(len(self._picked)))
        everything = [*self._picked, *pairs]
        shown: dict[tuple[int, int], list[int]] = {}
        is_like = [condition.kind == "similar" for condition in self._pool.conditions]
        n_like = 0
        for place in range(len(self._picked), len(everything)):
            j, c = everything[place]
            signature = self._pool.conditions[j].signature(self._labels[c])
            same = [p for p in places if everything[p][1] == c and alike[p, place]]
            if same:
                shown.get(everything[same[0]], []).append(j)
            elif signature in self._signatures:  # with another bound
                continue
            elif len(shown) < n and not (is_like[j] and n_like >= _MOST_LIKE):
                n_like += is_like[j]
                shown[j, c] = []
                places.append(place)
                self._signatures.add(signature)
        self._picked = [everything[place] for place in places]
        return shown
