"""The fitted networks of an estimator within a graph, from their first layer to probabilities."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.estimators import BaseSpearEstimator, PooledClassifier
from spear_amal.export.encoder_graph import bert_of
from spear_amal.export.graph import Graph
from spear_amal.maths.log_linear_pool import LOG_FLOOR
from spear_amal.models import MLP, EncoderModel, LinearModel

TimesWeights = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class FeatureValues:
    """The features of rows within a graph.

    Attributes
    ----------
    times : function
        Weights (D, M) to features times weights (n, M).
    tokens : value or None
        Token numbers (n, M), -1 behind the last of each row, where features are these.
    """

    times: TimesWeights
    tokens: str | None = None


@dataclass(frozen=True)
class Layers:
    """What a network multiplies features by: weights (out, in) and constants (out,), by layer."""

    weights: list[np.ndarray]
    constants: list[np.ndarray]

    @classmethod
    def of(cls, network: Any) -> Layers:
        """Read a linear model or an MLP; raise InputError for another network."""
        if not isinstance(network, LinearModel | MLP):
            raise InputError(
                f"a feature model of the class {type(network).__name__} cannot be exported to "
                "ONNX; 'linear', 'mlp' and encoders of BERT's kind can"
            )
        return cls.of_linear([*getattr(network, "layers", ()), network.head])

    @classmethod
    def of_linear(cls, layers: Sequence[Any]) -> Layers:
        """Read linear layers."""
        arrays = [
            [parameter.detach().cpu().numpy().astype(np.float32) for parameter in parameters]
            for parameters in ((layer.weight, layer.bias) for layer in layers)
        ]
        return cls([one[0] for one in arrays], [one[1] for one in arrays])


def class_probabilities(
    graph: Graph, estimator: BaseSpearEstimator, features: FeatureValues
) -> Any:
    """Return what an estimator predicts without votes: float32 (n, C), as its `classes_` go.

    Parameters
    ----------
    graph : Graph
    estimator : fitted estimator
    features : FeatureValues

    Raises
    ------
    InputError
        If a network cannot be exported.
    """
    if not isinstance(estimator, PooledClassifier):
        return _mean_probabilities(graph, estimator, features)
    weights = estimator.feature_weights()
    parts = [
        graph.op("Mul", _floored_log(graph, estimator.members_[name], features), float(weight))
        for name, weight in weights.items()
    ]
    by_class = np.asarray(estimator.by_class_, dtype=np.float32)
    total = parts[0] if len(parts) == 1 else graph.op("Sum", *parts)
    return graph.op("Softmax", graph.op("Add", total, by_class), axis=1)


def _floored_log(graph: Graph, member: BaseSpearEstimator, features: FeatureValues) -> Any:
    p = class_probabilities(graph, member, features)
    return graph.op("Max", graph.op("Log", p), float(LOG_FLOOR))


def _mean_probabilities(
    graph: Graph, estimator: BaseSpearEstimator, features: FeatureValues
) -> Any:
    """Return the mean of what the models of one estimator say."""
    networks = [model.feature for model in estimator.models_]
    if isinstance(networks[0], EncoderModel):
        parts = [_encoder_scores(graph, network, features) for network in networks]
    elif isinstance(networks[0], LinearModel):
        parts = [_scores(graph, [Layers.of(network) for network in networks], features)]
    else:
        parts = [_scores(graph, [Layers.of(network)], features) for network in networks]
    beside = parts[0] if len(parts) == 1 else graph.op("Concat", *parts, axis=1)
    logits = graph.op("Reshape", beside, [0, len(networks), len(estimator.classes_)])
    return graph.op("ReduceMean", graph.op("Softmax", logits, axis=2), [1], keepdims=0)


def _scores(graph: Graph, networks: list[Layers], features: FeatureValues) -> Any:
    """Return the scores of several linear models side by side, or of one network of layers."""
    first = np.concatenate([network.weights[0] for network in networks])
    constants = np.concatenate([network.constants[0] for network in networks])
    x = graph.op("Add", features.times(first.T), constants)
    for weight, constant in zip(networks[0].weights[1:], networks[0].constants[1:], strict=True):
        x = graph.op("Gemm", graph.op("Relu", x), weight, constant, transB=1)
    return x


def _encoder_scores(graph: Graph, network: Any, features: FeatureValues) -> Any:
    """Return the scores of an encoder that was trained itself."""
    if features.tokens is None:
        raise InputError("an encoder that was trained on more than one text a row is not exported")
    network = copy.deepcopy(network)
    network.merge()
    pooled = bert_of(network.body, network.pooling).pooled(graph, features.tokens)
    head = Layers.of_linear([network.head])
    return graph.op("Gemm", pooled, head.weights[0], head.constants[0], transB=1)
