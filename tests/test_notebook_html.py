"""What notebooks show of objects: short, escaped, and cheap however many rows there are."""

import functools

import numpy as np
import pytest

from spear_amal.labeling import (
    ColumnLFApplier,
    LabelingFunction,
    LFAnalysis,
    LFApplier,
    PandasLFApplier,
    keyword_lf,
    labeling_function,
    regex_lf,
)
from spear_amal.notebook_html import LONGEST, html_block, html_table
from spear_amal.votes.html_view import FIRST_ROWS, MOST_LFS, votes_by_class
from spear_amal.votes.label_matrix import LabelMatrix

EVIL = '<script>alert("x")</script>'


def matrix(n=13, m=7, c=3):
    votes = np.random.default_rng(5).integers(-1, c, (n, m))
    names = [f"{EVIL}{j}" for j in range(m)]
    ids = [f"{EVIL} row {i}" for i in range(n)]
    classes = [f"{EVIL}{k}" for k in range(c)]
    return votes, LabelMatrix.from_dense(votes, lf_names=names, classes=classes, row_ids=ids)


def every_object():
    _, L = matrix()
    lf = keyword_lf(f"kw {EVIL}", [EVIL], "spam")

    @labeling_function(name=EVIL, label=1, resources={EVIL: 1})
    def in_row(x, **resources):
        return '<script>alert("x")</script>' in x

    yield from (L, LFAnalysis(L), L[:0], L[:, :0], lf, in_row, regex_lf("r", EVIL, 1))
    yield LFApplier([lf, in_row], classes=["ham", "spam"])
    yield PandasLFApplier([in_row])
    yield ColumnLFApplier([lf], classes=["ham", "spam"])


@pytest.mark.parametrize("shown", list(every_object()), ids=lambda shown: type(shown).__name__)
def test_everything_a_user_wrote_is_escaped(shown):
    html = shown._repr_html_()
    assert "<script" not in html and html.startswith("<div>") and html.endswith("</div>")


def test_a_matrix_tells_votes_by_class():
    votes, L = matrix(97, 5, 3)
    expected = [[(votes[:, j] == k).sum() for k in range(3)] for j in range(5)]
    assert votes_by_class(L).tolist() == expected
    html = L._repr_html_()
    assert "97 rows, 5 labelling functions" in html
    assert f"{(votes[:, 0] >= 0).mean():.1%}" in html


def test_large_matrices_are_shown_in_part():
    _, L = matrix(1_003, MOST_LFS + 3, 2)
    html = L._repr_html_()
    assert html.count("<tr>") == 1 + MOST_LFS + 1 + FIRST_ROWS
    assert "and 3 more labelling functions" in html and "and 998 more rows" in html
    assert len(html) < 40_000


def test_counting_in_chunks_gives_the_same(monkeypatch):
    _, L = matrix(97, 5, 3)
    whole = votes_by_class(L)
    monkeypatch.setattr("spear_amal.votes.html_view._CHUNK", 7)
    assert votes_by_class(L).tolist() == whole.tolist()


def test_an_analysis_shows_its_summary():
    analysis = LFAnalysis(np.array([[0, 1], [0, -1], [-1, -1]]))
    html = analysis._repr_html_()
    for value in ("66.7%", "33.3%", "with different ones: 33.3%", "[0]", "[1]"):
        assert value in html


@pytest.mark.parametrize(
    ("lf", "words"),
    [
        (keyword_lf("a", ["won", "prize"], "spam"), "looks for: prize, won|looks for: won, prize"),
        (regex_lf("a", r"b.*c", 1, column="body"), "looks for: b.*c"),
        (regex_lf("a", r"b.*c", 1, column="body"), "column &#x27;body&#x27;"),
    ],
)
def test_lfs_of_builders_say_what_they_look_for(lf, words):
    assert any(choice in lf._repr_html_() for choice in words.split("|"))


def test_an_lf_of_one_s_own_shows_its_source():
    @labeling_function(label="spam")
    def short(x):
        return len(x) < 5

    assert "return len(x) &lt; 5" in short._repr_html_()
    again = LabelingFunction("again", functools.partial(short))
    assert "return len(x)" in again._repr_html_()


def test_an_applier_lists_its_lfs():
    lfs = [keyword_lf(f"lf{j}", ["w"], "spam") for j in range(MOST_LFS + 2)]
    html = PandasLFApplier(lfs, classes=["ham", "spam"])._repr_html_()
    assert "lf0" in html and "classes: ham, spam" in html
    assert "and 2 more labelling functions" in html


def test_long_values_are_cut_and_numbers_stand_at_the_right():
    assert len(html_block("x" * 10_000)) < LONGEST + 60
    table = html_table({"name": ["a"], "n": ["1,234"], "share": ["3.4%"]})
    assert table.count("text-align:right") == 4


def test_a_notebook_gets_text_and_html():
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(matrix()[1])
    assert set(data) == {"text/plain", "text/html"}
