"""LFs looked for together vote as each of them does alone, whatever the texts."""
# ruff: noqa: RUF001

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    dictionary_lf,
    keyword_lf,
    letter_cases,
    read_rules,
    regex_lf,
)
from spear_amal.labeling.text_search import too_frequent

# Letters whose lower case is longer, depends on the neighbours or is another one's too; what `\w`
# takes for a letter, and what texts are joined by.
LETTERS = "abikABIKs_1 \n\x00İıſKΣσςßẞéÉрРѐåÅθϴ①"
ASCII = "".join(map(chr, range(128)))
TEXTS = st.lists(st.text(LETTERS, max_size=8), max_size=12)
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=3), min_size=1, max_size=3)


@st.composite
def patterns(draw):
    """Regular expressions with literals in them."""
    words = st.text("abikABIKs_1 Σſéр", min_size=1, max_size=3).map(re.escape)
    parts = st.one_of(
        words,
        st.sampled_from([r"\w", r".*", r"\b", r"(?:ab|BA|Σ)", r"a?", r"(?<!a)", r"[^b]+", r"\d"]),
    )
    free = st.sampled_from(["", r"\w*", "a?", "b*?", "(?:ab)*", "a*+", r"\s*", r"(?>a?)"])
    edges = st.sampled_from(["", r"\b", r"\B", r"(?<!\w)", r"(?!\w)", r"\w*\b", r"\b\w*", "^", "$"])
    inner = st.one_of(
        st.lists(parts, min_size=1, max_size=4).map("".join),
        words,
        st.lists(words, min_size=1, max_size=3).map(lambda some: f"(?:{'|'.join(some)})"),
        words.map(lambda word: f"(?:{word}){{1,3}}"),
        words.map(lambda word: f"(?:{word})+"),
        st.sampled_from(["[ab]k", "a[i-kI-K]", "[^a]b", "i+", "(?:a|b?)k", "(?:s|ss)?a"]),
    )
    order = draw(st.permutations([draw(free), draw(edges)]))
    after = draw(st.permutations([draw(free), draw(edges)]))
    return "".join([*order, draw(inner), *after])


@st.composite
def lfs(draw):
    """Declarative LFs of each kind."""
    made = []
    for j in range(draw(st.integers(1, 8))):
        whole, ignore = draw(st.booleans()), draw(st.booleans())
        kind = draw(st.sampled_from(["keywords", "often", "pattern", "list", "mapping"]))
        name, words = f"lf{j}", draw(WORDS)
        if kind in ("keywords", "often"):
            least = 1 + (kind == "often")
            made.append(keyword_lf(name, words, 1, "text", whole, ignore, least))
        elif kind == "pattern":
            made.append(regex_lf(name, draw(patterns()), 0, flags=ignore * re.IGNORECASE))
        else:
            distinct = {word.lower(): word for word in words}.values()
            terms = words if kind == "list" else {word: k % 2 for k, word in enumerate(distinct)}
            label = 1 if kind == "list" else None
            made.append(dictionary_lf(name, terms, label, "text", whole, ignore))
    return made


@settings(max_examples=150)
@given(patterns(), TEXTS, st.sampled_from([0, re.IGNORECASE, re.ASCII, re.IGNORECASE | re.ASCII]))
def test_patterns_match_where_re_says(pattern, texts, flags):
    expression = re.compile(pattern, flags)
    texts = [*texts, re.sub(r"[^\w ]", "", pattern)]
    votes = LFApplier([regex_lf("r", pattern, 1, flags=flags)]).apply(texts, progress_bar=False)
    expected = [expression.search(text) is not None for text in texts]
    assert (votes.to_dense()[:, 0] == 1).tolist() == expected


def test_letters_in_other_cases():
    beyond = "".join(map(chr, range(128, 0x110000)))
    cased = {letter for letter in beyond if letter.lower() != letter}
    assert max(map(ord, cased)) < letter_cases.LAST_CASED
    odd = set("".join(letter_cases.ODD_OF_ASCII.values()))
    folded = set(re.findall("[\x00-\x7f]", beyond, re.IGNORECASE))
    assert folded | {letter for letter in cased if set(letter.lower()) & set(ASCII)} == odd
    for letter in ASCII:
        others = letter_cases.ODD_OF_ASCII.get(letter.lower(), "")
        assert set(re.findall(re.escape(letter), beyond, re.IGNORECASE)) == set(others)
    for letter in cased:
        lower = letter.lower()
        assert lower.lower() == lower
        for part in lower:
            known = [*letter_cases.as_upper_case(part), *letter_cases.odd_letters(part)]
            assert letter in known
        # What touches a word in lower case is a letter if it was one before.
        assert lower[0].isalnum() == letter.isalnum()
        assert lower[-1].isalnum() == letter.isalnum() or letter == letter_cases.ENDS_IN_A_MARK


def test_a_word_behind_a_letter_whose_lower_case_ends_in_a_mark():
    texts = ["\u0130x", "x\u0130", "a\u0130x", "\u0130 x", "\u0130ax"]
    lfs = [keyword_lf("w", ["x"], 1), dictionary_lf("d", ["x"], 1), regex_lf("r", r"(?i)\bx\b", 1)]
    votes = LFApplier(lfs).apply(texts, progress_bar=False).to_dense() == 1
    lowered = [re.search(r"(?<!\w)x(?!\w)", text.lower()) is not None for text in texts]
    assert lowered == [True, False, True, True, False]
    assert votes.T.tolist() == [lowered, lowered, [False, False, False, True, False]]


