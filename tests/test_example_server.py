"""The example of a server, asked as a client asks: answers, what is refused, many threads."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import TextClassifier
from spear_amal.errors import InputError

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

EXAMPLES = Path(__file__).parents[1] / "examples"
WORDS = ["win a prize", "see you", "win now", "see me"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A client and the model that it asks, whose features are texts and a column of numbers."""
    table = pd.DataFrame({"text": WORDS * 9, "price": range(36), "label": ["spam", "ham"] * 18})
    made = TextClassifier("only-l", features="tfidf+columns:price", max_epochs=3)
    path = tmp_path_factory.mktemp("served") / "model.safetensors"
    made.fit(table).save(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        patch.setenv("SPEAR_AMAL_MODEL", str(path))
        module = importlib.import_module("33_serve_with_fastapi")
        client = TestClient(module.make_app())
    return client, made, module


def rows(n=4):
    return [{"text": f"{WORDS[i % 4]} {i}", "price": i, "other": "kept out"} for i in range(n)]


def test_answers_are_those_of_the_model(served):
    client, model, _ = served
    answer = client.post("/predict", json={"rows": rows()})
    assert answer.status_code == 200
    p = model.predict_proba(pd.DataFrame(rows()))
    found = [[one["probabilities"][name] for name in model.classes_] for one in answer.json()]
    np.testing.assert_allclose(found, p)
    assert [one["label"] for one in answer.json()] == model.predict(pd.DataFrame(rows())).tolist()
    assert client.get("/health").json() == {
        "status": "ok",
        "classes": ["ham", "spam"],
        "columns": ["text", "price"],
    }
    card = client.get("/card")
    assert card.headers["content-type"].startswith("text/plain") and "# model" in card.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rows": []}, "at least 1 item"),
        ({}, "Field required"),
        ({"rows": [{"text": "win"}]}, "missing: ['price']"),
        ({"rows": [{"text": "win", "price": "many"}]}, "held numbers in training"),
        ({"rows": [{"text": "x" * 20_001, "price": 1}]}, "at most 20000"),
        ({"rows": [{"text": ["x"], "price": 1}]}, "string"),
        ({"rows": rows(1_001)}, "at most 1000"),
    ],
)
def test_what_cannot_be_predicted_is_refused(served, body, said):
    answer = served[0].post("/predict", json=body)
    assert answer.status_code == 422 and said in answer.text


def test_many_requests_at_once_get_their_own_answers(served):
    client, model, _ = served
    asked = [[row] for row in rows(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: client.post("/predict", json={"rows": one}), asked))
    labels = [answer.json()[0]["label"] for answer in answers]
    assert labels == model.predict(pd.DataFrame(rows(40))).tolist()


def test_a_model_that_needs_its_rules_is_refused_at_the_start(served, tmp_path, monkeypatch):
    _, model, module = served
    monkeypatch.setattr(type(model), "needs_votes", property(lambda self: True))
    model.save(tmp_path / "m.safetensors")
    monkeypatch.setenv("SPEAR_AMAL_MODEL", str(tmp_path / "m.safetensors"))
    with pytest.raises(InputError, match="inference=feature"):
        module.make_app()
