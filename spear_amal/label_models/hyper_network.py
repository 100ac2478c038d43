"""The network of the hyper label model: messages between votes, in NumPy and in torch alike.

Nodes are *pairs*: an LF j and a class v that it votes for. A pair has a state (C, WIDTH), one
vector for each class c, and so has each class of the matrix. In a round

* a row hears its pairs: ``z_ic = B_c + sum over its votes of A_jvc``;
* a pair hears its rows, each without the pair's own vote, so that no LF confirms itself: the mean
  over them of what ``z_i - A_jv`` says (:func:`row_messages`); a class hears all rows;
* both change their states by a small network of what they heard.

All weights are shared by rows, LFs and classes, sums and means are all that meets: so the order of
rows, LFs and classes cannot matter. Rows count by their number, so equal rows may be merged, and
only shares of rows enter, so that a matrix twice as long with the same shares gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.label_models.vote_patterns import VotePatterns

#: Numbers in a state of a pair or class; the first half are beliefs, made to sum to 1 over classes.
WIDTH = 16
BELIEFS = WIDTH // 2
#: Numbers in the hidden layer of the small networks.
HIDDEN = 32
#: Rounds of messages.
ROUNDS = 3
# Votes, times classes, whose messages are in memory at once.
MESSAGES_AT_ONCE = 1 << 18
# Pairs whose overlaps with all others are in memory at once.
PAIRS_AT_ONCE = 256
# Keeps logarithms of shares finite.
LEAST_SHARE = 0.01

#: What goes into the small networks: name of the input -> its width.
PAIR_FACTS, CLASS_FACTS = 14, 6
_PAIR_INPUTS = {
    "facts": PAIR_FACTS,
    "state": WIDTH,
    "state_of_vote": WIDTH,
    "heard": WIDTH,
    "heard_of_vote": WIDTH,
    "heard_by_lf": WIDTH,
    "of_class": WIDTH,
    "log_heard": BELIEFS,
    "log_of_class": BELIEFS,
}
_CLASS_INPUTS = {
    "facts": CLASS_FACTS,
    "state": WIDTH,
    "of_class": WIDTH,
    "log_of_class": BELIEFS,
    "evenness": WIDTH,
}


@dataclass(frozen=True)
class GraphPart:
    """Some of the rows, with all their votes: sparse matrices from one kind of node to another.

    Attributes
    ----------
    cast : csr_array of shape (rows, P)
        1 where a row has the vote of a pair.
    matrix_of_row : csr_array of shape (rows, matrices)
        1 at the matrix of a row.
    row_means : csr_array of shape (matrices, rows)
        Share of each row in its matrix.
    rows_of_votes : csr_array of shape (votes, rows)
        1 at the row of a vote.
    pairs_of_votes : csr_array of shape (votes, P)
        1 at the pair of a vote.
    vote_means : csr_array of shape (P, votes)
        Share of each vote in its pair.
    """

    cast: Any
    matrix_of_row: Any
    row_means: Any
    rows_of_votes: Any
    pairs_of_votes: Any
    vote_means: Any


@dataclass(frozen=True)
class VoteGraph:
    """One or more label matrices as the network sees them; rows without votes are left out.

    Attributes
    ----------
    parts : sequence of GraphPart
    lf_means : csr_array of shape (P, P)
        The mean over the pairs of an LF, each by its share of the LF's votes.
    matrix_of_pair : csr_array of shape (P, matrices)
        1 at the matrix of a pair.
    is_vote : ndarray of shape (P, C, 1)
        1 at the class that the pair votes for.
    pair_facts : ndarray of shape (P, C, PAIR_FACTS)
    class_facts : ndarray of shape (matrices, C, CLASS_FACTS)
    """

    parts: Sequence[GraphPart]
    lf_means: Any
    matrix_of_pair: Any
    is_vote: Any
    pair_facts: Any
    class_facts: Any


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all weights."""
    shapes: dict[str, tuple[int, ...]] = {"readout": (2, WIDTH)}
    for step in range(ROUNDS + 1):
        for node, inputs in (("pair", _PAIR_INPUTS), ("class", _CLASS_INPUTS)):
            name = f"{node}{step}"
            used = inputs if step else {"facts": inputs["facts"]}
            shapes |= {f"{name}.{part}": (width, HIDDEN) for part, width in used.items()}
            shapes |= {f"{name}.bias": (HIDDEN,), f"{name}.out": (HIDDEN, WIDTH)}
    return shapes


