"""Names that would steer a terminal, a spreadsheet or a page are shown and not obeyed."""

import csv
import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal import TextClassifier
from spear_amal.cli.console import print_result, print_status, show_rows
from spear_amal.printable import on_one_line, printable
from spear_amal.report.formatting import escape_markdown, markdown

RED = "\x1b[31mred\x07"
LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("=1+1", "\\x1b[31mred\\x07")
a = keyword_lf("=HYPERLINK(A1)", ["one"], label="=1+1")
b = keyword_lf("@two|three\\nfour\\u202e", ["two"], label=CLASSES[1])
"""


@pytest.fixture
def folder(ok):
    """A folder with LFs of such names, and their votes."""
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    rows = [("=1+1" if i % 2 else RED, "one" if i % 2 else "two") for i in range(23)]
    pd.DataFrame(rows, columns=["label", "text"]).to_csv("rows.csv", index=False)
    ok("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "v.npz")


@given(st.text())
def test_nothing_printable_steers(text):
    shown = printable(text)
    # By the Unicode standard: C0, DEL and C1 controls, and the marks that change direction.
    steering = {*map(chr, range(32)), *map(chr, range(127, 160))} - {"\n", "\t"}
    steering |= set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert not steering & set(shown)
    assert "\n" not in on_one_line(text)
    shown.encode("utf-8")
    if text.isprintable():
        assert shown == text


def test_terminal_is_shown_escapes(folder, ok):
    result = ok("analyze", "--votes", "v.npz", "--data", "rows.csv")
    for output in (result.stdout, result.stderr):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", output)
    assert r"\x1b[31mred\x07" in result.stdout
    assert r"@two|three\nfour\u202e" in result.stdout


def test_errors_and_remarks_are_escaped(run, capsys):
    Path("rows.csv").write_text(f"text,{RED}\na,b\n", encoding="utf-8")
    Path("lfs.py").write_text("raise ValueError('\\x1b[31m')", encoding="utf-8")
    result = run("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "v.npz")
    assert result.exit_code == 2 and "\x1b" not in result.stderr and r"\x1b[31m" in result.stderr
    print_result(RED)
    print_status("half \ud83d")
    show_rows(RED, ["a\nb"], [[RED]])
    shown = "".join(capsys.readouterr())
    assert "\x1b" not in shown and "\x07" not in shown
    assert shown.count(r"\x1b[31mred\x07") == 3 and r"half \ud83d" in shown and r"a\nb" in shown


def test_spreadsheet_runs_no_name(folder, ok):
    ok("analyze", "--votes", "v.npz", "--output", "table.csv")
    with open("table.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["LF"] for row in rows] == ["'=HYPERLINK(A1)", "'@two|three\nfour\u202e"]
    assert [row["votes for"] for row in rows] == ["'=1+1", RED]
    ok("analyze", "--votes", "v.npz", "--output", "table.jsonl")
    first = json.loads(Path("table.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["LF"] == "=HYPERLINK(A1)" and first["votes for"] == "=1+1"


def test_predicted_names_are_no_formulas(folder, ok):
    given = ("--data", "rows.csv", "--lfs", "lfs.py", "--method", "majority")
    ok("train", *given, "--max-epochs", 1, "--output", "m")
    ok("predict", "--data", "rows.csv", "--model", "m", "--output", "p.csv")
    ok("predict", "--data", "rows.csv", "--model", "m", "--output", "p.jsonl")
    model = TextClassifier.load("m")
    frame = pd.read_csv("rows.csv")
    best = model.predict(frame["text"].tolist()).tolist()
    assert set(best) == {"=1+1", RED}
    found = pd.read_csv("p.csv")
    assert found["predicted"].tolist() == [name.replace("=1+1", "'=1+1") for name in best]
    # A cell of the user's own stays what it is.
    assert found["label"].tolist() == frame["label"].tolist()
    lines = Path("p.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["predicted"] for line in lines] == best


def test_markdown_shows_names_as_they_are():
    name = "<b>*x*</b>|[a](b) `c` \\ _e_ max_epochs &amp; ~f~\n# g"
    table = markdown(pd.DataFrame({name: [name]}))
    head, rule, row = table.splitlines()
    assert head == row and rule == "|---|"
    # Undoing the escapes as CommonMark does gives the name back.
    undone = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", head.removeprefix("| ").removesuffix(" |"))
    assert undone == name.replace("\n", "\\n")
    assert not re.search(r"(?<!\\)[<*`\[\]|&~]", escape_markdown(name))


# -- what no name, path or stream may do ----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("data = " + "[" * 3000 + "]" * 3000, "spear.toml is no valid TOML"),
        ("seed = " + "9" * 5000, "spear.toml is no valid TOML"),
        ('data = "a\\u0000b.csv"', "'data' holds a NUL character"),
        ('test = ["a.csv", "a\\u0000b.csv"]', "'test' holds a NUL character"),
        ('output = "a\\u0000b"', "'output' holds a NUL character"),
        (b"seed = 1 # \xff", "spear.toml is no valid TOML"),
    ],
)
def test_settings_that_cannot_be_read(run, content, said):
    Path("spear.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = run("train")
    assert result.exit_code == 2 and said in result.stderr, result.stderr


def test_study_setting_that_is_nested_too_deeply(run):
    value = f"rates={'[' * 100_000}"
    result = run("study", "kd-noise", "--output", "a.json", "--set", value)
    assert result.exit_code == 2 and "nested too deeply" in result.stderr, result.stderr[-500:]


@pytest.mark.parametrize("command", [("predict", "--data"), ("apply", "--lfs", "x", "--data")])
def test_path_that_is_too_long(run, command):
    result = run(*command, f"{'a' * 300}.csv", "--output", "o.npz")
    assert result.exit_code == 2 and "unexpected" not in result.stderr, result.stderr


def test_ctrl_c_while_importing_prints_no_traceback(monkeypatch, capsys):
    from spear_amal.cli import main

    class Interrupted:
        def find_spec(self, name, path=None, target=None):
            if name == "spear_amal.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "spear_amal.cli.app")
    monkeypatch.delattr("spear_amal.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Error: interrupted; nothing was begun\n"
