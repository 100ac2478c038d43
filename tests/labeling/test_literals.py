import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.labeling import dictionary_lf, keyword_lf, required_literals

LETTERS = "abAB1 .-\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}ksKS"


def _grow(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map("".join),
        pair.map(lambda both: f"(?:{both[0]}|{both[1]})"),
        inner.map(lambda one: f"({one})"),
        inner.map(lambda one: f"(?i:{one})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "*?", "{1,3}?"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
        inner.map(lambda one: f"(?={one})"),
        inner.map(lambda one: f"(?!{one})"),
        inner.map(lambda one: f"(?<!a){one}\\b"),
        inner.map(lambda one: f"(?>{one})"),
    )


WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=4)
REGEXES = st.recursive(
    st.one_of(WORDS.map(re.escape), st.sampled_from([".", r"\w", "[ab]", "[^k]", "^", "$"])),
    _grow,
    max_leaves=7,
)


@settings(max_examples=300)
@given(REGEXES, st.lists(st.text(alphabet=LETTERS, max_size=9), max_size=4), st.booleans())
def test_the_quick_look_changes_no_result(regex, texts, ignore_case):
    pattern = re.compile(regex, re.IGNORECASE if ignore_case else 0)
    test = required_literals.searcher(pattern)
    for text in [*texts, re.sub(r"[^\w ]", "", regex)]:
        assert test(text) == (pattern.search(text) is not None)


@pytest.mark.parametrize(
    "regex, words",
    [
        (r"free", ["free"]),
        (r"( |^)(won|won)[^\w]* ([^\s]+ )*(cash|prize)", ["cash", "prize"]),
        (r"a.*b", []),  # too short to be worth a look
        (r"(free)?", []),
        (r"free|", []),
        (r"(?:free)+!", ["free"]),
        (r"\bcall\b.*me", ["call"]),
        (r"(?i)straße", []),
        (r"(?i)Free", ["Free"]),
    ],
)
def test_needed_words(regex, words):
    assert required_literals.needed_words(re.compile(regex)) == words


@pytest.mark.parametrize(
    "regex, flags, text",
    [
        (r"sky", re.I, "\N{LATIN SMALL LETTER LONG S}ky"),
        (r"(?i:free)", 0, "FREE"),
        (r"(?i)free", 0, "FREE"),
    ],
)
def test_letters_of_another_case_are_found(regex, flags, text):
    assert required_literals.searcher(re.compile(regex, flags))(text)


def test_without_the_parser_of_re(monkeypatch):
    monkeypatch.setattr(required_literals, "parser", None)
    test = required_literals.searcher(re.compile("fr.*ee"))
    assert test("frxee") and not test("free2"[1:])


@given(
    st.lists(WORDS, min_size=1, max_size=6), st.text(alphabet=LETTERS, max_size=9), st.booleans()
)
def test_any_of_finds_what_the_longest_first_finds(words, text, whole):
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    a, b = rf"(?:{longest_first})", required_literals.any_of(words)
    if whole:
        a, b = rf"(?<!\w){a}(?!\w)", rf"(?<!\w){b}(?!\w)"
    assert re.findall(a, text) == re.findall(b, text)


def test_any_of_a_word_and_its_beginning():
    pattern = re.compile(required_literals.any_of(["new", "new york", "newark", "old"]))
    assert pattern.findall("new, newark, new york, old, ne") == ["new", "newark", "new york", "old"]


def test_a_long_word_list():
    words = [f"word{i:05d}" for i in range(20_011)] + ["x" * 5_003]
    lf = dictionary_lf("d", dict.fromkeys(words, 1) | {"word00007 and more": 0})
    assert lf("a Word12345!") == 1 and lf("word99999") == -1 and lf("x" * 5_003) == 1
    assert lf("word00007 and more") == 0
    assert keyword_lf("k", words, 1)("see word20010") == 1
