"""TF-IDF of word n-grams within a graph, entry by entry: no row of all words is ever made."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.data.features import TextFeatures
from spear_amal.export.graph import Graph
from spear_amal.export.words_graph import FIRST_TEXT, normal_texts, packed_rows, words_of

_NO_WORD = -1


class TfidfGraph:
    """The entries of TF-IDF features, from texts (n,) within a graph.

    Parameters
    ----------
    graph : Graph
    texts : value
    features : TextFeatures, fitted
    """

    def __init__(self, graph: Graph, texts: str, features: TextFeatures) -> None:
        self._graph = graph
        self._width = len(features.vocabulary_)
        texts = graph.op("Concat", [FIRST_TEXT], texts, axis=0)
        texts = normal_texts(graph, texts, features.lowercase, features.strip_accents)
        words = words_of(graph, texts, features.token_pattern)
        self._n_rows = graph.size(texts, 0)
        columns = self._columns(words, features)
        self._entries(columns, features)

    def affine(self, weights: np.ndarray) -> Any:
        """Return the features (n, D) times weights (D, M): float32 (n, M)."""
        graph = self._graph
        padded = np.concatenate([weights, np.zeros((1, weights.shape[1]))]).astype(np.float32)
        of_words = graph.op("Gather", padded, self._places)
        products = graph.op("MatMul", graph.op("Unsqueeze", self._values, [1]), of_words)
        sums = graph.op("Squeeze", products, [1])
        return graph.op("Slice", sums, [1], [np.iinfo(np.int64).max], [0])

    def _columns(self, words: str, features: TextFeatures) -> Any:
        """Columns of the n-grams (n, K) of words (n, T), -1 for those without one."""
        graph = self._graph
        shortest, longest = features.ngram_range
        grams = [gram.split(" ") for gram in features.vocabulary_]
        words_used = sorted({word for gram in grams for word in gram})
        numbers = {word: place + 1 for place, word in enumerate(words_used)}
        stop = features.vectorizer_.get_stop_words() or ()
        table = dict.fromkeys(stop, _NO_WORD) | numbers | {"": _NO_WORD}
        word = graph.encode(words, table, 0)
        if stop:
            word = self._without_gaps(word)
        columns = []
        nodes = word
        known: dict[tuple[str, ...], int] = {(one,): number for one, number in numbers.items()}
        for n in range(1, longest + 1):
            if n > 1:
                nodes, known = self._longer(nodes, word, n, grams, known, numbers)
            if n < shortest or not known:
                continue
            of_node = np.full(len(known) + 1, -1, dtype=np.int64)
            for column, gram in enumerate(grams):
                if len(gram) == n:
                    of_node[known[tuple(gram)]] = column
            columns.append(graph.op("Gather", of_node, graph.op("Max", nodes, 0)))
        return graph.op("Concat", *columns, axis=1)

    def _longer(
        self,
        nodes: str,
        word: str,
        n: int,
        grams: list[list[str]],
        known: dict[tuple[str, ...], int],
        numbers: dict[str, int],
    ) -> tuple[Any, dict[tuple[str, ...], int]]:
        """Numbers (n, K) of runs of n words that begin an n-gram; 0 for others."""
        graph, base = self._graph, len(numbers) + 1
        beginnings = sorted({tuple(gram[:n]) for gram in grams if len(gram) >= n})
        longer = {run: place + 1 for place, run in enumerate(beginnings)}
        keys = {known[run[:-1]] * base + numbers[run[-1]]: place for run, place in longer.items()}
        begun = graph.columns(nodes, [0], [-1])
        following = graph.columns(word, [n - 1], [np.iinfo(np.int64).max])
        # A word that is none, or unknown, has no number above 0: no key is met.
        valid = graph.op("Greater", following, 0)
        key = graph.op("Add", graph.op("Mul", begun, base), following)
        found = graph.encode(graph.op("Where", valid, key, -1), keys or {-2: 0}, 0)
        return found, longer

    def _without_gaps(self, word: str) -> Any:
        """Numbers of words (n, T), stop words left out: those around them are neighbours."""
        graph = self._graph
        rows, kept = self._kept(word, graph.op("Greater", word, _NO_WORD))
        return packed_rows(graph, rows, self._n_rows, kept, _NO_WORD)[0]

    def _kept(self, matrix: str, condition: str) -> tuple[Any, Any]:
        """Rows (k,) and values (k,) of a matrix where a condition holds, row by row."""
        graph = self._graph
        rows = graph.op("Gather", graph.op("NonZero", condition), 0, axis=0)
        return rows, graph.op("Compress", matrix, graph.op("Reshape", condition, [-1]))

    def _entries(self, columns: str, features: TextFeatures) -> None:
        """Set columns (n, K) and values (n, K) of the entries of each row, once each."""
        graph, width = self._graph, self._width
        rows, of_rows = self._kept(columns, graph.op("GreaterOrEqual", columns, 0))
        keys = graph.op("Add", graph.op("Mul", rows, width), of_rows)
        keys, _, _, counts = graph.op("Unique", keys, outputs=4, sorted=1)
        rows, places = graph.op("Div", keys, width), graph.op("Mod", keys, width)
        values = graph.cast(counts, "FLOAT")
        if features.sublinear_tf:
            values = graph.op("Add", graph.op("Log", values), 1.0)
        idf = np.asarray(features.idf_, dtype=np.float32)
        values = graph.op("Mul", values, graph.op("Gather", idf, places))
        self._places, scatter = packed_rows(graph, rows, self._n_rows, places, width)
        values = scatter(values, 0.0)
        length = graph.op("ReduceL2", values, [1], keepdims=1)
        self._values = graph.op("Div", values, graph.op("Max", length, 1e-30))
