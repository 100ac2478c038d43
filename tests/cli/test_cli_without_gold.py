"""Tables without labels: ``train`` learns from votes alone, and says what nobody can know."""

import json

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
    assert "nobody can know how often these answers are right" in shown
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


def read(path):
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix in readers:
        return readers[path.suffix](path)
    return pd.read_json(path, orient="records", lines=True)


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_label_writes_what_the_votes_say(bare, ok, kind):
    frame = pd.read_csv(bare / "none.csv").assign(id=[f"0{i}" for i in range(60)], price="1.10")
    frame.to_json(bare / "rows.jsonl", orient="records", lines=True)
    source, target = bare / "rows.jsonl", bare / f"labelled{kind}"
    shown = ok("label", "--data", source, "--lfs", bare / "lfs.py", "--label-model", "majority",
               "--output", target, "--lf-votes").stdout  # fmt: skip
    assert "60 rows, 48 of them labelled by majority; 12 without a vote; 0 in conflict" in shown
    assert "nobody can know how often these answers are right" in shown
    table = read(target)
    assert table["predicted"].fillna("").tolist() == ["spam", "ham", "spam", "ham", ""] * 12
    assert table["lf_cash"].fillna("").tolist() == ["", "", "spam", "", ""] * 12
    assert table["n_votes"].tolist() == [1, 1, 1, 1, 0] * 12
    assert table["p_ham"].tolist() == [0, 1, 0, 1, 0.5] * 12
    text = target.read_text(encoding="utf-8") if kind != ".parquet" else "01 1.10"
    assert "01" in text and "1.10" in text and "nan" not in text.lower()


def test_label_says_how_right_it_is_on_rows_with_gold(bare, ok):
    gold = ["spam", "ham", "ham", "", "ham"] * 12
    pd.read_csv(bare / "none.csv").assign(label=gold).to_csv(bare / "some.csv", index=False)
    shown = ok("label", "--data", bare / "some.csv", "--lfs", bare / "lfs.py",
               "--output", bare / "out.csv", "--json").stdout  # fmt: skip
    said = json.loads(shown)
    assert (said["n_gold"], said["n_scored"]) == (48, 36)
    assert said["accuracy"] == pytest.approx(24 / 36)
    # Wilson's interval by hand: z = 1.96, p = 2/3, n = 36.
    assert said["interval"] == pytest.approx([0.5033, 0.7979], abs=2e-4)


def test_label_by_a_model_file(bare, ok, run):
    rows = ("--data", bare / "none.csv")
    model = ("--model", bare / "model.safetensors", "--output", bare / "out.csv")
    ok("train", *rows, "--lfs", bare / "lfs.py", "--output", model[1], "--max-epochs", 3)
    ok("label", *rows, *model)
    table = pd.read_csv(bare / "out.csv")
    assert table.columns.tolist() == ["text", "predicted", "confidence", "p_ham", "p_spam"]
    loaded = TextClassifier.load(model[1])
    assert table["predicted"].tolist() == loaded.predict(table["text"].tolist()).tolist()
    ok("label", *rows, *model, "--lfs", bare / "lfs.py", "--force")
    assert pd.read_csv(bare / "out.csv")["n_votes"].tolist() == [1, 1, 1, 1, 0] * 12
    for more, said in (
        (("--label-model", "majority"), "give --model or --label-model"),
        (("--lf-votes",), "--lf-votes needs the labelling functions"),
    ):
        failed = run("label", *rows, *model, *more, "--force")
        assert failed.exit_code == 2 and said in failed.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--label-model", "amal"), "amal is no label model"),
        (("--label-model", "nope"), "unknown method 'nope'"),
        (("--output", "none.txt"), "none.txt"),
        (("--label-column", "gold"), "has no column 'gold'"),
    ],
)
def test_label_refuses(bare, run, more, said):
    arguments = ("label", "--data", bare / "none.csv", "--lfs", bare / "lfs.py")
    failed = run(*arguments, "--output", "out.csv", *more)
    assert failed.exit_code == 2 and said in failed.stderr


def test_a_table_that_was_labelled_is_not_labelled_again(bare, ok, run):
    out = bare / "out.csv"
    ok("label", "--data", bare / "none.csv", "--lfs", bare / "lfs.py", "--output", out)
    failed = run("label", "--data", out, "--lfs", bare / "lfs.py", "--output", "again.csv")
    assert "already has the column 'predicted'" in failed.stderr
