"""A model card: its numbers are those of their sources, and odd names cannot break it."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from spear_amal import TextClassifier
from spear_amal.cli.app import app
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.io.safetensors import read_tensors, write_tensors
from spear_amal.labeling import keyword_lf, labeling_function, lf_check
from spear_amal.printable import on_one_line
from spear_amal.report import model_card, write_model_card
from spear_amal.training_record import rows_sha256

OLD = (
    Path(__file__).parents[1]
    / "estimators"
    / "data"
    / "text-model-before-text-classifier.safetensors"
)
ODD = ("a|b\n# no <script>alert(1)</script>", "`*_[x](y)_*` ---")
N = 60


def frame(classes=("ham", "spam")):
    texts = [f"{'win' if i % 2 else 'see'} a prize {i % 7}" for i in range(N)]
    labels = [classes[i % 2] if i % 3 else None for i in range(N)]
    labels[4] = classes[1]  # a wrong one
    return pd.DataFrame({"text": texts, "label": labels, "price": range(N)})


def lfs(classes=("ham", "spam"), names=("win", "see")):
    @labeling_function(name="never", label=classes[0])
    def never(x):
        return False

    first = keyword_lf(names[0], ["win"], classes[1])
    return [first, keyword_lf(names[1], ["see"], classes[0]), never]


@pytest.fixture(scope="module")
def model():
    made = TextClassifier("amal", features="tfidf+columns:price", max_epochs=2)
    return made.fit(frame(), lfs=lfs())


def parsed(card):
    """Return the head, and the tables by the heading that they follow, as lists of rows."""
    _, head, body = card.split("---\n", 2)
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    tables, heading, rows = {}, "", None
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = shown(tokens[place + 1])
        elif token.type == "table_open":
            rows = tables.setdefault(heading, [])
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append(shown(tokens[place + 1]))
        assert token.type != "html_block" or "script" not in token.content
        inner = token.children or ()
        assert not any(one.type in ("html_inline", "link_open", "image") for one in inner)
    return yaml.safe_load(head), tables


def shown(inline):
    return "".join(child.content for child in inline.children)


def of(tables, heading):
    """Return a table of names with what is said of them as a dict."""
    return {row[0]: row[1] for row in tables[heading]}


def test_numbers_are_those_of_their_sources(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    loaded = TextClassifier.load(tmp_path / "m.safetensors")
    head, tables = parsed(model_card(loaded, model_file=tmp_path / "m.safetensors"))
    data = frame()
    counts = data["label"].value_counts()
    assert tables["Class by class"][1:] == [[c, str(counts[c])] for c in ("ham", "spam")]
    rows = of(tables, "Data")
    votes = model.training_data_.train.votes
    covered = int((votes.to_dense() >= 0).any(axis=1).sum())
    assert rows["rows"] == str(N) and rows["rows with a vote"] == str(covered)
    assert rows["labelled rows"] == str(int(data["label"].notna().sum()))
    check = lf_check(votes, data["label"].where(data["label"].notna(), None).tolist())
    for line, (name, row) in zip(tables["Labelling functions"][1:], check.iterrows(), strict=True):
        share = (votes.to_dense()[:, list(check.index).index(name)] >= 0).mean()
        assert line[0] == name and line[3] == f"{share:.1%}"
        assert line[4] == f"{int(row['right'])} of {int(row['votes'])}"
        if row["votes"]:
            interval = f"{row['low']:.3f} to {row['high']:.3f}"
            assert line[5:] == [f"{row['precision']:.3f}", interval]
        else:
            assert line[5:] == ["n/a", "n/a"]
    settings = of(tables, "How it was trained")
    assert settings["Method"] == "amal" and settings["Epochs at most"] == "2"
    assert settings["Features"] == "tfidf+columns:price" and settings["Seed"] == "0"
    digest = rows_sha256(data[["text", "price", "label"]])
    card = model_card(loaded)
    assert digest in card and f"accuracy {model.val_score_:.3f} there" in card
    assert head["license"] == "unknown" and head["pipeline_tag"] == "text-classification"
    assert "model-index" not in head


def test_rows_have_one_digest_whatever_file_they_came_from(tmp_path):
    data = frame()
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        from spear_amal.data import read_table, write_table

        write_table(data, tmp_path / name)
        assert rows_sha256(read_table(tmp_path / name)) == rows_sha256(data)
    assert rows_sha256(data.iloc[::-1]) != rows_sha256(data)


def test_without_an_estimate_it_says_so_and_how_to_get_one(model):
    card = model_card(model)
    assert "There is **no estimate**" in card and "spear-amal train" in card
    assert "never saw" not in card and "Nobody has measured" in card


def test_with_an_estimate_the_card_and_the_hub_say_the_same(model):
    model.estimate_ = {
        **{"metric": "macro-f1", "score": 0.8456789, "low": 0.71, "high": 0.9, "rows": 1234},
        **{"source": "outer folds", "gain": 0.02, "gain_low": -0.01, "gain_high": 0.05},
        "per_class": [{"class": "spam", "rows": 20, "precision": 0.25, "recall": 0.5, "f1": 1 / 3}],
    }
    try:
        card = model_card(model, licence="mit", languages=["en", "fr"], name="spam model")
    finally:
        model.estimate_ = None
    head, tables = parsed(card)
    assert "**Macro F1 0.846** (95% interval 0.710 to 0.900), from 1,234 labelled rows" in card
    assert "+2.0 points (95% interval -1.0 to +5.0)" in card
    ham, spam = tables["Class by class"][1:]
    assert ham[2:] == ["0", "n/a", "n/a", "n/a"] and spam[2:] == ["20", "0.250", "0.500", "0.333"]
    [found] = head["model-index"]
    [result] = found["results"]
    assert found["name"] == "spam model" and result["metrics"][0]["value"] == 0.8456789
    assert head["language"] == ["en", "fr"] and head["license"] == "mit"
    repocard = pytest.importorskip("huggingface_hub.repocard_data")
    [read] = repocard.model_index_to_eval_results(head["model-index"])[1]
    assert (read.metric_type, read.metric_value) == ("f1", 0.8456789)


def test_odd_names_are_shown_as_they_are_and_break_nothing():
    names = ("win | *not*", "<b>see</b>")
    data = frame(ODD).rename(columns={"price": "p|r\n<i>"})
    model = TextClassifier("amal", max_epochs=1).fit(data, lfs=lfs(ODD, names), classes=ODD)
    card = model_card(model, data_licence="mine | <all>", intended_use="# none\n---", name="a\nb")
    head, tables = parsed(card)
    assert [row[0] for row in tables["Class by class"][1:]] == [on_one_line(c) for c in ODD]
    assert [row[0] for row in tables["Labelling functions"][1:]] == [*names, "never"]
    assert [row[2] for row in tables["Labelling functions"][1:3]] == [
        on_one_line(c) for c in ODD[::-1]
    ]
    assert of(tables, "Task")["Intended use"] == on_one_line("# none\n---")
    assert of(tables, "Licences")["Its training data"] == "mine | <all>"
    assert head["library_name"] == "spear-amal"


@pytest.mark.parametrize(
    "name", ['"', "\\", "a: b", "\x85\x7f\u2028", "\U0001f600", "- x", "\ud800"]
)
def test_the_head_is_yaml_whatever_the_name(model, name):
    model.estimate_ = {"metric": "accuracy", "score": 0.5, "low": 0.0, "high": 1.0, "rows": 1}
    model.estimate_ |= {"source": "test table"}
    try:
        head, _ = parsed(model_card(model, name=name))
    finally:
        model.estimate_ = None
    assert head["model-index"][0]["name"] == name.replace("\ud800", "?")


def test_a_model_file_of_before_has_less_to_tell():
    head, tables = parsed(model_card(TextClassifier.load(OLD)))
    assert tables["Class by class"][1][1] == "not known" and "Data" not in tables
    assert head["tags"][0] == "weak-supervision"


def test_a_record_that_was_altered_is_refused(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    tensors, header = read_tensors(tmp_path / "m.safetensors", "spear_amal model")
    header["extra"]["record"]["train"]["rows"] = "many"
    write_tensors(tmp_path / "m.safetensors", tensors, header)
    with pytest.raises(FileFormatError, match="rows"):
        TextClassifier.load(tmp_path / "m.safetensors")


def test_the_command_writes_the_card_of_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = frame()
    data.to_csv("data.csv", index=False)
    Path("gold.csv").write_text(
        "text,label,chosen\n" + f"{data['text'][3]},spam,random\n{data['text'][0]},ham,\n"
    )
    Path("rules.toml").write_text(
        'muted = ["off"]\n'
        + "".join(
            f'[rules.{name}]\nkind = "keyword"\nlabel = "{label}"\nkeywords = ["{word}"]\n'
            for name, label, word in (
                ("w", "spam", "win"),
                ("s", "ham", "see"),
                ("off", "ham", "a"),
            )
        )
    )
    trained = CliRunner().invoke(
        app,
        "train --data data.csv --gold gold.csv --rules rules.toml --method amal "
        "--max-epochs 2 --no-cache".split(),
    )
    assert trained.exit_code == 0, trained.output
    done = CliRunner().invoke(
        app, ["export", "model.safetensors", "--card", "card.md", "--licence", "mit"]
    )
    assert done.exit_code == 0, done.output
    Path("data.csv").unlink()  # the card needs no data
    assert (
        CliRunner()
        .invoke(app, ["export", "model.safetensors", "--card", "again.md", "--licence", "mit"])
        .exit_code
        == 0
    )
    card = Path("card.md").read_text(encoding="utf-8")
    assert card == Path("again.md").read_text(encoding="utf-8")
    assert "Muted, and left out: off" in card
    assert "1 are of a random sample of the rows and 1 were chosen otherwise" in card
    head, tables = parsed(card)
    estimate = TextClassifier.load("model.safetensors").estimate_
    assert f"{estimate['score']:.3f}" in card and estimate["rules"][:20] in card
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == estimate["score"]
    files = {row[0]: row for row in tables["Data"] if len(row) == 4}
    for name in ("gold.csv", "rules.toml"):
        content = Path(name).read_bytes()
        assert files[name][2:] == [str(len(content)), hashlib.sha256(content).hexdigest()]
    assert "data.csv" in files
    refused = CliRunner().invoke(app, ["export", "model.safetensors", "--card", "card.md"])
    assert refused.exit_code and "already exists" in refused.output
    nothing = CliRunner().invoke(app, ["export"])
    assert nothing.exit_code and "--card" in nothing.output


def test_what_is_no_text_classifier_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="TextClassifier, found GoldClassifier"):
        model_card(TextClassifier("only-l").method_spec().make())
    write_model_card(tmp_path / "card.md", model)
    with pytest.raises(OutputExistsError):
        write_model_card(tmp_path / "card.md", model)


def test_limits_follow_what_is_known(model):
    card = model_card(model)
    assert "These labelling functions voted on no row: never" in card
    assert "Fewer than 30 rows are labelled" in card
    record = model.parts_.record
    assert json.loads(json.dumps(record.as_json()))["lfs"][2]["accuracy"] is None
    no_ham = replace(record.train, gold=(("ham", 0), ("spam", 40)))
    before = model.parts_
    model.parts_ = replace(before, record=replace(record, train=no_ham))
    try:
        assert re.search(r"No row is labelled ham: the model knows", model_card(model))
    finally:
        model.parts_ = before
    assert np.isfinite(model.val_score_)
