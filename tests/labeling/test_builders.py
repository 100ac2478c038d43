import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.labeling import (
    ColumnLF,
    LFApplier,
    PandasLFApplier,
    dictionary_lf,
    keyword_lf,
    regex_lf,
    threshold_lf,
)

FREE = "free, FREE money. Freedom! pre-free x_free free2 free"


def fires(lf, text):
    return lf(text) != -1


@pytest.mark.parametrize(
    "text, options, expected",
    [
        ("FREE", {}, True),
        ("FREE", {"ignore_case": False}, False),
        ("freedom", {}, False),
        ("freedom", {"whole_word": False}, True),
        ("x_free", {}, False),
        ("(free)", {}, True),
        (FREE, {"min_count": 4}, True),
        (FREE, {"min_count": 5}, False),
        (FREE, {"min_count": 7, "whole_word": False}, True),
        (FREE, {"min_count": 8, "whole_word": False}, False),
        ("", {}, False),
    ],
)
def test_keywords(text, options, expected):
    assert fires(keyword_lf("k", ["free"], 1, **options), text) is expected


def test_phrases_and_signs_are_taken_literally():
    lf = keyword_lf("k", ["check out", "c++", "100%", "a.b"], 1)
    assert fires(lf, "Check out this") and fires(lf, "I like C++!") and fires(lf, "100% sure")
    assert not fires(lf, "check it out") and not fires(lf, "axb")


def test_the_longest_keyword_counts_once():
    assert not fires(keyword_lf("k", ["new", "new york"], 1, min_count=2), "New York")


TEXT = st.text(alphabet="aAbB _-1.ßİſé", max_size=12)


@given(TEXT, st.lists(TEXT.filter(bool), min_size=1, max_size=3), st.booleans(), st.booleans())
@example("İ", ["i"], True, True)
def test_keywords_agree_with_a_plain_pattern(text, words, whole, ignore):
    lower = str.lower if ignore else str
    pattern = "|".join(re.escape(lower(word)) for word in words)
    pattern = rf"(?<!\w)({pattern})(?!\w)" if whole else pattern
    expected = re.search(pattern, lower(text)) is not None
    assert fires(keyword_lf("k", words, 1, whole_word=whole, ignore_case=ignore), text) is expected


PATTERNS = st.sampled_from(
    [r"free", r"\bfree\b", r"(?i)FREE|win", r"(win|won) .*(cash|prize!)", r"^a", r"a$", r"(?:ab)+c",
     r"x?", r"[^\w]*", r"(a)\1", r"call\s+me", r"(?=win)w", r"(?!win)w", r"(thanks\.|thanks)[^\w]*",
     r"(?s)a.b", r"(?x) f r e e  # word", r"a{2,}", r"(?i:K)elvin", r"(ab)?free", r"(?<!x)free"]
)  # fmt: skip


# Two letters that a pattern without case takes for s and k.
LETTERS = "aAbcefrEFRwinox 1.!kK\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}\n"


@given(PATTERNS, st.text(alphabet=LETTERS, max_size=14), st.sampled_from([0, re.I]))
@example(r"free", "FREE", re.I)
@example(r"(?i:K)elvin", "\N{KELVIN SIGN}elvin", 0)
@example(r"call\s+me", "call  me", 0)
def test_regex_agrees_with_re(pattern, text, flags):
    lf = regex_lf("r", pattern, 1, flags=flags)
    assert fires(lf, text) == (re.search(pattern, text, flags) is not None)
    assert fires(regex_lf("r", re.compile(pattern, flags), 1), text) == fires(lf, text)


@pytest.mark.parametrize("pattern", ["(", "[a", "*", 3, None])
def test_a_bad_pattern_names_the_lf(pattern):
    with pytest.raises(InputError, match=r"LF 'bad': .* is no regular expression"):
        regex_lf("bad", pattern, 1)


@pytest.mark.parametrize(
    "text, vote",
    [
        ("in New York", 1),
        ("in york", 0),
        ("York and New York", -1),
        ("York, york and NEW YORK", 0),
        ("Yorkshire", -1),
        ("", -1),
    ],
)
def test_gazetteer_of_several_classes(text, vote):
    assert dictionary_lf("d", {"York": 0, "New York": 1})(text) == vote


