"""Train the network of the hyper label model, and say how well it does on draws it never saw.

    python benchmarks/train_hyper.py [--matrices N] [--epochs N] [--seed N]

It learns from label matrices drawn at random (hyper_draws.py), of which all classes are known, by
the cross-entropy of its posteriors. No corpus is read, in training or in the choice of anything.
The weights lie in ``spear_amal/label_models/hyper.safetensors``. One core, some 15 minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from hyper_draws import Draw, draw_matrix
from safetensors.numpy import save_file

from spear_amal.label_models import AccuracyModel, MajorityVote, WeightedMajority
from spear_amal.label_models.hyper import WEIGHTS_FILE, HyperLabelModel
from spear_amal.label_models.hyper_network import (
    GraphPart,
    VoteGraph,
    network_states,
    read_out,
    row_states,
    vote_graph,
    weight_shapes,
)
from spear_amal.label_models.vote_patterns import find_patterns
from spear_amal.votes.label_matrix import LabelMatrix

VOTES_PER_STEP = 12_000  # distinct votes times classes
RATE = 3e-3


class Lesson(NamedTuple):
    """A matrix as the network sees it, and how many rows (u, C) of each pattern are of a class."""

    graph: VoteGraph
    rows: np.ndarray


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, matrix: Sparse) -> torch.Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(matrix.there @ values.numpy())

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(ctx.matrix.back @ slopes[0].numpy()), None


class Sparse:
    """A sparse matrix that is no parameter, by which tensors are multiplied."""

    def __init__(self, matrix: Any) -> None:
        self.there = sp.csr_array(matrix.astype(np.float32))
        self.back = sp.csr_array(self.there.T)
        self.shape = matrix.shape

    def __matmul__(self, values: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        return _Product.apply(values, self)


def make_lesson(draw: Draw) -> Lesson | None:
    """Return the graph of a draw; None if no row is left whose class the model is not told.

    None too if the matrix is so large that its messages come in parts.
    """
    L = LabelMatrix.from_dense(draw.votes, classes=range(draw.n_classes))
    patterns = find_patterns(L, draw.n_classes, draw.gold)
    rows = np.zeros((len(patterns.n_rows), draw.n_classes), dtype=np.float32)
    asked = draw.gold < 0
    np.add.at(rows, (patterns.inverse[asked], draw.y[asked]), 1)
    rows = rows[patterns.covered]
    if not rows.any():
        return None
    graph, _ = vote_graph(patterns, draw.n_classes, draw.balance)
    return Lesson(graph, rows / rows.sum()) if len(graph.parts) == 1 else None


def one_graph(graphs: Sequence[VoteGraph]) -> VoteGraph:
    """Join graphs of as many classes into one, in torch."""
    parts = [part for graph in graphs for part in graph.parts]

    def joined(nodes: Sequence[Any], name: str) -> Sparse:
        return Sparse(sp.block_diag([getattr(node, name) for node in nodes], format="csr"))

    def stacked(name: str) -> torch.Tensor:
        arrays = [getattr(graph, name) for graph in graphs]
        return torch.from_numpy(np.concatenate(arrays).astype(np.float32))

    return VoteGraph(
        [GraphPart(**{field.name: joined(parts, field.name) for field in fields(GraphPart)})],
        *(joined(graphs, name) for name in ("lf_means", "matrix_of_pair")),
        *(stacked(name) for name in ("is_vote", "pair_facts", "class_facts")),
    )


def batches(lessons: Sequence[Lesson], rng: np.random.Generator) -> Iterator[list[Lesson]]:
    """Lessons in a random order, some with as many classes at a time."""
    waiting: dict[int, list[Lesson]] = {}
    for i in rng.permutation(len(lessons)):
        n_classes = lessons[i].rows.shape[1]
        some = waiting.setdefault(n_classes, [])
        some.append(lessons[i])
        if n_classes * sum(lesson.graph.parts[0].cast.nnz for lesson in some) >= VOTES_PER_STEP:
            yield waiting.pop(n_classes)


def loss_of(lessons: Sequence[Lesson], weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the posteriors, mean over rows and then over matrices."""
    graph = one_graph([lesson.graph for lesson in lessons])
    pairs, classes = network_states(graph, weights, torch)
    (part,) = graph.parts
    rows = row_states(part.cast, part.matrix_of_row, pairs, classes)
    logits = read_out(rows, weights["readout"], torch)
    truth = torch.from_numpy(np.concatenate([lesson.rows for lesson in lessons]))
    return -(truth * torch.log_softmax(logits, 1)).sum() / len(lessons)


def first_weights(seed: int) -> dict[str, torch.Tensor]:
    """Weights at the start: small, so that states begin near 0."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in weight_shapes().items():
        scale = (0.3 if name.endswith(".out") or name == "readout" else 1.0) / np.sqrt(shape[0])
        value = scale * torch.randn(shape, generator=generator)
        weights[name] = (value * (not name.endswith(".bias"))).requires_grad_()
    return weights


def train(lessons: Sequence[Lesson], epochs: int, seed: int) -> Iterator[dict[str, torch.Tensor]]:
    """Weights after each epoch of Adam, with a rate that falls to 0."""
    weights = first_weights(seed)
    optimiser = torch.optim.Adam(weights.values(), lr=RATE)
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        losses: list[float] = []
        for batch in batches(lessons, rng):
            done = (epoch + len(losses) * len(batch) / len(lessons)) / epochs
            optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + np.cos(np.pi * min(done, 1)))
            loss = loss_of(batch, weights)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
            optimiser.step()
            losses.append(loss.item())
        seconds = time.process_time()
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {seconds:.0f} s", flush=True)
        yield weights


def compare(seed: int, n_matrices: int) -> None:
    """Print scores of label models on fresh draws without gold, by the kind of LFs."""
    models = {
        "majority": MajorityVote,
        "weighted-majority": WeightedMajority,
        "label-model": AccuracyModel,
        "hyper": HyperLabelModel,
    }
    rng = np.random.default_rng(seed)
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for _ in range(n_matrices):
        draw = draw_matrix(rng)
        L = LabelMatrix.from_dense(draw.votes, classes=range(draw.n_classes))
        rows = np.flatnonzero(L.covered())
        y = draw.y[rows]
        for name, model in models.items():
            p = model().fit(L).predict_proba(L)[rows]
            tied = p >= p.max(1, keepdims=True) - 1e-9
            right = (tied[np.arange(len(y)), y] / tied.sum(1)).mean()
            p = np.maximum(p[np.arange(len(y)), y], 0.01)
            scores[name].append((100 * right, -np.log(p).mean()))
    for name, values in scores.items():
        accuracy, entropy = np.mean(values, axis=0)
        print(f"{name}: accuracy {accuracy:.1f}, cross-entropy {entropy:.3f}")


def main() -> None:
    """Draw, train, write, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--matrices", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validation", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng([arguments.seed, 1])
    drawn = (make_lesson(draw_matrix(rng)) for _ in range(arguments.matrices))
    lessons = [lesson for lesson in drawn if lesson is not None]
    print(f"{len(lessons)} matrices drawn, {time.process_time():.0f} s", flush=True)
    for weights in train(lessons, arguments.epochs, arguments.seed):
        save_file({name: w.detach().numpy() for name, w in weights.items()}, WEIGHTS_FILE)
    compare(arguments.seed + 1, arguments.validation)


if __name__ == "__main__":
    main()
