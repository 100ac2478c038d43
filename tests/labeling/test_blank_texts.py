"""Rows without a text: no LF sees them, by every route, and all LFs abstain there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    ParquetLFApplier,
    keyword_lf,
    labeling_function,
    threshold_lf,
)
from spear_amal.votes.parquet import parts_of

TEXTS = ["free tones", "", None, " \t", "see you", "free"]
FRAME = pd.DataFrame({"text": TEXTS, "stars": [1, 5, 5, 5, 5, 2]}, index=list("abcdef"))


@labeling_function(label="ham")
def first_word(x):
    return x.text.split()[0] == "see"  # fails on a row without words


@labeling_function(label="spam", vectorized=True)
def two_words(batch):
    texts = batch["text"]
    texts = texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)
    return np.array([len(text.split()) == 2 for text in texts])


LFS = [
    keyword_lf("free", ["free"], "spam"),
    threshold_lf("stars", "stars", "ham", above=4),
    first_word,
    two_words,
]
CLASSES = ["ham", "spam"]
# Of rows a, e and f; by hand.
EXPECTED = np.full((6, 4), -1)
EXPECTED[0] = [1, -1, -1, 1]
EXPECTED[4] = [-1, 0, 0, 1]
EXPECTED[5] = [1, -1, -1, -1]


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cached", [False, True])
def test_frames(n_jobs, cached, tmp_path):
    applier = PandasLFApplier(LFS, CLASSES, text_column="text")
    for _ in range(1 + cached):
        votes = applier.apply(FRAME, n_jobs=n_jobs, cache=tmp_path if cached else None)
        assert votes.to_dense().tolist() == EXPECTED.tolist()
        assert votes.row_ids.tolist() == list("abcdef") and votes.has_row_ids
        assert votes.lf_classes.tolist() == [1, 0, 0, 1]


def arrow(frame):
    return pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)


def polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


@pytest.mark.parametrize("make", [arrow, polars, lambda frame: frame.to_dict("list"), dict])
def test_columns(make):
    votes = ColumnLFApplier(LFS, CLASSES, text_column="text").apply(make(FRAME))
    assert votes.to_dense().tolist() == EXPECTED.tolist()
    assert len(votes.row_ids) == 6 and not votes.has_row_ids


def test_lists():
    rows = FRAME.to_dict("records")
    votes = LFApplier(LFS[:2], CLASSES, text_column="text").apply(rows)
    assert votes.to_dense().tolist() == EXPECTED[:, :2].tolist()


@pytest.mark.parametrize("row_id", [None, "id"])
@pytest.mark.parametrize("batch_rows", [2, 100])
def test_parquet(tmp_path, row_id, batch_rows):
    pytest.importorskip("pyarrow")
    FRAME.assign(id=FRAME.index).to_parquet(tmp_path / "a.parquet")
    applier = ParquetLFApplier(LFS, CLASSES, text_column="text")
    votes = applier.apply(
        tmp_path / "a.parquet", tmp_path / "votes", row_id=row_id, batch_rows=batch_rows
    )
    parts = [part for _, part in parts_of(votes)]
    assert np.concatenate([part.to_dense() for part in parts]).tolist() == EXPECTED.tolist()
    ids = np.concatenate([part.row_ids for part in parts]).tolist()
    assert ids == (list(range(6)) if row_id is None else list("abcdef"))


def test_parquet_reads_the_texts_though_no_lf_does(tmp_path):
    pytest.importorskip("pyarrow")
    FRAME.to_parquet(tmp_path / "a.parquet")
    applier = ParquetLFApplier(LFS[1:2], CLASSES, text_column="text")
    votes = applier.apply(tmp_path / "a.parquet", tmp_path / "votes")
    assert votes.part(0).to_dense().ravel().tolist() == EXPECTED[:, 1].tolist()


def test_rows_are_called_as_the_user_knows_them():
    @labeling_function(label="spam")
    def failing(x):
        return bool(1 / (x.stars - 2))

    with pytest.raises(InputError, match="LF 'failing', row 'f'"):
        PandasLFApplier([failing], CLASSES, "text").apply(FRAME)
    with pytest.raises(InputError, match="LF 'failing', row 5"):
        LFApplier([failing], CLASSES, "text").apply([x for x in FRAME.itertuples()])


def test_no_row_has_a_text():
    votes = PandasLFApplier(LFS, CLASSES, "text").apply(FRAME.assign(text=""))
    assert votes.shape == (6, 4) and votes.nnz == 0


def test_all_rows_are_seen_unless_a_column_is_named():
    votes = PandasLFApplier(LFS[:2], CLASSES).apply(FRAME)
    assert votes.to_dense()[:, 1].tolist() == [-1, 0, 0, 0, 0, -1]


def test_column_that_is_not_there():
    with pytest.raises(InputError, match="no column 'body'"):
        PandasLFApplier(LFS, CLASSES, "body").apply(FRAME)
