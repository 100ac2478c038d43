"""Tables without labels: ``train`` learns from votes alone, and says what nobody can know."""

import pandas as pd
import pytest

from spear_amal.text_classifier import TextClassifier

LFS = """
from spear_amal.labeling import keyword_lf

CLASSES = ["ham", "spam"]
LFS = [keyword_lf("win", ["win"], "spam"), keyword_lf("see", ["see"], "ham"),
       keyword_lf("cash", ["cash"], "spam")]
"""
WORDS = ["win a prize", "see you", "cash now", "see me soon", "nothing here"]


@pytest.fixture
def bare(tmp_path):
    texts = [f"{WORDS[i % 5]} word{i % 7}" for i in range(60)]
    frame = pd.DataFrame({"text": texts})
    frame.to_csv(tmp_path / "none.csv", index=False)
    frame.assign(label=None).to_json(tmp_path / "none.jsonl", orient="records", lines=True)
    frame.assign(label="").to_csv(tmp_path / "empty.csv", index=False)
    (tmp_path / "lfs.py").write_text(LFS)
    return tmp_path


@pytest.mark.parametrize("table", ["none.csv", "none.jsonl", "empty.csv"])
def test_a_table_without_labels_is_learnt_from_its_votes(bare, ok, table):
    model = bare / "model.safetensors"
    shown = ok("train", "--data", bare / table, "--lfs", bare / "lfs.py",
                "--output", model, "--max-epochs", 9).stdout  # fmt: skip
    assert "nobody can know how often the model is right" in shown
    fitted = TextClassifier.load(model)
    assert fitted.method == "label-model"
    assert fitted.predict(["win cash", "see you"]).tolist() == ["spam", "ham"]


def test_a_method_that_needs_labels_says_which_do_not(bare, run):
    failed = run("train", "--data", bare / "none.csv", "--lfs", bare / "lfs.py",
                 "--method", "amal")  # fmt: skip
    assert failed.exit_code == 2
    assert "from votes alone these learn: majority" in failed.stderr


def test_a_column_that_was_named_must_be_there(bare, run):
    failed = run("train", "--data", bare / "none.csv", "--lfs", bare / "lfs.py",
                 "--label-column", "gold")  # fmt: skip
    assert failed.exit_code == 2
    assert "has no column 'gold'" in failed.stderr
