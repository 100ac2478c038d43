"""Rule denoising under every mixer: SPEAR's losses, one model each, on the rows of ``study``."""

from __future__ import annotations

from typing import Any

from spear_amal.estimators import SpearClassifier
from spear_amal.estimators.together import Steps, Stopwatch
from spear_amal.studies.corpus_run import corpus_split, load_setup
from spear_amal.studies.grid.image_split import DataSpec
from spear_amal.studies.grid.study import GridStudy, RunSpec
from spear_amal.studies.methods import Method, MethodSpec, parse_method
from spear_amal.studies.mixers.variants import (
    VARIANTS,
    MixerVariant,
    end_weights,
    mixer_arguments,
    model_fields,
)
from spear_amal.studies.split_comparison import fit_method_steps

# name -> title; no rules, so nothing to mix
_REFERENCES = {"only-l": "labels alone, L", "only-lv": "labels alone, L+V"}
_METHODS: dict[str, MixerVariant] = {
    **{name: variant for name, variant in VARIANTS.items() if name != "gcs-last"},
    "fixed": MixerVariant("equal weights (SPEAR)", "fixed"),
    "amal-paper": MixerVariant("AMAL, paper", "amal-paper"),
}


def _specs(
    corpus: str = "plots",
    data_dir: str | None = None,
    n_labelled: int | None = None,
    max_epochs: int = 100,
    features: str | None = None,
) -> list[RunSpec]:
    """Return all mixers on a corpus.

    Parameters
    ----------
    n_labelled : int, optional
        Size of L and of V; default: those of the corpus.
    features : str, optional
        "tfidf", "published", "encoder:NAME" or "file:PATH"; default: those that ``study`` takes.
    """
    setup = load_setup(corpus, data_dir, n_labelled, features)
    data = DataSpec(corpus, n_train=n_labelled, data_dir=data_dir)
    shared = {
        "max_epochs": max_epochs,
        "fit_strategy": "single",
        "features": features,
        "data": setup.data,
    }
    methods = {
        **{name: (title, {}) for name, title in _REFERENCES.items()},
        **{name: (v.title, {"own": v.settings(max_epochs)}) for name, v in _METHODS.items()},
    }
    return [
        RunSpec("SPEAR's losses", name, title, data, shared | mixing, setup.row_fields)
        for name, (title, mixing) in methods.items()
    ]


def _run(spec: RunSpec, folder: str) -> Steps[dict[str, Any]]:
    """Train and score one model, in steps."""
    data, settings = spec.data, spec.settings
    setup = load_setup(data.corpus, data.data_dir, data.n_train, settings["features"])
    split, scorer = corpus_split(setup, spec.seed)
    method = parse_method(spec.method) if spec.method in _REFERENCES else _method(spec)
    watch, options = Stopwatch(), {"max_epochs": settings["max_epochs"]}
    model = yield from watch.time(fit_method_steps(method, split, spec.seed, **options))
    scores, distinct = scorer.score_both(model)
    fields = model_fields(model, watch.seconds, scores[split.metric]) | scores
    weights = {} if spec.method in _REFERENCES else end_weights(model, **settings["own"])
    return fields | {"dedup": distinct, "n_test": len(scorer)} | weights


def _method(spec: RunSpec) -> MethodSpec:
    """Return SPEAR's classifier under the run's mixer."""
    options = {**mixer_arguments(spec), "fit_strategy": "single"}
    return MethodSpec(Method(spec.method, spec.title, SpearClassifier, options))


STUDY = GridStudy("mixers-rules", _specs, _run, seeds=10, together=True)
