"""Declared rules as data: what may stand in them, what is said of what may not, their words."""

import pytest

from spear_amal.declared_lfs import (
    KeywordRule,
    RegexRule,
    SimilarRule,
    ThresholdRule,
    describe,
    rule_from_fields,
)
from spear_amal.errors import InputError

KEYWORD = {"kind": "keyword", "name": "prize", "label": "spam", "keywords": "won, free"}
THRESHOLD = {"kind": "threshold", "name": "long", "label": "spam", "column": "n"}


def test_fields_of_a_form_are_texts():
    rule = rule_from_fields(KEYWORD | {"whole_word": "false", "min_count": "2", "column": ""})
    assert rule == KeywordRule(
        name="prize", label="spam", keywords=("free", "won"), whole_word=False, min_count=2
    )
    listed = KEYWORD | {"keywords": ["won, at last", "free"]}
    assert rule_from_fields(listed).keywords == ("free", "won, at last")
    assert rule_from_fields(KEYWORD | {"keywords": "b\nA\n a\n\nb"}).keywords == ("A", "a", "b")
    assert rule_from_fields(THRESHOLD | {"at_least": "5", "at_most": ""}) == ThresholdRule(
        name="long", label="spam", column="n", at_least=5
    )
    pattern = {"kind": "regex", "name": "r", "label": "spam", "pattern": r" \d+ "}
    assert rule_from_fields(pattern).pattern == r" \d+ "  # white space counts there
    similar = {"kind": "similar", "name": "s", "label": "ham", "examples": "one\ntwo"}
    assert rule_from_fields(similar | {"at_least": "0.5"}).examples == ("one", "two")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"rule '': kind must be one of keyword, .* similar, prompt; it has none"),
        ({"kind": "words", "name": "x"}, r"rule 'x': kind must be .* found 'words'"),
        (
            KEYWORD | {"keyword": "a"},
            r"rule 'prize': unknown key 'keyword'; did you mean 'keywords'",
        ),
        (KEYWORD | {"keywords": " , "}, r"rule 'prize': keywords: needed at least one"),
        (KEYWORD | {"keywords": [""]}, r"rule 'prize': keywords: needed a text that is not empty"),
        (
            KEYWORD | {"keywords": ["\ud800"]},
            r"rule 'prize': keywords: needed a text of whole characters",
        ),
        (KEYWORD | {"keywords": [3]}, r"rule 'prize': keywords: needed a text, found 3"),
        (KEYWORD | {"min_count": "many"}, r"min_count: needed a whole number, found 'many'"),
        (KEYWORD | {"min_count": 0}, r"rule 'prize': min_count"),
        (KEYWORD | {"whole_word": "perhaps"}, r"whole_word: needed true or false"),
        (KEYWORD | {"label": None}, r"rule 'prize': label is missing"),
        (KEYWORD | {"label": True}, r"rule 'prize': label"),
        (KEYWORD | {"label": -1}, r"rule 'prize': label"),
        (KEYWORD | {"name": "two\nlines"}, r"name must be a text of one line"),
        (THRESHOLD, r"rule 'long': needs at_least, at_most or both"),
        (THRESHOLD | {"at_least": 2, "at_most": 1}, r"rule 'long': can never vote"),
        (THRESHOLD | {"at_least": "nan"}, r"at_least must be a finite number, found nan"),
        (THRESHOLD | {"at_least": "5 or so"}, r"rule 'long': at_least"),
        (THRESHOLD | {"at_least": 5, "column": ""}, r"rule 'long': column is missing"),
        (
            {"kind": "regex", "name": "r", "label": "spam", "pattern": "("},
            r"rule 'r': .*'\(' is no regular expression",
        ),
        (
            {"kind": "similar", "name": "s", "label": "x", "examples": [" "], "at_least": 0.5},
            r"rule 's': has an example without a text",
        ),
        (
            {"kind": "similar", "name": "s", "label": "x", "examples": ["a"], "at_least": 1.5},
            r"rule 's': at_least",
        ),
    ],
)
def test_what_is_no_rule_is_named(fields, message):
    with pytest.raises(InputError, match=message):
        rule_from_fields(fields)


def test_words_for_rules():
    words = KeywordRule(name="a", label=1, keywords=[f"w{i}" for i in range(9)], min_count=2)
    assert describe(words) == "says 'w0', 'w1', 'w2', 'w3', 'w4' and 4 more 2 times or more"
    assert describe(RegexRule(name="a", label=1, pattern="a.b", column="title")) == (
        "'title' matches a.b"
    )
    between = ThresholdRule(name="a", label=1, column="n", at_least=2, at_most=2.5)
    assert describe(between) == "'n' is 2 or more and 2.5 or less"
    similar = SimilarRule(name="a", label=1, examples=["x" * 99], at_least=0.5)
    assert describe(similar) == f"is like '{'x' * 38}..' (0.5 or more by ngrams)"
