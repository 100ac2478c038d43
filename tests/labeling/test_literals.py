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


NEITHER, BOTH = (False, False), (True, True)


@pytest.mark.parametrize(
    "regex, flags, words, alone",
    [
        (r"escape[sd]?", 0, {"escape"}, NEITHER),
        (r"(?:fell|fall)s? now", 0, {"fell now", "fells now", "fall now", "falls now"}, NEITHER),
        (r"\b(?:kill|hunt)\w*", 0, {"kill", "hunt"}, (True, False)),
        (r"\bwin\w*\b", 0, {"win"}, (True, False)),
        (r"\w*win\b", 0, {"win"}, (False, True)),
        (r"\bcolou?r\b", re.IGNORECASE, {"colour", "color"}, BOTH),
        (r"(?<!\w)[ab]1(?!\w)", 0, {"a1", "b1"}, BOTH),
        (r"(?<!\w)-(?!\w)", 0, {"-"}, BOTH),
        (r".*(free) *", 0, {"free"}, NEITHER),
        (r"(?:ha)+", 0, {"ha"}, NEITHER),
        (r"!{2,}", 0, {"!!"}, NEITHER),
        (r"x(?:ab){1,2}y", 0, {"xaby", "xababy"}, NEITHER),
        (r"Free", re.IGNORECASE, {"free"}, NEITHER),
        (r"é", 0, {"é"}, NEITHER),
    ],
)
def test_patterns_that_stand_for_words(regex, flags, words, alone):
    need = required_literals.needed_by(re.compile(regex, flags))
    assert need.proof and set(need.words) == words and need.alone == alone
    assert need.lowered == bool(flags)


@pytest.mark.parametrize(
    "regex, flags",
    [
        (r"\b-free", 0),  # a letter must stand before it
        (r"free-\b", 0),
        (r"\b(?:free|-free)", 0),
        (r"\bfree-\w*\b", 0),
        (r"f*+free", 0),  # gives nothing back
        (r"(?>f|fr)free", 0),
        (r"^free", 0),
        (r"free$", 0),
        (r"free(?!!)", 0),
        (r"(?<!un)free", 0),
        (r"(?=free)free", 0),
        (r"free\B", 0),
        (r"\bfree\b", re.ASCII),
        (r"(?i:free)", 0),
        (r"(free) \1", 0),
        (r"free.", 0),
        (r"[^x]free", 0),
        (r"\bfree+\b", 0),
        (r"free|cash|", 0),
        (r"[a-z]{2}free", 0),
    ],
)
def test_patterns_that_ask_for_more_than_words(regex, flags):
    need = required_literals.needed_by(re.compile(regex, flags))
    assert need is None or not need.proof


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
