"""What the examples share: the quick mode, loading a corpus, printing a comparison."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.data import Corpus, load_corpus, synthetic_corpus
from spear_amal.errors import DataUnavailableError

if TYPE_CHECKING:  # studies import torch, which the labelling examples do without
    from spear_amal.studies import SplitComparison

# --small (or SPEAR_AMAL_SMALL=1): few rows, few epochs, no network. For trying and for the tests.
SMALL = "--small" in sys.argv or os.environ.get("SPEAR_AMAL_SMALL") == "1"
EPOCHS = 12 if SMALL else 100
SMALL_ROWS, SMALL_GOLD = 240, 30  # rows of each part; gold rows for L and for V

# What the studies compare: one model each, then both sides of the fair question in folds.
SEEDS = 2 if SMALL else 5
STUDY = [
    *("majority", "label-model", "imply-loss", "l2r", "mwn", "spear", "amal"),
    *("only-lv:crossfit=5", "spear:crossfit=5", "recommended"),
]
STUDY = ["spear", "amal"] if SMALL else STUDY


def load(name: str) -> Corpus:
    """Load a corpus by name, or, where it cannot be had, one that is generated; says which."""
    try:
        corpus = load_corpus(name, offline=SMALL)
    except DataUnavailableError:
        corpus = synthetic_corpus(n=600, n_test=200)
        print(f"The corpus {name!r} is not on this machine; this is a generated one instead:")
    corpus = shrunk(corpus) if SMALL else corpus
    print(f"{corpus}\nfrom: {corpus.source}\n")
    return corpus


def shrunk(corpus: Corpus) -> Corpus:
    """Keep a part of the rows, for the quick mode."""
    generator = np.random.default_rng(0)
    shuffled = corpus.frame.assign(row=np.arange(len(corpus))).iloc[
        generator.permutation(len(corpus))
    ]
    rows = np.sort(shuffled.groupby("part", sort=False).head(SMALL_ROWS)["row"].to_numpy())
    kept = {
        name: held[rows]
        for name in ("features", "label_matrix")
        if (held := getattr(corpus, name)) is not None
    }
    return dataclasses.replace(
        corpus,
        frame=corpus.frame.iloc[rows],
        n_labelled=SMALL_GOLD,
        n_validation=SMALL_GOLD,
        **kept,
    )


def show(comparison: SplitComparison) -> None:
    """Print who was given what, the test score, and what the validation rows promised."""
    rows = [
        {
            "method": row.title,
            f"test {row.metric}": f"{row.scores[row.metric]:.3f}",
            "on V": f"{row.val_score:.3f}",
            "seconds": f"{row.seconds:.1f}",
            "was given": row.given,
        }
        for row in comparison.rows
    ]
    print(pd.DataFrame(rows).to_string(index=False))


def show_study(runs: pd.DataFrame, baseline: str | None = None) -> None:
    """Print the tables of a study, what was set, and whether AMAL is worth it."""
    from spear_amal.report.study_report import readable_summary, study_tables
    from spear_amal.studies import verdicts

    for title, settings, table in study_tables(runs, baseline):
        print(f"\n{title}\n{readable_summary(table).to_string(index=False)}\n{settings}")
    for verdict in verdicts(runs):
        print(verdict.text)


def progress(done: int, total: int, what: str) -> None:
    """Say how far a study is; fit for ``run_study(progress=...)``."""
    print(f"{done}/{total} {what}", file=sys.stderr)


def compare_on_split(corpus: Corpus, methods: dict[str, dict], kind: type | None = None) -> None:
    """Train an estimator with options by name on one split, and print the test scores."""
    from spear_amal import SpearClassifier
    from spear_amal.data import TextFeatures, partition
    from spear_amal.labeling import PandasLFApplier, load_lfs

    lfs, classes = load_lfs("labeling_functions/plots.py")
    votes = PandasLFApplier(lfs, classes).apply(corpus.frame, progress_bar=False)
    parts = partition(corpus, seed=0)
    train, val, test = parts.train, parts.validation, parts.test
    texts, y = np.array(corpus.texts, dtype=object), parts.observed_labels(corpus.labels)
    features = TextFeatures().fit(texts[np.concatenate([train, val])])
    x = features.transform(texts)
    for name, options in methods.items():
        model = (kind or SpearClassifier).from_options(metric=corpus.metric, **options)
        rows = {"X_val": x[val], "y_val": y[val], "L_val": votes[val]}
        model.fit(x[train], y[train], L=votes[train], **rows)
        print(f"{name:24} test {corpus.metric} {model.score(x[test], corpus.labels[test]):.3f}")
