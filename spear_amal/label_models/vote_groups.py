"""Which LFs may be groups that repeat one answer, and rows to compare such guesses on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from spear_amal.label_models.accuracy import RowsOfEM
from spear_amal.label_models.vote_patterns import VotePatterns, vote_sums

# Cuts through the tree of LFs that are tried, and the least step in agreement to cut at, as a share
# of the largest: within a smaller one, LFs as alike would be a group here and none there.
MOST_CUTS, LEAST_GAP = 12, 0.25
# Rows on which two LFs vote; fewer do not tell whether they agree.
FEWEST_ROWS = 10


def agreement(patterns: VotePatterns, n_classes: int) -> np.ndarray:
    """Return how far LFs agree beyond chance (m, m), where both vote; 0 if few rows tell.

    A kappa: 1 for copies. Of independent LFs that are right with chance a_j, and else wrong in any
    way, it is the product of ``(a_j - 1/C) / (1 - 1/C)`` over both.
    """
    m = patterns.cast.shape[1] // n_classes
    weighted = patterns.cast.multiply(patterns.n_rows[:, None]).tocsr()
    pairs = (patterns.cast.T @ weighted).toarray().reshape(m, n_classes, m, n_classes)
    both = pairs.sum((1, 3))
    n = np.maximum(both, 1)
    mine = pairs.sum(3) / n[:, None, :]  # (m, C, m): votes of j where k votes
    same = np.einsum("jvkv->jk", pairs) / n
    expected = np.einsum("jvk,kvj->jk", mine, mine)
    spread = 1 - (mine**2).sum(1)
    scale = np.sqrt(spread * spread.T)
    told = (both >= FEWEST_ROWS) & (scale > 1e-12)
    return np.where(told, (same - expected) / np.where(told, scale, 1), 0.0)


def candidate_groups(
    patterns: VotePatterns, one_class: np.ndarray, n_classes: int
) -> list[list[np.ndarray]]:
    """Return ways of grouping LFs of several classes, each a list of groups of LF numbers.

    LFs are joined by average linkage, the most alike first; each way is a cut through that tree. A
    group is tried as a whole, since two of five judges that copy each other tell little: the other
    three carry the class with them.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    lfs = np.flatnonzero(
        ~one_class & (np.diff(patterns.cast.tocsc().indptr).reshape(-1, n_classes).sum(1) > 0)
    )
    if len(lfs) < 3:
        return []
    alike = agreement(patterns, n_classes)[np.ix_(lfs, lfs)]
    distance = np.maximum(1 - (alike + alike.T) / 2, 0)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    gaps = np.diff(tree[:, 2])
    wide = np.argsort(-gaps, kind="stable")[:MOST_CUTS]
    ways = []
    for i in np.sort(wide[gaps[wide] > max(LEAST_GAP * gaps.max(), 1e-9)]):
        cluster = fcluster(tree, tree[i, 2] + gaps[i] / 2, "distance")
        of_each = [lfs[cluster == c] for c in np.unique(cluster)]
        ways.append([members for members in of_each if len(members) > 1])
    return ways


def group_shares(
    patterns: VotePatterns, groups: list[np.ndarray], m: int, n_classes: int
) -> np.ndarray:
    """Share of each class in the votes of a pattern (u, C), each group counted once.

    The start of EM: that of :func:`~spear_amal.label_models.vote_patterns.vote_shares` without
    groups.
    """
    group = np.arange(m)
    for members in groups:
        group[members] = members[0]
    cast = patterns.cast
    rows = np.repeat(np.arange(cast.shape[0]), np.diff(cast.indptr))
    _, which, size = np.unique(
        rows * m + group[cast.indices // n_classes], return_inverse=True, return_counts=True
    )
    sums = vote_sums(cast.indptr, cast.indices % n_classes, n_classes, 1.0 / size[which])
    sums[~patterns.covered] = 1
    shares = sums / sums.sum(1, keepdims=True)
    known = np.flatnonzero(patterns.gold >= 0)
    shares[known] = np.eye(n_classes)[patterns.gold[known]]
    return shares


def thinned(rows: RowsOfEM, most: int, generator: np.random.Generator) -> RowsOfEM:
    """Return `most` rows drawn by chance, and all that have gold; the same if there are no more."""
    patterns = rows.patterns
    counts = np.round(patterns.n_rows).astype(np.int64)
    if counts.sum() <= most:
        return rows
    drawn = generator.multivariate_hypergeometric(counts, most, method="marginals")
    drawn = np.where(patterns.gold >= 0, counts, drawn)
    kept = np.flatnonzero(drawn)
    share = drawn[kept] / patterns.n_rows[kept]
    return replace(
        rows,
        patterns=VotePatterns(
            patterns.cast[kept].tocsr(), drawn[kept].astype(float), patterns.gold[kept], kept
        ),
        weights=rows.weights[kept] * share,
        drawn=rows.drawn[kept] * share,
        telling=rows.telling[kept],
    )


def counted_less(cast: sp.csr_array, alike: np.ndarray, n_classes: int) -> sp.csr_array:
    """Return votes that count the less the more of the row's other votes are expected with them.

    A vote of LF j counts ``1 / (1 + sum of alike_jk over other LFs k that vote on the row)``: of n
    copies a n-th.

    Parameters
    ----------
    cast : csr_array of shape (n, m * C)
    alike : ndarray of shape (m, m)
        0 on the diagonal.
    n_classes : int
    """
    if not alike.any() or not cast.nnz:
        return cast
    lfs = cast.indices // n_classes
    fired = sp.csr_array((np.ones(len(lfs)), lfs, cast.indptr), shape=(cast.shape[0], len(alike)))
    others = fired @ alike
    rows = np.repeat(np.arange(cast.shape[0]), np.diff(cast.indptr))
    return sp.csr_array(
        (cast.data / (1 + others[rows, lfs]), cast.indices, cast.indptr), shape=cast.shape
    )