def network_states(graph: VoteGraph, weights: Mapping[str, Any], xp: Any = np) -> tuple[Any, Any]:
    """Return the last states of pairs (P, C, WIDTH) and of classes (matrices, C, WIDTH).

    Parameters
    ----------
    graph : VoteGraph
    weights : mapping
        Of :func:`weight_shapes`.
    xp : module
        numpy or torch, of which the arrays are.
    """
    pairs = _changed(weights, "pair0", {"facts": graph.pair_facts})
    classes = _changed(weights, "class0", {"facts": graph.class_facts})
    for step in range(1, ROUNDS + 1):
        of_class, heard = _sum_of_parts(_hear(part, pairs, classes, xp) for part in graph.parts)
        near = _to(graph.matrix_of_pair, of_class)
        new_pairs = {
            "facts": graph.pair_facts,
            "state": pairs,
            "state_of_vote": (pairs * graph.is_vote).sum(1)[:, None],
            "heard": heard,
            "heard_of_vote": (heard * graph.is_vote).sum(1)[:, None],
            "heard_by_lf": _to(graph.lf_means, heard),
            "of_class": near,
            "log_heard": _log_share(heard, xp),
            "log_of_class": _log_share(near, xp),
        }
        new_classes = {
            "facts": graph.class_facts,
            "state": classes,
            "of_class": of_class,
            "log_of_class": _log_share(of_class, xp),
            "evenness": (of_class * of_class).sum(1)[:, None],
        }
        pairs = pairs + _changed(weights, f"pair{step}", new_pairs)
        classes = classes + _changed(weights, f"class{step}", new_classes)
    return pairs, classes


def row_states(cast: Any, matrix_of_row: Any, pairs: Any, classes: Any) -> Any:
    """Return the states (n, C, WIDTH) of rows: of their class, and the sum of their votes'."""
    return _to(cast, pairs) + _to(matrix_of_row, classes)


def _hear(part: GraphPart, pairs: Any, classes: Any, xp: Any) -> tuple[Any, Any]:
    """Messages of some rows, summed: to classes (matrices, C, WIDTH), to pairs (P, C, WIDTH)."""
    rows = row_states(part.cast, part.matrix_of_row, pairs, classes)
    without_own = _to(part.rows_of_votes, rows) - _to(part.pairs_of_votes, pairs)
    return (
        _to(part.row_means, row_messages(rows, xp)),
        _to(part.vote_means, row_messages(without_own, xp)),
    )


