"""Rule denoising under every mixer: SPEAR's losses, one model each, on the rows of ``study``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.estimators import SpearClassifier
from spear_amal.studies.comparison import fit_method
from spear_amal.studies.grid.config import strict
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.grid.text_run import TextRunSpec, loaded, setup_of
from spear_amal.studies.methods import Method, MethodSpec, parse_method
from spear_amal.studies.mixers.variants import (
    MIXINGS,
    Mixing,
    end_weights,
    for_length,
    outcome,
    seeded,
)
from spear_amal.studies.run import study_task

NAME = "mixers-rules"
NOTE = (
    "ALM-KD is left out: its weights are shares of a label and of teachers, and there is no "
    "teacher. The model is linear, one module of two parameters, so that GCS by the "
    "last layer is GCS. The loss on gold does not reach the model of the rules, which follows the "
    "plain sum of its losses under GCS and MAOAL."
)
# name -> title; no rules, so nothing to mix
REFERENCES = {"only-l": "labels alone, L", "only-lv": "labels alone, L+V"}
METHODS: dict[str, Mixing] = {
    **{name: one for name, one in MIXINGS.items() if name != "gcs-last"},
    "fixed": Mixing("equal weights (SPEAR)", "fixed"),
    "amal-paper": Mixing("AMAL, paper", "amal-paper"),
}


@strict
def cells(
    seeds: Sequence[int],
    corpus: str = "plots",
    data_dir: str | None = None,
    n_labelled: int | None = None,
    max_epochs: int = 100,
    features: str | None = None,
) -> list[RunSpec]:
    """All mixers on every partition of a corpus.

    Parameters
    ----------
    n_labelled : int, optional
        Size of L and of V; default: those of the corpus.
    features : str, optional
        "tfidf", "published", "encoder:NAME" or "file:PATH"; default: those that ``study`` takes.
    """
    data = DataSpec(corpus, n_train=n_labelled, data_dir=data_dir)
    settings = {
        "max_epochs": max_epochs,
        "fit_strategy": "single",
        "features": features,
        "data": loaded(corpus, data_dir, n_labelled, features).data,
    }
    rows = {
        **{name: (title, {}) for name, title in REFERENCES.items()},
        **{
            name: (one.title, {"own": {"mixer": one.mixer, "options": dict(one.options)}})
            for name, one in ((k, for_length(m, max_epochs)) for k, m in METHODS.items())
        },
    }
    return [
        TextRunSpec(NAME, "SPEAR's losses", name, seed, data, settings | own, title)
        for seed in seeds
        for name, (title, own) in rows.items()
    ]


def run(cell: RunSpec, folder: str) -> dict[str, Any]:
    """Train and score one model."""
    task, scorer = study_task(setup_of(cell), cell.seed)
    spec = parse_method(cell.method) if cell.method in REFERENCES else _spec(cell)
    model, seconds = fit_method(spec, task, cell.seed, max_epochs=cell.settings["max_epochs"])
    scores, distinct = scorer.score_both(model)
    found = outcome(model, seconds, scores[task.metric]) | scores
    found |= {"dedup": distinct, "n_test": len(scorer)}
    if cell.method in REFERENCES:
        return found
    own = cell.settings["own"]
    return found | end_weights(model, own["mixer"], own["options"])


def _spec(cell: RunSpec) -> MethodSpec:
    """SPEAR's classifier under the cell's mixer."""
    own = cell.settings["own"]
    options = seeded(own["mixer"], own["options"], cell.seed)
    held = {"mixer": own["mixer"], "mixer_options": options, "fit_strategy": "single"}
    return MethodSpec(Method(cell.method, cell.title, SpearClassifier, held))


STUDY = GridStudy(
    NAME,
    "labelling functions' losses under every mixer",
    cells,
    run,
    seeds=10,
    note=NOTE,
)
