"""BERT within a graph: token numbers to one vector a text, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.export.graph import Graph

_ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
_POOLINGS = ("mean", "first", "max")


@dataclass(frozen=True)
class BertGraph:
    """An encoder of BERT's kind.

    Attributes
    ----------
    config : dict
        As transformers writes it.
    weights : mapping of str to ndarray
        By the names of ``BertModel``.
    pooling : {"mean", "first", "max"}
    """

    config: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    pooling: str

    def check(self) -> None:
        """Raise InputError for an encoder that cannot be exported."""
        kind, activation = self.config.get("model_type"), self.config.get("hidden_act")
        position = self.config.get("position_embedding_type") or "absolute"
        if kind != "bert" or position != "absolute" or self.config.get("is_decoder"):
            raise InputError(
                f"an encoder of the kind {kind!r} (positions {position!r}) cannot be exported to "
                "ONNX; those of BERT, such as MiniLM, can"
            )
        if activation not in (*_ACTIVATIONS, "relu"):
            raise InputError(f"an encoder with hidden_act={activation!r} cannot be exported")
        if self.pooling not in _POOLINGS:
            raise InputError(f"pooling={self.pooling!r} cannot be exported; {_POOLINGS} can")

    def pooled(self, graph: Graph, ids: str) -> Any:
        """Return vectors (n, H) float32 of token numbers (n, M), -1 behind the last of each."""
        self.check()
        seen = graph.op("GreaterOrEqual", ids, 0)
        x = self._embedded(graph, ids)
        hidden = graph.op("Unsqueeze", graph.op("Not", seen), [1, 2])
        bias = graph.op("Where", hidden, float(np.finfo(np.float32).min), 0.0)
        for layer in range(int(self.config["num_hidden_layers"])):
            x = self._layer(graph, x, bias, f"encoder.layer.{layer}.")
        if self.pooling == "first":
            return graph.op("Gather", x, 0, axis=1)
        mask = graph.op("Unsqueeze", seen, [2])
        if self.pooling == "max":
            return graph.op("ReduceMax", graph.op("Where", mask, x, -np.inf), [1], keepdims=0)
        share = graph.cast(mask, "FLOAT")
        total = graph.op("ReduceSum", graph.op("Mul", x, share), [1], keepdims=0)
        count = graph.op("ReduceSum", share, [1], keepdims=0)
        return graph.op("Div", total, graph.op("Max", count, 1.0))

    def _embedded(self, graph: Graph, ids: str) -> Any:
        padding = int(self.config.get("pad_token_id") or 0)
        numbers = graph.op("Where", graph.op("GreaterOrEqual", ids, 0), ids, padding)
        words = graph.op("Gather", self._weight("embeddings.word_embeddings.weight"), numbers)
        places = self._weight("embeddings.position_embeddings.weight")
        kind = self._weight("embeddings.token_type_embeddings.weight")[0]
        used = graph.op("Slice", places + kind, [0], graph.size(ids, 1), [0])
        return self._norm(graph, graph.op("Add", words, used), "embeddings.LayerNorm.")

    def _layer(self, graph: Graph, x: str, bias: str, name: str) -> Any:
        attended = self._attention(graph, x, bias, f"{name}attention.self.")
        attended = self._dense(graph, attended, f"{name}attention.output.dense.")
        x = self._norm(graph, graph.op("Add", attended, x), f"{name}attention.output.LayerNorm.")
        inner = self._dense(graph, x, f"{name}intermediate.dense.")
        activation = self.config["hidden_act"]
        if activation == "relu":
            inner = graph.op("Relu", inner)
        else:
            inner = graph.op("Gelu", inner, approximate=_ACTIVATIONS[activation])
        inner = self._dense(graph, inner, f"{name}output.dense.")
        return self._norm(graph, graph.op("Add", inner, x), f"{name}output.LayerNorm.")

    def _attention(self, graph: Graph, x: str, bias: str, name: str) -> Any:
        n_heads = int(self.config["num_attention_heads"])
        size = int(self.config["hidden_size"]) // n_heads

        def heads(part: str, order: list[int]) -> Any:
            dense = self._dense(graph, x, f"{name}{part}.")
            split = graph.op("Reshape", dense, [0, 0, n_heads, size])
            return graph.op("Transpose", split, perm=order)

        query, value = heads("query", [0, 2, 1, 3]), heads("value", [0, 2, 1, 3])
        scores = graph.op("MatMul", query, heads("key", [0, 2, 3, 1]))
        scores = graph.op("Add", graph.op("Mul", scores, 1 / math.sqrt(size)), bias)
        mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=3), value)
        back = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return graph.op("Reshape", back, [0, 0, n_heads * size])

    def _dense(self, graph: Graph, x: str, name: str) -> Any:
        product = graph.op("MatMul", x, self._weight(f"{name}weight").T)
        return graph.op("Add", product, self._weight(f"{name}bias"))

    def _norm(self, graph: Graph, x: str, name: str) -> Any:
        weight, bias = self._weight(f"{name}weight"), self._weight(f"{name}bias")
        epsilon = float(self.config["layer_norm_eps"])
        return graph.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)

    def _weight(self, name: str) -> np.ndarray:
        return np.asarray(self.weights[name], dtype=np.float32)
