"""What a benchmark runs on each corpus: label models, alone and under end models, and methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.estimators import LabelModelClassifier
from spear_amal.label_models import LABEL_MODELS, LabelModel
from spear_amal.label_models.scores import TIE, best_classes
from spear_amal.studies.bench.published import GOLD, NO_END_MODEL, end_method, title_of
from spear_amal.studies.corpus_run import StudySetup, corpus_split
from spear_amal.studies.methods import Method, MethodSpec, parse_method
from spear_amal.studies.results_file import RunRow
from spear_amal.votes.label_matrix import LabelMatrix

#: Methods that a benchmark runs unasked, beside label models; each says what gold it is given.
BENCH_METHODS = (
    *("supervised", "only-lv:crossfit=5", "imply-loss:refit", "l2r"),
    *("spear:crossfit=5", "amal", "recommended"),
)
END_MODELS = (NO_END_MODEL, "linear")
_NEEDS = {"snorkel": "snorkel"}  # label models that need another package
_ALONE = Method("label-model-alone", "label model alone", LabelModelClassifier)


@dataclass(frozen=True)
class BenchEntry:
    """One row of a benchmark's tables.

    Attributes
    ----------
    label_model, end_model : str
        Empty for methods that are no pair of both; published figures are found by them.
    spec : MethodSpec
    """

    label_model: str
    end_model: str
    spec: MethodSpec

    @property
    def title(self) -> str:
        """Name for tables."""
        if self.end_model != NO_END_MODEL:
            return self.spec.title
        name = title_of(str(self.spec.options["label_model"]))
        options = {k: v for k, v in self.spec.options.items() if k != "label_model"}
        return ", ".join([f"{name} alone", *(f"{k}={v}" for k, v in options.items())])


def bench_entries(
    label_models: Sequence[str] | None = None,
    end_models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
) -> list[BenchEntry]:
    """Read names of label models, end models and methods; None stands for those run unasked.

    Parameters
    ----------
    label_models : sequence of str, optional
        ``NAME`` or ``NAME:option=value,..``; default: all whose packages are installed.
    end_models : sequence of str, optional
        "none" for the label model alone, else a ``feature_model``; default: :data:`END_MODELS`.
    methods : sequence of str, optional
        As :func:`parse_method` reads them; default: :data:`BENCH_METHODS`.

    Raises
    ------
    InputError
        For a name or an option that is unknown.
    """
    names = installed_label_models() if label_models is None else label_models
    ends = END_MODELS if end_models is None else end_models
    entries = [_label_model_entry(name, end) for name in names for end in ends]
    entries += [_method_entry(text) for text in (BENCH_METHODS if methods is None else methods)]
    if not entries:
        raise InputError("a benchmark needs at least one label model or method")
    return list({entry.spec.text: entry for entry in entries}.values())


def installed_label_models() -> list[str]:
    """Return the names of the label models that can be fitted with the packages installed."""
    missing = {name for name, package in _NEEDS.items() if find_spec(package) is None}
    return [name for name in LABEL_MODELS if name not in missing]


def _label_model_entry(text: str, end_model: str) -> BenchEntry:
    name, _, options = text.partition(":")
    name = name.strip()
    check_name("label model", name, LABEL_MODELS)
    method = end_method(name)
    start = f"{method.name}:" if method else f"label-model:label_model={name},"
    ends = "" if end_model in (NO_END_MODEL, "linear") else f"feature_model={end_model},"
    spec = parse_method(f"{start}{ends}{options}")
    if end_model == NO_END_MODEL:
        spec = MethodSpec(_ALONE, {**spec.options, "label_model": name})
    return BenchEntry(name if not options else text, end_model, spec)


def _method_entry(text: str) -> BenchEntry:
    spec = parse_method(text)
    end_model = str(spec.settled.get("feature_model", "linear"))
    if spec.method.gold == "all":
        return BenchEntry(GOLD, end_model, spec)
    if spec.method.estimator is LabelModelClassifier and set(spec.options) <= {"feature_model"}:
        return BenchEntry(str(spec.settled["label_model"]), end_model, spec)
    return BenchEntry("", "", spec)


def run_alone(setup: StudySetup, spec: MethodSpec, seed: int) -> RunRow:
    """Fit a label model on training votes, with the gold of L where it takes some; score its votes.

    Ties, and rows without a vote, go to one of the classes at random, as in WRENCH, by the number
    of the row alone.

    Returns
    -------
    dict
        As :func:`spear_amal.studies.corpus_run.run_method`.
    """
    split, scorer = corpus_split(setup, seed)
    began = time.perf_counter()
    model, votes = _label_model(spec, seed), split.votes_train
    model.fit(votes, votes.classes.as_numbers(split.y_train))
    seconds = time.perf_counter() - began
    scores, distinct = scorer.score_both(_ByVotes(model))
    gold = split.n_labelled if model.uses_gold else 0
    return {
        "score": scores[split.metric],
        "val_score": None,
        "seconds": round(seconds, 3),
        "path": None,
        "given": f"{f'{gold} gold, ' if gold else ''}votes on {len(split.y_train)}",
        "n_validation": len(split.y_val),
        "n_unlabelled": split.n_unlabelled,
        "n_test": len(scorer),
        **scores,
        "dedup": distinct,
        "n_test_dedup": scorer.n_distinct,
    }


def _label_model(spec: MethodSpec, seed: int) -> LabelModel:
    model = spec.make().new_label_model()
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model


class _ByVotes:
    """A fitted label model that a scorer takes for an estimator."""

    exponent_ = 1.0  # it predicts with votes

    def __init__(self, model: LabelModel) -> None:
        self.model = model
        self.classes_ = np.arange(model.n_classes_)

    def predict_proba(self, x: object, votes: LabelMatrix) -> np.ndarray:
        """Return class probabilities (n, C); in a tie one class has a trace more."""
        p = self.model.predict_proba(votes)
        rows = np.arange(len(p))
        chosen = best_classes(p, "random", rows)
        p = p * (1 - 2 * TIE)
        p[rows, chosen] += 2 * TIE
        return p
