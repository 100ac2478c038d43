"""The hyper label model: one small network, trained on drawn matrices, for any label matrix."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from safetensors.numpy import load_file

from spear_amal._typing import ClassBalanceLike
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.hyper_network import network_states, read_out, row_states, vote_graph
from spear_amal.label_models.one_class import count_votes, gold_tells_balance
from spear_amal.label_models.vote_patterns import cast_votes, find_patterns
from spear_amal.maths.posteriors import normalise
from spear_amal.votes.label_matrix import LabelMatrix

#: Where the weights of the network come with the package.
WEIGHTS_FILE = Path(str(resources.files("spear_amal"))) / "label_models" / "hyper.safetensors"
# Rows, times classes, whose states are in memory at once.
STATES_AT_ONCE = 1 << 16


class HyperLabelModel(LabelModel):
    """One network for all label matrices: it was trained on drawn ones, and ``fit`` trains nothing.

    The idea is that of Wu et al. 2023 (arXiv 2207.13545): a small network that takes the whole
    matrix, blind to the order of rows and LFs, and answers with the classes that, of all matrices
    with LFs better than chance, are the most likely. It is written and trained anew:

    * votes pass messages between rows and LFs (:mod:`~spear_amal.label_models.hyper_network`), for
      any number of classes, and the order of classes does not matter either;
    * rows with equal votes are merged, and rows without votes are not looked at. Only shares of
      rows count: without gold a matrix and the same twice give the same;
    * what ``fit`` keeps is a vector of each LF's votes and of each class, so that rows which come
      later get answers that hang on no other row. An LF's vote for a class that it never voted for
      in ``fit`` says nothing;
    * gold, if there is any, is what the network sees beside the votes: how often LFs are right on
      gold rows. It has seen drawn matrices with up to 300 gold rows. Gold that was chosen by its
      class is left out. (The paper trains its network further on gold rows instead.)

    What it was trained on, how long and with which error stands on the page of label models.

    Parameters
    ----------
    class_balance : "balanced", mapping of class name to share, or array of shape (C,), optional
        Shares of the classes, if known; a hint to the network, which may depart from it.

    Attributes
    ----------
    accuracies_ : ndarray of shape (m,)
        Share of right votes by the model's own answers on the rows of ``fit``; of an LF without
        votes that of chance.
    pairs_ : ndarray of int, shape (P,)
        Which votes were cast: ``j * C + v`` where LF j votes v.
    pair_states_ : ndarray of shape (P, C, 16)
    class_states_ : ndarray of shape (1, C, 16)
    readout_ : ndarray of shape (2, 16)
        How states become logits.

    Examples
    --------
    >>> votes = [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, -1, 1]]
    >>> HyperLabelModel().fit(votes).predict(votes).tolist()
    [0, 1, 0, 1, 0]
    """

    uses_gold = True
    counts_rows = True
    drops_constant = True
    has_balance = True

    def __init__(self, *, class_balance: ClassBalanceLike | None = None) -> None:
        self.class_balance = class_balance

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        weights = network_weights()
        counts, balance = count_votes(L, n_rows), self._known_balance(L, y, n_rows)
        if y is not None and not gold_tells_balance(y, counts, n_rows).all():
            y = None  # the network takes the shares of gold for those of the classes
        patterns = find_patterns(L, L.n_classes, y, n_rows)
        even = np.full(self.n_classes_, 1 / self.n_classes_)
        self.class_balance_ = even if balance is None else balance
        graph, self.pairs_ = vote_graph(patterns, L.n_classes, balance)
        self.pair_states_, self.class_states_ = network_states(graph, weights)
        self.readout_ = weights["readout"]
        believed = patterns.n_rows[:, None] * self._posterior_of(patterns.cast)
        right = (patterns.cast.T @ believed).reshape(self.n_lfs_, *[self.n_classes_] * 2)
        right = np.trace(right, axis1=1, axis2=2)
        chance = np.full(self.n_lfs_, 1 / self.n_classes_)
        cast = counts.sum(1)
        self.accuracies_ = np.divide(right, cast, chance, where=cast > 0)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self._posterior_of(cast_votes(L, self.n_classes_))

    def _posterior_of(self, cast: sp.csr_array) -> np.ndarray:
        """P(y | l_i), shape (n, C), of votes `cast` (n, m * C)."""
        cast = cast[:, self.pairs_]
        p = np.empty((cast.shape[0], self.n_classes_))
        size = max(1, STATES_AT_ONCE // self.n_classes_)
        for start in range(0, len(p), size):
            some = cast[start : start + size]
            ones = sp.csr_array(np.ones((some.shape[0], 1)))
            rows = row_states(some, ones, self.pair_states_, self.class_states_)
            p[start : start + size] = read_out(rows, self.readout_)
        normalise(p)
        return p

    def _weights(self) -> np.ndarray:
        return self.accuracies_


@cache
def network_weights() -> dict[str, np.ndarray]:
    """Return the weights of the network by name, as they come with the package."""
    return {name: value.astype(float) for name, value in load_file(WEIGHTS_FILE).items()}
