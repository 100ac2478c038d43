"""Prompted LFs and the client together, against a scripted server on this machine."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spear_amal.errors import LabelingError
from spear_amal.labeling import PandasLFApplier
from spear_amal.llm import BudgetError, ChatModel, ChatServerError
from spear_amal.prompted_lfs import asking, prompt_lf, spending_limit

pytest.importorskip("httpx", reason="needs the extra llm")
sys.path.append(str(Path(__file__).parents[1] / "llm"))
from scripted_server import Fail, Say, ScriptedServer

CLASSES = ["ham", "spam"]


@pytest.fixture(autouse=True)
def own_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep clients of one test from the next."""
    monkeypatch.setattr(asking, "_clients", {})


def say(word: str, **shares: float) -> Say:
    """Answer in JSON, with the alternatives of the token that decides."""
    listed = [{"token": t, "logprob": math.log(share)} for t, share in shares.items()]
    entries = [{"token": '{"answer": "', "logprob": 0.0, "top_logprobs": []}]
    chosen = math.log(shares.get(word, 1.0))
    entries.append({"token": word, "logprob": chosen, "top_logprobs": listed})
    entries.append({"token": '"}', "logprob": 0.0, "top_logprobs": []})
    text = json.dumps({"answer": word})
    return Say(text, logprobs={"content": entries} if shares else None)


def asks(url: str, folder: Path, **options: Any) -> Any:
    prices = options.pop("prices", (None, None))
    model = ChatModel(
        name="tiny", base_url=url, max_tries=2, input_price=prices[0], output_price=prices[1]
    )
    return prompt_lf("asks", "{text}", CLASSES, model=model, cache_dir=folder, **options)


def text_of(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def test_scores_reach_the_label_matrix(tmp_path: Path) -> None:
    def script(request: Any, *more: Any) -> Say:
        if "free" in text_of(request):
            return say("spam", spam=0.8, ham=0.2)
        return say("ham", ham=0.75, spam=0.25)

    frame = pd.DataFrame({"text": ["free", "hello", None, "free"]})
    with ScriptedServer(script) as server:
        lf = asks(server.url, tmp_path)
        matrix = PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False)
    assert matrix.to_dense()[:, 0].tolist() == [1, 0, -1, 1]
    assert matrix.scores.toarray()[:2, 0].tolist() == pytest.approx([0.8, 0.75])


def test_a_run_that_broke_off_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    broken, seen = {"row 3"}, []

    def script(request: Any, *more: Any) -> Say | Fail:
        seen.append(text_of(request))
        return Fail(400, "too long") if text_of(request) in broken else say("spam")

    frame = pd.DataFrame({"text": [f"row {i}" for i in range(7)]})
    with ScriptedServer(script) as server:
        applier = PandasLFApplier([asks(server.url, tmp_path, score="none")], CLASSES)
        with pytest.raises(LabelingError, match=r"row 3: no answer.*1 of 7"):
            applier.apply(frame, progress_bar=False)
        broken.clear()
        votes = applier.apply(frame, progress_bar=False).to_dense()[:, 0].tolist()
    assert votes == [1] * 7
    assert {text: seen.count(text) for text in set(seen) - {"row 3"}} == {
        f"row {i}": 1 for i in range(7) if i != 3
    }


def test_a_server_that_is_down_and_a_key_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame({"text": ["a", "b"]})
    with ScriptedServer(lambda *request: say("spam")) as server:
        url = server.url
    with pytest.raises((LabelingError, ChatServerError), match=r"no connection to http|none of 2"):
        PandasLFApplier([asks(url, tmp_path)], CLASSES).apply(
            frame, progress_bar=False, fault_tolerant=True
        )
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    model = ChatModel(name="m", base_url=url, key_variable="NO_SUCH_KEY")
    lf = prompt_lf("asks", "{text}", CLASSES, model=model, cache_dir=tmp_path)
    with pytest.raises(LabelingError, match="NO_SUCH_KEY"):
        PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False, fault_tolerant=True)


def test_a_limit_stops_before_more_is_spent(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"row {i}" for i in range(50)]})
    with ScriptedServer(lambda *request: say("spam")) as server:
        lf = asks(server.url, tmp_path, score="none", prices=(1000.0, 1000.0))
        before = asking.spent()
        with spending_limit(2.0), pytest.raises(BudgetError):
            PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False)
        assert 0 < asking.spent() - before <= 2.0
        unpriced = asks(server.url, tmp_path / "other", score="none")
        with spending_limit(2.0), pytest.raises(LabelingError, match="needs the prices"):
            PandasLFApplier([unpriced], CLASSES).apply(frame, progress_bar=False)
        votes = PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False)
    assert votes.nnz == 50
