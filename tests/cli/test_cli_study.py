import dataclasses
import json
import warnings
from pathlib import Path

import pytest

from spear_amal.cli import study as study_module
from spear_amal.data import synthetic_corpus
from spear_amal.estimators import GoldClassifier
from spear_amal.studies import METHODS, Method, corpus_study, register_method, study_methods
from spear_amal.studies import corpus_votes as source_module

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("romance", "action")
love = keyword_lf("love", ["love", "passion", "wedding"], label="romance")
gang = keyword_lf("gang", ["gang", "bomb", "gun"], label="action")
"""
QUICK = ("--max-epochs", 1, "--lfs", "lfs.py", "--output", "a.json")
SMALL = ("study", "generated", *QUICK, "--n-labelled", 23)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A smaller made-up corpus and LFs of our own."""
    corpus = dataclasses.replace(synthetic_corpus(211, n_test=61), n_labelled=23)
    monkeypatch.setattr(source_module, "load_corpus", lambda *ignored: corpus)
    monkeypatch.setattr("spear_amal.studies.methods.METHODS", dict(METHODS))
    Path("lfs.py").write_text(LFS, encoding="utf-8")


def rows():
    return json.loads(Path("a.json").read_text(encoding="utf-8"))["rows"]


def test_one_command_answers_whether_amal_is_worth_it(ok):
    result = ok(*SMALL, "--seeds", 2)
    for title in (
        "Only-L",
        "Classifier on L+V",
        "Supervised",
        "SPEAR",
        "Recommended pool, 5 folds",
    ):
        assert title in result.stdout
    assert "Is AMAL worth it on generated (23 labels)? Too early to say" in result.stdout
    assert "votes: lfs.py; max_epochs=1" in result.stdout
    assert "16/16" in result.stderr and "Runs are in a.json" in result.stdout
    assert len(rows()) == 16


def test_study_goes_on_and_report_shows_it(ok, run):
    ok(*SMALL, "--seeds", 2, "--method", "spear")
    told = ok(*SMALL, "--seeds", 3, "--method", "spear", "--baseline", "only-lv")
    assert told.stderr.startswith("9/12") and "gain" in told.stdout
    assert len(rows()) == 12
    shown = ok("study", "report", "a.json", "--baseline", "only-lv", "--html", "a.html")
    assert "95% interval" in shown.stdout and "Report written to a.html" in shown.stdout
    page = Path("a.html").read_text(encoding="utf-8")
    assert "Study: generated" in page and "data:image/png" in page and "SPEAR" in page
    refused = run("study", "report", "a.json", "--html", "a.html")
    assert refused.exit_code == 2 and refused.stdout == ""
    ok("study", "report", "a.json", "--html", "a.html", "--force")


def test_markdown_and_tuning(ok):
    ok(*SMALL, "--seeds", 2, "--method", "majority", "--only", "--tune", 2)
    shown = ok("study", "report", "a.json", "--markdown").stdout
    lines = [line for line in shown.splitlines() if line.startswith("|")]
    assert lines[0].startswith("| method | test F1 | sd | gain over majority | 95% interval |")
    assert lines[2].startswith("| Majority vote + classifier | ")
    assert "**What tuning chose**" in shown and lines[-1].endswith(" 2 |")


def test_failed_runs_end_with_1_and_are_named(run, ok):
    class Broken(GoldClassifier):
        def fit(self, *rows, **more):
            warnings.warn("no good votes", UserWarning, stacklevel=2)
            raise ArithmeticError("singular")

    register_method(Method("broken", "Broken", Broken, uses_votes=False))
    result = run(*SMALL, "--seeds", 2, "--method", "broken", "--method", "only-l", "--only")
    assert result.exit_code == 1 and "2 of 4 runs failed" in result.stderr
    assert "broken, seed 1: ArithmeticError: singular" in result.stderr
    assert "Only-L" in result.stdout and len(rows()) == 4
    shown = ok("study", "report", "a.json", "--baseline", "only-l").stderr
    assert "2 of 4 runs failed" in shown and "broken, 2 of its runs: no good votes" in shown


def test_report_of_nothing_but_failures_says_why(run):
    class Broken(GoldClassifier):
        def fit(self, *rows, **more):
            raise ArithmeticError("singular")

    register_method(Method("broken", "Broken", Broken, uses_votes=False))
    run(*SMALL, "--seeds", 2, "--method", "broken", "--only")
    result = run("study", "report", "a.json")
    assert result.exit_code == 1 and "2 of 2 runs failed" in result.stderr
    assert "broken, seed 0: ArithmeticError: singular" in result.stderr


def test_report_reads_rows_that_say_nothing_of_warnings(ok):
    ok(*SMALL, "--seeds", 2, "--method", "only-l", "--only")
    content = json.loads(Path("a.json").read_text(encoding="utf-8"))
    del content["rows"][0]["warnings"], content["sha256"]  # as files of earlier versions
    Path("a.json").write_text(json.dumps(content), encoding="utf-8")
    assert "Only-L" in ok("study", "report", "a.json").stdout


def test_interrupt_says_that_nothing_is_lost(run, monkeypatch):
    def stop(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus_study, "run_method", stop)
    result = run(*SMALL, "--seeds", 2)
    assert result.exit_code == 130 and "same command goes on" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SMALL, "--method", "speer"), "did you mean 'spear'"),
        ((*SMALL, "--method", "spear:rhoo=1"), "has no option 'rhoo'"),
        ((*SMALL, "--seeds", 0), "at least two seeds"),
        ((*SMALL, "--seeds", 1), "at least two seeds"),
        ((*SMALL[:-1], 99), "takes 99 rows for L and 99 for V"),
        ((*SMALL, "--protocol", "published"), "leave out --n-labelled"),
        ((*SMALL, "--baseline", "cage"), "'cage' is not among the methods"),
        (("study", "plts", *QUICK), "did you mean plots"),
        (("study", ".", *QUICK), "label.json is missing"),
        (("study", "generated", "--output", "a.json", "--lfs", "gone.py"), "no such file"),
        (("study", "report", "a.json"), "there is no study file"),
    ],
)
def test_bad_input_ends_with_2_and_writes_nothing(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stdout == ""
    assert not Path("a.json").exists()


def test_help_tells_both_ways(ok, run):
    shown = ok("study", "--help").stdout
    assert "run" in shown and "report" in shown
    assert "--protocol" in ok("study", "run", "--help").stdout
    assert "SOURCE" in run("study", "--method", "spear").stderr.upper()


def test_default_methods_exist():
    assert study_methods(study_module.METHODS)
