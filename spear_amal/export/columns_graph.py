"""Columns of a table as features within a graph: numbers standardised, categories one-hot."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.data.column_features import NUMBER, ColumnFeatures
from spear_amal.export.graph import Graph
from spear_amal.export.letters import space_class
from spear_amal.export.words_graph import FIRST_TEXT, matches

_END = np.iinfo(np.int64).max


class ColumnsGraph:
    """Features of columns, which are inputs of a graph by their names.

    Columns of numbers are float64 (n,), NaN where missing; those of categories are texts (n,), ""
    where missing.

    Parameters
    ----------
    graph : Graph
    features : ColumnFeatures, fitted
    """

    def __init__(self, graph: Graph, features: ColumnFeatures) -> None:
        self._graph, self._features = graph, features
        self._numbers = [name for name, kind in features.kinds_.items() if kind == NUMBER]
        self._categories = {
            name: self._codes(name, categories) for name, categories in features.categories_.items()
        }
        self._scaled = self._standardised() if self._numbers else ""

    def affine(self, weights: np.ndarray) -> Any:
        """Return the features (n, D) times weights (D, M): float32 (n, M)."""
        graph = self._graph
        n_numeric = len(self._numbers) + int(self._features.missing_.sum())
        parts = []
        if self._numbers:
            block = weights[:n_numeric].astype(np.float32)
            parts.append(graph.op("MatMul", self._scaled, block))
        place = n_numeric
        for name, codes in self._categories.items():
            end = place + len(self._features.categories_[name])
            parts.append(graph.op("Gather", _with_zeros(weights[place:end]), codes))
            place = end
        return parts[0] if len(parts) == 1 else graph.op("Sum", *parts)

    def _standardised(self) -> Any:
        """Standardised numbers (n, k), and which of those that may be missing are."""
        graph, features = self._graph, self._features
        columns = [graph.op("Unsqueeze", name, [1]) for name in self._numbers]
        values = graph.op("Concat", *columns, axis=1)
        missing = graph.op("IsNaN", values)
        scaled = graph.op("Div", graph.op("Sub", values, features.means_), features.scales_)
        scaled = graph.op("Where", missing, 0.0, graph.cast(scaled, "FLOAT"))
        may_miss = np.flatnonzero(features.missing_)
        if not len(may_miss):
            return scaled
        flags = graph.op("Gather", graph.cast(missing, "FLOAT"), may_miss, axis=1)
        return graph.op("Concat", scaled, flags, axis=1)

    def _codes(self, name: str, categories: list[str]) -> Any:
        """Places (n,) of categories; one beyond the last for those that are missing or unknown."""
        graph, space = self._graph, space_class()
        other = f"[^{space[1:]}"
        texts = graph.op("Concat", [FIRST_TEXT], name, axis=0)
        # From the first to the last sign that is no space: at most one match.
        stripped = matches(graph, texts, f"(?s){other}(?:.*{other})?")
        first = graph.op("Gather", stripped, 0, axis=1)
        cells = graph.op("Slice", first, [1], [_END], [0])
        table = {category: place for place, category in enumerate(categories)}
        return graph.encode(cells, table, len(categories))


def _with_zeros(block: np.ndarray) -> np.ndarray:
    return np.concatenate([block, np.zeros((1, block.shape[1]))]).astype(np.float32)
