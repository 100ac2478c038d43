"""The table of encoders: runs are kept line by line, and gains are paired by seed."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import encoder_table as benchmark


def line(features, method, seed, score, corpus="sms"):
    key = dict(zip(benchmark.PARTS, ("random", corpus, features, method, seed), strict=True))
    return key | {"score": score, "seconds": 1.0}


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "runs.jsonl"
    for seed, (words, frozen) in enumerate([(0.5, 0.7), (0.6, 0.7), (0.7, 0.7)]):
        benchmark.append_run(path, line("tfidf", "amal", seed, words))
        benchmark.append_run(path, line("frozen", "amal", seed, frozen))
    benchmark.append_run(path, line("frozen", "spear", 0, 0.9))
    return path


def test_a_line_that_was_cut_off_is_made_again(runs):
    runs.write_text(runs.read_text()[:-20], encoding="utf-8")
    assert len(benchmark.read_runs(runs)) == 6
    benchmark.append_run(runs, line("frozen", "spear", 0, 0.8))
    known = benchmark.read_runs(runs)
    assert len(known) == 7 and known["random", "sms", "frozen", "spear", 0]["score"] == 0.8


def test_runs_are_made_seed_by_seed():
    options = Namespace(
        protocol="random",
        first_seed=0,
        seeds=2,
        corpus=["sms"],
        features=["frozen", "tfidf"],
        method=["amal"],
    )
    assert [key[2:] for key in benchmark.wanted_runs(options)] == [
        *(("frozen", "amal", 0), ("tfidf", "amal", 0)),
        *(("frozen", "amal", 1), ("tfidf", "amal", 1)),
    ]


def test_tables_have_means_and_paired_gains(runs, tmp_path):
    frame = benchmark.frame_of(benchmark.read_runs(runs))
    cells = benchmark.table(frame)
    assert cells.loc["amal", "tfidf"].startswith("60.0 (")
    assert cells.loc["amal", "frozen"] == "70.0 (70.0 to 70.0, n=3)"
    assert cells.loc["spear", "tfidf"] == ""
    gain = benchmark.gains(frame)
    assert gain.loc["amal", "frozen"].startswith("+10.0 (+0.0")
    assert cells.loc["spear", "frozen"] == "90.0 (no interval, n=1)"
    over = benchmark.gains_of_method(frame, "spear")
    assert over.loc["amal", "frozen"] == "+20.0 (no interval, n=1)"
    assert benchmark.gains(frame[frame["features"] == "frozen"]).empty
    assert "| `amal` | +10.0" in benchmark.markdown(gain)
    benchmark.write_scores(tmp_path / "scores.json", frame)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["random: sms: tfidf: amal"] == {"0": 50.0, "1": 60.0, "2": 70.0}
