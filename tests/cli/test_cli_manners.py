"""Manners of every command: help, quiet, JSON, completion, one meaning for each flag."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spear_amal.cli import console
from spear_amal.cli.app import app
from spear_amal.cli.schema import kind_of
from spear_amal.progress import Progress


def commands(group=app, prefix=()):
    """Yield the words of every command, and its options."""
    for command in group.registered_commands:
        yield (*prefix, command.name), command.callback.options
    for other in group.registered_groups:
        yield from commands(other.typer_instance, (*prefix, other.name))


WORDS = [words for words, _ in commands()]


@pytest.mark.parametrize("words", [(), ("study",), ("corpora",), *WORDS], ids=" ".join)
def test_short_help_is_the_long_one(ok, words):
    assert ok(*words, "-h").stdout == ok(*words, "--help").stdout != ""


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_command_can_be_quiet_or_print_json(ok, words):
    shown = ok(*words, "-h").stdout
    assert "--quiet" in shown
    assert "--json" in shown


def test_help_of_study_shows_what_a_source_takes(ok):
    shown = ok("study", "--help").stdout
    assert "--n-labelled" in shown
    assert "mixers-rules" in shown


def test_runs_as_a_module_of_python():
    run = [sys.executable, "-m", "spear_amal", "--version"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("spear-amal ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered_for_shells(shell):
    code = (
        "import shellingham, sys; "
        f"shellingham.detect_shell = lambda *a, **k: ({shell!r}, {shell!r}); "
        "from spear_amal.cli import main; main(['--show-completion'])"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert "_SPEAR_AMAL_COMPLETE" in done.stdout


def test_completion_names_commands(monkeypatch):
    environment = {
        **{"_SPEAR_AMAL_COMPLETE": "complete_bash", "COMP_WORDS": "spear-amal ev"},
        "COMP_CWORD": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    run = [sys.executable, "-m", "spear_amal"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["evaluate"]


def test_json_of_tables_and_lines(capsys):
    table = pd.DataFrame({"name": ["a", "b"], "share": [0.25, np.nan], "n": [3, 4]})
    with console.printing(as_json=True):
        console.show_table(table.astype(str), "Shares", table)
        console.show_rows("Counts", ("of", "n"), [("x", np.int64(2))])
        console.print_result("All [bold]done[/bold]")
        console.print_status("a remark")
        console.add_to_json(more={"when": pd.Timestamp("2020-01-02"), "none": pd.NA})
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "tables": [
            {
                "title": "Shares",
                "rows": [
                    {"name": "a", "share": 0.25, "n": 3},
                    {"name": "b", "share": None, "n": 4},
                ],
            },
            {"title": "Counts", "rows": [{"of": "x", "n": 2}]},
        ],
        "lines": ["All [bold]done[/bold]"],
        "more": {"when": "2020-01-02 00:00:00", "none": None},
    }
    assert printed.err == "a remark\n"


def test_results_before_an_error_are_printed_as_json(capsys):
    with pytest.raises(RuntimeError), console.printing(as_json=True):
        console.print_result("first")
        raise RuntimeError
    assert json.loads(capsys.readouterr().out) == {"lines": ["first"]}
    with pytest.raises(RuntimeError), console.printing(as_json=True):
        raise RuntimeError
    assert capsys.readouterr().out == ""


def test_quiet_keeps_results_and_warnings(capsys):
    with console.printing(quiet=True):
        console.print_status("a remark")
        console.print_warning("Warning: look")
        console.print_result("a result")
        with Progress("work", total=2, log_every=0) as bar:
            bar.update()
    console.print_status("afterwards")
    printed = capsys.readouterr()
    assert printed.out == "a result\n"
    assert printed.err == "Warning: look\nafterwards\n"


def test_quiet_train_says_nothing_but_results(project, ok):
    done = ok("train", "--max-epochs", 1, "--method", "majority", "--force", "--quiet")
    assert "Model written to" in done.stdout
    assert done.stderr == ""


def test_json_of_evaluate_is_one_document(project, ok):
    document = json.loads(ok("evaluate", "--json").stdout)
    assert [table["title"] for table in document["tables"]] == ["Scores", "Confusion matrix"]


def test_a_flag_has_one_kind_of_value():
    kinds = {}
    for words, model in commands():
        for field, (flag, _) in model.shown().items():
            kinds.setdefault(flag, {}).setdefault(kind_of(model.model_fields[field])[0], words)
    assert {flag: users for flag, users in kinds.items() if len(users) > 1} == {}
