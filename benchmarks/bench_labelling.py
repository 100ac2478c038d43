"""Applying labelling functions against Snorkel's appliers, one process, votes equal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from harness import Case, benchmark

from spear_amal.data import synthetic_corpus
from spear_amal.labeling import (
    LFApplier,
    PandasLFApplier,
    keyword_lf,
    labeling_function,
    preprocessor,
    regex_lf,
    threshold_lf,
)

WORDS = (
    *(["love", "kiss"], ["wedding"], ["gun", "bomb", "battle"], ["spy"], ["police", "agent"]),
    *(["heart"], ["hostage"]),
)
PATTERNS = (r"escape[sd]?", r"(?:fell|fall)s? in love", r"\b(?:kill|murder)\w*")


def frame(n: int) -> pd.DataFrame:
    """Make plots of about 100 letters, and a few numbers about them."""
    texts = synthetic_corpus(n=2_000, n_test=0, seed=0).frame["text"].tolist()
    rng = np.random.default_rng(0)
    # Each text is another one, so that no cache of strings helps anybody.
    rows = [f"{texts[i % len(texts)][:100]} {k}" for k, i in enumerate(rng.permutation(n))]
    numbers = {f"x{j}": rng.normal(size=n) for j in range(10)}
    return pd.DataFrame({"text": rows, **numbers}, index=rng.permutation(n))


def same_votes(ours: Any, peer: np.ndarray) -> None:
    """Raise unless all votes are equal."""
    np.testing.assert_array_equal(ours.to_dense(), peer)


def keyword_test(words: list[str]) -> Callable[[Any], int]:
    """Row function that votes 1 where a text holds a word."""
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(words) + r")(?!\w)")
    return lambda x: 1 if pattern.search(x.text.lower()) else -1


def pattern_test(pattern: str) -> Callable[[Any], int]:
    """Row function that votes 0 where a pattern is found."""
    compiled = re.compile(pattern)
    return lambda x: 0 if compiled.search(x.text) else -1


def row_functions() -> list[Callable[[Any], int]]:
    """Ten functions of a row: seven of keywords, three of patterns."""
    return [*map(keyword_test, WORDS), *map(pattern_test, PATTERNS)]


def as_snorkel(functions: list[Callable[[Any], int]], pre: Any = None) -> list[Any]:
    """The same functions as Snorkel's LFs."""
    from snorkel.labeling import LabelingFunction

    return [LabelingFunction(f"lf{j}", f, pre=pre) for j, f in enumerate(functions)]


def as_ours(functions: list[Callable[[Any], int]], pre: Any = None) -> list[Any]:
    """The same functions as our LFs."""
    return [labeling_function(f"lf{j}", pre=pre)(f) for j, f in enumerate(functions)]


def against_pandas(rows: pd.DataFrame, ours: list[Any], peer: list[Any], **more: Any) -> Case:
    """Compare with Snorkel's applier of frames."""
    from snorkel.labeling import PandasLFApplier as Peer

    applier, other = PandasLFApplier(ours, classes=2), Peer(peer)
    return Case(
        ours=lambda: applier.apply(rows, progress_bar=False),
        peer=lambda: other.apply(rows, progress_bar=False),
        check=same_votes,
        size=f"{len(rows):,} rows x {len(ours)} LFs",
        **more,
    )


@benchmark("lf-rows", peer="Snorkel PandasLFApplier", goal=2)
def lf_rows(small: bool) -> Case:
    """Plain Python functions of a row."""
    functions = row_functions()
    return against_pandas(
        frame(500 if small else 20_000), as_ours(functions), as_snorkel(functions), repeats=3
    )


@benchmark("lf-rows-list", peer="Snorkel LFApplier", goal=1)
def lf_rows_list(small: bool) -> Case:
    """The same on a list of row objects, where Snorkel is fastest."""
    from snorkel.labeling import LFApplier as Peer

    from spear_amal.labeling import Row

    rows = [Row(text=text) for text in frame(500 if small else 20_000)["text"]]
    functions = row_functions()
    applier, other = LFApplier(as_ours(functions), classes=2), Peer(as_snorkel(functions))
    return Case(
        ours=lambda: applier.apply(rows, progress_bar=False),
        peer=lambda: other.apply(rows, progress_bar=False),
        check=same_votes,
        size=f"{len(rows):,} rows x {len(functions)} LFs",
    )


@benchmark("lf-declarative", peer="Snorkel PandasLFApplier", goal=30)
def lf_declarative(small: bool) -> Case:
    """Keywords and patterns, declared, against the same as functions of a row."""
    declared = [keyword_lf(f"lf{j}", words, 1) for j, words in enumerate(WORDS)]
    declared += [
        regex_lf(f"lf{j}", pattern, 0) for j, pattern in enumerate(PATTERNS, len(declared))
    ]
    return against_pandas(
        frame(500 if small else 20_000), declared, as_snorkel(row_functions()), peer_repeats=3
    )


@benchmark("lf-numeric", peer="Snorkel PandasLFApplier", goal=500)
def lf_numeric(small: bool) -> Case:
    """Functions of columns of numbers, half of them thresholds."""
    ours: list[Any] = [threshold_lf(f"lf{j}", f"x{j}", 1, above=1.0) for j in range(5)]
    peer: list[Any] = [lambda x, j=j: 1 if x[f"x{j}"] > 1.0 else -1 for j in range(5)]
    for j in range(5, 10):

        def on_column(batch: Any, name: str) -> np.ndarray:
            return np.where(batch[name].to_numpy() < -1.0, 0, -1)

        ours.append(
            labeling_function(f"lf{j}", resources={"name": f"x{j}"}, vectorized=True)(on_column)
        )
        peer.append(lambda x, j=j: 0 if x[f"x{j}"] < -1.0 else -1)
    return against_pandas(
        frame(500 if small else 20_000),
        ours,
        as_snorkel(peer),
        repeats=15,
        peer_repeats=3,
        calls=10,  # of some milliseconds each
    )


@benchmark("lf-preprocessor", peer="Snorkel PandasLFApplier", goal=15)
def lf_preprocessor(small: bool) -> Case:
    """Ten functions that share a preprocessor."""
    from snorkel.preprocess import preprocessor as snorkel_preprocessor

    def lower(x: Any) -> Any:
        x.text = x.text.lower()
        return x

    functions = row_functions()
    return against_pandas(
        frame(200 if small else 2_000),
        as_ours(functions, [preprocessor()(lower)]),
        as_snorkel(functions, [snorkel_preprocessor()(lower)]),
        peer_repeats=2,
    )
