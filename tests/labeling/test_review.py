"""What to mend next: grades, ranked advice, wrong rows with their words, doubtful labels."""

import json

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix
from spear_amal.errors import InputError
from spear_amal.labeling import (
    PandasLFApplier,
    dictionary_lf,
    keyword_lf,
    labeling_function,
    lf_grades,
    regex_lf,
    review_lfs,
)
from spear_amal.labeling.grades import at_most
from spear_amal.maths.holm import holm

CLASSES = ("billing", "bug", "praise")


@pytest.fixture(scope="module")
def tickets():
    """Rows with ids, LFs with one fault each, and gold for all rows."""
    kinds = {
        "billing": "invoice number wrong",
        "bug": "the app crashed today",
        "praise": "thanks I love it",
    }
    names = [CLASSES[i % 3] for i in range(150)]
    texts = [f"{kinds[name]} case{i}" for i, name in enumerate(names)]
    texts[:15] = [f"strange words zebra {i}" for i in range(15)]  # nobody votes on them
    frame = pd.DataFrame({"text": texts}, index=[f"t{i}" for i in range(150)])
    lfs = [
        keyword_lf("invoice", ["invoice"], "billing"),
        regex_lf("crash", r"crash\w*", "bug"),
        keyword_lf("invoice_again", ["invoice", "receipt"], "billing"),
        dictionary_lf("thanks_is_bug", ["thanks", "Zoo"], "bug"),
        keyword_lf("never", ["xylophone"], "bug"),
        labeling_function("by_hand", label="bug")(lambda x: "app" in x.text),
    ]
    votes = PandasLFApplier(lfs, classes=CLASSES).apply(frame, progress_bar=False)
    return frame, lfs, votes, np.array(names, dtype=object)


@pytest.fixture(scope="module")
def review(tickets):
    frame, lfs, votes, gold = tickets
    return review_lfs(votes, gold, frame, lfs)


def test_grades_name_each_fault(review):
    assert dict(zip(review.lfs["LF"], review.lfs["grade"], strict=True)) == {
        "invoice": "good",
        "crash": "good",
        "invoice_again": "copy",
        "thanks_is_bug": "bad",
        "never": "silent",
        "by_hand": "copy",
    }
    assert review.lfs["copy of"].tolist() == ["", "", "invoice", "", "", "crash"]


def test_the_list_is_ranked_by_what_is_worth_mending(review):
    assert review.advice["rank"].tolist() == list(range(1, len(review.advice) + 1))
    listed = list(zip(review.advice["problem"], review.advice["LF"], strict=True))
    assert listed[:2] == [("wrong often", "thanks_is_bug"), ("class without votes", "")]
    assert listed[2:] == [
        ("copy", "invoice_again"),
        ("copy", "by_hand"),
        ("silent", "never"),
        ("rows uncovered", ""),
    ]
    first = review.advice.iloc[0]
    assert first["rows"] == 45  # praise on rows 17, 20, ..
    assert "'thanks' (wrong 45 of 45)" in first["do"]


def test_wrong_rows_have_id_text_and_words(review):
    wrong = review.wrong
    assert set(wrong["LF"]) == {"thanks_is_bug"} and len(wrong) == 20
    first = wrong.iloc[0]
    assert (first["row"], first["id"], first["vote"], first["gold"]) == (17, "t17", "bug", "praise")
    assert first["matched"] == "thanks" and first["text"] == "thanks I love it case17"


def test_rows_without_votes_and_their_words(review):
    assert review.n_rows - review.n_covered == 15
    assert set(review.uncovered["id"]) == {f"t{i}" for i in range(15)}
    words = review.uncovered_words.set_index("word")
    assert words.loc["zebra", ["uncovered rows", "covered rows", "gold rows"]].tolist() == [
        15,
        0,
        15,
    ]
    assert "case20" not in words.index and "invoice" not in words.index


def test_each_class_of_an_lf_is_judged_alone():
    gold = np.array([0] * 30 + [1] * 30)
    both = np.where(np.arange(60) < 45, 0, 1)  # 0 is right on 30 of 45, 1 on all 15
    table = review_lfs(both[:, None], gold).by_class
    assert table[["class", "gold votes", "right"]].to_numpy().tolist() == [[0, 45, 30], [1, 15, 15]]
    assert table["accuracy"].tolist() == [pytest.approx(2 / 3), 1.0]


def test_the_loser_of_conflicts_is_named():
    gold = np.zeros(40, dtype=int)
    gold[20:] = 1
    good, bad = gold.copy(), np.where(np.arange(40) < 12, 1, gold)
    L = LabelMatrix.from_dense(np.stack([good, bad], 1), lf_names=["good", "loser"])
    review = review_lfs(L, gold)
    assert review.conflicts.to_numpy().tolist() == [["good", "loser", 12, 12, 12, 0]]
    lost = review.advice[review.advice["problem"] == "loses conflicts"].iloc[0]
    assert lost["LF"] == "loser" and lost["rows"] == 12


def test_luck_among_many_lfs_is_not_called_wrong_often():
    gold = np.array([0, 1] * 20)
    draw = np.random.default_rng(0)
    # Right on 12 of 40: p = 0.008 alone, no more than luck among 30 LFs.
    unlucky = np.where(np.arange(40) % 3 == 0, gold, 1 - gold)
    unlucky[[0, 3]] = 1 - gold[[0, 3]]
    blind = [draw.permutation(gold) for _ in range(29)]
    alone = review_lfs(unlucky[:, None], gold).advice["problem"].tolist()
    among = review_lfs(np.stack([unlucky, *blind], 1), gold).advice
    assert alone[0] == "wrong often"
    assert among[among["LF"] == "lf0"]["problem"].tolist()[0] in ("looks wrong", "loses conflicts")


