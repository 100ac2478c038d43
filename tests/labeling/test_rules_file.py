import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import (
    PandasLFApplier,
    exemplar_frame,
    exemplar_matrix,
    read_rules,
    regex_lf,
    rules_file,
)

RULES = "spam\t(won|win).*prize\tYou WON a Prize\n\nham\tsee you( |$)\t See you \nspam\tcaf\xe9\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "rules.tsv").write_bytes(RULES.encode("latin-1"))
    return tmp_path / "rules.tsv"


def test_rules_in_the_order_of_the_lines(path):
    rules = read_rules(path, encoding="latin-1")
    assert [rule.name for rule in rules] == ["rule1_spam", "rule2_ham", "rule3_spam"]
    assert [rule.exemplar for rule in rules] == ["You WON a Prize", " See you ", None]
    table = pd.DataFrame({"text": ["WIN a prize", "  see YOU  ", "seeing you", "CAFÉ"]})
    matrix = PandasLFApplier(rules, ["ham", "spam"]).apply(table)
    assert matrix.to_dense().tolist() == [[1, -1, -1], [-1, 0, -1], [-1, -1, -1], [-1, -1, 1]]
    assert matrix.lf_classes.tolist() == [1, 0, 1]


def test_without_preprocessing(path):
    rules = read_rules(path, encoding="latin-1", lower=False, strip=False)
    assert rules[0]("WIN a prize") == -1 and rules[0]("win a prize") == "spam"


def test_texts_are_stripped_before_anchors(tmp_path):
    (tmp_path / "rules.tsv").write_text("spam\t^win$")
    (stripped,) = read_rules(tmp_path / "rules.tsv")
    (kept,) = read_rules(tmp_path / "rules.tsv", strip=False)
    assert stripped(" WIN ") == "spam" and kept(" WIN ") == -1


def test_only_line_feeds_end_a_line(tmp_path):
    (tmp_path / "rules.tsv").write_bytes(b"spam\ta\tone\x85two\r\nham\tb\r\n")
    first, second = read_rules(tmp_path / "rules.tsv", encoding="latin-1")
    assert first.exemplar == "one\x85two" and second.pattern == "b"


def test_exemplars(path):
    rules = read_rules(path, encoding="latin-1")
    frame = exemplar_frame(rules)
    assert frame["text"].tolist() == ["You WON a Prize", " See you "]
    assert frame["label"].tolist() == ["spam", "ham"]
    assert frame["lf"].tolist() == ["rule1_spam", "rule2_ham"]
    found = exemplar_matrix(rules, ["See you", "other", "You WON a Prize", "See you"])
    assert found.toarray().tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert exemplar_matrix(rules, []).shape == (0, 3)
    assert exemplar_frame([]).columns.tolist() == ["text", "label", "lf"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "holds no rule"),
        ("spam\ta\nspam\t(\tx", r"line 2: '\(' is no regular expression"),
        ("spam", "line 1: needed 'class TAB regex"),
        ("\n\tab\n", "line 2: needed"),
        ("spam\t\tx", "line 1: needed"),
    ],
)
def test_lines_that_are_no_rules(tmp_path, content, message):
    path = tmp_path / "rules.tsv"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=message):
        read_rules(path)


def test_another_encoding_and_no_file(path):
    with pytest.raises(FileFormatError, match=r"is not utf-8.*encoding='latin-1'"):
        read_rules(path)
    with pytest.raises(FileNotFoundError):
        read_rules(path.parent / "none.tsv")


DATA = os.environ.get("SPEAR_AMAL_DATA")


@pytest.mark.skipif(not DATA, reason="SPEAR_AMAL_DATA names no folder with the SMS corpus")
def test_the_published_sms_rules():
    folder = Path(DATA) / "sms"
    rules = read_rules(folder / "rules.tsv", encoding="latin-1")
    assert len(rules) == 73 and [rule.label for rule in rules].count("spam") == 42
    assert exemplar_frame(rules)["text"].nunique() == 69
    table = pd.read_csv(folder / "train.csv", encoding="latin-1")
    matrix = PandasLFApplier(rules, ["ham", "spam"]).apply(table.rename(columns={"v2": "text"}))
    dense = matrix.to_dense()
    assert dense.shape == (4502, 73)
    assert int((~(dense != -1).any(axis=0)).sum()) == 11  # rules that never fire
    both = (dense == 0).any(axis=1) & (dense == 1).any(axis=1)
    assert int(both.sum()) == 14  # rows with conflicting votes
    assert np.isin(dense, [-1, 0, 1]).all()


# -- budgets -------------------------------------------------------------------------------------


def rules_of(folder, *patterns):
    path = folder / "rules.tsv"
    path.write_text("".join(f"spam\t{pattern}\n" for pattern in patterns))
    return path


def test_long_patterns_within_the_limit_are_read(tmp_path):
    words = "|".join(f"word{i}x" for i in range(1499))
    literal, many = read_rules(rules_of(tmp_path, "ab" * 5500, words))
    assert literal("x" + "ab" * 5500) == "spam" and literal("ab" * 5499) == -1
    assert many("a word1498x") == "spam" and many("word1499x") == -1


def test_patterns_beyond_the_limits_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(rules_file, "MOST_LETTERS", 500)
    monkeypatch.setattr(rules_file, "MOST_LETTERS_TOGETHER", 997)
    with pytest.raises(FileFormatError, match=r"line 2: 'a+'\.\. has 501 letters.*dictionary_lf"):
        read_rules(rules_of(tmp_path, "a", "a" * 501))
    assert len(read_rules(rules_of(tmp_path, "a" * 499, "b" * 498))) == 2
    with pytest.raises(FileFormatError, match=r"line 2: the patterns up to here have more than 99"):
        read_rules(rules_of(tmp_path, "a" * 499, "b" * 499))


def test_brackets_inside_brackets(tmp_path):
    depth = sys.getrecursionlimit()
    with pytest.raises(FileFormatError, match=r"line 1: .*too many brackets inside each other"):
        read_rules(rules_of(tmp_path, "(" * depth + "a" + ")" * depth))
    with pytest.raises(InputError, match="LF 'deep': its pattern has too many brackets"):
        regex_lf("deep", "(" * depth + "a" + ")" * depth, 1)
    (deep,) = read_rules(rules_of(tmp_path, "(" * 40 + "won" + ")" * 40))
    assert deep("you won") == "spam"
