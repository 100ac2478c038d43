"""Tests of many conditions on few gold rows at once, by permuted gold: which are no luck.

Whoever looks at thousands of conditions and keeps those that look best on the gold rows finds some
that look perfect by luck. So the luck itself is measured: gold classes are dealt out anew among the
gold rows, hundreds of times, and each time the best of *all* conditions is noted. What holds in the
real order must beat nearly all of those (Westfall and Young 1993, step-down minP). Conditions that
say the same thing count once, since they look perfect together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

#: Chance of a wrong call that is allowed, in a whole list.
LEVEL = 0.05
#: Permutations of the gold classes; the smallest p-value that they can give is one of so many.
N_PERMUTATIONS = 999
_CHUNK = 4_000_000  # p-values looked up at a time, 32 MB
_ROUNDING = 1 + 1e-9
_STREAM = 40_709  # numbers of its own, so that a seed used elsewhere draws others here


@dataclass(frozen=True)
class ManyTests:
    """What gold says of conditions j and classes c, each pair a hypothesis of its own.

    Attributes
    ----------
    right : ndarray of int (J, C)
        Gold rows of class c on which j holds.
    votes : ndarray of int (J,)
        Gold rows on which j holds.
    p_value : ndarray (J, C)
        Chance of so many right ones among its gold rows, were they drawn blindly (hypergeometric).
    adjusted : ndarray (J, C)
        The same for all hypotheses together: to call every one of at most 0.05 good is wrong
        anywhere in at most 5% of such lists.
    threshold : float
        Largest p-value that passes at `alpha` when all hypotheses count.
    n_tried : int
        Hypotheses that could be told from chance at all, those of the same gold rows counted once.
    asked : ndarray of bool (J, C)
        Which pairs are hypotheses; the p-values of others are 1.
    """

    right: np.ndarray
    votes: np.ndarray
    p_value: np.ndarray
    adjusted: np.ndarray
    threshold: float
    n_tried: int
    asked: np.ndarray


def try_conditions(
    holds: sp.csc_array,
    gold: np.ndarray,
    n_classes: int,
    n_permutations: int = N_PERMUTATIONS,
    seed: int = 0,
    asked: np.ndarray | None = None,
) -> ManyTests:
    """Test each condition for each class, corrected for all of them.

    The conditions must have been chosen without a look at the gold classes; which rows have gold
    may be known.

    Parameters
    ----------
    holds : sparse array of bool (g, J)
        On which gold rows each condition holds.
    gold : ndarray of int (g,)
        Class codes.
    n_classes : int
    n_permutations, seed : int
    asked : ndarray of bool (J, C), optional
        For which classes each condition is tested, chosen without a look at these gold classes;
        default: for all.
    """
    holds = sp.csc_array(holds, dtype=np.float32)
    g, n_conditions = holds.shape
    votes = np.diff(holds.indptr).astype(np.int64)
    one_hot = gold[:, None] == np.arange(n_classes)
    right = np.rint(holds.T @ one_hot.astype(np.float32)).astype(np.int64)
    tails = _Tails(g, one_hot.sum(0), np.unique(votes))
    p_value = np.ones((n_conditions, n_classes))
    adjusted = np.ones((n_conditions, n_classes))
    for c in range(n_classes):
        p_value[:, c] = tails.of(votes, right[:, c], c)
    asked = np.ones((n_conditions, n_classes), bool) if asked is None else asked
    firsts, group = _distinct(holds)
    asked_of_group = np.zeros((len(firsts), n_classes), bool)
    np.logical_or.at(asked_of_group, group, asked)
    pairs = [
        (j, c)
        for c in range(n_classes)
        for j in firsts[(tails.least(votes[firsts], c) <= LEVEL) & asked_of_group[:, c]].tolist()
    ]
    if not pairs:
        return ManyTests(right, votes, p_value, adjusted, 0.0, 0, asked)
    conditions, classes = np.array(pairs).T
    order = np.argsort(-p_value[conditions, classes], kind="stable")
    conditions, classes = conditions[order], classes[order]
    dealt = _dealt(gold, n_classes, n_permutations, seed)
    least = np.ones(n_permutations)
    n_as_good = np.empty(len(order))
    step = max(1, _CHUNK // n_permutations)
    for start in range(0, len(order), step):
        part = slice(start, start + step)
        drawn = _drawn_p_values(holds, conditions[part], classes[part], dealt, votes, tails)
        # The best among this hypothesis and all that look worse in the real order.
        best = np.minimum(np.minimum.accumulate(drawn, axis=0), least)
        seen = p_value[conditions[part], classes[part]]
        n_as_good[part] = (best <= seen[:, None] * _ROUNDING).sum(1)
        least = best[-1]
    steps = (1 + n_as_good) / (1 + n_permutations)
    adjusted[conditions, classes] = np.maximum.accumulate(steps[::-1])[::-1]
    adjusted = np.where(asked, adjusted[firsts[group]], 1.0)
    p_value = np.where(asked, p_value, 1.0)
    return ManyTests(right, votes, p_value, adjusted, _threshold(least), len(order), asked)


def _dealt(gold: np.ndarray, n_classes: int, times: int, seed: int) -> list[np.ndarray]:
    """Return for each class which gold rows have it in each permutation (g, times)."""
    generator = np.random.default_rng([_STREAM, seed])
    many = generator.permuted(np.broadcast_to(gold, (times, len(gold))), axis=1).T
    return [np.ascontiguousarray(many == c, dtype=np.float32) for c in range(n_classes)]


def _drawn_p_values(
    holds: sp.csc_array,
    conditions: np.ndarray,
    classes: np.ndarray,
    dealt: list[np.ndarray],
    votes: np.ndarray,
    tails: _Tails,
) -> np.ndarray:
    """Return the p-values (hypotheses, permutations) of permuted gold classes."""
    drawn = np.empty((len(conditions), dealt[0].shape[1]))
    for c in np.unique(classes).tolist():
        here = np.flatnonzero(classes == c)
        right = (holds[:, conditions[here]].T @ dealt[c]).astype(np.int64)
        drawn[here] = tails.of(votes[conditions[here]][:, None], right, c)
    return drawn


def _threshold(least: np.ndarray) -> float:
    """Return the largest p-value below which at most 5% of the permutations have their best."""
    allowed = int(LEVEL * (len(least) + 1)) - 1
    if allowed < 0:
        return 0.0
    return float(np.nextafter(np.sort(least)[allowed], 0.0))


def _distinct(holds: sp.csc_array) -> tuple[np.ndarray, np.ndarray]:
    """Return the first condition of each set of gold rows, and the set of each condition."""
    holds.sort_indices()
    sets: dict[bytes, int] = {}
    firsts: list[int] = []
    group = np.empty(holds.shape[1], np.int64)
    for j in range(holds.shape[1]):
        key = holds.indices[holds.indptr[j] : holds.indptr[j + 1]].tobytes()
        if key not in sets:
            sets[key] = len(firsts)
            firsts.append(j)
        group[j] = sets[key]
    return np.array(firsts, dtype=np.int64), group


class _Tails:
    """Chances of r or more rows of a class among k of g rows drawn blindly, looked up."""

    def __init__(self, g: int, n_of_class: np.ndarray, sizes: np.ndarray) -> None:
        self._places = np.zeros(g + 1, np.int64)
        self._places[sizes] = np.cumsum(sizes + 1) - sizes - 1
        self._n_of_class = n_of_class
        self._tails = [
            np.concatenate([upper_tail(g, int(n), k) for k in sizes.tolist()] or [np.empty(0)])
            for n in n_of_class
        ]

    def of(self, votes: np.ndarray, right: np.ndarray, c: int) -> np.ndarray:
        """Return the p-values of `right` rows of class c among `votes` rows."""
        return self._tails[c][self._places[votes] + right]

    def least(self, votes: np.ndarray, c: int) -> np.ndarray:
        """Return the p-value of the best that could be: all rows of the class, or all of it."""
        return self.of(votes, np.minimum(votes, self._n_of_class[c]), c)


def upper_tail(g: int, n: int, k: int) -> np.ndarray:
    """Return P(r or more of the n among k drawn of g) for r = 0 .. k."""
    r = np.arange(k + 1)
    possible = (r <= n) & (k - r <= g - n)
    logs = np.full(k + 1, -np.inf)
    chosen = r[possible]
    logs[possible] = _log_choose(n, chosen) + _log_choose(g - n, k - chosen) - _log_choose(g, k)
    return np.minimum(np.cumsum(np.exp(logs)[::-1])[::-1], 1.0)


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    """Return the logarithm of the number of ways to choose k of n."""
    return np.asarray(gammaln(n + 1) - gammaln(np.add(k, 1)) - gammaln(n - np.asarray(k) + 1))
