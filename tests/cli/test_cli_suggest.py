"""The command ``suggest``: rules from the rows or from a language model, added when asked to."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.cli import asking, suggest_rules
from spear_amal.declared_lfs import read_rules_file
from spear_amal.llm import ChatAnswer, ChatFailure, CostForecast

N = 120


@pytest.fixture
def rows():
    """Messages with a word that tells the class, every second one labelled."""
    codes = np.arange(N) % 2
    own = np.where(codes, "prize", "lunch")
    drawn = np.random.default_rng(3).integers(20, size=(N, 2))
    frame = pd.DataFrame(
        {
            "id": range(N),
            "text": [f"{w} word{a} word{b}" for w, (a, b) in zip(own, drawn, strict=True)],
            "label": [("ham", "spam")[c] if r < 80 else "" for r, c in enumerate(codes)],
        }
    )
    frame.to_csv("rows.csv", index=False)
    settings = 'data = "rows.csv"\nrules = "rules.toml"\nllm_model = "small"\n'
    Path("spear.toml").write_text(settings, encoding="utf-8")
    return frame


def flat(text: str) -> str:
    return " ".join(text.split())


def answering(monkeypatch, answer):
    """Let the language model answer, and keep what it is asked."""
    asked = []

    class Client:
        def __init__(self, model, max_cost=None):
            asked.append(model)
            assert max_cost in (None, 2.0)

        def forecast(self, requests):
            cost = None if asked[0].input_price is None else 0.25
            return CostForecast(len(requests), 0, 900.0, 100.0, cost, None, "")

        def ask(self, requests):
            asked.extend(requests)
            return [answer for _ in requests]

    monkeypatch.setattr(suggest_rules, "ChatClient", Client)
    return asked


def test_mined_rules_are_shown_and_added_only_when_asked_to(rows, ok):
    shown = flat(ok("suggest").stdout)
    assert "Told from luck" in shown and "says 'prize'" in shown and "Nothing was changed" in shown
    assert not Path("rules.toml").exists()
    assert "2 rules added to rules.toml" in flat(ok("suggest", "--add", "-n", 2).stdout)
    rules = read_rules_file("rules.toml").rules
    assert {rule.label for rule in rules} == {"ham", "spam"}
    again = flat(ok("suggest").stdout)
    assert "No rule is told from luck" in again, "what an LF votes already is not suggested"


def test_a_language_model_writes_rules_that_gold_must_support(rows, ok, monkeypatch):
    rules = {
        "keyword_rules": [
            {"label": "spam", "keywords": ["prize"]},
            {"label": "spam", "keywords": ["word3"]},
        ],
        "regex_rules": [{"label": "ham", "pattern": "(lunch"}],
    }
    asked = answering(monkeypatch, ChatAnswer(json.dumps(rules)))
    ran = ok("suggest", "--llm", "--add", "--task", "spam or not", "--shown", 3)
    assert "1 rules added" in flat(ran.stdout) and "Refused 1: no regular expression" in ran.stderr
    [rule] = read_rules_file("rules.toml").rules
    assert rule.keywords == ("prize",)
    model, request = asked
    said = json.loads(request.messages[1][1])
    assert model.name == "small" and said["task"] == "spam or not"
    assert [row.get("label") for row in said["rows"][:6]] == ["ham"] * 3 + ["spam"] * 3


def test_what_it_costs_is_told_before_and_a_no_sends_nothing(rows, ok, run, monkeypatch):
    asked = answering(monkeypatch, ChatAnswer("{}"))
    # What commands of this process have spent before does not count.
    monkeypatch.setattr(suggest_rules, "spent", lambda: 1.5)
    with_limit = ("suggest", "--llm", "--max-cost", 2)
    without_prices = run(*with_limit)
    assert without_prices.exit_code == 2 and "llm_input_price" in flat(without_prices.stderr)
    assert not asked
    priced = (*with_limit, "--llm-input-price", 1, "--llm-output-price", 2)
    assert "1 calls to small" in (said := ok(*priced).stderr) and "cost 0.25" in said
    monkeypatch.setattr(asking, "_is_somebody_there", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *words, **options: False)
    asked.clear()
    assert run("suggest", "--llm", *priced[4:]).exit_code == 2
    assert len(asked) == 1, "the model alone, and no request"


def test_what_is_missing_is_told(rows, run, monkeypatch):
    answering(monkeypatch, ChatFailure("connection refused"))
    down = run("suggest", "--llm", "--add")
    assert down.exit_code != 0 and "connection refused" in flat(down.stderr)
    assert not Path("rules.toml").exists()
    rows.assign(label="").to_csv("rows.csv", index=False)
    bare = run("suggest")
    assert bare.exit_code != 0 and "label" in flat(bare.stderr)
    Path("spear.toml").write_text('data = "rows.csv"\n', encoding="utf-8")
    assert "--rules" in flat(run("suggest", "--add").stderr)
    assert "--llm-model" in flat(run("suggest", "--llm").stderr)
