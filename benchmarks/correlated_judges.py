"""Label models on judges that err alike, in known ways: the tables of docs/label_models.md.

    python benchmarks/correlated_judges.py [--seeds N] [--rows N]
    python benchmarks/correlated_judges.py --corpora NAME [NAME ...] [--data-dir DIR]

Made-up judges have accuracies between 0.6 and 0.85 (0.75 and 0.95 where rows are hard), other ones
for each seed; cases have groups, hard rows, both, or neither. For each label model:
accuracy in percent (a tie of k classes is right by a k-th), log-loss and calibration error,
with the 95% interval of the paired difference of ``correlated`` from ``label-model``. On corpora
models are fitted on the votes of all rows but the test rows and scored on the gold of those that
have a vote; test rows are not opened.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator

import numpy as np
from label_model_table import read_pool

from spear_amal.data import synthetic_judges
from spear_amal.label_models import LABEL_MODELS

MODELS = ("majority", "weighted-majority", "dawid-skene", "label-model", "correlated")
CASES: dict[str, dict] = {
    "no dependence, 5": {"m": 5},
    "no dependence, 10": {"m": 10},
    "no dependence, 10, four classes": {"m": 10, "n_classes": 4},
    "no dependence, 12, silent on half": {"m": 12, "coverages": 0.5},
    "no dependence, 10, one class of ten": {"m": 10, "class_balance": [0.9, 0.1]},
    "5 of 10 copy": {"m": 10, "cliques": [5]},
    "4 of 10 copy, four classes": {"m": 10, "n_classes": 4, "cliques": [4]},
    "three groups of 3, of 12": {"m": 12, "cliques": [3, 3, 3]},
    "two groups of 4, of 8": {"m": 8, "cliques": [4, 4]},
    "5 of 12 copy half of the time": {"m": 12, "cliques": [5], "copying": 0.5},
    "4 of 9 are exact copies": {"m": 9, "cliques": [4], "copying": 1.0},
    "4 of 12 copy, silent on half": {"m": 12, "cliques": [4], "coverages": 0.5},
    "hard rows": {"m": 10, "hard_share": 0.4, "hard_guessing": 0.7},
    "hard rows, four classes": {"m": 10, "n_classes": 4, "hard_share": 0.3, "hard_guessing": 0.9},
    "hard rows, 5 of 12 copy": {"m": 12, "hard_share": 0.4, "cliques": [5]},
}
BINS = 15


def score(p: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Accuracy in percent, log-loss and calibration error of probabilities (n, C)."""
    rows = np.arange(len(gold))
    best = p >= p.max(1, keepdims=True) - 1e-9
    right = best[rows, gold] / best.sum(1)
    floored = np.maximum(p, 1e-4)
    loss = -np.log(floored[rows, gold] / floored.sum(1))
    bins = np.minimum((p.max(1) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - p.max(1), minlength=BINS)
    return np.array([100 * right.mean(), loss.mean(), np.abs(gaps).sum() / len(gold)])


def draw_scores(case: dict, n: int, seed: int) -> np.ndarray:
    """Scores (models, 3) on one draw."""
    low, high = (0.75, 0.95) if "hard_share" in case else (0.6, 0.85)
    accuracies = np.random.default_rng([seed, 7]).uniform(low, high, case["m"])
    L, gold = synthetic_judges(n, accuracies=accuracies, seed=seed, **case)
    covered = L.covered()
    p = [LABEL_MODELS[name]().fit(L).predict_proba(L)[covered] for name in MODELS]
    return np.array([score(of_model, gold[covered]) for of_model in p])


def made_up_table(n: int, seeds: int) -> Iterator[str]:
    """Lines of a Markdown table of accuracy, log-loss and calibration error."""
    header = [f"`{name}`" for name in MODELS]
    ends = ["accuracy gained, 95%", "log-loss gained, 95%"]
    yield "| judges | " + " | ".join([*header, *ends]) + " |"
    yield "|---|" + "---|" * (len(MODELS) + len(ends))
    for name, case in CASES.items():
        scores = np.array([draw_scores(case, n, seed) for seed in range(seeds)])
        cells = [f"{a:.1f} / {b:.2f} / {c:.3f}" for a, b, c in scores.mean(0)]
        gained = scores[:, MODELS.index("correlated")] - scores[:, MODELS.index("label-model")]
        half = 1.96 * gained.std(0, ddof=1) / np.sqrt(seeds)
        mean = gained.mean(0)
        cells += [f"{mean[0]:+.2f} ± {half[0]:.2f}", f"{mean[1]:+.3f} ± {half[1]:.3f}"]
        yield f"| {name} | " + " | ".join(cells) + " |"


def corpora_table(names: list[str], data_dir: str | None) -> Iterator[str]:
    """Lines of a Markdown table of accuracy and log-loss on corpora."""
    pools = [read_pool(name, data_dir, on_test=False) for name in names]
    yield "| label model | " + " | ".join(pool.name for pool in pools) + " |"
    yield "|---|" + "---|" * len(pools)
    for name in MODELS:
        cells = []
        for pool in pools:
            rows = np.flatnonzero(pool.votes.covered() & (pool.gold >= 0))
            p = LABEL_MODELS[name]().fit(pool.votes).predict_proba(pool.votes)[rows]
            accuracy, loss, gap = score(p, pool.gold[rows])
            cells.append(f"{accuracy:.1f} / {loss:.2f} / {gap:.3f}")
        yield f"| `{name}` | " + " | ".join(cells) + " |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--corpora", nargs="+", default=[])
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    lines = made_up_table(arguments.rows, arguments.seeds)
    if arguments.corpora:
        lines = corpora_table(arguments.corpora, arguments.data_dir)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        main()
