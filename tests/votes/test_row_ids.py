"""Votes and frames that no longer match: shuffled, filtered or joined together after voting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix, SpearClassifier
from spear_amal.data import WrenchPart
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel
from spear_amal.labeling import (
    LFAnalysis,
    LFApplier,
    PandasLFApplier,
    filter_unlabeled_dataframe,
    get_label_buckets,
    get_label_instances,
    keyword_lf,
    lf_check,
    votes_test,
)
from spear_amal.votes.parquet import finish_votes, write_part
from spear_amal.votes.row_ids import align_column, align_votes, check_same_rows

N = 60
WORDS = ("free", "lunch", "call")
LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("lunch", ["lunch"], "ham")]
CLASSES = ["ham", "spam"]


def frame(ids) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    texts = [" ".join(draw.choice(WORDS, 2)) for _ in ids]
    numbers = {f"x{j}": [text.count(word) + 0.0 for text in texts] for j, word in enumerate(WORDS)}
    return pd.DataFrame({"text": texts, **numbers}, index=ids)


def votes_by_hand(rows: pd.DataFrame) -> list[list[int]]:
    return [[1 if "free" in t else -1, 0 if "lunch" in t else -1] for t in rows["text"]]


def voted(rows: pd.DataFrame) -> LabelMatrix:
    return PandasLFApplier(LFS, CLASSES).apply(rows, progress_bar=False)


NAMES = [f"r{i}" for i in range(N)]
CHANGED = {
    "shuffled": lambda rows: rows.sample(frac=1, random_state=0),
    "filtered": lambda rows: rows[rows["x0"] > 0],
    "drawn again": lambda rows: rows.sample(N, replace=True, random_state=1),
    "one": lambda rows: rows.iloc[[7]],
    "none": lambda rows: rows.iloc[:0],
}


@pytest.mark.parametrize("change", sorted(CHANGED))
@pytest.mark.parametrize(
    "ids", [NAMES, list(range(100, 100 + N)), pd.date_range("2024", periods=N)]
)
def test_votes_follow_the_ids(change, ids):
    rows = frame(ids)
    changed = CHANGED[change](rows)
    expected = votes_by_hand(changed)
    assert align_votes(voted(rows), [changed]).to_dense().tolist() == expected
    assert voted(rows).for_rows(changed.index).to_dense().tolist() == expected
    turned = align_votes(voted(rows)[::-1], [changed])
    assert turned.to_dense().tolist() == expected
    assert [str(i) for i in turned.row_ids] == [str(i) for i in changed.index]


def test_an_index_that_counts_is_no_id_to_join_by():
    rows = frame(range(N))
    L, shuffled = voted(rows), rows.sample(frac=1, random_state=0)
    # The same ids in another order: it cannot be told whether they are ids or places.
    with pytest.raises(InputError, match=r"row 0 has the id \d+ in X and 0 in L.*for_rows"):
        align_votes(L, [shuffled])
    with pytest.raises(InputError, match="not of the same rows"):
        align_votes(voted(shuffled), [rows])
    assert L.for_rows(shuffled.index).to_dense().tolist() == votes_by_hand(shuffled)
    # Reset on one side: by position.
    reset = shuffled.reset_index(drop=True)
    assert align_votes(voted(reset), [reset]).to_dense().tolist() == votes_by_hand(shuffled)
    named = frame(NAMES)
    assert align_votes(voted(named), [named.reset_index(drop=True)]) is not None
    later = frame(range(1000, 1000 + N))
    assert align_votes(L, [later]) is L


def test_votes_without_ids_go_by_position_always():
    rows = frame(range(N)).sample(frac=1, random_state=0)
    L = LFApplier(LFS, CLASSES).apply(rows["text"].tolist(), progress_bar=False)
    assert not L.has_row_ids
    assert align_votes(L, [rows]) is L
    half = np.arange(N)[::2]
    assert align_votes(L[half], [rows.iloc[half]]).to_dense().tolist() == votes_by_hand(
        rows.iloc[half]
    )
    assert not L.to_unipolar().has_row_ids
    assert not LabelMatrix.concatenate([L, L]).has_row_ids
    dense = L.to_dense()
    assert align_votes(dense, [rows]) is dense


def test_whether_there_are_ids_is_kept_in_files(tmp_path):
    plain = LabelMatrix.from_dense([[0], [1]])
    counted = LabelMatrix.from_dense([[0], [1]], row_ids=range(2))
    for name, L in (("plain", plain), ("counted", counted)):
        L.save(tmp_path / f"{name}.npz")
        assert LabelMatrix.load(tmp_path / f"{name}.npz").has_row_ids == L.has_row_ids
    assert counted.has_row_ids
    assert not plain.has_row_ids


def test_put_together_after_voting():
    first, second = frame(range(N)), frame(range(40)).iloc[::-1]
    parts = [first, second.iloc[:30]]
    L = LabelMatrix.concatenate([voted(part) for part in parts])
    both = pd.concat(parts)
    assert align_votes(L, [both]) is L
    assert align_votes(L, [both.reset_index(drop=True)]) is L
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        align_votes(L, [pd.concat(parts[::-1])])
    with pytest.raises(InputError, match="row ids repeat"):
        L.for_rows(both.index)
    with pytest.raises(InputError, match="no row with the id 'x'"):
        voted(frame(NAMES)).for_rows(["x"])


def test_other_rows_are_an_error():
    L = voted(frame(NAMES))
    others = frame([f"r{i + 5}" for i in range(N)])
    with pytest.raises(InputError, match=r"row 55 of X has the id 'r60', which L does not have"):
        align_votes(L, [others])


def test_columns_are_joined_too():
    ids = LabelMatrix.from_dense(np.zeros((N, 1), int), row_ids=NAMES)
    y = pd.Series(np.arange(N), index=NAMES)
    assert align_column(y.sample(frac=1, random_state=0), ids).tolist() == list(range(N))
    some = y.iloc[[5, 3]]
    expected = [i if i in (3, 5) else None for i in range(N)]
    assert align_column(some, ids).tolist() == expected
    assert align_column(y, ids[:4]).tolist() == [0, 1, 2, 3]
    assert align_column(y.tolist(), ids) == list(range(N))
    with pytest.raises(InputError, match="not of the same rows"):
        align_column(pd.Series([1], index=["other"]), ids)
    counted = pd.Series(range(N))
    assert align_column(counted, ids) is counted
    with pytest.raises(InputError, match="y and X are not of the same rows"):
        check_same_rows(y.iloc[::-1], y, "y", "X")
    check_same_rows(y, y.reset_index(drop=True), "y", "X")


def test_numbers_and_their_texts_are_one_id():
    L = LabelMatrix.from_dense([[0], [1], [-1]], row_ids=["7", "3", "5"])
    assert align_votes(L, [pd.Series(0, index=[5, 7])]).to_dense().tolist() == [[-1], [0]]


@pytest.mark.parametrize("kind", ["frame", "array"])
def test_fit_and_predict_on_shuffled_rows(kind):
    rows = frame(NAMES)
    L = voted(rows)
    gold = pd.Series(np.where(rows["x0"] > 0, 1, 0), index=rows.index)
    gold[::3] = -1
    mixed = rows.sample(frac=1, random_state=0)
    X = mixed[["x0", "x1", "x2"]]
    y = gold.loc[mixed.index]
    options = {"max_epochs": 3, "guard": False, "inference": "product"}
    model = SpearClassifier.from_options(**options)
    given = X if kind == "frame" else X.to_numpy()
    model.fit(given, y, L)
    expected = SpearClassifier.from_options(**options)
    expected.fit(X.to_numpy(), y.to_numpy(), L.for_rows(mixed.index))
    wanted = expected.predict_proba(X.to_numpy(), L.for_rows(mixed.index))
    if kind == "frame":
        np.testing.assert_array_equal(model.predict_proba(X, L), wanted)
    np.testing.assert_array_equal(model.predict_proba(given, L.for_rows(mixed.index)), wanted)


def test_rows_without_votes_are_left_out_by_id():
    rows = frame(NAMES).sample(frac=1, random_state=0)
    L = voted(rows.sort_index())
    kept, _ = filter_unlabeled_dataframe(rows, np.zeros(N), L)
    assert kept["text"].tolist() == [t for t in rows["text"] if "free" in t or "lunch" in t]


def test_a_wrench_part_holds_votes_of_its_rows():
    rows = frame(NAMES).assign(label=0)
    mixed = rows.sample(frac=1, random_state=0)
    part = WrenchPart(mixed, voted(rows))
    assert part.label_matrix.to_dense().tolist() == votes_by_hand(mixed)
    with pytest.raises(InputError, match="the frame and the votes are not of the same rows"):
        WrenchPart(rows, voted(frame([f"s{i}" for i in range(N)])))


def counted(y: pd.Series, rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Right and wrong votes of each LF on the rows with gold, by going through them."""
    counts = []
    for word, vote in (("free", "spam"), ("lunch", "ham")):
        hits = [y[i] == vote for i in rows.index if word in rows.text[i] and i in y.index]
        counts.append((sum(hits), len(hits) - sum(hits)))
    return counts


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("change", ["shuffled", "filtered"])
def test_gold_is_joined_to_votes_by_id(tmp_path, stored, change):
    rows = frame(NAMES)
    draw = np.random.default_rng(5)
    gold = pd.Series(draw.choice(CLASSES, N), index=NAMES)
    y = CHANGED[change](rows.assign(gold=gold))["gold"]
    L = votes = voted(rows)
    if stored:
        parts = [write_part(tmp_path, i, L[i * 20 : i * 20 + 20]) for i in range(3)]
        votes = finish_votes(tmp_path, parts, lf_names=L.lf_names, classes=L.classes)
    table = LFAnalysis(votes).lf_summary(y)
    assert list(zip(table["Correct"], table["Incorrect"], strict=True)) == counted(y, rows)
    wrong = LFAnalysis(votes).wrong_rows("free", y)
    expected = [i for i in NAMES if "free" in rows.text[i] and i in y.index and y[i] == "ham"]
    assert wrong["row_id"].tolist() == expected
    buckets = LFAnalysis(votes).error_buckets("free", y)
    assert sorted(NAMES[row] for row in buckets.get((0, 1), [])) == sorted(expected)
    in_order = y.reindex(NAMES).astype(object).where(lambda column: column.notna(), None).to_numpy()
    assert lf_check(votes, y).equals(lf_check(votes, in_order))
    assert votes_test(votes, y).p_value == votes_test(votes, in_order).p_value
    for left, right in zip(
        AccuracyModel().fit(votes, y).predict_proba(votes),
        AccuracyModel().fit(votes, in_order).predict_proba(votes),
        strict=True,
    ):
        np.testing.assert_array_equal(left, right)
    with pytest.raises(InputError, match="not of the same rows"):
        LFAnalysis(votes).lf_summary(pd.Series(["ham"] * N, index=[f"s{i}" for i in range(N)]))


def test_buckets_of_columns_in_another_order_are_refused():
    gold = pd.Series([1, 0, 1], index=["a", "b", "c"])
    with pytest.raises(InputError, match="label array 1 and label array 0 are not of the same"):
        get_label_buckets(gold, gold.iloc[::-1])
    with pytest.raises(InputError, match="label array 0 and x are not of the same"):
        get_label_instances((1,), gold.iloc[::-1], gold)
    assert get_label_buckets(gold, gold.reset_index(drop=True))[1, 1].tolist() == [0, 2]


@pytest.mark.parametrize("ids", [True, 1.5, None, "ab", {"a", "b"}])
def test_rows_are_picked_by_a_list_of_ids(ids):
    L = LabelMatrix.from_dense([[0], [1]], row_ids=["a", "b"])
    with pytest.raises(InputError, match="row_ids must be a list of ids"):
        L.for_rows(ids)
    assert L.for_rows(iter(["b", "a"])).to_dense().tolist() == [[1], [0]]
