"""Training from Parquet shards: what it equals, how it goes on, what it refuses."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from spear_amal import DistilledClassifier, SpearClassifier
from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError, InputError
from spear_amal.training import Callback, ParquetRows
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import finish_votes, write_part

N, N_VAL, D, M, C = 211, 41, 7, 5, 3
SHARDS = [(0, 60), (60, 61), (61, 150), (150, N)]
PARTS = [(0, 100), (100, N)]
OPTIONS = {"lr": 0.02, "max_epochs": 6, "guard": False}  # the default rate looks at all of X


class Rows:
    """Rows in memory and the same on disk."""

    def __init__(self, folder, sparse=False, names=None):
        rng = np.random.default_rng(0)
        self.L, gold = synthetic_votes(N + N_VAL, M, C, accuracies=0.8, coverages=0.5, seed=0)
        if names is not None:
            self.L, gold = self.L.with_classes(names), np.asarray(names)[gold]
        self.x = rng.normal(size=(N + N_VAL, D)) + (gold == gold[0])[:, None]
        if sparse:
            self.x = sp.csr_array(np.where(rng.random(self.x.shape) < 0.4, self.x, 0))
        known = np.arange(N + N_VAL) % 4 == 1
        self.gold = gold
        self.y = np.where(known, gold.astype(object), -1 if names is None else None)
        self.y = self.y.astype(int) if names is None else self.y
        for number, (low, high) in enumerate(SHARDS):
            pq.write_table(self._table(low, high), folder / f"rows-{number}.parquet")
        self.votes = folder / "votes"
        self.votes.mkdir()
        written = [write_part(self.votes, i, self.L[a:b]) for i, (a, b) in enumerate(PARTS)]
        kept = {"lf_names": self.L.lf_names, "classes": self.L.classes}
        finish_votes(self.votes, written, **kept)
        sparse_columns = {"indices": "i", "n_features": D} if sparse else {}
        self.on_disk = ParquetRows(folder, features="x", y="y", **sparse_columns)

    def _table(self, low, high):
        x, held = self.x[low:high], {"y": pa.array(list(self.y[low:high]))}
        if not sp.issparse(x):
            return pa.table({"x": list(x), **held})
        offsets = pa.array(x.indptr.astype(np.int32))
        held["i"] = pa.ListArray.from_arrays(offsets, pa.array(x.indices))
        return pa.table({"x": pa.ListArray.from_arrays(offsets, pa.array(x.data)), **held})

    def in_memory(self, *held):
        return (self.x[:N], self.y[:N], self.L[:N], *held)

    @property
    def validation(self):
        return self.x[N:], self.gold[N:], self.L[N:]


@pytest.fixture
def rows(tmp_path):
    return Rows(tmp_path)


def timeless(model):
    return model.history_.drop(columns="seconds")


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", ["dense", "sparse", "names", "unsorted names"])
def test_one_window_over_all_shards_is_training_in_memory(tmp_path, kind, given):
    """Up to rounding: rows from disk are trained by autograd, those in memory in closed form."""
    known = {"names": ["low", "mid", "top"], "unsorted names": ["mid", "top", "low"]}
    names = known.get(kind)
    rows = Rows(tmp_path, kind == "sparse", names)
    held = rows.validation if given else ()
    inference = "product" if given else "feature"
    plain = SpearClassifier.from_options(**OPTIONS, inference=inference).fit(*rows.in_memory(*held))
    model = SpearClassifier.from_options(**OPTIONS, inference=inference)
    streamed = model.fit_parquet(rows.on_disk, rows.votes, *held, window=len(SHARDS))
    asked = (rows.x, rows.L)
    close = {"rtol": 0, "atol": 1e-5}
    probabilities = [model.predict_proba(*asked) for model in (streamed, plain)]
    np.testing.assert_allclose(*probabilities, **close)
    found, wanted = streamed.weights_, plain.weights_.iloc[:N]
    np.testing.assert_allclose(found.to_numpy(), wanted.to_numpy(), **close)
    pd.testing.assert_frame_equal(timeless(streamed), timeless(plain), **close)
    assert streamed.classes_.tolist() == plain.classes_.tolist()
    assert streamed.exponent_ == plain.exponent_
    assert (plain.weights_.min() < 1).any()


def test_a_small_window_learns_as_well_and_repeats(rows):
    options = {**OPTIONS, "max_epochs": 15}
    one, two = (
        SpearClassifier.from_options(**options).fit_parquet(
            rows.on_disk, rows.votes, *rows.validation, window=1
        )
        for _ in range(2)
    )
    plain = SpearClassifier.from_options(**options).fit(*rows.in_memory(*rows.validation))
    np.testing.assert_array_equal(one.predict_proba(rows.x), two.predict_proba(rows.x))
    assert one.score(rows.x, rows.gold) > plain.score(rows.x, rows.gold) - 0.05
    assert not np.array_equal(one.predict_proba(rows.x), plain.predict_proba(rows.x))


class Killed(Exception):
    pass


class KillAt(Callback):
    def on_epoch(self, epoch, record):
        if epoch == 4:
            raise Killed


def test_a_killed_run_goes_on_bit_for_bit_with_weights_on_disk(rows, tmp_path):
    kept = {"mixer_options": {"table_path": str(tmp_path / "tables"), "table_dtype": "float16"}}
    whole = SpearClassifier.from_options(**OPTIONS, mixer_options={"table_dtype": "float16"})
    whole.fit_parquet(rows.on_disk, rows.votes, window=2)
    model = SpearClassifier.from_options(**OPTIONS, **kept, checkpoint=tmp_path / "run.safetensors")
    killed = clone(model).set_params(trainer__callbacks=(KillAt(),))
    with pytest.raises(Killed):
        killed.fit_parquet(rows.on_disk, rows.votes, window=2)
    model.fit_parquet(rows.on_disk, rows.votes, window=2)
    np.testing.assert_array_equal(model.predict_proba(rows.x), whole.predict_proba(rows.x))
    assert model.weights_.shape == (0, whole.weights_.shape[1])
    some = np.flatnonzero(whole.weights_.notna().all(axis=1))[:9]
    np.testing.assert_array_equal(model.weight_table_[some], whole.weights_.to_numpy()[some])
    with pytest.raises(FileFormatError, match="other data or settings"):
        model.fit_parquet(rows.on_disk, rows.votes, window=3)


def test_a_model_of_shards_is_saved_and_loaded(rows, tmp_path):
    kept = {"mixer_options": {"table_path": str(tmp_path / "tables")}}
    model = SpearClassifier.from_options(**OPTIONS, **kept).fit_parquet(rows.on_disk, rows.votes)
    model.save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(rows.x), model.predict_proba(rows.x))


def test_uncovered_rows_take_part_on_request(rows):
    fitted = [
        SpearClassifier.from_options(**OPTIONS, keep_uncovered=kept).fit_parquet(
            rows.on_disk, rows.votes
        )
        for kept in (False, True)
    ]
    bare = (rows.y[:N] == -1) & ~rows.L[:N].covered()
    without, with_all = (model.weights_["entropy"].notna().to_numpy() for model in fitted)
    assert not without[bare].any()
    assert with_all[bare].all()


def test_the_guard_leaves_useless_votes_out(tmp_path, rows):
    shuffled = rows.L[:N][np.random.default_rng(1).permutation(N)]
    matrix = LabelMatrix(shuffled.codes, lf_names=rows.L.lf_names, classes=rows.L.classes)
    folder = tmp_path / "useless"
    folder.mkdir()
    votes = finish_votes(folder, [write_part(folder, 0, matrix)], lf_names=rows.L.lf_names)
    model = SpearClassifier.from_options(**{**OPTIONS, "guard": True})
    with pytest.warns(UserWarning, match="no better than chance"):
        model.fit_parquet(rows.on_disk, votes)
    assert model.guarded_
    assert model.predict(rows.x).shape == (N + N_VAL,)


# -- what is refused ------------------------------------------------------------------------------


def test_a_truncated_part_of_the_votes_is_named_before_training(rows, monkeypatch):
    monkeypatch.setattr("spear_amal.training.Trainer.fit", None)
    path = rows.votes / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match=r"part-00001\.parquet"):
        SpearClassifier.from_options(**OPTIONS).fit_parquet(rows.on_disk, rows.votes)


@pytest.mark.parametrize(
    ("options", "given", "match"),
    [
        ({"fit_strategy": "refit"}, {}, "fit_strategy='single'"),
        ({"drop_copies": 0.9}, {}, "drop_copies compares votes in memory"),
        ({}, {"window": 0}, "window must be a whole number of at least 1"),
        ({}, {"rows": np.ones((3, 2))}, "must be ParquetRows, found ndarray"),
        ({}, {"L": np.ones((3, 2))}, "found ndarray; apply the LFs"),
    ],
)
def test_what_cannot_be_streamed_is_refused(rows, options, given, match):
    model = SpearClassifier.from_options(**{**OPTIONS, **options})
    with pytest.raises(InputError, match=match):
        model.fit_parquet(**{"rows": rows.on_disk, "L": rows.votes, **given})


def test_classifiers_with_teachers_take_no_shards():
    assert not hasattr(DistilledClassifier, "fit_parquet")


def test_votes_and_gold_must_be_there(rows, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    silent = LabelMatrix.from_dense(np.full((N, 2), -1))
    for matrix, match in ((silent, "all LFs abstain"), (silent[:5], "votes on 5 rows")):
        finish_votes(folder, [write_part(folder, 0, matrix)], lf_names=matrix.lf_names)
        with pytest.raises(InputError, match=match):
            SpearClassifier.from_options(**OPTIONS).fit_parquet(rows.on_disk, folder)
    path = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"x": list(np.ones((N, D))), "y": [-1] * N}), path)
    with pytest.raises(InputError, match="holds no gold label"):
        SpearClassifier.from_options(**OPTIONS).fit_parquet(
            ParquetRows(path, features="x"), rows.votes
        )