def _sum_of_parts(heard: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    return reduce(lambda some, more: tuple(a + b for a, b in zip(some, more, strict=True)), heard)


def read_out(rows: Any, readout: Any, xp: Any = np) -> Any:
    """Return logits (n, C) from states (n, C, WIDTH) of rows, by `readout` (2, WIDTH)."""
    return (rows * readout[0]).sum(-1) + (_bounded(rows, xp) * readout[1]).sum(-1)


def row_messages(rows: Any, xp: Any) -> Any:
    """Return what states (n, C, WIDTH) of rows say: beliefs, and centred numbers in (-1, 1)."""
    beliefs = rows[..., :BELIEFS]
    beliefs = xp.exp(beliefs - xp.amax(beliefs, axis=1)[:, None])
    beliefs = beliefs / beliefs.sum(1)[:, None]
    return xp.concatenate((beliefs, _bounded(rows[..., BELIEFS:], xp)), axis=-1)


def _bounded(values: Any, xp: Any) -> Any:
    centred = values - values.sum(1)[:, None] / values.shape[1]
    return centred / (1 + xp.abs(centred))


def _log_share(values: Any, xp: Any) -> Any:
    return xp.log(values[..., :BELIEFS] + LEAST_SHARE)


def _changed(weights: Mapping[str, Any], name: str, inputs: Mapping[str, Any]) -> Any:
    """Return what a small network with one hidden layer makes of its inputs."""
    hidden = sum(values @ weights[f"{name}.{part}"] for part, values in inputs.items())
    hidden = hidden + weights[f"{name}.bias"]
    return (hidden * (hidden > 0)) @ weights[f"{name}.out"]


def _to(matrix: Any, values: Any) -> Any:
    """Return the product of a sparse matrix (a, b) and values (b, C, w)."""
    product = matrix @ values.reshape(values.shape[0], -1)
    return product.reshape(matrix.shape[0], *values.shape[1:])


# -- the graph of votes ---------------------------------------------------------------------------


def vote_graph(
    patterns: VotePatterns, n_classes: int, balance: np.ndarray | None = None
) -> tuple[VoteGraph, np.ndarray]:
    """Return the graph of a label matrix and its pairs (P,), as columns ``j * C + v`` of `cast`.

    Parameters
    ----------
    patterns : VotePatterns
        At least one of them has votes.
    n_classes : int
    balance : ndarray of shape (C,), optional
        Shares of the classes, where they are known.
    """
    covered = np.flatnonzero(patterns.covered)
    cast, n_rows, gold = patterns.cast[covered], patterns.n_rows[covered], patterns.gold[covered]
    columns, at = np.unique(cast.indices, return_inverse=True)
    shape = (len(covered), len(columns))
    cast = sp.csr_array((np.ones(cast.nnz), at.astype(np.int32), cast.indptr), shape=shape)
    lfs, votes = np.divmod(columns, n_classes)
    votes_of_pair = cast.T @ n_rows
    _, lf = np.unique(lfs, return_inverse=True)
    by_lf = sp.csr_array((np.ones(len(lf)), (lf, np.arange(len(lf)))))
    votes_of_lf = by_lf.T @ (by_lf @ votes_of_pair)
    is_vote = np.eye(n_classes)[votes][..., None]
    of_vote = cast @ is_vote[..., 0]  # (u, C): votes of each row for each class
    facts = [
        is_vote,
        _spread(_pair_shares(cast, n_rows, votes_of_pair, votes_of_lf), n_classes),
        _spread(_overlaps(cast, n_rows, votes_of_pair, votes), n_classes),
        _agreement(cast, n_rows, votes_of_pair, of_vote, is_vote[..., 0]),
        _gold_of_pairs(cast, n_rows, gold, n_classes),
    ]
    graph = VoteGraph(
        _parts(cast, n_rows, votes_of_pair, n_classes),
        sp.csr_array(by_lf.T @ by_lf @ sp.diags_array(votes_of_pair / votes_of_lf)),
        sp.csr_array(np.ones((len(columns), 1))),
        is_vote,
        np.concatenate(facts, axis=-1),
        _class_facts(of_vote, n_rows, gold, balance)[None],
    )
    return graph, columns


def _parts(
    cast: sp.csr_array, n_rows: np.ndarray, votes_of_pair: np.ndarray, n_classes: int
) -> list[GraphPart]:
    """Divide the rows, so that the messages of one part at a time are in memory."""
    size = (cast.indptr[1:] * n_classes - 1) // MESSAGES_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(size)) + 1), len(n_rows)]
    share, n_pairs = n_rows / n_rows.sum(), len(votes_of_pair)
    parts = []
    for start, end in pairwise(bounds):
        some, n = cast[start:end], end - start
        row, pair = np.repeat(np.arange(n), np.diff(some.indptr)), some.indices
        each, ones = np.arange(some.nnz), np.ones(some.nnz)
        means = n_rows[start:end][row] / votes_of_pair[pair]
        parts.append(
            GraphPart(
                some,
                sp.csr_array(np.ones((n, 1))),
                sp.csr_array(share[None, start:end]),
                sp.csr_array((ones, (each, row)), shape=(some.nnz, n)),
                sp.csr_array((ones, (each, pair)), shape=(some.nnz, n_pairs)),
                sp.csr_array((means, (pair, each)), shape=(n_pairs, some.nnz)),
            )
        )
    return parts


def _spread(facts: np.ndarray, n_classes: int) -> np.ndarray:
    """Repeat facts (P, k) of pairs for each class (P, C, k)."""
    return np.repeat(facts[:, None], n_classes, axis=1)


def _pair_shares(
    cast: sp.csr_array, n_rows: np.ndarray, votes_of_pair: np.ndarray, votes_of_lf: np.ndarray
) -> np.ndarray:
    """Facts (P, 5): coverage of pair and LF, its share of the LF's votes, alone, company."""
    n_votes = np.diff(cast.indptr)
    alone = cast.T @ (n_rows * (n_votes == 1)) / votes_of_pair
    company = cast.T @ (n_rows * (n_votes - 1)) / votes_of_pair
    coverage = [np.log10(votes / n_rows.sum()) for votes in (votes_of_pair, votes_of_lf)]
    return np.stack([*coverage, votes_of_pair / votes_of_lf, alone, np.log1p(company)], axis=1)


def _overlaps(
    cast: sp.csr_array, n_rows: np.ndarray, votes_of_pair: np.ndarray, votes: np.ndarray
) -> np.ndarray:
    """Facts (P, 2): how many pairs with the same vote fire on the same rows, and copies.

    Sums of the correlations of firing, above 0, to the power of 2 and 8: of near-copies only the
    latter is large.
    """
    share = votes_of_pair / n_rows.sum()
    spread = np.sqrt(np.maximum(share * (1 - share), 1e-12))
    weighted = sp.csr_array(cast.T @ sp.diags_array(n_rows / n_rows.sum()))
    facts = np.empty((len(share), 2))
    for start in range(0, len(share), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        both = (weighted[some] @ cast).toarray()
        r = (both - share[some, None] * share) / (spread[some, None] * spread)
        r = np.clip(r, 0, 1) * (votes[some, None] == votes)
        r[np.arange(len(r)), np.arange(start, start + len(r))] = 0
        r **= 2
        facts[some] = np.stack([r.sum(1), (r**4).sum(1)], axis=1)
    return np.log1p(facts)


def _agreement(
    cast: sp.csr_array,
    n_rows: np.ndarray,
    votes_of_pair: np.ndarray,
    of_vote: np.ndarray,
    is_vote: np.ndarray,
) -> np.ndarray:
    """Facts (P, C, 2): for each class the share of the other votes on the pair's rows; and of all.

    Where a pair is alone its rows do not count; where it always is the share is even.
    """
    n_votes = of_vote.sum(1)
    others = np.maximum(n_votes - 1, 1)
    weight = n_rows * (n_votes > 1)
    shared = cast.T @ weight
    heard = cast.T @ (of_vote * (weight / others)[:, None])
    heard -= is_vote * (cast.T @ (weight / others))[:, None]
    even = 1 / of_vote.shape[1]
    few = shared <= 0
    heard = np.where(few[:, None], even, heard / np.maximum(shared, 1e-12)[:, None])
    heard = np.maximum(heard, 0)  # what rounding leaves
    total = n_rows @ (of_vote / n_votes[:, None]) / n_rows.sum()
    lift = np.log(heard + LEAST_SHARE) - np.log(total + LEAST_SHARE)
    return np.stack([heard, np.where(few[:, None], 0, lift)], axis=-1)


def _gold_of_pairs(
    cast: sp.csr_array, n_rows: np.ndarray, gold: np.ndarray, n_classes: int
) -> np.ndarray:
    """Facts (P, C, 4) from gold rows: how many, the share of each class, its lift, and of all."""
    known = gold >= 0
    of_gold = np.zeros((len(gold), n_classes))
    of_gold[known, gold[known]] = n_rows[known]
    right = cast.T @ of_gold
    fired = right.sum(1, keepdims=True)
    rows = of_gold.sum(0)
    share = (rows + 1) / (rows.sum() + n_classes)
    expected = fired * share
    surplus = (right + 1) / (expected + 1)
    facts = (
        np.log1p(fired) / 3 * np.ones(n_classes),
        (right - fired / n_classes) / (fired + 2),
        np.log(surplus),
        np.log1p(rows) / 5 * np.ones((len(right), 1)),
    )
    return np.stack(facts, axis=-1)


def _class_facts(
    of_vote: np.ndarray, n_rows: np.ndarray, gold: np.ndarray, balance: np.ndarray | None
) -> np.ndarray:
    """Facts (C, 6): shares of votes, classes, gold rows and their shares, known balance."""
    n_classes = of_vote.shape[1]
    share = n_rows @ (of_vote / of_vote.sum(1, keepdims=True)) / n_rows.sum()
    known = gold >= 0
    rows = np.bincount(gold[known], n_rows[known], minlength=n_classes)
    given = np.zeros(n_classes) if balance is None else np.log(n_classes * balance + LEAST_SHARE)
    each = np.ones(n_classes)
    facts = (
        np.log(share + LEAST_SHARE),
        np.log(n_classes) * each,
        np.log1p(rows.sum()) / 5 * each,
        (rows - rows.sum() / n_classes) / (rows.sum() + n_classes),
        (balance is not None) * each,
        given,
    )
    return np.stack(facts, axis=-1)
