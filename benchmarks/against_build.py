"""Time this tree against another checkout of it, by turns: python benchmarks/against_build.py DIR.

Each job runs in a process of its own on one thread, once in each tree and round again; what counts
is processor time without imports, the least of all rounds, and the ratio of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
N, D, M = 4_000, 300, 12  # rows, features, LFs


def _rows() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    gold = rng.integers(2, size=N)
    X = rng.normal(size=(N, D)) + 0.2 * gold[:, None]
    right = rng.random((N, M)) < 0.75
    votes = np.where(
        rng.random((N, M)) < 0.4, np.where(right, gold[:, None], 1 - gold[:, None]), -1
    )
    return X, np.where(np.arange(N) < 300, gold, -1), votes


def _fit(name: str, with_votes: bool = True, **options: Any) -> Callable[[], Any]:
    import spear_amal

    cls = getattr(spear_amal, name)
    make = getattr(cls, "from_options", cls)  # builds before options were objects took them flat
    X, y, votes = _rows()
    rows = {"L": votes} if with_votes else {}
    return lambda: make(max_epochs=8, patience=8, **options).fit(X, y, **rows)


def _apply() -> Callable[[], Any]:
    import pandas as pd

    from spear_amal.labeling import PandasLFApplier, keyword_lf, labeling_function

    frame = pd.DataFrame({"text": [f"word{i % 97} and word{i % 89} here" for i in range(20_000)]})
    lfs: list[Any] = [keyword_lf(f"k{i}", [f"word{i}"], label=i % 2) for i in range(20)]

    @labeling_function(label=1)
    def on_rows(row: Any) -> bool:
        return "word7 " in row.text

    applier = PandasLFApplier([*lfs, on_rows], classes=["a", "b"])
    return lambda: applier.apply(frame, progress_bar=False)


def _label_model(name: str) -> Callable[[], Any]:
    from spear_amal.data import synthetic_votes
    from spear_amal.label_models import LABEL_MODELS

    votes = synthetic_votes(20_000, 15, 3, seed=0)[0]
    return lambda: LABEL_MODELS[name]().fit(votes).predict_proba(votes)


JOBS: dict[str, Callable[[], Callable[[], Any]]] = {
    "AMAL": lambda: _fit("SpearClassifier"),
    "SPEAR": lambda: _fit("SpearClassifier", mixer="fixed"),
    "gold alone": lambda: _fit("GoldClassifier", with_votes=False),
    "AMAL, MLP": lambda: _fit("SpearClassifier", feature_model="mlp", hidden=(64,)),
    "L2R": lambda: _fit("ReweightedClassifier"),
    "apply LFs": _apply,
    "label model": lambda: _label_model("label-model"),
    "Dawid-Skene": lambda: _label_model("dawid-skene"),
}


def run(job: str) -> None:
    """Do a job after one warm-up and print its processor time in seconds."""
    import warnings

    warnings.simplefilter("ignore")
    work = JOBS[job]()
    work()
    began = time.process_time()
    work()
    print(json.dumps(time.process_time() - began))


def _timed(job: str, tree: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE), "--job", job]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(ran.stdout.splitlines()[-1])


def main() -> None:
    """Print a table of times and ratios; above 1 this tree is slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--job", choices=JOBS)
    asked = parser.parse_args()
    if asked.job:
        return run(asked.job)
    if asked.other is None or not (asked.other / "spear_amal").is_dir():
        parser.error("name the folder of another checkout")
    print(f"{'job':14}{'other, s':>10}{'here, s':>10}{'ratio':>8}")
    for job in JOBS:
        times = [
            [_timed(job, t) for t in (asked.other, HERE.parents[1])] for _ in range(asked.rounds)
        ]
        other, here = np.min(times, axis=0)
        print(f"{job:14}{other:10.3f}{here:10.3f}{here / other:8.2f}", flush=True)


if __name__ == "__main__":
    main()
