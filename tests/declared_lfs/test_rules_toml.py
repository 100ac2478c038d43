"""The file of declared rules: round trips, order, comments, other processes, what it refuses."""

import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.declared_lfs import (
    KeywordRule,
    RegexRule,
    RulesFile,
    SimilarRule,
    ThresholdRule,
    change_rules,
    read_rules_file,
    rules_version,
)
from spear_amal.declared_lfs.rules_text import rewritten
from spear_amal.declared_lfs.rules_toml import rules_of_text
from spear_amal.errors import FileFormatError, InputError, MissingExtraError, StaleError

# No halves of characters: a file of UTF-8 cannot hold them.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9)
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=5)
LINES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
LABELS = LINES | st.integers(0, 2**40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
COMMON = {"name": LINES, "label": LABELS, "column": LINES}
RULES = st.one_of(
    st.builds(
        KeywordRule,
        **COMMON,
        keywords=st.lists(TEXTS, min_size=1, max_size=4),
        whole_word=st.booleans(),
        ignore_case=st.booleans(),
        min_count=st.integers(1, 3),
    ),
    st.builds(RegexRule, **COMMON, pattern=TEXTS.map(re.escape), ignore_case=st.booleans()),
    st.builds(ThresholdRule, **COMMON, at_least=NUMBERS),
    st.builds(ThresholdRule, **COMMON, at_most=NUMBERS),
    st.builds(
        SimilarRule,
        **COMMON,
        examples=st.lists(TEXTS.filter(str.strip), min_size=1),
        at_least=st.floats(0, 1, exclude_min=True),
        encoder=LINES,
    ),
)
FILES = st.builds(
    RulesFile,
    st.lists(RULES, max_size=3, unique_by=lambda rule: rule.name).map(tuple),
    st.frozensets(TEXTS, max_size=3),
    st.frozensets(TEXTS, max_size=3),
)
PRIZE = KeywordRule(name="prize", label="spam", keywords=["won", "prize"])
CALL = RegexRule(name="call", label="spam", pattern=r"\bcall\b")
LONG = ThresholdRule(name="long", label="ham", column="n_words", at_least=30)
WRITTEN = """\
# Our rules.

# Asked of the support team.
[rules.prize]
label = "spam"   # what else
kind = "keyword"
keywords = [
    "won",  # also: win?
    # a noun
    "prize",
]

[rules.call]
kind = "regex"
label = "spam"
pattern = '\\bcall\\b'
# not at night

# The end.
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rules.toml"


def put(path, file):
    return change_rules(path, lambda _: file)


@settings(max_examples=25, deadline=None)
@given(FILES, FILES)
def test_what_is_written_is_read(first, second):
    text = rewritten("", RulesFile(), first)
    assert rules_of_text(text, "") == first
    other = rewritten(text, first, second)
    assert rules_of_text(other, "") == second
    # The file depends on what it says, not on what it said.
    assert other == rewritten("", RulesFile(), second)


@settings(max_examples=25, deadline=None)
@given(FILES, st.data())
def test_a_changed_rule_is_written_as_if_it_were_new(file, data):
    """In place key by key, which keeps comments: the same rule comes out."""
    text = rewritten("", RulesFile(), file)
    for rule in file.rules:
        other = data.draw(RULES).model_copy(update={"name": rule.name})
        after = file.with_rule(other, replaces=rule.name)
        assert rules_of_text(rewritten(text, file, after), "") == after


def test_rules_are_sorted_and_come_one_a_table(path):
    for rule in (PRIZE, LONG, CALL):
        change_rules(path, lambda file, rule=rule: file.with_rule(rule))
    first = path.read_bytes()
    path.unlink()
    for rule in (CALL, PRIZE, LONG):
        change_rules(path, lambda file, rule=rule: file.with_rule(rule))
    assert path.read_bytes() == first
    text = path.read_text()
    assert re.findall(r"^\[.*\]$", text, re.MULTILINE) == [
        "[rules.call]",
        "[rules.long]",
        "[rules.prize]",
    ]
    assert '\nkeywords = [\n    "prize",\n    "won",\n]\n' in text
    assert "\npattern = '\\bcall\\b'\n" in text
    change_rules(path, lambda file: file.with_muted("call", True))
    change_rules(path, lambda file: file.with_rejected("b").with_rejected("a"))
    assert (
        '\n\nmuted = [\n    "call",\n]\nrejected = [\n    "a",\n    "b",\n]\n' in path.read_text()
    )
    change_rules(path, lambda file: file.with_muted("call", False))
    change_rules(path, lambda file: RulesFile(file.rules))
    assert path.read_bytes() == first  # undone, nothing is left of it


def test_what_a_user_wrote_stays(path):
    path.write_text(WRITTEN)
    file = read_rules_file(path)
    assert file == RulesFile((PRIZE, CALL))
    assert put(path, file) == file and path.read_text() == WRITTEN
    change_rules(path, lambda file: file.with_rule(LONG).with_muted("prize", True))
    call, prize = WRITTEN.split("\n\n")[2], WRITTEN.split("\n\n")[1]
    assert path.read_text() == (
        '# Our rules.\n\nmuted = [\n    "prize",\n]\n\n'
        f"{call}\n\n"
        '[rules.long]\nkind = "threshold"\nlabel = "ham"\ncolumn = "n_words"\nat_least = 30\n\n'
        f"{prize}\n\n# The end.\n"
    )


def test_a_changed_rule_keeps_its_comments(path):
    path.write_text(WRITTEN)
    more = PRIZE.model_copy(update={"keywords": ("cash", "prize", "won"), "min_count": 2})
    change_rules(path, lambda file: file.with_rule(more, replaces="prize"))
    assert """\
# Asked of the support team.
[rules.prize]
label = "spam"   # what else
kind = "keyword"
keywords = [
    "cash",
    # a noun
    "prize",
    "won",  # also: win?
]
min_count = 2
""" in path.read_text()
    renamed = more.model_copy(update={"name": "money"})
    change_rules(path, lambda file: file.with_rule(renamed, replaces="prize"))
    assert "# Asked of the support team.\n[rules.money]\n" in path.read_text()
    change_rules(path, lambda file: file.without_rule("money"))
    assert "support team" not in path.read_text()
    assert "# not at night" in path.read_text() and "# The end." in path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        'rules = {prize = {kind = "keyword", label = "spam", keywords = ["prize", "won"]}}',
        'rules.prize.kind = "keyword"\nrules.prize.label = "spam"\n'
        'rules.prize.keywords = ["prize", "won"]',
        '[rules]\n[rules.prize]\nkind = "keyword"\nlabel = "spam"\nkeywords = ["prize", "won"]',
        '[ rules . "prize" ]\r\nkind = "keyword"\r\nlabel = "spam"\r\n'
        'keywords = """won"""\r\n'.replace('"""won"""', '["prize", "won"]'),
    ],
)
def test_other_ways_to_write_it(path, text):
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # as some editors save it
    assert read_rules_file(path) == RulesFile((PRIZE,))
    after = change_rules(path, lambda file: file.with_rule(CALL).with_muted("prize", True))
    assert read_rules_file(path) == after == RulesFile((PRIZE, CALL), {"prize"})


def test_a_line_within_a_text_is_no_table(path):
    tricky = SimilarRule(name="x", label="ham", examples=["a\n[rules.y]\nb"], at_least=0.5)
    path.write_text(
        '[rules.x]\nkind = "similar"\nlabel = "ham"\nat_least = 0.5\n'
        'examples = ["""a\n[rules.y]\nb"""]\n'
    )
    assert read_rules_file(path) == RulesFile((tricky,))
    assert change_rules(path, lambda file: file.with_rule(CALL)) == read_rules_file(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[prize]\n", r"rules.toml: unknown key 'prize'; .* \[rules.my_words\]"),
        ("muted = 'x'\n", r"rules.toml: muted must be a list of texts, found 'x'"),
        ("rejected = [1]\n", r"rules.toml: rejected must be a list of texts"),
        ("rules = 3\n", r"rules.toml: each rule is a table \[rules.NAME\], found 3"),
        ("rules.x = 3\n", r"rules.toml: rule 'x' must be a table"),
        ("[rules.x]\nname = 'y'\n", r"rules.toml: rule 'x': its name stands in"),
        (
            "[rules.x]\nkind = 'threshold'\nlabel = 'a'\ncolumn = 'n'\nat_least = '5'",
            r"rule 'x'.*'5'",
        ),
        (
            "[rules.x]\na = 1\n[rules.x]\nb = 2\n",
            r"rules.toml: two rules are called 'x' \(at line 3",
        ),
    ],
)
def test_files_that_say_something_else(path, text, message):
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_rules_file(path)
    with pytest.raises(InputError, match=message):
        change_rules(path, lambda file: file.with_rule(PRIZE))
    assert path.read_text() == text


@pytest.mark.parametrize(
    "content", [b"[rules.x\n", b"a = 1\na = 2\n", b"\xff\xfe", b"a = [" * 9999]
)
def test_files_that_are_no_toml(path, content):
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"rules.toml is no valid TOML"):
        read_rules_file(path)


def test_a_missing_file_says_nothing(path):
    assert read_rules_file(path) == RulesFile() and rules_version(path) == ""
    put(path, RulesFile())
    assert not path.exists()
    put(path, RulesFile((PRIZE,)))
    version = rules_version(path)
    put(path, RulesFile((PRIZE, CALL)))
    assert version and rules_version(path) != version


def test_a_page_that_is_behind_changes_nothing(path):
    put(path, RulesFile((PRIZE,)))
    change_rules(path, lambda file: file.without_rule("prize"), seen={"prize": PRIZE})
    text = path.read_text()
    for seen, state in (
        ({"prize": PRIZE}, "was removed"),
        ({"prize": None, "call": CALL}, "was removed"),
    ):
        with pytest.raises(StaleError, match=rf"rules.toml: the rule '\w+' {state}, elsewhere"):
            change_rules(path, lambda file: file.with_rule(LONG), seen=seen)
    put(path, RulesFile((PRIZE, CALL)))
    other = PRIZE.model_copy(update={"keywords": ("won",)})
    with pytest.raises(StaleError, match=r"'prize' is another one by now"):
        change_rules(path, lambda file: file.with_rule(LONG), seen={"prize": other})
    with pytest.raises(StaleError, match=r"'prize' was added"):
        change_rules(path, lambda file: file.with_rule(LONG), seen={"prize": None})
    assert read_rules_file(path) == RulesFile((PRIZE, CALL)) and text


def test_names_are_taken_once():
    file = RulesFile((PRIZE, CALL)).with_muted("prize", True)
    with pytest.raises(InputError, match=r"there is a rule 'call' already"):
        file.with_rule(CALL)
    renamed = PRIZE.model_copy(update={"name": "call"})
    with pytest.raises(InputError, match=r"there is a rule 'call' already"):
        file.with_rule(renamed, replaces="prize")
    with pytest.raises(InputError, match=r"there is no rule 'other'"):
        file.with_rule(renamed, replaces="other")
    with pytest.raises(InputError, match=r"there is no rule 'other'"):
        file.without_rule("other")
    with pytest.raises(InputError, match=r"two rules are called 'prize'"):
        RulesFile((PRIZE, PRIZE))
    renamed = PRIZE.model_copy(update={"name": "money"})
    assert file.with_rule(renamed, replaces="prize").muted == {"money"}
    assert file.without_rule("prize") == RulesFile((CALL,))


def test_what_an_editor_saves_meanwhile_is_not_lost(path):
    """An editor takes no lock: its file is read again and the change made to that."""
    put(path, RulesFile((PRIZE,)))
    calls = []

    def change(file):
        if not calls:  # the editor saves while the change is being made
            text = path.read_text() + '\n[rules.mine]\nkind = "regex"\nlabel = "x"\npattern = "a"\n'
            path.write_text(text)
        calls.append(file)
        return file.with_rule(CALL)

    after = change_rules(path, change)
    assert len(calls) == 2 and [rule.name for rule in after.rules] == ["call", "mine", "prize"]
    assert read_rules_file(path) == after


ADD = """
import sys
from spear_amal.declared_lfs import KeywordRule, change_rules
print("ready", flush=True)
sys.stdin.readline()
for i in range({n}):
    rule = KeywordRule(name=f"{name}{{i}}", label="spam", keywords=[f"word{{i}}"])
    change_rules("rules.toml", lambda file: file.with_rule(rule))
"""


@pytest.mark.parametrize("n", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_two_processes_lose_no_rule(n, tmp_path):
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    others = [
        subprocess.Popen([sys.executable, "-c", ADD.format(n=n, name=name)], cwd=tmp_path, **pipe)
        for name in "ab"
    ]
    for other in others:
        assert other.stdout.readline() == "ready\n"
    for other in others:
        other.stdin.write("go\n")
        other.stdin.flush()
    for other in others:
        other.communicate()
        assert other.returncode == 0
    names = {rule.name for rule in read_rules_file(tmp_path / "rules.toml").rules}
    assert names == {f"{name}{i}" for name in "ab" for i in range(n)}
    assert [path.name for path in tmp_path.iterdir()] == ["rules.toml"]
    assert list(tomllib.loads((tmp_path / "rules.toml").read_text())["rules"]) == sorted(names)


def test_without_the_package_that_keeps_comments(path, monkeypatch):
    put(path, RulesFile((PRIZE,)))  # a new file needs no more than Python
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    change_rules(path, lambda file: file.with_rule(CALL))
    with pytest.raises(MissingExtraError, match=r"pip install 'spear-amal\[workbench\]'"):
        change_rules(path, lambda file: file.with_muted("call", True))
    assert read_rules_file(path) == RulesFile((PRIZE, CALL))
