"""Several processes give what one gives: votes, order, faults and errors."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    PandasParallelLFApplier,
    keyword_lf,
    labeling_function,
    preprocessor,
    threshold_lf,
)
from spear_amal.labeling.parallel import span_size
from spear_amal.labeling.worker_pool import as_n_jobs, map_in_processes

N = 2503


def frame(index=None) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    words = np.array(["free", "prize", "call", "home", "lunch"])
    texts = [" ".join(words[draw.integers(0, 5, 3)]) for _ in range(N)]
    return pd.DataFrame({"text": texts, "size": draw.integers(0, 90, N)}, index=index)


BOUND = 40  # a global of this module, which no worker can import


@preprocessor
def halved(x):
    x.size = x.size / 2
    return x


@labeling_function(pre=[halved], label="spam")
def small(x):
    return x.size < BOUND / 2


@labeling_function(cont_scorer=lambda x: x.size / 60)
def scored(x, continuous_score):
    if x.size % 11 == 3:
        raise ValueError(f"cannot judge {x.size}")
    return "ham" if continuous_score > 0.5 else None


def lfs() -> list:
    total = labeling_function("above_mean", label="ham", vectorized=True)
    return [
        keyword_lf("prize", ["prize"], "spam"),
        total(lambda batch: np.asarray(batch["size"] > np.mean(batch["size"]))),
        small,
        threshold_lf("big", "size", "ham", above=80),
        scored,
        LabelingFunction("lambda", lambda x: "spam" if "free" in x.text else -1),
    ]


def same(applied, serial) -> None:
    votes, meta = applied
    expected, expected_meta = serial
    assert np.array_equal(votes.to_dense(), expected.to_dense())
    assert np.array_equal(votes.dense_scores(), expected.dense_scores())
    assert votes.row_ids.tolist() == expected.row_ids.tolist()
    assert votes.lf_classes.tolist() == expected.lf_classes.tolist()
    assert votes.classes == expected.classes
    assert meta.faults == expected_meta.faults
    assert meta.clipped == expected_meta.clipped
    assert meta.tracebacks == expected_meta.tracebacks


INDICES = {
    "unsorted": np.random.default_rng(0).permutation(N),
    "repeated": np.arange(N) % 7,
    "strings": [f"row {i * 7919 % N}" for i in range(N)],
}


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(index, id=name, marks=pytest.mark.slow if name == "strings" else ())
        for name, index in INDICES.items()
    ],
)
def test_frame_in_order_whatever_the_index(index):
    applier = PandasLFApplier(lfs(), classes=["ham", "spam"])
    how = {"progress_bar": False, "fault_tolerant": True, "return_meta": True}
    rows = frame(index)
    serial = applier.apply(rows, **how)
    assert serial[1].faults["scored"] > 3
    assert serial[1].clipped["scored"] > 0
    same(applier.apply(rows, n_jobs=2, **how), serial)


def test_lists_and_columns():
    rows = frame()
    how = {"progress_bar": False, "fault_tolerant": True, "return_meta": True}
    points = [SimpleNamespace(text=t, size=s) for t, s in rows.itertuples(index=False)]
    row_lfs = [one for one in lfs() if one.name != "above_mean"]
    applier = LFApplier(row_lfs, classes=["ham", "spam"])
    same(applier.apply(points, n_jobs=2, **how), applier.apply(points, **how))
    columns = {"text": rows["text"].tolist(), "size": rows["size"].to_numpy()}
    applier = ColumnLFApplier(lfs(), classes=["ham", "spam"])
    serial = applier.apply(columns, batch_size=600, **how)
    same(applier.apply(columns, batch_size=600, n_jobs=2, **how), serial)


def test_snorkels_name_and_arguments():
    rows = frame(INDICES["repeated"])
    row_lfs = [small, keyword_lf("prize", ["prize"], "spam")]
    votes = PandasParallelLFApplier(row_lfs, classes=["ham", "spam"]).apply(rows, n_parallel=2)
    serial = PandasLFApplier(row_lfs, classes=["ham", "spam"]).apply(rows, progress_bar=False)
    assert np.array_equal(votes.to_dense(), serial.to_dense())


def test_first_failing_row_raises_the_same_error():
    def fails(x):
        if x.size > 85:
            raise KeyError(f"no entry for {x.size}")
        return None

    applier = LFApplier([LabelingFunction("good", lambda x: 0), LabelingFunction("bad", fails)])
    points = [SimpleNamespace(size=0)] * 1500 + [SimpleNamespace(size=86 + i) for i in range(1500)]
    with pytest.raises(LabelingError) as serial:
        applier.apply(points, progress_bar=False)
    with pytest.raises(LabelingError) as pooled:
        applier.apply(points, progress_bar=False, n_jobs=2)
    assert str(pooled.value) == str(serial.value)
    assert "row 1500" in str(serial.value)
    assert 'KeyError: "no entry for 86"' in str(pooled.value) or "no entry" in str(pooled.value)
    assert "in fails" in str(pooled.value.__cause__)


def test_worker_killed_once_is_made_good(tmp_path):
    mark = tmp_path / "killed"

    def kills(x):
        if x == 1700 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return x % 2

    points = list(range(N))
    votes = LFApplier([LabelingFunction("kills", kills)]).apply(points, n_jobs=2)
    assert mark.exists()
    assert votes.to_dense()[:, 0].tolist() == [x % 2 for x in points]


def test_worker_killed_twice_names_the_rows():
    def kills(x):
        if x == 1700:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    first = next(s for s in range(0, N, span_size(N, 2)) if s + span_size(N, 2) > 1700)
    with pytest.raises(LabelingError, match=f"died twice over rows {first} to ") as told:
        LFApplier([LabelingFunction("kills", kills)]).apply(list(range(N)), n_jobs=2)
    assert "n_jobs=1" in str(told.value)


def test_what_lives_in_this_process_only_is_refused(tmp_path):
    with open(tmp_path / "open.txt", "w") as handle:
        lf = LabelingFunction("writes", lambda x: handle.write("x") and 0)
        with pytest.raises(InputError, match="cannot be sent to other processes"):
            LFApplier([lf]).apply(["a", "b", "c"], n_jobs=2)


def test_results_in_order_and_nothing_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = list(map_in_processes(lambda i: (i, os.getpid()), range(9), 2, str))
    assert [i for i, _ in found] == list(range(9))
    assert os.getpid() not in {pid for _, pid in found}
    assert [path for path in Path(tmp_path).iterdir() if path.name.startswith("spear_amal")] == []


def test_no_rows_and_one_row():
    applier = LFApplier([LabelingFunction("zero", lambda x: 0)])
    assert applier.apply([], n_jobs=2).shape == (0, 1)
    assert applier.apply([5], n_jobs=2).to_dense().tolist() == [[0]]


@pytest.mark.parametrize("wrong", [0, -2, 1.5, True, "2"])
def test_numbers_of_processes(wrong):
    with pytest.raises(InputError, match="n_jobs must be"):
        as_n_jobs(wrong)


def test_all_cores():
    assert as_n_jobs(-1) >= 1
    assert as_n_jobs(3) == 3
