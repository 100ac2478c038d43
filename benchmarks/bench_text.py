"""Declarative LFs on texts against engines that search columns; one thread, votes equal.

The texts of both sides lie as each likes them best: of ours and of Arrow as Arrow's strings, of
Polars as its own views. Polars gets patterns that ignore case, which is faster there than patterns
on texts made lower-case.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_labelling import PATTERNS, WORDS, frame
from harness import BENCHMARKS, Case, benchmark, row_of, timed

from spear_amal.labeling import ColumnLFApplier, keyword_lf, regex_lf

Words = tuple[list[str], ...]


def lfs(words: Words = WORDS, patterns: tuple[str, ...] = PATTERNS) -> list[Any]:
    """LFs of keywords, and of patterns."""
    named = [keyword_lf(f"lf{j}", some, 1) for j, some in enumerate(words)]
    return [*named, *(regex_lf(f"lf{len(words) + j}", p, 0) for j, p in enumerate(patterns))]


def expressions(words: Words = WORDS, patterns: tuple[str, ...] = PATTERNS) -> list[str]:
    """The same as regular expressions."""
    return [rf"(?i)\b(?:{'|'.join(some)})\b" for some in words] + list(patterns)


def same_rows(ours: Any, peer: Any) -> None:
    """Raise unless our LFs vote where the peer's expressions match."""
    np.testing.assert_array_equal(ours.to_dense() >= 0, peer.to_numpy())


def by_ours(table: Any, functions: list[Any]) -> Callable[[], Any]:
    """Our LFs on a table."""
    applier = ColumnLFApplier(functions, classes=2)
    return lambda: applier.apply(table, progress_bar=False, batch_size=None)


def by_polars(table: Any, patterns: list[str]) -> Callable[[], Any]:
    """Expressions of Polars on its own frame, all in one query."""
    import polars as pl

    asked = [pl.col("text").str.contains(e).alias(str(j)) for j, e in enumerate(patterns)]
    return lambda: table.select(asked)


def by_arrow(table: Any, patterns: list[str]) -> Callable[[], Any]:
    """Arrow's RE2 on one column, one pattern after the other."""
    import pandas as pd
    import pyarrow.compute as pc

    return lambda: pd.DataFrame(
        {j: pc.match_substring_regex(table["text"], e) for j, e in enumerate(patterns)}
    )


def tables(n: int) -> tuple[Any, Any]:
    """Texts of about 100 letters as a table of Arrow, and as a frame of Polars."""
    import polars as pl
    import pyarrow as pa

    texts = pa.Table.from_pandas(frame(min(n, 10**6))[["text"]], preserve_index=False)
    texts = pa.concat_tables([texts] * -(-n // 10**6))
    return texts, pl.from_arrow(texts)


def against(n: int, peer: str) -> Case:
    """Compare on n rows."""
    table, rows = tables(n)
    other = by_arrow(table, expressions()) if peer == "arrow" else by_polars(rows, expressions())
    ours = by_ours(rows if peer == "frame" else table, lfs())
    return Case(ours, other, same_rows, f"{n:,} rows x {len(lfs())} LFs")


@benchmark("lf-text", peer="Polars' str.contains", goal=2)
def lf_text(small: bool) -> Case:
    """Ten LFs on a column of Arrow."""
    return against(500 if small else 10**6, "polars")


@benchmark("lf-text-frame", peer="Polars' str.contains", goal=1.5)
def lf_text_frame(small: bool) -> Case:
    """The same on a frame of Polars, whose texts are copied in parts."""
    return against(500 if small else 10**6, "frame")


@benchmark("lf-text-re2", peer="Arrow's RE2", goal=5)
def lf_text_re2(small: bool) -> Case:
    """The same as patterns of Arrow's own functions."""
    return against(500 if small else 10**6, "arrow")


@benchmark("lf-text-growth", peer="Polars' str.contains")
def lf_text_growth(small: bool) -> list[dict[str, Any]]:
    """More and more rows, more and more LFs, more and more words of one LF."""
    if small:
        return [grown(100, WORDS, PATTERNS), grown(100, drawn_words(3, 2), ())]
    return [
        *(grown(n, WORDS, PATTERNS) for n in (10**3, 10**4, 10**5, 10**6, 10**7)),
        *(grown(10**5, drawn_words(m, 2), ()) for m in (1, 10, 100, 300)),
        *(grown(10**5, drawn_words(1, k), ()) for k in (10, 100, 1_000, 10_000)),
    ]


def drawn_words(n_lfs: int, n_words: int) -> Words:
    """Draw words of four letters and more; most of them in texts, others if those are too few."""
    draw = random.Random(0)
    known = {word for text in frame(2_000)["text"] for word in text.lower().split()}
    some = sorted(word for word in known if word.isalpha() and len(word) > 3)
    draw.shuffle(some)
    needed = n_lfs * n_words
    some += [f"{draw.choice(some)}{k}" for k in range(needed - len(some))]
    return tuple(some[j:needed:n_lfs] for j in range(n_lfs))


def grown(n: int, words: Words, patterns: tuple[str, ...]) -> dict[str, Any]:
    """Seconds of both sides at one size, the least of two."""
    table, rows = tables(n)
    functions, asked = lfs(words, patterns), expressions(words, patterns)
    ours, peer = by_ours(table, functions), by_polars(rows, asked)
    same_rows(ours(), peer())
    calls = 10 if n == 10**3 else 1
    seconds = [min(timed(side, calls) for _ in range(2)) for side in (ours, peer)]
    size = f"{n:,} rows x {len(functions)} LFs of {sum(map(len, words))} words"
    return row_of(BENCHMARKS["lf-text-growth"], size, *seconds)
