"""The fitted networks of an estimator within a graph, from their first layer to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.estimators import BaseSpearEstimator, PooledClassifier
from spear_amal.export.graph import Graph
from spear_amal.maths.log_linear_pool import LOG_FLOOR
from spear_amal.models import MLP, LinearModel

TimesWeights = Callable[[np.ndarray], Any]


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
                "ONNX; 'linear' and 'mlp' can"
            )
        layers = [*getattr(network, "layers", ()), network.head]
        arrays = [
            [parameter.detach().cpu().numpy().astype(np.float32) for parameter in parameters]
            for parameters in ((layer.weight, layer.bias) for layer in layers)
        ]
        return cls([one[0] for one in arrays], [one[1] for one in arrays])


def class_probabilities(graph: Graph, estimator: BaseSpearEstimator, affine: TimesWeights) -> Any:
    """Return what an estimator predicts without votes: float32 (n, C), as its `classes_` go.

    Parameters
    ----------
    graph : Graph
    estimator : fitted estimator
    affine : function
        Weights (D, M) to features times weights (n, M), within the graph.

    Raises
    ------
    InputError
        If a network cannot be exported.
    """
    if not isinstance(estimator, PooledClassifier):
        return _mean_probabilities(graph, estimator, affine)
    weights = estimator.feature_weights()
    parts = [
        graph.op("Mul", _floored_log(graph, estimator.members_[name], affine), float(weight))
        for name, weight in weights.items()
    ]
    by_class = np.asarray(estimator.by_class_, dtype=np.float32)
    total = parts[0] if len(parts) == 1 else graph.op("Sum", *parts)
    return graph.op("Softmax", graph.op("Add", total, by_class), axis=1)


def _floored_log(graph: Graph, member: BaseSpearEstimator, affine: TimesWeights) -> Any:
    p = class_probabilities(graph, member, affine)
    return graph.op("Max", graph.op("Log", p), float(LOG_FLOOR))


def _mean_probabilities(graph: Graph, estimator: BaseSpearEstimator, affine: TimesWeights) -> Any:
    """Return the mean of what the models of one estimator say."""
    networks = [Layers.of(model.feature) for model in estimator.models_]
    n_classes, deep = len(estimator.classes_), len(networks[0].weights) > 1
    groups = [[one] for one in networks] if deep else [networks]
    parts = [_scores(graph, group, affine) for group in groups]
    # (n, models, C)
    logits = [graph.op("Reshape", part, [0, -1, n_classes]) for part in parts]
    stacked = logits[0] if len(logits) == 1 else graph.op("Concat", *logits, axis=1)
    return graph.op("ReduceMean", graph.op("Softmax", stacked, axis=2), [1], keepdims=0)


def _scores(graph: Graph, networks: list[Layers], affine: TimesWeights) -> Any:
    """Return the scores of several linear models side by side, or of one network of layers."""
    first = np.concatenate([network.weights[0] for network in networks])
    constants = np.concatenate([network.constants[0] for network in networks])
    x = graph.op("Add", affine(first.T), constants)
    for weight, constant in zip(networks[0].weights[1:], networks[0].constants[1:], strict=True):
        x = graph.op("Gemm", graph.op("Relu", x), weight, constant, transB=1)
    return x