def test_votes_for_a_rare_class_that_are_mostly_wrong_are_bad():
    gold = np.array([1] * 4 + [0] * 96)
    rare = np.full(100, -1)
    rare[[0, *range(50, 84)]] = 1  # right on 1 of 35, where blind votes would be on 4 of 100
    review = review_lfs(rare[:, None], gold)
    assert review.lfs["grade"].tolist() == ["bad"]
    assert review.advice["problem"].tolist()[0] == "wrong often"


def test_labels_against_good_lfs_are_suspect():
    gold = np.array([0, 1] * 40)
    votes = np.stack([gold, gold, gold], 1)
    votes[:20, 0] = votes[20:40, 1] = votes[40:60, 2] = -1  # no copies
    slipped = gold.copy()
    slipped[70] = 1
    suspect = review_lfs(votes, slipped).suspect_gold
    assert suspect[["row", "gold", "voted"]].to_numpy().tolist() == [[70, 1, 0]]
    # 41 labelled rows of class 1, 39 of class 0; LF j is right on 59 of 60, without the row 59 of
    # 59, and one right and one wrong are added: 60 of 61.
    assert suspect["odds"][0] == pytest.approx(40 / 42 * (60 / 1) ** 3)
    assert review_lfs(votes, gold).suspect_gold.empty


def test_without_gold_only_what_needs_none():
    L = np.array([[0, 0, -1], [1, 1, -1]] * 10)
    review = review_lfs(L)
    assert review.lfs["grade"].tolist() == ["unclear", "copy", "silent"]
    assert review.advice["problem"].tolist() == ["copy", "silent"]
    assert review.wrong.empty and review.test is None


def test_one_lf_and_json(review):
    one = review.of("thanks_is_bug")
    assert one.lfs["LF"].tolist() == ["thanks_is_bug"] and len(one.wrong) == 20
    assert one.advice["rank"].tolist() == [1]
    document = json.loads(json.dumps(review.to_dict(), allow_nan=False))
    assert document["rows"] == 150 and document["lfs"][4]["accuracy"] is None
    with pytest.raises(InputError, match="no LF 'nobody'"):
        review.of("nobody")


def test_votes_in_a_folder_are_reviewed_alike(tickets, tmp_path):
    pytest.importorskip("pyarrow")
    from spear_amal.votes.parquet import finish_votes, write_part

    frame, lfs, votes, gold = tickets
    parts = [write_part(tmp_path, i, votes[s : s + 60]) for i, s in enumerate((0, 60, 120))]
    folder = finish_votes(tmp_path, parts, lf_names=votes.lf_names, classes=votes.classes)
    made, needed = review_lfs(folder, gold, frame, lfs), review_lfs(votes, gold, frame, lfs)
    for name in made.TABLES:
        pd.testing.assert_frame_equal(getattr(made, name), getattr(needed, name))


def test_rows_that_moved_are_joined_by_their_index(tickets):
    frame, lfs, votes, gold = tickets
    moved = review_lfs(votes, pd.Series(gold, frame.index)[::-1], frame.sample(frac=1), lfs)
    needed = review_lfs(votes, gold, frame, lfs)
    for name in moved.TABLES:
        pd.testing.assert_frame_equal(getattr(moved, name), getattr(needed, name))
    with pytest.raises(InputError, match="has the id 't0', which rows does not have"):
        review_lfs(votes, gold, frame.rename({"t0": "u0"}))


def test_what_does_not_fit_is_refused(tickets):
    frame, lfs, votes, gold = tickets
    with pytest.raises(InputError, match="rows has 10 rows, L has 150"):
        review_lfs(votes, gold, frame["text"].tolist()[:10])
    with pytest.raises(InputError, match=r"\['thanks_is_bug'"):
        review_lfs(votes, gold, frame, lfs[:3])
    with pytest.raises(InputError, match="no column 'body'"):
        review_lfs(votes, gold, frame, text_column="body")


def test_tails():
    assert at_most(3, 10, 0.5) == pytest.approx(sum((1, 10, 45, 120)) / 1024)
    assert at_most(10, 10, 0.5) == 1.0 and at_most(0, 3, 1.0) == 0.0
    assert holm([0.5, 0.01]).tolist() == [0.5, 0.02]


def test_grades_of_one_class_alone():
    assert lf_grades(np.zeros((30, 1), dtype=int), [0] * 30) == ["unclear"]


def test_an_lf_that_many_labels_leave_near_chance_is_weak():
    # 60 of 111 right: Wilson's 95% interval is 0.448 to 0.630, blind votes would reach 0.5
    gold = np.array([0] * 60 + [1] * 51 + [1] * 9)
    votes = np.r_[np.zeros(111, int), np.full(9, -1)]
    assert lf_grades(votes[:, None], gold) == ["weak"]
    few = np.r_[0:6, 60:65, 111:120]  # 6 of 11: up to 0.79, more labels may tell
    assert lf_grades(votes[few, None], gold[few]) == ["unclear"]
    advice = review_lfs(votes[:, None], gold).advice
    assert "label more rows" not in " ".join(advice["do"])


def test_rows_without_a_text_are_no_example_of_uncovered_rows():
    texts = ["", "none of these", "  ", "prize"]
    review = review_lfs(np.array([[-1], [-1], [-1], [0]]), [0, -1, 1, 0], texts)
    assert review.uncovered["text"].tolist() == ["none of these"]
