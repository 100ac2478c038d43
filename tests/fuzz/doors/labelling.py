"""Labelling functions, what builds them, and what applies them to tables."""

import re

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import CLASSES, SCALARS, frames, mostly, odd, scalars, texts

from spear_amal.labeling import (
    ColumnLF,
    ColumnLFApplier,
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    ParquetLFApplier,
    VoteCache,
    continuous_scorer,
    dictionary_lf,
    keyword_lf,
    labeling_function,
    lambda_mapper,
    preprocessor,
    regex_lf,
    threshold_lf,
)

columns = mostly(st.just("text"), st.one_of(st.sampled_from(["label", "missing"]), scalars))
labels = mostly(st.sampled_from(["ham", "spam", 0, 1]), odd)
patterns = st.one_of(
    st.sampled_from(["a", "[", "(?P<x>", "a{2}", "\\", "^$", "(?i)x|y", b"a", re.compile("b")]),
    texts,
    scalars,
)
names = mostly(st.text(min_size=1, max_size=5), scalars)
words = mostly(st.lists(st.sampled_from(["ham", "spam", "a", "é"]), min_size=1), odd)
bounds = mostly(st.sampled_from([-1, 0.5, 3]), scalars)
built = st.one_of(
    st.tuples(st.just(keyword_lf), st.tuples(names, words, labels, columns)),
    st.tuples(st.just(regex_lf), st.tuples(names, patterns, labels, columns)),
    st.tuples(st.just(dictionary_lf), st.tuples(names, words, labels, columns)),
    st.tuples(st.just(threshold_lf), st.tuples(names, columns, labels, bounds, bounds)),
    st.tuples(st.just(ColumnLF), st.tuples(names, columns, st.just(lambda values: values))),
)


def answering(answer, name="answers"):
    """Return an LF that gives one answer to all rows."""
    return LabelingFunction(name, lambda x: answer)


@st.composite
def functions(draw):
    """Draw an LF: a good one, one that answers anything, or one built of anything."""
    how = draw(st.sampled_from([0] * 20 + [1, 2, 3]))
    if how == 0:
        name = f"good {draw(st.integers(0, 9999))}"
        return keyword_lf(name, ["ham", "spam", "a"], draw(st.sampled_from([1, 0])))
    if how == 1:
        return answering(draw(odd))
    if how == 2:
        values = draw(odd)
        return LabelingFunction(
            "vector", lambda frame: values, vectorized=True, label=draw(st.sampled_from([None, 1]))
        )
    make, arguments = draw(built)
    return make(*arguments)


def same_votes(L, lfs, cells):
    """Check votes of keyword LFs of :func:`functions` by a plain search."""
    pattern = re.compile(r"(?<!\w)(?:ham|spam|a)(?!\w)", re.IGNORECASE)
    for j, lf in enumerate(lfs):
        if lf.name.startswith("good "):
            hits = [isinstance(cell, str) and bool(pattern.search(cell)) for cell in cells]
            assert np.asarray(L)[:, j].tolist() == [lf.label if hit else -1 for hit in hits]


def check(L, n):
    """Check what every label matrix of n rows must be."""
    dense = np.asarray(L)
    assert len(L) == n and dense.min(initial=-1) >= -1 and dense.max(initial=-1) < L.n_classes


@door(
    *("labeling.PandasLFApplier", "labeling.ColumnLFApplier", "labeling.LFApplier"),
    *("labeling.keyword_lf", "labeling.regex_lf", "labeling.dictionary_lf", "labeling.Row"),
    *("labeling.threshold_lf", "labeling.ColumnLF", "labeling.LabelingFunction"),
    "labeling.LFFailure",
)
def appliers(draw, folder):
    lfs = draw(st.lists(functions(), min_size=1, max_size=3))
    names_of_classes = st.sampled_from([None, 2, ["ham", "spam"], ["x", "y", "z"]])
    classes = draw(mostly(names_of_classes, st.one_of(st.sampled_from(CLASSES), odd)))
    frame = draw(frames())
    tolerant = draw(st.sampled_from([False, True, True]))
    how = draw(st.sampled_from(["pandas", "rows", "odd", "arrow", "reader", "polars", "lazy"]))
    if how == "pandas":
        L = PandasLFApplier(lfs, classes).apply(frame, progress_bar=False, fault_tolerant=tolerant)
    elif how == "rows":
        rows = frame.to_dict("records") if frame.columns.is_unique else list(frame["text"])
        L = LFApplier(lfs, classes).apply(rows, progress_bar=False, fault_tolerant=tolerant)
    elif how == "odd":
        anything = draw(odd)
        applier = draw(st.sampled_from([PandasLFApplier, ColumnLFApplier]))
        applier(lfs, classes).apply(anything, progress_bar=False)
        return
    else:
        table = other_table(frame, how)
        L = ColumnLFApplier(lfs, classes).apply(table, progress_bar=False, fault_tolerant=tolerant)
    check(L, len(frame))
    if how in ("pandas", "rows") and classes in (None, 2):
        same_votes(L, lfs, frame["text"].tolist())


