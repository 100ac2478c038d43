"""Rows of distillation studies, made up."""

import numpy as np
import pandas as pd

TITLES = {
    "ce": "labels alone",
    "kd": "KD(0.9)",
    "superloss": "SuperLoss",
    "crust": "CRUST",
    "takd": "TAKD",
    "dgkd": "DGKD",
    "sskd": "SSKD",
    "alm-kd": "ALM-KD",
    "amal": "AMAL",
    "complete": "all rows",
    "random": "uniform",
    "ratio": "ratio",
    "only-lv": "L+V",
    "both-amal": "rules and teacher, AMAL",
}
GAIN = {"kd": 0.02, "superloss": 0.01, "crust": -0.03, "takd": 0.02, "dgkd": 0.03, "sskd": -0.01}
LEARNT = ("alm-kd", "amal")


def row(study, condition, method, seed, corpus="digits", epochs=20, **more):
    generator = np.random.default_rng([seed, len(method), len(condition)])
    score = 0.6 + GAIN.get(method, 0.05 if method != "ce" else 0) + 0.01 * generator.normal()
    return {
        "corpus": corpus,
        "method": method,
        "title": TITLES[method],
        "seed": seed,
        "metric": "accuracy",
        "labels": 97,
        "features": "pixels",
        "protocol": f"{study}: {condition}",
        "config": {
            "data": {"corpus": corpus, "n_train": 97},
            "settings": {
                "student": "resnet8",
                "training": {"max_epochs": epochs},
                "mixer_options": {"refresh_every": 2} if method in LEARNT else {},
            },
            "version": "0.1",
        },
        "score": score,
        "val_score": score + 0.01,
        "seconds": 3.0,
        "error": None,
        "warnings": [],
        **more,
    }


def learnt(seed):
    """Weights of rows with wrong labels above the others."""
    generator = np.random.default_rng(seed)
    wrong, right = generator.normal(0.4, 0.2, 89), generator.normal(-0.3, 0.3, 211)
    edges = np.linspace(min(wrong.min(), right.min()), max(wrong.max(), right.max()), 21)
    return {
        "auc": 0.9 + 0.01 * generator.normal(),
        "histogram": {
            "edges": edges.round(4).tolist(),
            "noisy": np.histogram(wrong, edges)[0].tolist(),
            "clean": np.histogram(right, edges)[0].tolist(),
        },
        "buckets": {
            "noisy": [0.9, 0.87, None if seed == 0 else 0.8, 0.7, 0.6 + 0.05 * seed],
            "noisy_rows": [788, 18, 0 if seed == 0 else 3, 1, 2],
            "clean": [0.8, 0.72 + 0.01 * seed, 0.6, 0.5, 0.41],
            "clean_rows": [1650, 2005, 1737, 1285, 613],
        },
    }


def synthetic_rows(seeds=3):
    rows = []
    for seed in range(seeds):
        for method in ("ce", "kd", "alm-kd", "amal"):
            more = learnt(seed) if method in LEARNT else {}
            more.pop("histogram", None)
            base = GAIN.get(method, 0.04 if method != "ce" else 0)
            curve = (0.6 + base - 0.3 / np.arange(1, 21) + 0.005 * seed).round(5).tolist()
            more |= {"curve": curve, "curve_every": 5, "final_score": curve[-1]}
            more["teacher_score"] = 0.81
            rows.append(row("kd-synthetic", "noise 0.1", method, seed, "kd-synthetic", **more))
    return rows


def noise_rows(seeds=3, methods=("ce", "kd", "superloss", "crust", "alm-kd", "amal")):
    rows = []
    for seed in range(seeds):
        for condition in ("40% random", "60% random", "human"):
            for method in methods:
                more = learnt(seed) if method in LEARNT else {}
                more.pop("buckets", None)
                rows.append(row("kd-noise", condition, method, seed, **more))
    return rows


def capacity_rows(seeds=3):
    rows = []
    methods = ("ce", "kd", "takd", "dgkd", "sskd", "amal", "alm-kd")
    for seed in range(seeds):
        for teacher, ratio in (("resnet20", 3.47), ("resnet32", 5.98), ("resnet110", 22.2)):
            for method in methods:
                made = row("kd-capacity", f"teacher {teacher}", method, seed)
                lost = 0 if method in ("ce", "amal") else 0.02 * np.log(ratio)
                made["score"] -= lost
                relative = made["score"] / 0.6 if method != "ce" else 1.0
                rows.append(made | {"compression": ratio, "relative_ce": relative, "relative": 0.9})
    return rows


def multi_rows(seeds=3):
    return [
        row("kd-multi", "resnet32 and resnet14 to resnet8", method, seed, compression=[3.0, 2.0])
        for seed in range(seeds)
        for method in ("ce", "kd", "takd", "dgkd", "amal", "alm-kd")
    ]


def frame(*rows):
    return pd.DataFrame([one for held in rows for one in held])
