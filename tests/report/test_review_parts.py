"""The review of labelling functions on a page: what it holds, and what users wrote in it."""

import re

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page

from spear_amal.labeling import PandasLFApplier, keyword_lf, labeling_function, review_lfs
from spear_amal.report import ReportContent, write_report
from spear_amal.report.review_parts import MOST_WRONG, marked
from spear_amal.report.review_tables import readable_lfs

CLASSES = ["ham", "spam"]


@labeling_function(name=f"odd {EVIL}", label="ham")
def odd(x):
    return "odd" in x.text


@pytest.fixture(scope="module")
def reviewed():
    texts = [f"free {EVIL} odd", "free lunch", "see you", "Free prize"] * 17
    frame = pd.DataFrame({"text": texts, "id": [f"T-{i}" for i in range(len(texts))]})
    lfs = [keyword_lf("free", ["free"], "spam"), odd]
    votes = PandasLFApplier(lfs, classes=CLASSES).apply(frame, progress_bar=False)
    votes.row_ids = frame["id"].to_numpy(dtype=str)
    gold = np.where(np.arange(len(texts)) < 40, np.array(["spam", "ham", "ham", "spam"] * 17), "")
    labels = [name or None for name in gold]
    return votes, labels, review_lfs(votes, labels, frame, lfs)


def page_of(reviewed, folder):
    votes, labels, review = reviewed
    codes = np.array([-1 if name is None else CLASSES.index(name) for name in labels])
    content = ReportContent("LFs", [], votes.classes, votes, codes, review=review)
    write_report(folder / "r.html", content)
    return (folder / "r.html").read_text(encoding="utf-8")


def test_wrong_rows_stand_with_their_ids_and_words_marked(reviewed, tmp_path):
    text = page_of(reviewed, tmp_path)
    assert "10 of\n30 votes on gold rows are wrong" in text  # "free lunch", of 40 rows with gold
    assert text.count("<mark>free</mark> lunch") == MOST_WRONG
    assert re.search(r"<td>T-1</td><td>spam</td><td>ham</td>", text)
    assert "What to fix next" in text and "Rows without a vote" in text


def test_names_and_texts_are_shown_not_run(reviewed, tmp_path):
    text = page_of(reviewed, tmp_path)
    assert "<script>alert" not in text
    assert f"odd {EVIL}" in Page(text).text and f"{EVIL} odd" in Page(text).text
    assert "&amp;lt;" not in text  # escaped once


def test_without_a_review_of_its_own_one_is_made_of_the_votes(reviewed, tmp_path):
    votes, *_ = reviewed
    content = ReportContent("LFs", [], votes.classes, votes)
    write_report(tmp_path / "r.html", content)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "What to fix next" in text and "chance" not in Page(text).text


def test_columns_without_anything_to_say_are_left_out(reviewed):
    votes, _, review = reviewed
    assert readable_lfs(review_lfs(votes)).columns.tolist() == [
        *("LF", "votes for", "grade", "coverage", "overlaps", "conflicts", "alone")
    ]
    row = readable_lfs(review).iloc[0]
    assert row[["gold votes", "accuracy"]].tolist() == ["30", "0.67"]


@pytest.mark.parametrize(
    ("text", "matched", "expected"),
    [
        ("Free as free", "free", "<mark>Free</mark> as <mark>free</mark>"),
        ("a.b axb", "a.b", "<mark>a.b</mark> axb"),
        ("<b> freedom", "free, freedom", "&lt;b&gt; <mark>freedom</mark>"),
        ("nothing", "", "nothing"),
    ],
)
def test_marks(text, matched, expected):
    assert str(marked(text, matched)) == expected