def other_table(frame, how):
    """Return the texts of a frame that encode as such, as a table of another library."""
    cells = [x if isinstance(x, str) and _encodes(x) else None for x in frame["text"]]
    label = [1] * len(cells)
    if how in ("arrow", "reader"):
        import pyarrow as pa

        table = pa.table({"text": pa.array(cells, pa.string()), "label": label})
        return table if how == "arrow" else table.to_reader()
    import polars as pl

    frame = pl.DataFrame({"text": pl.Series(cells, dtype=pl.String), "label": label})
    return frame if how == "polars" else frame.lazy()


def _encodes(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@door("labeling.ParquetLFApplier", "labeling.VoteCache")
def files_and_caches(draw, folder):
    frame = pd.DataFrame({"text": other_table(draw(frames()), "arrow")["text"].to_pylist()})
    frame["number"] = draw(st.lists(st.integers(-3, 3), min_size=len(frame), max_size=len(frame)))
    frame.to_parquet(folder / "rows.parquet")
    lfs = [keyword_lf("spam", ["spam", "a"], 1), threshold_lf("many", "number", 0, above=1)]
    rows = draw(mostly(st.integers(1, 4), st.sampled_from([0, -1, None, "x"])))
    parts = ParquetLFApplier(lfs, 2).apply(
        folder / "rows.parquet", folder / "votes", batch_rows=rows, progress_bar=False
    )
    whole = PandasLFApplier(lfs, 2).apply(frame, progress_bar=False)
    assert (np.asarray(parts.to_label_matrix()) == np.asarray(whole)).all()
    cache = VoteCache(folder / "cache", draw(mostly(st.just(10**6), scalars)))
    for _ in range(2):
        kept = PandasLFApplier(lfs, 2).apply(frame, progress_bar=False, cache=cache)
        assert (np.asarray(kept) == np.asarray(whole)).all()


@door(
    *("labeling.labeling_function", "labeling.preprocessor", "labeling.lambda_mapper"),
    *("labeling.continuous_scorer", "labeling.Preprocessor", "labeling.LambdaPreprocessor"),
    *("labeling.BasePreprocessor", "labeling.ContinuousScorer"),
)
def decorators(draw, folder):
    answer = draw(odd)
    words = scalars.filter(lambda value: not callable(value))  # a class is a function itself
    mapper = draw(st.sampled_from([preprocessor, lambda_mapper]))
    options = {}
    if draw(st.booleans()):
        sizes = mostly(st.sampled_from([0, 1, 7]), scalars, 4)
        named = mostly(st.sampled_from([None, "change"]), words, 4)
        options = {"name": draw(named), "memoize": draw(st.booleans()), "memo_size": draw(sizes)}

    @mapper(**options)
    def change(x):
        x.more = answer
        return x

    @continuous_scorer()
    def score(x, **rest):
        return answer

    given = draw(st.sampled_from([{}, {"pre": [change]}, {"cont_scorer": score, "label": 1}]))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(["name", "pre", "label", "resources"]))
        given = given | {name: draw(words if name == "name" else odd)}

    @labeling_function(**given)
    def lf(x, **rest):
        return 1 if getattr(x, "more", None) in SCALARS[:3] else -1

    frame = draw(frames())
    L = PandasLFApplier([lf], 2).apply(frame, progress_bar=False)
    check(L, len(frame))
    if given == {"pre": [change]}:
        vote = 1 if any(answer is value for value in SCALARS[:3]) else None
        assert vote is None or (np.asarray(L) == vote).all()
