"""The path of a newcomer: from a table of her own to a score to trust and a model to use."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from spear_amal import TextClassifier
from spear_amal.cli.app import app

SHARES = {"billing": 0.6, "fault": 0.3, "praise": 0.1}
WORDS = {
    "billing": ["invoice", "refund", "charged", "card", "payment", "price"],
    "fault": ["crash", "error", "broken", "login", "slow", "screen"],
    "praise": ["thanks", "great", "love", "helpful", "perfect", "kind"],
}
FILLER = [f"word{i}" for i in range(40)]
N_ROWS, N_GOLD, N_EMPTY = 400, 120, 7

LFS = """
from spear_amal.labeling import keyword_lf, labeling_function

CLASSES = ("billing", "fault", "praise")

money = keyword_lf("money", ["invoice", "refund", "charged"], label="billing")
paying = keyword_lf("paying", ["card", "payment"], label="billing")
failing = keyword_lf("failing", ["crash", "error", "broken"], label="fault")
thanks = keyword_lf("thanks", ["thanks", "great", "love"], label="praise")
useless = keyword_lf("useless", ["word1", "word2", "word3", "word4"], label="praise")


@labeling_function(label="fault")
def urgent(x):
    return "slow" in x.text and len(x.text) > 20
"""


def tickets(n, n_gold, seed, prefix):
    """Made-up support tickets: ids are texts, classes are uneven, some texts are empty."""
    generator = np.random.default_rng(seed)
    classes = generator.choice(list(SHARES), n, p=list(SHARES.values()))
    texts = []
    for name in classes:
        of_class = generator.choice(WORDS[name], generator.integers(1, 4)).tolist()
        of_others = generator.choice(WORDS[generator.choice(list(WORDS))], 1).tolist()
        words = of_class + of_others + generator.choice(FILLER, 5).tolist()
        texts.append(" ".join(generator.permutation(words)))
    empty = generator.choice(n, N_EMPTY, replace=False)
    frame = pd.DataFrame({"id": [f"{prefix}-{i:04}" for i in range(n)], "body": texts})
    frame.loc[empty, "body"] = ""
    frame["kind"] = np.where(np.arange(n) < n_gold, classes, "")
    return frame


def run(*words):
    """Run a command in this process and return what it printed; it must succeed."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Walk the path once: the folder of the project, and what each command printed."""
    home = tmp_path_factory.mktemp("newcomer")
    tickets(N_ROWS, N_GOLD, seed=1, prefix="T").to_csv(home / "tickets.csv", sep=";", index=False)
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        printed["init"] = run("init", "project", "--data", "tickets.csv")
        patch.chdir(home / "project")
        Path("lfs.py").write_text(LFS, encoding="utf-8")
        settings = Path("spear.toml").read_text(encoding="utf-8")
        quick = settings.replace('"recommended"', '"amal"') + "\nmax_epochs = 8\n"
        Path("spear.toml").write_text(quick, encoding="utf-8")
        printed["apply"] = run("apply")
        edited = LFS.replace('["card", "payment"]', '["card", "payment", "price"]')
        Path("lfs.py").write_text(edited, encoding="utf-8")
        printed["apply again"] = run("apply")
        printed["analyze"] = run("analyze")
        printed["compare"] = run("compare", "--folds", 3, "--repeats", 1, "--json")
        printed["next"] = run("next", "-n", 6)
        printed["train"] = run("train", "--json")
    return home / "project", printed


def test_columns_are_found(walked):
    said = walked[1]["init"].stdout
    assert f"{N_ROWS} rows; texts in 'body'; labels in 'kind': {N_GOLD} rows, 3 classes" in said


def test_empty_texts_are_counted_and_kept(walked):
    assert f"{N_EMPTY} of {N_ROWS} rows have no text" in walked[1]["apply"].stderr
    assert f"{N_ROWS} rows, at least one vote on" in walked[1]["apply"].stdout


def test_a_second_apply_replaces_its_own_output_and_runs_what_changed(walked):
    again = walked[1]["apply again"]
    assert "in place of those of an earlier apply" in again.stdout
    assert "Votes of 1 LF computed (paying)" in again.stderr


def test_later_commands_read_the_votes(walked):
    for name in ("analyze", "compare", "train"):
        assert "Votes of all 6 LFs read from" in walked[1][name].stderr, name


