"""Votes that ``apply`` wrote, in Python: joined to a table that changed since, or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import Comparison, LabelMatrix, TextClassifier
from spear_amal.data import write_table
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import next_rows, review_lfs

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ["ham", "spam"]
LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("lunch", ["lunch"], "ham")]
"""
N = 41


@pytest.fixture
def frame() -> pd.DataFrame:
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    draw = np.random.default_rng(1)
    words = draw.choice(["free", "lunch", "both free lunch", "none"], N)
    frame = pd.DataFrame({"text": [f"{word} number{i}" for i, word in enumerate(words)]})
    frame["length"] = np.where(np.arange(N) % 3, np.arange(N) * 1.5, np.nan)
    frame["label"] = np.where(draw.random(N) < 0.6, draw.choice(["ham", "spam"], N), None)
    return frame


@pytest.fixture
def applied(ok):
    """Writes a frame and applies the LFs to it."""

    def apply(frame: pd.DataFrame, name: str = "rows.csv") -> None:
        write_table(frame, name, overwrite=True)
        ok("apply", "--data", name, "--lfs", "lfs.py", "--output", "votes.npz", "--force")

    return apply


def by_hand(frame: pd.DataFrame) -> list[list[int]]:
    return [[1 if "free" in t else -1, 0 if "lunch" in t else -1] for t in frame["text"]]


def trained_on(table, votes, **options) -> list[list[int]]:
    data = TextClassifier("amal").read_data(table, votes=votes, **options)
    assert data.train.votes is not None
    return data.train.votes.to_dense().tolist()


CHANGES = {
    "as it was": lambda frame: frame,
    "shuffled": lambda frame: frame.sample(frac=1, random_state=0),
    "filtered": lambda frame: frame.iloc[::-2],
    "labelled": lambda frame: frame.assign(label=["ham", "spam", *[None] * (N - 2)]),
    "widened": lambda frame: frame.assign(more=1),
}


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("ids", [None, "texts", "permuted"])
def test_moved_rows_are_joined_exactly(frame, applied, suffix, ids):
    if ids is not None:
        numbers = np.random.default_rng(2).permutation(N)
        frame.insert(0, "id", [f"r{i}" for i in numbers] if ids == "texts" else numbers)
    applied(frame, f"rows.{suffix}")
    for name, change in CHANGES.items():
        changed = change(frame)
        write_table(changed, f"changed.{suffix}", overwrite=True)
        for table in (f"changed.{suffix}", changed):
            assert trained_on(table, "votes.npz") == by_hand(changed), name
        assert trained_on(changed, LabelMatrix.load("votes.npz")) == by_hand(changed), name


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("with_ids", [False, True])
def test_edited_rows_are_refused(frame, applied, suffix, with_ids):
    if with_ids:
        frame.insert(0, "id", [f"r{i}" for i in range(N)])
    applied(frame, f"rows.{suffix}")
    edited = frame.copy()
    edited.loc[7, "text"] = "another"
    write_table(edited, f"edited.{suffix}")
    message = r"row 7 \(counted from 0, id 'r7'\)" if with_ids else r"no votes on row 7 \(counted"
    for votes in ("votes.npz", LabelMatrix.load("votes.npz")):
        with pytest.raises(InputError, match=message):
            trained_on(f"edited.{suffix}", votes)
        with pytest.raises(InputError, match=message):
            TextClassifier("amal").fit(edited, votes=votes)
        with pytest.raises(InputError, match=message):
            Comparison(methods=["amal"]).fit(edited, votes=votes)


def test_a_shuffled_table_trains_the_same_votes_as_the_lfs(frame, applied):
    frame["label"] = ["ham", "spam", None] * 13 + [None] * 2
    applied(frame)
    shuffled = frame.sample(frac=1, random_state=5).reset_index(drop=True)
    model = TextClassifier("spear", max_epochs=1)
    ours = model.fit(shuffled, votes="votes.npz").predict_proba(shuffled)
    theirs = model.fit(shuffled, lfs="lfs.py").predict_proba(shuffled)
    np.testing.assert_array_equal(ours, theirs)
    # Beside predictions, votes are held against the rows as well.
    joined = model.predict_proba(frame, votes="votes.npz")
    np.testing.assert_array_equal(model.predict_proba(frame, lfs="lfs.py"), joined)