def test_gazetteer_from_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("caf\xe9\n\n  bar \n".encode("latin-1"))
    lf = dictionary_lf("d", path, 1, encoding="latin-1")
    assert fires(lf, "at the CAFÉ") and fires(lf, "bar") and not fires(lf, "bars")
    with pytest.raises(InputError, match=r"is not utf-8.*encoding='latin-1'"):
        dictionary_lf("d", path, 1)


@pytest.mark.parametrize(
    "above, below, expected",
    [
        (2, None, [-1, -1, -1, 1]),
        (None, 2, [1, -1, -1, -1]),
        (1, 3, [-1, -1, 1, -1]),
        (0.5, 1.5, [1, -1, -1, -1]),
    ],
)
def test_thresholds_exclude_their_bounds_and_missing_values(above, below, expected):
    table = pd.DataFrame({"n": [1, None, 2, 3]})
    matrix = PandasLFApplier([threshold_lf("t", "n", 1, above, below)]).apply(table)
    assert matrix.to_dense().ravel().tolist() == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: keyword_lf("x", [], 1),
        lambda: keyword_lf("x", [""], 1),
        lambda: keyword_lf("x", ["a", 3], 1),
        lambda: keyword_lf("x", ["a"], 1, min_count=0),
        lambda: dictionary_lf("x", [], 1),
        lambda: dictionary_lf("x", ["a"]),
        lambda: dictionary_lf("x", {"a": 1}, label=1),
        lambda: threshold_lf("x", "n", 1),
        lambda: threshold_lf("x", "n", 1, above=2, below=2),
    ],
)
def test_builders_without_sense(make):
    with pytest.raises(InputError, match="'x'"):
        make()


def test_missing_texts_abstain_and_kinds_of_columns_agree():
    lfs = [
        keyword_lf("k", ["a"], 1),
        regex_lf("r", "a", 0),
        dictionary_lf("d", {"a": 2, "b": 1}),
    ]
    texts = ["a", None, "b", float("nan"), "A"]
    expected = [[1, 0, 2], [-1, -1, -1], [-1, -1, 1], [-1, -1, -1], [1, -1, 2]]
    for column in (texts, np.array(texts, dtype=object), pd.Series(texts, dtype="str")):
        matrix = PandasLFApplier(lfs).apply(pd.DataFrame({"text": column}))
        assert matrix.to_dense().tolist() == expected
    assert LFApplier(lfs).apply([{"text": t} for t in texts]).to_dense().tolist() == expected


def test_names_and_print():
    lf = keyword_lf("k", ["a"], "spam", column="body")
    assert (lf.name, lf.__name__, lf.column, lf.label) == ("k", "k", "body", "spam")
    assert repr(lf) == "TextLF k, Column: body, Label: spam"
    assert isinstance(lf, ColumnLF) and lf({"body": "a"}) == "spam"


def test_terms_that_differ_in_case_alone_have_one_class():
    with pytest.raises(InputError, match="'york' for 0 and 'york' for 1"):
        dictionary_lf("place", {"York": 0, "york": 1})
    same = dictionary_lf("place", {"York": 0, "york": 0})
    assert same("in YORK") == 0
    exact = dictionary_lf("place", {"York": 0, "york": 1}, ignore_case=False)
    assert (exact("in York"), exact("in york")) == (0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keyword_lf("k", None, 1), "non-empty keywords, found None"),
        (lambda: keyword_lf("k", ["a"], 1, min_count="2"), "min_count of LF 'k' must be a whole"),
        (lambda: dictionary_lf("d", 7, 1), "non-empty terms, found 7"),
        (lambda: dictionary_lf("d", "no such file", 1), "a single term goes in a list"),
        (lambda: threshold_lf("t", "n", 1, above="5"), "bounds that are numbers, found '5'"),
    ],
)
def test_what_an_lf_cannot_be_made_of(make, message):
    with pytest.raises(InputError, match=message):
        make()
