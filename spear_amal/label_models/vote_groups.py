"""Which LFs may be groups that repeat one answer: clusters of LFs that agree more than others."""

from __future__ import annotations

import numpy as np

from spear_amal.label_models.vote_patterns import VotePatterns

MOST_CUTS = 12
FEWEST_ROWS = 10


def agreement(patterns: VotePatterns, n_classes: int) -> np.ndarray:
    """Return how far LFs agree beyond chance (m, m), on rows on which both vote; 0 if there are few."""
    m = patterns.cast.shape[1] // n_classes
    cast = patterns.cast
    weighted = cast.multiply(patterns.n_rows[:, None]).tocsr()
    pairs = np.asarray((cast.T @ weighted).todense()).reshape(m, n_classes, m, n_classes)
    both = pairs.sum((1, 3))
    n = np.maximum(both, 1)
    mine = pairs.sum(3) / n[:, None, :]  # (m, C, m): votes of j where k votes
    same = np.einsum("jvkv->jk", pairs) / n
    expected = np.einsum("jvk,kvj->jk", mine, mine)
    spread = 1 - (mine**2).sum(1)
    scale = np.sqrt(spread * spread.T)
    value = np.where(scale > 1e-12, (same - expected) / np.maximum(scale, 1e-12), 0.0)
    return np.where(both >= FEWEST_ROWS, value, 0.0)


def candidate_groups(
    patterns: VotePatterns, one_class: np.ndarray, n_classes: int
) -> list[list[np.ndarray]]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    lfs = np.flatnonzero(~one_class)
    if len(lfs) < 3:
        return []
    distance = 1 - agreement(patterns, n_classes)[np.ix_(lfs, lfs)]
    np.fill_diagonal(distance, 0)
    distance = np.maximum((distance + distance.T) / 2, 0)
    tree = linkage(squareform(distance, checks=False), "average")
    heights = tree[:, 2]
    gaps = np.diff(heights)
    cuts = np.argsort(-gaps, kind="stable")[:MOST_CUTS]
    found = []
    for i in np.sort(cuts):
        if gaps[i] <= 1e-9:
            continue
        cluster = fcluster(tree, heights[i] + gaps[i] / 2, "distance")
        groups = [lfs[cluster == c] for c in np.unique(cluster) if (cluster == c).sum() > 1]
        found.append(groups)
    return found
