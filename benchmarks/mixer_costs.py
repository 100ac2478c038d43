"""What mixers cost: passes through the network counted, and time per step against fixed weights.

Three losses on one network: cross-entropy on labels, divergence from a teacher, and an auxiliary
task with a head of its own. For each mixer the passes through the whole network are counted (see
passes.py) and compared with the formulas; then steps are timed, mixers taking turns so that a busy
machine slows all of them, and their median ratios to fixed weights are set against what the passes
alone would take, each kind at the time that it takes without a mixer.

    python benchmarks/mixer_costs.py --repeats 7 --threads 1 --json FILE
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from passes import counted
from torch import Tensor, nn

from spear_amal.loop import LossMixer
from spear_amal.models import build_network

LOSSES = ("label", "teacher", "task")
N = len(LOSSES)
CLASSES, TASK_CLASSES = 10, 4
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
BATCHES = 20  # of an epoch
T, M = 5, 3  # steps for one upper step; terms of AuxiLearn's series, products of MAOAL's


@dataclass(frozen=True)
class Case:
    """A mixer, and how often a step of it goes through the network by the formulas."""

    title: str
    name: str
    options: dict[str, Any]
    backward: float
    forward: float
    formula: str


UPPER = {"every": T, "neumann": M, "meta_size": None}
CASES = [
    Case("fixed", "fixed", {}, 1, 1, "1"),
    Case("single", "single", {}, 1, 1, "1"),
    Case("uncertainty", "uncertainty", {}, 1, 1, "1"),
    Case("superloss", "superloss", {"tau": "mean"}, 1, 1, "1"),
    Case("gcs, shared parameters", "gcs", {}, N, 1, "N"),
    Case("gcs, last layer", "gcs", {"parameters": "last-layer"}, 1, 1, "1"),
    Case("auxilearn", "auxilearn", UPPER, (T + M + 2) / T, (T + 2) / T, "(T+M+2)/T"),
    Case("maoal", "maoal", UPPER, (T * N + N + M + 1) / T, (T + 2) / T, "(TN+N+M+1)/T"),
    Case("amal, each epoch", "amal", {"refresh_every": 1, "warmup": 0}, 1, 2 + 1 / BATCHES, "1"),
    Case("l2r, last layer", "l2r", {}, 1, 3, "1"),
    Case("mwn, last layer", "mwn", {}, 1, 3, "1"),
]


class TwoHeads(nn.Module):
    """A network and a second head on the input of its first one."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.trunk = build_network(name, CLASSES, shape[0], generator, input_shape=shape)
        self.task = nn.Linear(self.trunk.head.in_features, TASK_CLASSES)
        self.head = self.trunk.head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 10) and (B, 4)."""
        logits, hidden = self.trunk.logits_and_hidden(x)
        return logits, self.task(hidden)


class Run:
    """A mixer in the loop of a user who has no labelling functions."""

    def __init__(self, case: Case, network: str, shape: tuple[int, ...], batch: int) -> None:
        self.case = case
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = TwoHeads(network, shape)
            n = batch * (BATCHES + 1)
            self.x, self.teacher = torch.randn(n, *shape), torch.randn(n, CLASSES)
            self.y = torch.randint(CLASSES, (n,))
            self.z = torch.randint(TASK_CLASSES, (n,))
            rows = n if case.name == "amal" else None
            self.mixer = LossMixer(
                case.name, LOSSES, n_rows=rows, model=self.model, **dict(case.options)
            )
        self.rows = torch.arange(n).split(batch)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.epochs = 0

    def losses(self, rows: Tensor) -> dict[str, Tensor]:
        """Values of a batch by row."""
        logits, task = self.model(self.x[rows])
        told = F.log_softmax(self.teacher[rows], 1)
        divergence = F.kl_div(F.log_softmax(logits, 1), told, reduction="none", log_target=True)
        return {
            "label": F.cross_entropy(logits, self.y[rows], reduction="none"),
            "teacher": divergence.sum(1),
            "task": F.cross_entropy(task, self.z[rows], reduction="none"),
        }

    def epoch(self) -> None:
        """Train on all batches but the last, which is for validation."""
        *train, val = self.rows
        if self.mixer.refresh_due(self.epochs):
            self.refresh(train, val)
        for i, rows in enumerate(train):
            if self.mixer.step_refresh_due():
                # Those that weigh the batch itself, and those that want another one.
                drawn = rows if self.mixer.mixer.every_step else train[i - 1]
                self.refresh([drawn], val)
            self.optimiser.zero_grad(set_to_none=True)
            self.mixer(self.losses(rows), self.ids(rows)).backward()
            self.optimiser.step()
        self.epochs += 1

    def ids(self, rows: Tensor) -> Tensor | None:
        """Give row ids to mixers that keep weights by row."""
        return rows if self.mixer.n_rows else None

    def refresh(self, train: Any, val: Tensor) -> None:
        """Let the mixer learn."""
        self.mixer.refresh(
            ((self.ids(rows), self.losses(rows)) for rows in train),
            ((self.model(self.x[val])[0], self.y[val]) for _ in range(1)),
            head=self.model.head,
        )

    def parts(self, clock: Callable[[], float]) -> tuple[float, float, float]:
        """Seconds of a forward pass, a backward one, and one through a gradient's own graph."""
        held = list(self.model.trunk.parameters())
        rows = self.rows[0]
        forward = clocked(lambda: self.losses(rows), clock)
        backward = clocked(self.value().backward, clock)
        self.model.eval()  # as where mixers learn
        gradient = torch.autograd.grad(self.value(), held, create_graph=True)
        ones = [torch.ones_like(one) for one in gradient]
        product = clocked(lambda: torch.autograd.grad(gradient, held, ones), clock)
        self.model.train()
        return forward, backward, product - backward

    def value(self) -> Tensor:
        """Sum of the losses' means on the first batch."""
        return torch.stack(list(self.losses(self.rows[0]).values())).mean(1).sum()


