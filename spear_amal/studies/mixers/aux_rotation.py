"""An auxiliary task that may help and one that cannot, under every mixer: MAOAL's CIFAR setting.

Images are classified; by which angle they are turned is the auxiliary task. In the condition
"shuffled targets" these say nothing, and a mixer should do no worse than the main loss alone. That
reference stands in both conditions and is the same run, since it never hears of the task.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from spear_amal.errors import InputError
from spear_amal.estimators import AuxiliaryClassifier
from spear_amal.studies.grid.config import Plan, planned, settings_of
from spear_amal.studies.grid.image_split import kd_task
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.mixers.variants import (
    MIXINGS,
    end_weights,
    for_length,
    outcome,
    seeded,
    weights_by_epoch,
)

NAME = "aux-rotation"
# condition -> task
TASKS = {"rotation": "rotation", "shuffled targets": "rotation-shuffled"}
NOTE = (
    "ALM-KD is left out: its weights are convex ones of a label and of teachers, whose answers its "
    "validation loss is made of; an auxiliary task is no teacher."
)
SCALES = {
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


@planned(SCALES)
def cells(
    seeds: Sequence[int], plan: Plan, trials: int = 6, n_labelled: int | None = None
) -> list[RunSpec]:
    """All mixers with the helpful task and with the useless one.

    Parameters
    ----------
    trials : int
        Models of the random search.
    n_labelled : int, optional
        Training rows that keep their label; by default all. The task speaks on the others too.
    """
    if plan.teachers:
        raise InputError(f"{NAME} has no teachers, found {plan.teachers}")
    few = "" if n_labelled is None else f", {n_labelled} labels"
    held = {} if n_labelled is None else {"n_labelled": n_labelled}
    return [
        RunSpec(
            NAME,
            condition + few,
            name,
            seed,
            plan.data(),
            _settings(plan, name, task, trials) | held,
            MIXINGS[name].title,
        )
        for seed in seeds
        for condition, task in TASKS.items()
        for name in MIXINGS
    ]


def _settings(plan: Plan, name: str, task: str, trials: int) -> dict[str, Any]:
    """Say how a network is trained; as in the paper without Nesterov's form of momentum."""
    mixing = for_length(MIXINGS[name], plan.max_epochs)
    options = dict(mixing.options)
    if mixing.mixer == "random-search":
        options["trials"] = trials
    own = {"mixer": mixing.mixer, "options": options}
    held = settings_of(plan, task=task, own=own)
    return held | {"training": held["training"] | {"nesterov": False}}


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train the network and its heads under the cell's mixer."""
    task, scorer = kd_task(cell.data, cell.seed)
    held, own = cell.settings, cell.settings["own"]
    model = AuxiliaryClassifier.from_options(
        held["student"],
        [held["task"]],
        mixer=own["mixer"],
        mixer_options=seeded(own["mixer"], own["options"], cell.seed),
        random_state=cell.seed,
        **held["training"],
    )
    began = time.perf_counter()
    model.fit(**task.given() | {"y": kept_labels(task.y, held.get("n_labelled"), cell.seed)})
    found = outcome(model, time.perf_counter() - began, scorer.score(model))
    weights = end_weights(model, own["mixer"], own["options"])
    return found | weights | weights_by_epoch(model.history_)


def kept_labels(y: np.ndarray, n: int | None, seed: int) -> np.ndarray:
    """Labels (rows,) of which n, drawn evenly over the classes, are kept and others are -1."""
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


STUDY = GridStudy(
    NAME,
    "a helpful and a useless auxiliary task under every mixer",
    cells,
    run,
    note=NOTE,
)