def test_words_that_are_in_most_of_many_texts():
    texts = ["a banana, a melon", "Onions", None, "an onion and an apple", ""] * 300
    patterns = ["[aeiou]", "an.*le$", "melon", "an", "(?i)ON", r"\ban\b", "zebra|xylophone"]
    lfs = [regex_lf(f"r{k}", pattern, 1) for k, pattern in enumerate(patterns)]
    needs = [lf.needed for lf in lfs]
    often = [too_frequent(need, texts[:2] + texts[3:4]) for need in needs]
    assert often == [True, True, False, False, False, False, False]
    votes = ColumnLFApplier(lfs).apply({"text": texts}, progress_bar=False).to_dense() == 1
    expected = [
        [text is not None and re.search(pattern, text) is not None for pattern in patterns]
        for text in texts
    ]
    np.testing.assert_array_equal(votes, expected)


def one_by_one(lf, text):
    """What the LF says of one text on its own; True and False as the class and abstain."""
    answer = lf(text)
    return -1 if answer is None or answer is False else int(answer)


class TestTogether:
    @given(lfs(), TEXTS)
    def test_equals_one_by_one(self, lfs, texts):
        votes = LFApplier(lfs, classes=2).apply(texts, progress_bar=False).to_dense()
        alone = [[one_by_one(lf, text) for lf in lfs] for text in texts]
        np.testing.assert_array_equal(votes, np.array(alone).reshape(len(texts), len(lfs)))

    def test_many_terms(self):
        terms = [f"term{k}" for k in range(3_000)]
        lf = dictionary_lf("many", terms, 1)
        texts = [f"x {terms[k]} y" for k in range(0, 3_000, 7)] + ["term", "xterm1"]
        votes = LFApplier([lf], classes=2).apply(texts, progress_bar=False).to_dense()[:, 0]
        assert votes.tolist() == [1] * (len(texts) - 2) + [-1, -1]

    def test_rules_files(self, tmp_path):
        path = tmp_path / "rules.tsv"
        path.write_text("spam\t (won|free) .*prize\nham\tSee you\nham\tsee you$\n")
        rules = read_rules(path)
        texts = ["You WON the prize", "so FREE a PRIZE ", "See you", "see you  ", "", "prize"]
        applier = LFApplier(rules, classes=["ham", "spam"])
        votes = applier.apply(texts, progress_bar=False).to_dense()
        alone = [[rule(text) in ("ham", "spam") for rule in rules] for text in texts]
        np.testing.assert_array_equal(votes >= 0, alone)
        assert votes[0].tolist() == [1, -1, -1]


def test_missing_values_abstain_and_others_are_faults():
    import pandas as pd

    lfs = [keyword_lf("w", "won", 1), regex_lf("r", "wo+n", 0)]
    frame = pd.DataFrame(
        {"text": ["won", None, float("nan"), "lost"]}, index=list("abcd"), dtype=object
    )
    votes = PandasLFApplier(lfs, classes=2).apply(frame, progress_bar=False)
    assert votes.to_dense().tolist() == [[1, 0], [-1, -1], [-1, -1], [-1, -1]]
    frame.loc["c", "text"] = 7
    with pytest.raises(LabelingError, match=r"LF 'w', row 'c'.*found 7"):
        PandasLFApplier(lfs, classes=2).apply(frame, progress_bar=False)
    _, meta = PandasLFApplier(lfs, classes=2).apply(
        frame, progress_bar=False, fault_tolerant=True, return_meta=True
    )
    assert meta.faults == {"w": 1, "r": 1}


def test_a_truth_value_without_a_class_is_a_fault_on_every_row():
    lf = regex_lf("r", "won", None)
    _, meta = LFApplier([lf], classes=2).apply(
        ["won", "lost"], progress_bar=False, fault_tolerant=True, return_meta=True
    )
    assert meta.faults == {"r": 2}


# Halves of pairs that stand alone, which no file in UTF-8 holds, but what Python reads may.
HALVES = st.text(st.sampled_from("win01é \udcff\ud83d\x00_"), max_size=8)


@settings(max_examples=60)
@given(st.lists(HALVES, max_size=6), st.sampled_from([1, 7, 40]), st.sampled_from(["w", "\udcff"]))
def test_texts_that_utf8_cannot_hold(texts, n_words, odd):
    words = [f"in{k}" for k in range(n_words)] + [odd, "é\udcff0"]
    pattern = "|".join(words)
    lfs = [
        keyword_lf("anywhere", words, 1, whole_word=False),
        keyword_lf("alone", words, 1),
        regex_lf("pattern", f"i?({pattern})1", 1),
        dictionary_lf("terms", dict.fromkeys(words, 1), whole_word=False),
        keyword_lf("plain", ["win", "in0"], 1, whole_word=False),
    ]
    expected = [
        [
            any(word in text for word in words),
            re.search(rf"(?<!\w)({pattern})(?!\w)", text) is not None,
            re.search(f"({pattern})1", text) is not None,
            any(word in text for word in words),
            "win" in text or "in0" in text,
        ]
        for text in texts
    ]
    votes = LFApplier(lfs).apply(texts, progress_bar=False).to_dense()
    assert (votes == 1).tolist() == expected


@pytest.mark.slow
def test_a_quarter_of_a_million_words():
    """Beyond 2^18 words the keys of their bytes are cut short."""
    texts = pd.DataFrame({"text": ["so w0200000x it is", "nothing", "W0000001X", "w0262199xx"]})
    lf = keyword_lf("many", [f"w{n:07}x" for n in range(262_200)], 1)
    votes = PandasLFApplier([lf]).apply(texts, progress_bar=False)
    assert np.asarray(votes).ravel().tolist() == [1, -1, 1, -1]
