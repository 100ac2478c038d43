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
    from spear_amal.studies import Comparison

# --small (or SPEAR_AMAL_SMALL=1): few rows, few epochs, no network. For trying and for the tests.
SMALL = "--small" in sys.argv or os.environ.get("SPEAR_AMAL_SMALL") == "1"
EPOCHS = 12 if SMALL else 100
SMALL_ROWS, SMALL_GOLD = 240, 30  # rows of each part; gold rows for L and for V


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
    shuffled = corpus.frame.iloc[generator.permutation(len(corpus))]
    kept = shuffled.groupby("part", sort=False).head(SMALL_ROWS).sort_index()
    return dataclasses.replace(corpus, frame=kept, n_labelled=SMALL_GOLD, n_validation=SMALL_GOLD)


def show(comparison: Comparison) -> None:
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