def count(case: Case, network: str, shape: tuple[int, ...], batch: int) -> dict[str, float]:
    """Count passes per step over an epoch, after one that fills what starts empty."""
    run = Run(case, network, shape, batch)
    run.epoch()
    with counted(run.model) as passes:
        run.epoch()
    found = {name: getattr(passes, name) for name in ("backward", "forward", "sweeps", "second")}
    return {name: value / BATCHES for name, value in found.items()}


def clocked(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Measure the seconds of a call."""
    began = clock()
    call()
    return clock() - began


def timed(
    cases: list[Case], asked: argparse.Namespace, shape: tuple[int, ...]
) -> tuple[dict[str, list[float]], list[tuple[float, ...]]]:
    """Seconds per step by mixer, one a repeat; and those of single passes."""
    clock = CLOCKS[asked.clock]
    runs = [Run(case, asked.network, shape, asked.batch) for case in cases]
    for run in runs:
        run.epoch()
    seconds: dict[str, list[float]] = {case.title: [] for case in cases}
    parts = []
    for _ in range(asked.repeats):
        for run in runs:
            seconds[run.case.title].append(clocked(run.epoch, clock) / BATCHES)
        held = [runs[0].parts(clock) for _ in range(BATCHES)]
        parts.append(tuple(statistics.median(one) for one in zip(*held, strict=True)))
    return seconds, parts


def rows_of(asked: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """One line a mixer, counted, predicted and measured; and the price of passes in fixed steps."""
    shape = (3, asked.size, asked.size)
    cases = [case for case in CASES if not asked.only or case.name in (*asked.only, "fixed")]
    counts = {case.title: count(case, asked.network, shape, asked.batch) for case in cases}
    seconds, parts = timed(cases, asked, shape)
    parts = [statistics.median(one) for one in zip(*parts, strict=True)]
    fixed = seconds["fixed"]
    base = statistics.median(fixed)
    rows = []
    for case in cases:
        held, found = seconds[case.title], counts[case.title]
        ratios = [one / other for one, other in zip(held, fixed, strict=True)]
        first = found["sweeps"] - found["second"]
        passes = (found["forward"] - 1, first - 1, found["second"])
        more = sum(n * each for n, each in zip(passes, parts, strict=True))
        rows.append(
            {
                "mixer": case.title,
                "formula": case.formula,
                "backward by formula": case.backward,
                "forward by formula": case.forward,
                **{name: round(value, 4) for name, value in found.items()},
                "time by passes": round((base + more) / base, 3),
                "time": round(statistics.median(ratios), 3),
                "time, lowest and highest": [round(min(ratios), 3), round(max(ratios), 3)],
                "seconds per step": round(statistics.median(held), 5),
            }
        )
    names = ("forward", "backward", "second")
    return rows, {n: round(v / base, 3) for n, v in zip(names, parts, strict=True)}


def main() -> None:
    """Count, time, print a table; write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="convnet")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: on a busy machine")
    parser.add_argument("--only", nargs="*", help="mixers by name")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows, prices = rows_of(asked)
    print(f"{'mixer':24}{'formula':>14}{'backward':>18}{'forward':>16}{'time':>22}")
    for row in rows:
        print(
            f"{row['mixer']:24}{row['formula']:>14}"
            f"{row['backward']:>8g} (of {row['backward by formula']:g})".ljust(58)
            + f"{row['forward']:>6g} (of {row['forward by formula']:g})".ljust(20)
            + f"{row['time']:>6.2f} (by passes {row['time by passes']:.2f})"
        )
    print(f"in steps with fixed weights, a pass takes {prices}")
    if asked.json:
        settings = {name: value for name, value in vars(asked).items() if name != "json"}
        held = {
            **settings,
            "N": N,
            "T": T,
            "M": M,
            "batches": BATCHES,
            "torch": torch.__version__,
            "pass in steps": prices,
        }
        asked.json.write_text(json.dumps({**held, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
