"""One run on a corpus: what all runs of a study share, the split of a seed, the way to a row."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import spear_amal
from spear_amal.data import Corpus
from spear_amal.data.splits import LABELLED as PROTOCOLS
from spear_amal.errors import InputError
from spear_amal.estimators.together import Steps, Stopwatch
from spear_amal.studies.corpus_votes import (
    CorpusVotes,
    load_corpus_votes,
    shuffled_votes,
    votes_digest,
)
from spear_amal.studies.features import default_features, study_features
from spear_amal.studies.methods import MethodSpec
from spear_amal.studies.results_file import RunRow
from spear_amal.studies.split import HeldOutScorer, Split, make_split
from spear_amal.studies.split_comparison import fit_method_steps, takes_exemplars

#: Trials of tuning that are proposed and trained at a time; TPE draws its first ten at random.
TRIALS_AT_ONCE = 10


@dataclass(frozen=True)
class StudySetup:
    """What all runs of a study on a corpus share; equal setups give equal splits.

    Attributes
    ----------
    source : CorpusVotes
    x : array (n, D)
        Features of all rows.
    data : str
        Digest of rows, votes and features.
    n_labelled, n_validation : int
        Sizes of L and V; of V only under the protocol "published"; of the corpus' own parts, 0 and
        all of "validation", under "wrench".
    features, protocol : str
    placebo : bool
        Deal the rows of votes out anew.
    tune, trials_at_once : int
        Trials of tuning, 0 for none, and how many are proposed and trained at a time.
    settings : dict
        Passed to every estimator.
    exemplars : str
        Digest of the rows that LFs were written from.
    """

    source: CorpusVotes = field(compare=False, repr=False)
    x: Any = field(compare=False, repr=False)
    data: str
    n_labelled: int
    n_validation: int
    features: str
    protocol: str = "random"
    placebo: bool = False
    tune: int = 0
    settings: dict[str, Any] = field(default_factory=dict, compare=False)
    exemplars: str = ""
    trials_at_once: int = TRIALS_AT_ONCE

    @property
    def row_fields(self) -> RunRow:
        """What every row says of the setup, but for what the protocol changes."""
        return {
            "metric": self.source.corpus.metric,
            "labels": self.n_labelled,
            "features": self.features,
        }


def make_setup(
    source: CorpusVotes,
    n_labelled: int | None = None,
    features: str | None = None,
    protocol: str = "random",
    placebo: bool = False,
    tune: int = 0,
    settings: dict[str, Any] | None = None,
    show: bool = False,
    trials_at_once: int = TRIALS_AT_ONCE,
) -> StudySetup:
    """Check sizes, make features, and put together what all runs share.

    With `show` a bar counts the texts that an encoder has still to encode.

    Raises
    ------
    InputError
        If the budget is larger than the pool, or the corpus lacks what was asked for.
    """
    corpus = source.corpus
    name = features or default_features(corpus)
    sizes = _sizes(corpus, n_labelled, protocol)
    x = study_features(corpus, name, show)
    fixed = name in ("tfidf", "published")  # then the digest of the source tells them apart
    return StudySetup(
        source=source,
        x=x,
        data=source.digest if fixed else votes_digest([source.digest, x]),
        n_labelled=sizes[0],
        n_validation=sizes[1],
        features=name,
        protocol=protocol,
        placebo=placebo,
        tune=tune,
        settings=settings or {},
        exemplars=votes_digest([source.exemplars]),
        trials_at_once=trials_at_once,
    )


@functools.lru_cache(maxsize=2)
def load_setup(
    corpus: str, data_dir: str | None, n_labelled: int | None, features: str | None = None
) -> StudySetup:
    """Load a corpus with the votes of its own labelling functions, once a process."""
    return make_setup(load_corpus_votes(corpus, data_dir=data_dir), n_labelled, features)


def _sizes(corpus: Corpus, n_labelled: int | None, protocol: str) -> tuple[int, int]:
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {PROTOCOLS}, found {protocol!r}")
    if protocol != "random" and n_labelled is not None:
        kept = "labelled" if protocol == "published" else "validation"
        raise InputError(
            f"the protocol {protocol!r} keeps the published {kept} rows, so their number cannot "
            "be set; leave out --n-labelled (n_labelled=), or take the protocol 'random'"
        )
    pool = len(corpus) - len(corpus.rows("test"))
    if not len(corpus.rows("test")):
        raise InputError(f"corpus {corpus.name!r} has no test rows to score on")
    if protocol == "wrench":
        return 0, len(corpus.rows("validation"))
    if n_labelled is None:
        return corpus.n_labelled, corpus.n_validation
    if n_labelled < 1 or 2 * n_labelled > pool:
        raise InputError(
            f"a budget of {n_labelled} labels takes {n_labelled} rows for L and {n_labelled} for "
            f"V, but the pool of {corpus.name!r} has {pool} rows; choose 1 to {pool // 2}"
        )
    return n_labelled, n_labelled


# A run takes its split with and without all gold. Other methods make the splits of all seeds
# again, which is quick; to keep them would hold the rows of every seed in memory.
@functools.lru_cache(maxsize=2)
def corpus_split(
    setup: StudySetup, seed: int, supervised: bool = False, halved: bool = False
) -> tuple[Split, HeldOutScorer]:
    """Make the split of a seed and its scorer, once a process while they are needed.

    With `halved` half of the validation rows of the protocol "wrench" are labelled ones, for
    methods that learn nothing without; those in folds use all of them either way.
    """
    votes = setup.source.votes
    return make_split(
        setup.source.corpus,
        shuffled_votes(votes, seed) if setup.placebo else votes,
        seed,
        n_labelled=setup.n_validation // 2 if halved else setup.n_labelled,
        n_validation=setup.n_validation,
        features=setup.x,
        supervised=supervised,
        exemplars=None if setup.placebo else setup.source.exemplars,
        labelled=setup.protocol,
    )


def has_all_gold(spec: MethodSpec) -> bool:
    """Return whether a method is the ceiling, which alone gets gold for every training row."""
    return bool(getattr(spec.method, "gold", "L") == "all")


def wants_halves(setup: StudySetup, spec: MethodSpec) -> bool:
    """Return whether a method gets half of the validation rows of "wrench" as labelled ones."""
    needs_gold = bool(getattr(spec.method, "needs_gold", False))
    return setup.protocol == "wrench" and needs_gold and not has_all_gold(spec)


def run_identity(
    setup: StudySetup, spec: MethodSpec, seed: int | None, tuned: dict[str, Any] | None = None
) -> RunRow:
    """Return what identifies a run before it is run; the method is named as it was asked for.

    Parameters
    ----------
    setup : StudySetup
    spec : MethodSpec
    seed : int or None
        None for what holds of all seeds, such as what tuning chose.
    tuned : dict, optional
        Options that tuning chose.
    """
    source = setup.source
    published = len(source.corpus.rows("labelled")) if setup.protocol == "published" else None
    config = {
        "options": {**spec.settled, **(tuned or {})},
        "settings": setup.settings,
        "lfs": source.lfs,
        "data": setup.data,
        "tune": setup.tune,
        "placebo": setup.placebo,
        "version": spear_amal.__version__,
    }
    if "snorkel" in spec.settled.values():  # its answers are those of the package
        config["snorkel"] = installed_version("snorkel")
    labels = setup.n_labelled if published is None else published
    if setup.n_validation != labels:
        config["n_validation"] = setup.n_validation
    if takes_exemplars(spec):
        config["exemplars"] = source.exemplars is not None and not setup.placebo
    return {
        "corpus": source.name,
        "method": spec.text,
        "title": spec.title,
        "seed": seed,
        **setup.row_fields,
        "labels": labels,
        "protocol": setup.protocol,
        "config": config,
    }


def installed_version(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run_method(
    setup: StudySetup, spec: MethodSpec, seed: int, tuned: dict[str, Any]
) -> Steps[RunRow]:
    """Train and score one method on the split of a seed, in steps.

    Returns
    -------
    dict
        Scores, seconds and path of the fit and sizes, see ``docs/studies.md``.
    """
    split, scorer = corpus_split(setup, seed, halved=wants_halves(setup, spec))
    sizes = {
        "n_validation": len(split.y_val),
        "n_unlabelled": split.n_unlabelled,
        "n_test": len(scorer),
    }
    if has_all_gold(spec):
        split, scorer = corpus_split(setup, seed, supervised=True)
    watch, fitted = Stopwatch(), spec.changed(**tuned)
    estimator = yield from watch.time(fit_method_steps(fitted, split, seed, **setup.settings))
    scores, distinct = scorer.score_both(estimator)
    return {
        "score": scores[split.metric],
        "val_score": getattr(estimator, "val_score_", None),
        "seconds": round(watch.seconds, 3),
        "path": getattr(estimator, "training_path_", None),
        "given": fitted.was_given(split),
        **sizes,
        **scores,
        "dedup": distinct,
        "n_test_dedup": scorer.n_distinct,
    }
