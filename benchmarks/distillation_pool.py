"""Distillation where no method beats labels alone: a pool of students, and label-aware weights.

``python benchmarks/distillation_pool.py --data-dir DATA --seeds 3 --output FILE``. The settings are
those of the studies kd-self and kd-early (one teacher) at their small scale. The pool is
log-linear, of the student on labels alone, the student of KD(0.9) and the teacher; its weights are
learnt on validation rows, which no member was trained on, with a pull towards labels alone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.estimators import distiller
from spear_amal.maths.log_linear_pool import fit_pool, pool
from spear_amal.studies.grid.config import DENSE, method_settings
from spear_amal.studies.grid.image_split import make_image_split

# setting -> (teacher, student, share of wrong labels); the first two are kd-self, the last kd-early
SETTINGS = {
    "like teacher, right labels": ("mlp:64", "mlp:64", 0.0),
    "like teacher, 20% wrong labels": ("mlp:64", "mlp:64", 0.2),
    "small student, right labels": ("mlp:512", "mlp:16", 0.0),
}
# name -> (method of `distiller`, options of its mixer)
STUDENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "KD(0.9)": ("kd", {}),
    "ALM-KD": ("alm-kd", {}),
    "ALM-KD, label-aware start": ("alm-kd", {"label_aware": True}),
    "AMAL": ("amal", {}),
    "AMAL, label-aware start": ("amal", {"label_aware": True}),
}
ANOTHER_START = 7919  # added to a seed for the teacher
ALONE, FOLDS = "labels alone", 5


class Opened:
    """Stands for a model in a scorer: predictions made from logarithms by a function."""

    def __init__(self, of_rows: Any, classes: np.ndarray) -> None:
        self.of_rows, self.classes_ = of_rows, classes

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable classes (n,)."""
        return self.classes_[self.of_rows(X).argmax(1)]

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        """Return the accuracy."""
        return float((self.predict(X) == y).mean())


def run(setting: str, seed: int, data_dir: str | None) -> dict[str, Any]:
    """Return test accuracies by method, and the weights of the pool."""
    teacher_network, network, noise = SETTINGS[setting]
    plan = replace(DENSE, student=network, data_dir=data_dir)
    split, scorer = make_image_split(plan.data(noise=noise), seed)
    training = plan.training()

    def student(method: str, name: str, teachers: Any, seed: int, **options: Any) -> Any:
        settings = training | method_settings(method, training["max_epochs"], **options)
        settings["random_state"] = seed
        return distiller(method, name, teachers, **settings).fit(**split.fit_arguments())

    teacher = student("ce", teacher_network, [], seed + ANOTHER_START)
    models = {"teacher": teacher, ALONE: student("ce", network, [], seed)}
    for name, (method, options) in STUDENTS.items():
        models[name] = student(method, network, [teacher], seed, **options)
    members = [models[name] for name in (ALONE, "KD(0.9)", "teacher")]

    def log_p(X: np.ndarray) -> np.ndarray:
        return np.log(np.stack([member.predict_proba(X) for member in members]).clip(1e-12))

    fold = np.random.default_rng(seed).permutation(len(split.y_val)) % FOLDS
    prior = np.array([1.0, 0.0, 0.0])
    codes = np.searchsorted(teacher.classes_, split.y_val)
    weights = fit_pool(log_p(split.x_val), codes, fold, prior).weights
    models["pool"] = Opened(lambda X: pool(log_p(X), weights), teacher.classes_)
    scores = {name: 100 * scorer.score(model) for name, model in models.items()}
    row = {"setting": setting, "seed": seed, "scores": scores}
    return row | {"pool_weights": np.round(weights, 3).tolist()}


def main() -> None:
    """Print accuracies and gains over labels alone, paired by seed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for setting in SETTINGS:
        here = [run(setting, seed, arguments.data_dir) for seed in range(arguments.seeds)]
        rows += here
        print(f"\n{setting} ({arguments.seeds} seeds)")
        alone = np.array([row["scores"][ALONE] for row in here])
        for name in here[0]["scores"]:
            values = np.array([row["scores"][name] for row in here])
            gain = values - alone
            error = gain.std(ddof=1) / len(gain) ** 0.5
            print(f"  {name:28s} {values.mean():5.1f}  gain {gain.mean():+.2f} (s.e. {error:.2f})")
        weights = np.mean([row["pool_weights"] for row in here], axis=0)
        print(f"  weights of the pool: alone, KD, teacher {np.round(weights, 2)}", flush=True)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
