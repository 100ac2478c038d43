"""The commands ``compare`` and ``train --estimate`` on a partly labelled table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from spear_amal import TextClassifier

LFS = """
from spear_amal.labeling import keyword_lf

CLASSES = ("ham", "spam")
prize = keyword_lf("prize", ["prize"], label="spam")
lunch = keyword_lf("lunch", ["lunch"], label="ham")
"""
SPEAR = ("--data", "mail.csv", "--lfs", "lfs.py", "--method", "spear")
COMPARE = ("compare", *SPEAR[:4], "--config", "spear.toml", "--folds", 2, "--repeats", 1)
TRAIN = ("train", *SPEAR, "--max-epochs", 1)


def messages(n, n_gold, seed=0):
    rng = np.random.default_rng(seed)
    spam = rng.random(n) < 0.4
    words = np.where(spam[:, None], ["prize", "winner", "call"], ["lunch", "home", "see"])
    texts = [
        " ".join([*rng.permutation(row)[:2], f"word{rng.integers(9)}", f"number{i}x{seed}"])
        for i, row in enumerate(words)
    ]
    labels = np.where(spam, "spam", "ham").astype(object)
    labels[n_gold:] = ""
    return pd.DataFrame({"id": [f"m{i}" for i in range(n)], "text": texts, "label": labels})


@pytest.fixture(autouse=True)
def mail(alone, tmp_path):
    """The working folder with a table, 23 of its 59 rows labelled, LFs and settings."""
    folder = tmp_path / "here"
    messages(59, 23).to_csv(folder / "mail.csv", index=False)
    (folder / "lfs.py").write_text(LFS)
    (folder / "spear.toml").write_text('method = "spear"\nmax_epochs = 1\n')
    return folder


def test_scores_notes_and_a_verdict_at_the_end(ok, mail):
    result = ok(*COMPARE, "--html", "page.html")
    assert "59 rows, 23 of them labelled; 6 trainings" in result.stderr
    for shown in ("Gold alone", "Majority vote", "SPEAR", "gain", "95% interval"):
        assert shown in result.stdout
    assert "Each of the 23 labelled rows was scored only by models that never saw it" in (
        result.stdout
    )
    verdict = result.stdout.strip().splitlines()[-1]
    assert verdict.startswith(("The rules add", "Too early to say"))
    assert verdict in (mail / "page.html").read_text()
    rows = json.loads((mail / "comparison.json").read_text())["rows"]
    assert len(rows) == 6
    held_out = [number for row in rows if row["method"] == "spear" for number in row["rows"]]
    assert sorted(held_out) == list(range(23))


def test_what_was_run_is_not_run_again_and_another_method_is_added(ok, mail):
    ok(*COMPARE)
    stored = (mail / "comparison.json").read_bytes()
    ok(*COMPARE)
    assert (mail / "comparison.json").read_bytes() == stored
    ok(*COMPARE, "--method", "only-l:refit=true", "--method", "amal")
    rows = json.loads((mail / "comparison.json").read_text())["rows"]
    assert len(rows) == 8  # only-l that is refitted is gold alone


def test_its_file_is_no_study(ok, run):
    ok(*COMPARE)
    refused = run("study", "report", "comparison.json")
    assert refused.exit_code == 2 and "holds runs of a comparison" in refused.stderr


def test_json(ok):
    document = json.loads(ok(*COMPARE, "--json").stdout)
    scores = document["tables"][0]["rows"]
    assert [row["method"] for row in scores] == ["only-lv", "majority", "spear"]
    assert document["answer"] in ("adds", "nothing", "unclear")
    assert document["verdict"] == document["lines"][-1]


def test_test_rows_in_place_of_folds(ok, mail):
    test = messages(31, 29, seed=5)
    test.loc[0, "text"] = messages(59, 23)["text"][2].upper()
    test.to_csv(mail / "test.csv", index=False)
    shown = ok(*COMPARE, "--test", "test.csv").stdout
    assert "Scored on 28 rows of the test table" in shown
    assert "1 test rows were left out, as their texts are in the data" in shown
    with (mail / "spear.toml").open("a") as settings:
        settings.write('test = "test.csv"\n')
    assert "Scored on 28 rows" in ok(*COMPARE).stdout
    assert "Each of the 23 labelled rows" in ok(*COMPARE, "--in-folds").stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--method", "supervised"), "take only-lv"),
        (("--method", "spaer"), "did you mean 'spear'"),
        (("--folds", 1), "folds must be 2 or more"),
    ],
)
def test_what_cannot_be_compared(run, flags, message, mail):
    result = run(*COMPARE, *flags)
    assert result.exit_code == 2 and message in result.stderr
    assert not (mail / "comparison.json").exists()


def test_few_labels_of_a_class_stop_nobody(run, mail):
    frame = messages(59, 23)
    spam = frame["label"] == "spam"
    frame.loc[spam & (spam.cumsum() > 2), "label"] = ""
    frame.to_csv(mail / "mail.csv", index=False)
    result = run(*COMPARE)
    assert result.exit_code == 0 and "Too early to say" in result.stdout
    trained = run(*TRAIN, "--estimate", "cv")
    assert trained.exit_code == 0 and (mail / "model.safetensors").exists()
    assert "Estimated accuracy on new rows" in trained.stdout


def test_train_prints_and_keeps_an_estimate(ok, mail):
    shown = ok(*TRAIN, "--estimate", "cv", "--report", "r.html")
    assert "Estimated accuracy on new rows 0." in shown.stdout
    assert "from 23 labelled rows, each scored by models that never saw it" in shown.stdout
    estimate = TextClassifier.load(mail / "model.safetensors").estimate_
    assert estimate["rows"] == 23 and estimate["source"] == "outer folds"
    assert 0 <= estimate["low"] <= estimate["score"] <= estimate["high"] <= 1
    assert "each scored by models that never saw it" in (mail / "r.html").read_text()


def test_train_is_scored_on_test_rows_where_there_are_any(ok, run, mail):
    refused = run(*TRAIN, "--estimate", "test")
    assert refused.exit_code == 2 and "--estimate test needs test rows" in refused.stderr
    messages(31, 31, seed=5).to_csv(mail / "test.csv", index=False)
    shown = ok(*TRAIN, "--estimate", "test", "--test", "test.csv", "--json").stdout
    estimate = json.loads(shown)["estimate"]
    assert estimate["rows"] == 31 and estimate["source"] == "test table"
    document = json.loads(ok("evaluate", "--data", "test.csv", "--json").stdout)
    accuracy = next(
        float(row["value"]) for row in document["tables"][0]["rows"] if row["metric"] == "accuracy"
    )
    assert estimate["score"] == pytest.approx(accuracy, abs=1e-4)
    assert "not estimated" in ok(*TRAIN, "--estimate", "none", "--force").stdout


def test_train_warns_where_rules_add_nothing(ok, mail):
    frame = messages(259, 259)
    frame.loc[::2, "label"] = ""
    frame.to_csv(mail / "mail.csv", index=False)
    wrong = LFS.replace('label="spam"', 'label="x"').replace('label="ham"', 'label="spam"')
    (mail / "lfs.py").write_text(wrong.replace('label="x"', 'label="ham"'))
    method = ("--method", "majority", "--max-epochs", 4)
    shown = ok(*TRAIN[:5], *method, "--estimate", "cv")
    assert "The rules add nothing here" in shown.stdout
    assert "Warning: the rules add nothing here" in shown.stderr


def test_a_crossover_ends_in_what_to_do(ok, mail):
    messages(97, 47).to_csv("mail.csv", index=False)
    crossover = ("crossover", *SPEAR, "--folds", 2, "--sizes", 3)
    result = ok(*crossover, "--html", "page.html")
    assert "97 rows, 47 of them labelled; 12 trainings" in result.stderr
    last = result.stdout.strip().splitlines()[-1]
    assert last.startswith(("Write a rule: ", "Label ", "Stop: "))
    page = (mail / "page.html").read_text()
    assert last in page and "Score against the number of labels" in page
    document = json.loads(ok(*crossover, "--json").stdout)
    assert document["answer"] in ("rule", "label", "stop") and document["verdict"] == last
    assert set(document["catches_up"]) == {"value", "low", "high"}
    assert len(json.loads((mail / "crossover.json").read_text())["rows"]) == 12


def test_a_crossover_on_a_corpus(ok, mail):
    result = ok(
        *("crossover", "generated", "--method", "majority", "--sizes", 3, "--repeats", 2),
        *("--max-epochs", 1, "--largest", 40),
    )
    assert "Trained with 10, 20, 40 of the labels, 2 draws each" in result.stdout


def test_evaluate_tells_an_interval_that_rows_without_labels_narrow(ok):
    ok(*TRAIN, "--estimate", "none")
    messages(90, 90, seed=7).to_csv("all.csv", index=False)
    messages(90, 30, seed=7).to_csv("some.csv", index=False)
    parts = {}
    for name in ("all", "some"):
        document = json.loads(ok("evaluate", "--data", f"{name}.csv", "--json").stdout)
        parts[name] = document["accuracy"]
        assert parts[name]["low"] <= parts[name]["value"] <= parts[name]["high"]
    shown = ok("evaluate", "--data", "some.csv").stdout
    assert "Accuracy on rows like these" in shown and "from 30 labelled rows" in shown
    trained_on = ok("evaluate", "--data", "mail.csv").stdout
    assert "Accuracy on rows" not in trained_on
