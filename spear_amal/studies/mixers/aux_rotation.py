"""An auxiliary task that may help and one that cannot, under every mixer: MAOAL's CIFAR setting.

Images are classified; by which angle they are turned is the auxiliary task. In the condition
"shuffled targets" these say nothing, and a mixer should do no worse than the main loss alone. That
reference stands in both conditions and is the same run, since it never hears of the task.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from spear_amal.errors import InputError
from spear_amal.estimators import AuxiliaryClassifier
from spear_amal.studies.grid.config import Plan
from spear_amal.studies.grid.image_split import make_image_split
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.studies.methods import make_estimator
from spear_amal.studies.mixers.variants import (
    VARIANTS,
    end_weights,
    mixer_arguments,
    model_fields,
    weights_by_epoch,
)

# condition -> task
_TASKS = {"rotation": "rotation", "shuffled targets": "rotation-shuffled"}
_SCALES = {
    "small": Plan(
        "fashion-mnist",
        "convnet4",
        (),
        n_train=1000,
        n_validation=500,
        n_test=5000,
        side=14,
        max_epochs=15,
        batch_size=64,
        lr=0.03,  # chosen by validation scores of the main loss alone, on seeds from 100 on
    ),
    "paper": Plan(
        "cifar10",
        "convnet4",
        (),
        augment="crop",
        max_epochs=200,
        batch_size=256,
        lr=0.01,
        device="auto",
    ),
}


def _specs(plan: Plan, trials: int = 6, n_labelled: int | None = None) -> list[RunSpec]:
    """Return all mixers with the helpful task and with the useless one.

    Parameters
    ----------
    trials : int
        Models of the random search.
    n_labelled : int, optional
        Training rows that keep their label; by default all. The task speaks on the others too.
    """
    if plan.teachers:
        raise InputError(f"aux-rotation has no teachers, found {plan.teachers}")
    suffix = "" if n_labelled is None else f", {n_labelled} labels"
    shared: dict[str, Any] = {} if n_labelled is None else {"n_labelled": n_labelled}
    # As in the paper without Nesterov's form of momentum.
    shared["training"] = plan.training() | {"nesterov": False}
    specs = []
    for condition, task in _TASKS.items():
        for name, variant in VARIANTS.items():
            mixing = variant.settings(plan.max_epochs)
            if variant.mixer == "random-search":
                mixing["options"]["trials"] = trials
            settings = plan.settings(task=task, own=mixing) | shared
            specs.append(RunSpec(condition + suffix, name, variant.title, plan.data(), settings))
    return specs


def _run(spec: RunSpec, folder: str) -> dict[str, Any]:
    """Train the network and its heads under the run's mixer."""
    split, scorer = make_image_split(spec.data, spec.seed)
    settings = spec.settings
    model = make_estimator(
        AuxiliaryClassifier,
        network=settings["student"],
        tasks=[settings["task"]],
        **mixer_arguments(spec),
        random_state=spec.seed,
        **settings["training"],
    )
    y = kept_labels(split.y, settings.get("n_labelled"), spec.seed)
    began = time.perf_counter()
    model.fit(**split.fit_arguments() | {"y": y})
    fields = model_fields(model, time.perf_counter() - began, scorer.score(model))
    return fields | end_weights(model, **settings["own"]) | weights_by_epoch(model.history_)


def kept_labels(y: np.ndarray, n: int | None, seed: int) -> np.ndarray:
    """Return labels (rows,) of which n, drawn evenly over the classes, are kept; others are -1."""
    if n is None:
        return y
    if not len(np.unique(y)) <= n < len(y):
        raise InputError(
            f"n_labelled must be at least the number of classes, {len(np.unique(y))}, and below "
            f"that of training rows, {len(y)}; found {n}"
        )
    kept, _ = train_test_split(np.arange(len(y)), train_size=n, stratify=y, random_state=seed)
    known = np.full_like(y, -1)
    known[kept] = y[kept]
    return known


STUDY = GridStudy("aux-rotation", _specs, _run, scales=_SCALES)
