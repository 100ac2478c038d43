"""LFs that ask a language model, from the command line: costs, reasons, a new project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from spear_amal.labeling import load_lfs
from spear_amal.llm import ChatAnswer, ChatFailure, CostForecast
from spear_amal.prompted_lfs import asking
from spear_amal.votes.label_matrix import LabelMatrix

LFS = """
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs import prompt_lf
CLASSES = ("ham", "spam")
MODEL = ChatModel(name="tiny", base_url="http://127.0.0.1:9/v1", input_price=1.0, output_price=2.0)
asks = prompt_lf("asks", "{text}", {"spam": "an ad", "ham": "no ad"}, model=MODEL, score="none")
"""


class Client:
    """Answers with the last word of the row; what it answered costs nothing from then on."""

    kept: ClassVar[set[str]] = set()
    broken = False

    def __init__(self, model, cache_dir=None, progress=False):
        self.model, self.max_cost, self.spent = model, None, 0.0

    def ask(self, requests):
        return [self._answer(request.messages[-1][1]) for request in requests]

    def _answer(self, text):
        if Client.broken and text == "spam":
            return ChatFailure("overloaded", 3)
        self.spent += 0 if text in Client.kept else 0.25
        Client.kept.add(text)
        return ChatAnswer(json.dumps({"answer": text.split()[-1]}))

    def forecast(self, requests, n_total=None, n_calls=0):
        kept = sum(request.messages[-1][1] in Client.kept for request in requests)
        total = n_total or len(requests)
        return CostForecast(total, kept, 10.0 * total, 2.0 * total, 0.25 * (total - kept), None, "")


@pytest.fixture
def table(monkeypatch):
    """A file of LFs, and rows in a table and as Parquet."""
    monkeypatch.setattr(asking, "ChatClient", Client)
    monkeypatch.setattr(asking, "_clients", {})
    monkeypatch.setattr(Client, "kept", set())
    monkeypatch.setattr(Client, "broken", False)
    Path("lfs.py").write_text(LFS)
    frame = pd.DataFrame({"text": ["spam", "ham", "unknown", "eggs", None]})
    frame.to_csv("rows.csv", index=False)
    frame.to_parquet("rows.parquet")


APPLY = ("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "votes.npz")


def test_apply_tells_costs_before_and_reasons_after(ok, table):
    result = ok(*APPLY)
    assert "4 calls to tiny at http://127.0.0.1:9/v1, about 40 tokens" in result.stderr
    assert "cost 1.00" in result.stderr
    assert "LF 'asks' abstains on 2 rows: nonsense 1, unknown 1" in result.stderr
    assert "spent 1.00" in result.stderr
    assert LabelMatrix.load("votes.npz").to_dense()[:, 0].tolist() == [1, 0, -1, -1, -1]
    again = ok(*APPLY, "--json")
    assert "calls to" not in again.stderr
    assert "read from" in again.stderr
    assert json.loads(again.stdout)["abstentions"] == {"asks": {"nonsense": 1, "unknown": 1}}


def test_rows_in_parts_are_announced_too(ok, table):
    flags = ("--data", "rows.parquet", "--lfs", "lfs.py", "--votes-folder", "votes")
    result = ok("apply", *flags)
    assert "calls to tiny" in result.stderr
    assert "abstains on 2 rows" in result.stderr


def test_a_no_at_a_terminal_asks_nothing_and_writes_nothing(run, table, monkeypatch):
    from spear_amal.cli import asking as announcing

    monkeypatch.setattr(announcing, "_is_somebody_there", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda *words, **options: False)
    result = run(*APPLY)
    assert result.exit_code == 2
    assert "no language model was asked" in result.stderr
    assert not Client.kept
    assert not Path("votes.npz").exists()
    for flags in (("--yes",), ("--max-cost", 5)):
        assert run(*APPLY, "--force", *flags).exit_code == 0


def test_a_limit_of_costs_reaches_the_client(ok, table):
    ok(*APPLY, "--max-cost", 3)
    (client,) = asking._clients.values()
    assert client.max_cost == 3


def test_failed_requests_stop_with_a_message_and_keep_what_was_answered(run, ok, table):
    Client.broken = True
    result = run(*APPLY)
    assert result.exit_code == 2
    assert "row 0: no answer after 3 tries (overloaded); so it is on 1 of 4 rows" in result.stderr
    assert not Path("votes.npz").exists()
    assert "failed on 1 rows" in ok(*APPLY, "--fault-tolerant").stderr
    Client.broken = False
    assert "1 calls to tiny" in ok(*APPLY, "--force").stderr
    assert LabelMatrix.load("votes.npz").to_dense()[0, 0] == 1


@pytest.mark.parametrize("own", [False, True])
def test_init_writes_a_project_that_asks(ok, own):
    data = ()
    if own:
        pd.DataFrame({"body": ["a b", "c d"], "label": ["x", None]}).to_csv("own.csv")
        data = ("--data", "own.csv")
    ok("init", "new", "--llm", *data)
    loaded = load_lfs("new/lfs.py")
    asks = next(lf for lf in loaded.lfs if lf.name == "asks_model")
    assert asks.possible_votes == loaded.classes
    assert asks.continuous
    assert asks.inquiry.model.base_url.startswith("http://127.0.0.1")
    assert asks.inquiry.model.key_variable is None


@pytest.fixture
def labelled(table):
    """Two tables with labels, and prompted LFs beside a model that predicts with the rules."""
    words = ["spam", "ham"] * 12
    frame = pd.DataFrame({"text": [f"{i} {w}" for i, w in enumerate(words)], "label": words})
    frame.to_csv("train.csv", index=False)
    frame.assign(text="again " + frame["text"]).to_csv("val.csv", index=False)
    frame.drop(columns="label").assign(text="new " + frame["text"]).to_parquet("new.parquet")
    Path("spear.toml").write_text('lfs = "lfs.py"\ndata = "train.csv"\nmax_cost = 30')


def test_a_limit_is_that_of_the_command_and_holds_where_models_predict_too(ok, run, labelled):
    ok("train", "--validation", "val.csv", "--method", "amal:inference=product", "--max-epochs", 1)
    (client,) = asking._clients.values()
    assert client.spent == 12.0
    assert client.max_cost == 30  # for both tables together
    result = ok("predict", "--data", "new.parquet", "--output", "out.parquet", "--stream")
    assert result.stderr.count("calls to tiny") == result.stderr.count("spent 6.00") == 1
    assert client.max_cost == 12 + 30
    ok("predict", "--data", "new.parquet", "--output", "2.parquet", "--max-cost", 7, "--yes")
    assert client.max_cost == 18 + 7
    ok("label", "--output", "labelled.csv", "--max-cost", 5)
    ok("evaluate", "--data", "val.csv", "--max-cost", 5)
    Path("lfs.py").write_text(LFS.replace('"asks", "{text}"', '"other", "{text}"'))
    before = client.spent
    refused = run("predict", "--data", "new.parquet", "--output", "3.parquet", "--stream")
    assert "was trained with the LFs" in refused.stderr
    assert client.spent == before, "LFs that do not fit are not paid for"
