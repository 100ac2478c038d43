from pathlib import Path

import pytest

from spear_amal.cli import demo as demo_module
from spear_amal.data import synthetic_corpus
from spear_amal.studies import parse_method

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("romance", "action")
love = keyword_lf("love", ["love", "passion", "wedding"], label="romance")
gang = keyword_lf("gang", ["gang", "bomb", "gun"], label="action")
"""
QUICK = ("demo", "--offline", "--max-epochs", 2, "--lfs", "lfs.py")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Smaller made-up corpus and LFs of our own: the journey counts here, not its scores."""
    monkeypatch.setattr(demo_module, "synthetic_corpus", lambda: synthetic_corpus(331, n_test=101))
    Path("lfs.py").write_text(LFS, encoding="utf-8")


def test_demo_offline_says_so_and_reports(ok):
    result = ok(*QUICK)
    assert "cannot be had, so this runs on made-up plots (offline was asked for" in result.stderr
    for title in (parse_method(text).title for text in demo_module.METHODS):
        assert title in result.stdout and f"training: {title}" in result.stderr
    assert "was given" in result.stdout and "100 + 100 gold" in result.stdout
    assert "scored on 101 test rows" in result.stdout
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Methods compared on made-up movie plots" in page and "101 test rows" in page


def test_weights_are_judged_by_gold_that_training_never_saw(ok, monkeypatch):
    monkeypatch.setattr(demo_module, "METHODS", ("recommended",))
    judge, calls = demo_module.weights_with_gold, []

    def recorded(task, estimator, gold):
        calls.append((task, gold))
        return judge(task, estimator, gold)

    monkeypatch.setattr(demo_module, "weights_with_gold", recorded)
    ok("demo", "--offline", "--max-epochs", 4, "--lfs", "lfs.py")
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Weights where the rules are right and wrong" in page
    ((task, gold),) = calls
    assert (gold >= 0).all() and (task.y_train == -1).sum() == task.n_unlabelled > 0


def test_earlier_report_is_replaced_and_a_foreign_file_kept(ok, run, monkeypatch):
    monkeypatch.setattr(demo_module, "METHODS", ("recommended",))
    Path("report.html").write_text('<meta name="generator" content="spear_amal">')
    assert "will be replaced" in ok(*QUICK).stderr
    assert "Methods compared" in Path("report.html").read_text(encoding="utf-8")
    Path("report.html").write_text("my own page")
    refused = run(*QUICK)
    assert refused.exit_code == 2 and "report.html already exists" in refused.stderr
    assert Path("report.html").read_text() == "my own page"
    ok(*QUICK, "--force")


def test_named_report_is_never_replaced_unasked(run):
    Path("mine.html").write_text('<meta name="generator" content="spear_amal">')
    refused = run(*QUICK, "--output", "mine.html")
    assert refused.exit_code == 2 and "--force" in refused.stderr
    assert refused.stdout == ""  # before any work


def test_lfs_are_looked_for_before_any_work(run):
    result = run("demo", "--offline", "--lfs", "gone.py")
    assert result.exit_code == 2 and "no such file of labelling functions: gone.py" in result.stderr
    assert result.stdout == ""


def test_without_matplotlib_the_demo_runs_without_a_report(ok, run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(demo_module, "METHODS", ("only-l", "recommended"))
    result = ok(*QUICK)
    assert "No report will be written" in result.stderr and "spear-amal[report]" in result.stderr
    assert not Path("report.html").exists()
    refused = run(*QUICK, "--output", "mine.html")
    assert refused.exit_code == 2 and "pip install 'spear-amal[report]'" in refused.stderr


def test_demo_names_methods_that_left_useless_votes_out(ok, monkeypatch):
    monkeypatch.setattr(demo_module, "METHODS", ("only-l", "spear", "recommended"))
    # Letters that stand in every class.
    lfs = LFS.replace('"love", "passion", "wedding"', '"a"').replace(
        '"gang", "bomb", "gun"', '"in"'
    )
    Path("lfs.py").write_text(lfs, encoding="utf-8")
    result = ok(*QUICK)
    assert result.stderr.count("Warning: on ") == 1  # both methods say it
    said = "Votes left out as no better than chance by: SPEAR; Recommended pool, 5 folds."
    assert said in result.stdout
    assert said in Path("report.html").read_text(encoding="utf-8")
