"""Which files a source has and in which order: numbers in names, partitions, folders in folders."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import ParquetLFApplier, labeling_function, threshold_lf
from spear_amal.labeling.parquet_files import source_files

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names_of(source, **how) -> list[str]:
    return [file.path.name for file in source_files(source, **how)]


@pytest.mark.parametrize("form", ["part.{}.parquet", "rows{}.parquet", "part-{}-of-12.parquet"])
def test_unpadded_numbers_need_an_order(tmp_path, form):
    counted = [form.format(i) for i in range(12)]
    touch(tmp_path, *counted)
    with pytest.raises(InputError, match=r"without leading zeros.*order='number'"):
        source_files(tmp_path)
    assert names_of(tmp_path, order="number") == counted
    assert names_of(tmp_path, order="name") == sorted(counted)
    assert names_of(tmp_path, by_id=True) == counted
    listed = [tmp_path / counted[i] for i in (3, 11, 0)]
    assert names_of(listed) == [counted[3], counted[11], counted[0]]
    with pytest.raises(InputError, match="order must be one of"):
        source_files(tmp_path, order="size")


@pytest.mark.parametrize(
    "names",
    [
        [f"part.{i}.parquet" for i in range(10)],
        [f"part-{i:05d}.parquet" for i in range(12)],
        ["a.parquet", "b.parquet", "a-1.parquet", "a1.parquet", "x.parquet", "x1.parquet"],
        ["2024-01-09.parquet", "2024-01-10.parquet"],
        # What Spark and pandas put into names beside the number of the part.
        [f"part-0000{i}-{'9f'[i]}f9619ff-8b86-d011-b42d-00c04fc964ff.parquet" for i in (0, 1)],
        ["12ab0f3a0f3a0f3a0f3a-0.parquet", "9fab0f3a0f3a0f3a0f3a-0.parquet"],
    ],
)
def test_other_names_leave_no_question(tmp_path, names):
    assert names_of(touch(tmp_path, *names)) == sorted(names)


def test_links_are_sorted_by_their_own_names(tmp_path):
    for i, name in enumerate(["f00", "aaa", "c11"]):
        (tmp_path / name).touch()
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows" / f"{i}.parquet").symlink_to(tmp_path / name)
    assert names_of(tmp_path / "rows") == ["0.parquet", "1.parquet", "2.parquet"]


@pytest.mark.parametrize(
    "names",
    [
        ["a.parquet", "more/b.parquet"],
        ["a.parquet", "year=2024/b.parquet"],
        ["year=2024/a.parquet", "year=2024/month=1/b.parquet"],
        ["year=2024/a.parquet", "month=1/b.parquet"],
        ["first/a.parquet", "second/b.parquet"],
        ["rows.parquet/part-0.parquet"],
        ["a.parquet", "more/deep/er/b.pq"],
    ],
)
def test_files_on_several_levels_are_refused(tmp_path, names):
    with pytest.raises(InputError, match="in several folders that are no partitions"):
        source_files(touch(tmp_path, *names))


def test_what_is_hidden_or_half_written_is_no_part(tmp_path):
    touch(tmp_path, "a.parquet", ".b.parquet", "_metadata", "_temporary/c.parquet", "notes.txt")
    touch(tmp_path, "d.parq", "e.PARQUET", ".ipynb_checkpoints/a.parquet")
    assert names_of(tmp_path) == ["a.parquet", "d.parq", "e.PARQUET"]
    touch(tmp_path, "_delta_log/0.json")
    with pytest.raises(InputError, match="is a Delta table"):
        source_files(tmp_path)


def test_votes_are_no_rows(tmp_path):
    pd.DataFrame({"n": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    applier = ParquetLFApplier([threshold_lf("high", "n", 1, above=1)])
    with pytest.raises(InputError, match="votes cannot go into the folder of the rows"):
        applier.apply(tmp_path, tmp_path)
    for _ in range(2):
        assert len(applier.apply(tmp_path, tmp_path / "votes")) == 2
    (tmp_path / "votes" / "votes.json").unlink()  # a run that was stopped
    assert len(applier.apply(tmp_path, tmp_path / "votes")) == 2
    assert len(applier.apply(tmp_path, tmp_path / "others")) == 2


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": range(8),
            "year": [2024, 2023, 2024, 2023] * 2,
            "place": pd.Series(["Oslo", "a/b=c", None, "Oslo"] * 2, dtype=object),
        }
    )


def partitioned(folder: Path) -> Path:
    table().to_parquet(folder, partition_cols=["year", "place"])
    return folder


@labeling_function()
def late_in_oslo(x):
    return int(x.year + 1 == 2025 and x.place == "Oslo")


@labeling_function()
def nowhere(x):
    return int(x.place is None)


def test_partitions_are_columns(tmp_path):
    source = partitioned(tmp_path / "rows")
    rows = table()
    expected = {
        n: [int(year == 2024 and place == "Oslo"), int(place is None), 1 if n > 3 else -1]
        for n, year, place in zip(rows["n"], rows["year"], rows["place"], strict=True)
    }
    lfs = [late_in_oslo, nowhere, threshold_lf("high", "n", 1, above=3)]
    for i, columns in enumerate([None, ["place", "year", "n"]]):
        how = {"columns": columns, "row_id": "n"}
        votes = ParquetLFApplier(lfs).apply(source, tmp_path / f"v{i}", **how).to_label_matrix()
        assert dict(zip(votes.row_ids.tolist(), votes.to_dense().tolist(), strict=True)) == expected
    years = threshold_lf("late", "year", 1, above=2023)
    votes = ParquetLFApplier([years]).apply(source, tmp_path / "w", row_id="n").to_label_matrix()
    assert votes.row_ids[votes.covered()].tolist() == [0, 4, 2, 6]  # in the order of the folders
    [first, *_] = source_files(source)
    assert dict(first.partition)["year"] == 2023
    with pytest.raises(InputError, match=re.escape("has no column ['month']")):
        ParquetLFApplier(lfs).apply(source, tmp_path / "x", columns=["month"])


def test_a_file_that_moves_to_another_partition_is_labelled_anew(tmp_path):
    for year in (2023, 2024):
        (tmp_path / f"rows/year={year}").mkdir(parents=True)
    name = tmp_path / "rows/year=2024/a.parquet"
    pd.DataFrame({"n": [1, 2]}).to_parquet(name)
    applier = ParquetLFApplier([threshold_lf("late", "year", 1, above=2023)])
    votes = applier.apply(tmp_path / "rows", tmp_path / "v")
    assert votes.to_label_matrix().to_dense().tolist() == [[1], [1]]
    name.rename(tmp_path / "rows/year=2023/a.parquet")
    votes = applier.apply(tmp_path / "rows", tmp_path / "v", overwrite=True)
    assert votes.to_label_matrix().to_dense().tolist() == [[-1], [-1]]


def test_numbers_of_partitions_need_an_order_as_well(tmp_path):
    touch(tmp_path, *(f"month={i}/a.parquet" for i in (9, 10)))
    with pytest.raises(InputError, match="without leading zeros"):
        source_files(tmp_path)
    months = [dict(file.partition)["month"] for file in source_files(tmp_path, order="number")]
    assert months == [9, 10]


def test_votes_on_counted_shards_are_those_of_their_rows(tmp_path):
    (tmp_path / "rows").mkdir()
    for i in range(12):
        pd.DataFrame({"n": [i], "key": [f"k{i}"]}).to_parquet(tmp_path / f"rows/part.{i}.parquet")
    lfs = [threshold_lf("high", "n", 1, above=5)]
    expected = [[1 if i > 5 else -1] for i in range(12)]
    for k, how in enumerate([{"order": "number"}, {"row_id": "key"}]):
        votes = ParquetLFApplier(lfs).apply(tmp_path / "rows", tmp_path / f"v{k}", **how)
        assert votes.to_label_matrix().to_dense().tolist() == expected
    assert votes.to_label_matrix().row_ids.tolist() == [f"k{i}" for i in range(12)]
    with pytest.raises(InputError, match="without leading zeros"):
        ParquetLFApplier(lfs).apply(tmp_path / "rows", tmp_path / "x")
