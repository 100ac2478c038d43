"""A benchmark: every corpus at hand, every entry, every seed; one run stored after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import CORPORA, Corpus, corpus_status
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.studies.bench.entries import BenchEntry, run_alone
from spear_amal.studies.bench.published import NO_END_MODEL, PublishedCorpus, published_corpus
from spear_amal.studies.corpus_run import StudySetup, make_setup, run_identity, run_method
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes
from spear_amal.studies.engine import ReportProgress, StudyRun, check_seeds, execute
from spear_amal.studies.results_file import RunRow, StudyFile

#: Protocols of a benchmark: partly labelled, and that of WRENCH's own figures.
BENCH_PROTOCOLS = ("random", "wrench")
GENERATED = "generated"


@dataclass(frozen=True)
class NotAtHand:
    """A corpus that was not run, and why; `is_asked_for` where a user named it."""

    name: str
    reason: str
    is_asked_for: bool = False


@dataclass(frozen=True)
class CorpusFacts:
    """What the tables say of a corpus.

    Attributes
    ----------
    name, metric, features, lfs, source : str
    train, validation, test : int
        Rows of the parts as published; without a validation part it is drawn from the first.
    n_classes, n_lfs : int
    coverage : float
        Share of the test rows that have a vote.
    published : str
        Name under which figures on the same rows and votes were published; "" for none.
    """

    name: str
    metric: str
    features: str
    lfs: str
    source: str
    train: int
    validation: int
    test: int
    n_classes: int
    n_lfs: int
    coverage: float
    published: str = ""


@dataclass
class Bench:
    """Runs of a benchmark and what is told beside them.

    Attributes
    ----------
    entries : list of BenchEntry
    runs : DataFrame
        Rows of the study file, of these corpora and entries only; ``error`` where a run failed.
    corpora : list of CorpusFacts
    not_at_hand : list of NotAtHand
    """

    entries: list[BenchEntry]
    runs: pd.DataFrame
    corpora: list[CorpusFacts] = field(default_factory=list)
    not_at_hand: list[NotAtHand] = field(default_factory=list)


def run_bench(
    entries: Sequence[BenchEntry],
    corpora: Sequence[str | os.PathLike[str] | Corpus | CorpusVotes] | None = None,
    seeds: int | Sequence[int] = 5,
    *,
    protocols: Sequence[str] = BENCH_PROTOCOLS,
    n_labelled: int | None = None,
    features: str | None = None,
    jobs: int = 1,
    output: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: ReportProgress | None = None,
    **settings: Any,
) -> Bench:
    """Run all entries on all corpora; what a file of results holds already is not run again.

    A run that fails, and a corpus that cannot be read, stop nothing else.

    Parameters
    ----------
    entries : sequence of BenchEntry
        As :func:`spear_amal.studies.bench.entries.bench_entries` makes them.
    corpora : sequence of str, path, Corpus or CorpusVotes, optional
        Names, folders or archives in WRENCH's format, and corpora of your own; default: the known
        ones at hand.
    seeds : int or sequence of int
    protocols : sequence of str
        See :func:`spear_amal.studies.run_study`; "wrench" is left out where a corpus has no
        validation part of its own.
    n_labelled : int, optional
        Rows in L and in V under "random"; default: those of each corpus.
    features : str, optional
        See :func:`spear_amal.studies.features.study_features`; default: those of each corpus.
    jobs : int
    output : path, optional
        A file (.json) for all corpora, or a folder with a file for each; continued if there.
    data_dir, cache_dir : path, optional
    progress : callable, optional
        Called as ``progress(done, total, what)``, corpus by corpus.
    **settings
        Passed to every estimator that knows them.

    Returns
    -------
    Bench

    Raises
    ------
    InputError
        If nothing can be run, or two corpora have one name.
    FileFormatError
        If the output is there and no study file.
    """
    numbers = check_seeds(seeds)
    bench = Bench(list(entries), pd.DataFrame())
    sources: list[Any] = _at_hand(bench, data_dir, cache_dir) if corpora is None else list(corpora)
    rows: list[RunRow] = []
    show = progress is not None
    for name in sources:
        try:
            source = load_corpus_votes(name, data_dir=data_dir, cache_dir=cache_dir, progress=show)
            source, published = _as_published(source)
            _check_name(source.name, bench)
            setups = list(_setups(source, protocols, n_labelled, features, settings))
        except (SpearAmalError, OSError) as error:
            asked = corpora is not None
            bench.not_at_hand.append(NotAtHand(_name_of(name), str(error), asked))
            continue
        bench.corpora.append(_facts(source, published, setups))
        runs = [
            _run(setup, entry, seed) for setup in setups for entry in entries for seed in numbers
        ]
        store = StudyFile(_file(output, source.name))
        rows += execute(runs, store, jobs=jobs, progress=_named(progress, source.name))
    if not bench.corpora:
        reasons = "".join(f"\n  - {item.name}: {item.reason}" for item in bench.not_at_hand)
        raise InputError(f"no corpus can be run:{reasons}")
    bench.runs = pd.DataFrame(rows)
    return bench


def _at_hand(bench: Bench, data_dir: Any, cache_dir: Any) -> list[str]:
    """Return the known corpora that are on this machine; note the others, and how to get them."""
    names = []
    for name, spec in CORPORA.items():
        status = corpus_status(name, data_dir, cache_dir)
        if status.state == GENERATED:
            continue
        if status.state == "not fetched":
            way = f"put {', '.join(spec.files)} into the data directory (--data-dir)"
            if spec.sources:
                way = f"spear-amal corpora fetch {name}"
            reason = f"not on this machine; to get it: {way}; see {spec.card}"
            bench.not_at_hand.append(NotAtHand(name, reason))
        else:
            names.append(name)  # what is damaged says so when it is loaded
    return names


def _name_of(source: Any) -> str:
    return source.name if isinstance(source, Corpus | CorpusVotes) else os.fspath(source)


def _as_published(source: CorpusVotes) -> tuple[CorpusVotes, PublishedCorpus | None]:
    """Return a corpus with the metric of the figures published on it, where there are any."""
    published = published_corpus(source)
    if published is None:
        return source, None
    return replace(source, corpus=replace(source.corpus, metric=published.metric)), published


def _check_name(name: str, bench: Bench) -> None:
    """Raise InputError for a second corpus of one name, whose rows tables could not tell apart."""
    if name in [facts.name for facts in bench.corpora]:
        raise InputError(f"there is another corpus {name!r} in this run; rename the folder")


def _setups(
    source: CorpusVotes,
    protocols: Sequence[str],
    n_labelled: int | None,
    features: str | None,
    settings: dict[str, Any],
) -> Iterator[StudySetup]:
    if not source.votes.nnz:
        raise InputError(f"no LF votes on any row (votes: {source.lfs})")
    first: StudySetup | None = None
    for protocol in dict.fromkeys(protocols):
        if protocol == "wrench" and not len(source.corpus.rows("validation")):
            continue
        labelled = n_labelled if protocol == "random" else None
        made = make_setup(source, labelled, features, protocol, settings=settings)
        # Features are the same under every protocol.
        first = first or made
        yield replace(made, x=first.x)
    if first is None:
        raise InputError("the corpus has no validation part, which the protocol 'wrench' needs")


def _facts(
    source: CorpusVotes, published: PublishedCorpus | None, setups: Sequence[StudySetup]
) -> CorpusFacts:
    corpus = source.corpus
    test = corpus.rows("test")
    n_validation = len(corpus.rows("validation"))
    return CorpusFacts(
        name=corpus.name,
        metric=corpus.metric,
        features=setups[0].features,
        lfs=source.lfs,
        source=corpus.source,
        train=len(corpus) - len(test) - n_validation,
        validation=n_validation,
        test=len(test),
        n_classes=len(corpus.classes),
        n_lfs=source.votes.shape[1],
        coverage=float(np.mean(source.votes[test].covered())),
        published="" if published is None else published.name,
    )


def _run(setup: StudySetup, entry: BenchEntry, seed: int) -> StudyRun:
    spec = entry.spec
    alone = entry.end_model == NO_END_MODEL
    row = run_identity(setup, spec, seed) | {
        "title": entry.title,
        "label_model": entry.label_model,
        "end_model": entry.end_model,
    }
    function: Callable[..., Any] = run_alone if alone else run_method
    arguments: tuple[Any, ...] = (setup, spec, seed) if alone else (setup, spec, seed, {})
    label, group = f"{entry.title}, seed {seed}", f"{setup.protocol} {spec.text}"
    return StudyRun(row, function, arguments, label, group=group)


def _file(output: str | os.PathLike[str] | None, corpus: str) -> Path | None:
    """Return the study file of a corpus: the one that was named, or one in the folder."""
    if output is None:
        return None
    path = Path(output)
    return path if is_one_file(path) else path / f"{corpus}.json"


def is_one_file(output: Path) -> bool:
    """Return whether an output is a file for all corpora, not a folder with one for each.

    Examples
    --------
    >>> is_one_file(Path("bench.json")), is_one_file(Path("results"))
    (True, False)
    """
    return output.suffix == ".json" and not output.is_dir()


def _named(progress: ReportProgress | None, corpus: str) -> ReportProgress | None:
    if progress is None:
        return None
    return lambda done, total, what: progress(done, total, f"{corpus}: {what}" if what else corpus)