def test_validation_rows_have_votes_of_a_path_too(frame, applied):
    frame["label"] = ["ham", "spam", *[None] * (N - 2)]
    applied(frame)
    rows = frame.iloc[[1, 0]]
    options = {"validation": rows, "validation_votes": "votes.npz"}
    data = TextClassifier("amal").read_data(frame.iloc[::-1], votes="votes.npz", **options)
    assert data.validation is not None and data.validation.votes is not None
    assert data.validation.votes.to_dense().tolist() == by_hand(rows)
    assert data.train.votes is not None
    assert data.train.votes.to_dense().tolist() == by_hand(frame.iloc[::-1])


def test_equal_rows_are_joined_by_the_index_that_holds_ids(frame, applied):
    frame.insert(0, "id", [f"r{i}" for i in range(N)])
    frame.loc[[3, 4], ["text", "length"]] = ["free number3", 1.0]
    applied(frame)
    turned = frame.set_index("id").iloc[::-1]
    assert trained_on(turned, "votes.npz") == by_hand(turned)
    with pytest.raises(InputError, match="rows cannot be told apart"):
        trained_on(turned.reset_index(drop=True), "votes.npz")


def test_rows_of_a_matrix_keep_what_is_known_of_them(frame, applied):
    applied(frame)
    part = LabelMatrix.load("votes.npz")[::-3]
    part.save("part.npz")
    for votes in (part, LabelMatrix.load("part.npz"), part.with_classes(["no", "yes"])):
        rows = frame.iloc[1::3].assign(label=None)  # 40, 37, .., 1 in another order
        assert trained_on(rows, votes) == by_hand(rows)
        with pytest.raises(InputError, match="no votes on row"):
            trained_on(frame.assign(label=None), votes)


def test_reviews_and_choices_take_the_path_too(frame, applied):
    applied(frame)
    turned = frame.iloc[::-1].reset_index(drop=True)
    review = review_lfs("votes.npz", turned["label"].tolist(), turned)
    right = [
        sum(word in t and k == label for t, k in zip(turned["text"], turned["label"], strict=True))
        for word, label in (("free", "spam"), ("lunch", "ham"))
    ]
    assert review.lfs["right"].tolist() == right
    assert len(review.wrong) and all(
        turned["text"][row].startswith(text[:4])
        for row, text in zip(review.wrong["row"], review.wrong["text"], strict=True)
    )
    with pytest.raises(InputError, match="not the rows voted on in their order: row 0"):
        review_lfs(LabelMatrix.load("votes.npz"), None, turned)
    with pytest.raises(InputError, match="no votes on row 0"):
        review_lfs("votes.npz", None, ["another", *turned["text"][1:]])

    chosen = next_rows("votes.npz", None, N, rows=turned)
    without = {i for i, text in enumerate(turned["text"]) if text.startswith("none")}
    assert set(chosen["row"][chosen["reason"] == "no LF votes on it"]) <= without
    assert len(next_rows("votes.npz", None, N)) == N
    with pytest.raises(InputError, match="no votes on row 0"):
        next_rows("votes.npz", None, 3, rows=turned.assign(text="other"))


def test_votes_in_a_folder(frame, ok):
    pytest.importorskip("pyarrow")
    frame.to_parquet("rows.parquet")
    ok("apply", "--data", "rows.parquet", "--lfs", "lfs.py", "--votes-folder", "parts")
    assert trained_on(frame, "parts") == by_hand(frame)
    turned = frame.iloc[::-1]
    for use in (
        lambda: trained_on(turned, "parts"),
        lambda: review_lfs("parts", None, turned.reset_index(drop=True)),
        lambda: next_rows("parts", None, 3, rows=turned.reset_index(drop=True)),
    ):
        with pytest.raises(InputError, match="of other texts, or of these in another order"):
            use()


def test_a_file_with_damaged_digests_is_refused(frame, applied):
    applied(frame)
    with np.load("votes.npz") as file:
        arrays = dict(file)
    for damaged in (arrays["row_digests"][1:], arrays["row_digests"].astype(np.float64)):
        np.savez("damaged.npz", **(arrays | {"row_digests": damaged}))
        with pytest.raises(FileFormatError, match=r"damaged\.npz"):
            LabelMatrix.load("damaged.npz")