def test_analyze_says_which_lf_is_useless_and_shows_its_wrong_rows(walked):
    said = walked[1]["analyze"].stdout
    assert "What to mend next" in said
    assert "useless" in said.partition("What to mend next")[2]
    assert "T-00" in said.partition("get wrong")[2]


def test_compare_ends_in_a_sentence(walked):
    document = json.loads(walked[1]["compare"].stdout)
    assert document["answer"] in ("adds", "nothing", "unclear")
    assert document["verdict"].startswith(("The rules add", "Too early to say"))
    scores = document["tables"][0]["rows"]
    assert len(scores) >= 3  # gold alone, majority vote, AMAL


def test_rows_to_label_next_are_rows_without_a_label(walked):
    folder = walked[0]
    chosen = pd.read_csv(folder / "next.csv", sep=";", dtype=str, keep_default_na=False)
    gold = {f"T-{i:04}" for i in range(N_GOLD)}
    assert len(chosen) == 6 and not gold & set(chosen["id"])
    assert (chosen["kind"] == "").all()


def test_train_estimates_the_score_on_new_rows(walked):
    estimate = json.loads(walked[1]["train"].stdout)["estimate"]
    assert estimate["rows"] == N_GOLD
    assert 0 < estimate["low"] < estimate["score"] < estimate["high"] < 1
    fresh = tickets(2000, 2000, seed=2, prefix="N")
    model = TextClassifier.load(walked[0] / "model.safetensors")
    predicted = model.predict(fresh, lfs=walked[0] / "lfs.py")
    assert estimate["low"] <= (predicted == fresh["kind"]).mean() <= estimate["high"]


def test_filled_rows_are_read_back(walked, monkeypatch):
    monkeypatch.chdir(walked[0])
    chosen = pd.read_csv("next.csv", sep=";", dtype=str, keep_default_na=False)
    chosen.assign(kind="billing").to_csv("filled.csv", sep=";", index=False)
    said = run("analyze", "--gold", "filled.csv").stderr
    assert "6 labels for rows of the data" in said


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_of_a_fresh_process_are_those_of_python(walked, suffix):
    folder = walked[0]
    fresh = tickets(50, 50, seed=3, prefix="N")
    table = folder / f"new.{suffix}"
    if suffix == "csv":
        fresh.to_csv(table, sep=";", index=False)
    else:
        fresh.to_parquet(table)
    output = f"out.{suffix}"
    words = ("predict", "--data", table.name, "--output", output, "--force")
    process = [sys.executable, "-m", "spear_amal", *words]
    done = subprocess.run(process, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    is_csv = suffix == "csv"
    written = pd.read_csv(folder / output, sep=";") if is_csv else pd.read_parquet(folder / output)
    assert written["id"].tolist() == fresh["id"].tolist()
    model = TextClassifier.load(folder / "model.safetensors")
    p = model.predict_proba(fresh, lfs=folder / "lfs.py")
    assert written["predicted"].tolist() == model.classes_[p.argmax(1)].tolist()
    columns = [f"p_{name}" for name in model.classes_]
    np.testing.assert_allclose(written[columns].to_numpy(), p, rtol=0, atol=1e-12)


def test_evaluate_warns_of_rows_that_the_model_was_trained_on(walked, monkeypatch):
    monkeypatch.chdir(walked[0])
    tickets(60, 60, seed=4, prefix="N").to_csv("fresh.csv", index=False)
    known = run("evaluate", "--data", "../tickets.csv")
    assert re.search(r"Warning: 1[0-9]+ of these rows have the texts of labelled", known.stderr)
    assert "Warning" not in run("evaluate", "--data", "fresh.csv").stderr


def test_a_fault_in_the_test_rows_ends_train_before_the_training(walked, monkeypatch):
    monkeypatch.chdir(walked[0])
    tickets(9, 0, seed=5, prefix="N").to_csv("unlabelled.csv", index=False)
    words = ["train", "--test", "unlabelled.csv", "--output", "none.safetensors"]
    failed = CliRunner().invoke(app, words)
    assert failed.exit_code == 2
    assert "no row has a label" in failed.stderr
    assert "epoch" not in failed.stderr
    assert not Path("none.safetensors").exists()


def test_analyze_of_one_lf_writes_no_table(walked, monkeypatch):
    monkeypatch.chdir(walked[0])
    failed = CliRunner().invoke(app, ["analyze", "--lf", "money", "--output", "table.csv"])
    assert failed.exit_code == 2
    assert "leave out --lf" in failed.stderr
