"""Predictions in batches: those of a whole table, with all columns and in order; or nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from spear_amal import TextClassifier, predict_stream
from spear_amal.cli.app import app
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.labeling import keyword_lf
from spear_amal.text_classifier import TextClassifier as Classifier

LFS = [keyword_lf("win", ["win"], "spam"), keyword_lf("see", ["see"], "ham")]
N = 53


def rows(n=N):
    draw = np.random.default_rng(0)
    words = np.array(["win", "see", "prize", "me", "now", "you"])
    frame = pd.DataFrame({"text": [" ".join(words[draw.integers(6, size=4)]) for _ in range(n)]})
    frame["price"] = pd.Series([None if i % 5 == 0 else i for i in range(n)], dtype="Int64")
    frame["shop"] = [None if i % 11 < 3 else f"shop {i % 3}" for i in range(n)]
    return frame


def trained(method="only-lv", features="tfidf", **settings):
    frame = rows()
    frame["label"] = np.where(frame["text"].str.contains("win"), "spam", "ham")
    frame.loc[frame.index % 3 == 0, "label"] = None
    made = TextClassifier(method, features=features, max_epochs=3, **settings)
    return made.fit(frame, lfs=None if method == "only-lv" else LFS)


@pytest.fixture(scope="module")
def model():
    return trained()


TYPES = {"text": pa.string(), "price": pa.int64(), "shop": pa.string()}


def written(path, frame, group=10, **types):
    table = pa.table(
        {
            **{
                name: pa.array(frame[name].tolist(), kind, from_pandas=True)
                for name, kind in (TYPES | types).items()
            },
            "day": pa.array(range(len(frame)), pa.timestamp("s")),
            "tags": pa.array(
                [[i, i + 1] if i % 4 else None for i in range(len(frame))], pa.list_(pa.int64())
            ),
        }
    )
    pq.write_table(table, path, row_group_size=group)
    return pq.read_table(path)


@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_all_columns_come_back_in_order_with_predictions(model, tmp_path, batch_rows):
    table = written(tmp_path / "in.parquet", rows())
    n = predict_stream(
        model, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=batch_rows
    )
    out = pq.read_table(tmp_path / "out.parquet")
    assert n == N and out.select(table.column_names).equals(table)
    assert out.column_names[-3:] == ["predicted", "p_ham", "p_spam"]
    p = np.stack([out["p_ham"].to_numpy(), out["p_spam"].to_numpy()], axis=1)
    np.testing.assert_allclose(p, model.predict_proba(rows()), rtol=0, atol=1e-6)
    assert out["predicted"].to_pylist() == model.predict(rows()).tolist()
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups >= N // max(batch_rows, 10)


def test_columns_whose_type_a_batch_alone_does_not_show(tmp_path):
    """Whole numbers with and without missing ones, and categories, as in the whole table."""
    model = trained(features="tfidf+columns:price,shop")
    written(tmp_path / "in.parquet", rows())
    predict_stream(model, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=3)
    out = pq.read_table(tmp_path / "out.parquet")
    whole = model.predict_proba(tmp_path / "in.parquet")
    np.testing.assert_allclose(out["p_spam"].to_numpy(), whole[:, 1], rtol=0, atol=1e-6)


def test_models_that_need_votes_get_those_of_each_batch(tmp_path):
    model = trained("spear", random_state=1)
    model.estimator_.exponent_ = 1.0  # as inference="product" would choose
    assert model.needs_votes
    written(tmp_path / "in.parquet", rows())
    model.save(tmp_path / "m.safetensors")
    loaded = TextClassifier.load(tmp_path / "m.safetensors")
    paths = (tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(InputError, match="lfs="):
        predict_stream(loaded, *paths)
    assert not paths[1].exists()
    predict_stream(loaded, *paths, lfs=LFS, batch_rows=8)
    whole = loaded.predict_proba(rows(), lfs=LFS)
    streamed = pq.read_table(paths[1])["p_spam"].to_numpy()
    np.testing.assert_allclose(streamed, whole[:, 1], rtol=0, atol=1e-6)


def test_the_command_writes_what_it_writes_without_stream(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("m.safetensors")
    written("in.parquet", rows())
    asked = ["predict", "--model", "m.safetensors", "--data", "in.parquet"]
    for more in (["--output", "a.parquet"], ["--output", "b.parquet", "--stream"]):
        done = CliRunner().invoke(app, [*asked, *more])
        assert done.exit_code == 0, done.output
        assert f"{N} predictions written" in done.output
    a, b = pq.read_table("a.parquet"), pq.read_table("b.parquet")
    assert a.schema.equals(b.schema, check_metadata=True)
    assert a.drop_columns(["p_ham", "p_spam"]).equals(b.drop_columns(["p_ham", "p_spam"]))
    np.testing.assert_allclose(a["p_ham"].to_numpy(), b["p_ham"].to_numpy(), rtol=0, atol=1e-6)


def test_files_of_a_folder_are_one_table(model, tmp_path):
    for place, part in enumerate(np.array_split(np.arange(N), 3)):
        folder = tmp_path / "in" / f"year={2020 + place}"
        folder.mkdir(parents=True)
        written(folder / "rows.parquet", rows().iloc[part])
    written(tmp_path / "in" / "year=2022" / "z_empty.parquet", rows(0))
    n = predict_stream(model, tmp_path / "in", tmp_path / "out.parquet", batch_rows=5)
    out = pq.read_table(tmp_path / "out.parquet")
    assert n == N and out["text"].to_pylist() == rows()["text"].tolist()
    assert out["year"].to_pylist() == [2020] * 18 + [2021] * 18 + [2022] * 17
    assert out["predicted"].to_pylist() == model.predict(rows()).tolist()


def test_names_with_numbers_need_an_order(model, tmp_path):
    (tmp_path / "in").mkdir()
    for name, part in zip(("part.2", "part.10"), np.array_split(np.arange(N), 2), strict=True):
        written(tmp_path / "in" / f"{name}.parquet", rows().iloc[part])
    target = tmp_path / "out.parquet"
    with pytest.raises(InputError, match="order='number'"):
        predict_stream(model, tmp_path / "in", target)
    predict_stream(model, tmp_path / "in", target, order="number")
    assert pq.read_table(target)["text"].to_pylist() == rows()["text"].tolist()


def bad_inputs():
    listed = pa.table({"text": pa.array([["a"], ["b"]])})
    yield "no such Parquet file", FileNotFoundError, None
    yield r"no column \['text'\]", InputError, pa.table({"body": ["a"]})
    yield r"^in\.parquet has no rows", InputError, pa.table({"text": pa.array([], pa.string())})
    yield (
        "already has the column 'predicted'",
        InputError,
        pa.table({"text": ["a"], "predicted": ["b"]}),
    )
    yield "should hold texts", InputError, listed
    yield "truncated or no Parquet", FileFormatError, b"PAR1 this is none PAR1"
    yield "truncated or no Parquet", FileFormatError, b""
    yield (
        r"\['text'\] are there more than once",
        FileFormatError,
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]),
    )


@pytest.mark.parametrize(("said", "error", "content"), list(bad_inputs()))
def test_bad_inputs_are_named_and_nothing_is_written(model, tmp_path, said, error, content):
    path = tmp_path / "in.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        pq.write_table(content, path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=said):
        predict_stream(model, path, tmp_path / "out.parquet")
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_value_is_told_with_its_place(tmp_path):
    model = trained(features="columns:price")
    table = pa.table({"price": pa.array([str(i) if i != 31 else "many" for i in range(N)])})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=10)
    with pytest.raises(InputError, match=r"row 1 .*'many'.* rows 30 to 39 of all"):
        predict_stream(model, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=10)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_an_interrupt_leaves_nothing_and_keeps_what_stood_there(model, tmp_path, monkeypatch):
    written(tmp_path / "in.parquet", rows())
    target = tmp_path / "out.parquet"
    with pytest.raises(OutputExistsError):
        target.write_text("before")
        predict_stream(model, tmp_path / "in.parquet", target)
    calls = []

    def interrupted(self, frame, *given):
        calls.append(len(frame))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return np.full((len(frame), 2), 0.5)

    monkeypatch.setattr(Classifier, "predict_proba", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict_stream(model, tmp_path / "in.parquet", target, batch_rows=10, overwrite=True)
    assert target.read_text() == "before" and len(calls) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_targets_that_cannot_be(model, tmp_path):
    written(tmp_path / "a.parquet", rows())
    with pytest.raises(InputError, match=r"\.parquet; choose"):
        predict_stream(model, tmp_path / "a.parquet", tmp_path / "out.csv")
    with pytest.raises(InputError, match="lies in the folder"):
        predict_stream(model, tmp_path, tmp_path / "deep" / "out.parquet")
    written(tmp_path / "b.parquet", rows(), price=pa.float64())
    with pytest.raises(InputError, match=r"b\.parquet has other columns.*price"):
        predict_stream(model, tmp_path, Path(tmp_path).parent / "never.parquet")


def test_vectors_of_encoders_are_not_kept_on_disk(tmp_path, monkeypatch):
    """A file of all vectors, read and written for every batch, would grow with the rows."""
    pytest.importorskip("wordllama")
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))
    model = trained(features="encoder:wordllama")
    kept = {path: path.stat().st_size for path in (tmp_path / "cache").rglob("*.npz")}
    new = rows().assign(text=[f"a new text {i}" for i in range(N)])
    written(tmp_path / "in.parquet", new)
    predict_stream(model, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=20)
    assert kept == {path: path.stat().st_size for path in (tmp_path / "cache").rglob("*.npz")}
    assert model.features_.parts_[0].cache
