"""A trained model behind an HTTP server: POST /predict, GET /health, GET /card.

You learn to load a model file once, to check what comes in by pydantic, to answer with a class and
probabilities, and to try it without a network. `spear-amal train` writes such a model file.
Serve it: SPEAR_AMAL_MODEL=model.safetensors \
    uvicorn --app-dir examples --factory 33_serve_with_fastapi:make_app --workers 2
Run from the repository root: python examples/33_serve_with_fastapi.py [--small]
"""

import os
import tempfile
from threading import Lock
from typing import Annotated

import pandas as pd
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from spear_amal import TextClassifier
from spear_amal.errors import InputError
from spear_amal.report import model_card

MOST_ROWS, LONGEST_TEXT = 1_000, 20_000
Cell = Annotated[str, Field(max_length=LONGEST_TEXT)] | int | float | bool | None


class Question(BaseModel):
    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=MOST_ROWS)


class Prediction(BaseModel):
    label: str
    probabilities: dict[str, float]


def make_app() -> FastAPI:
    path = os.environ.get("SPEAR_AMAL_MODEL", "model.safetensors")
    model = TextClassifier.load(path)
    if model.needs_votes:
        raise InputError("this model needs its rules to predict; train with inference=feature")
    text = [] if model.needed_text_ is None else [model.needed_text_]
    needed = [*text, *model.features_.columns]
    names = [str(name) for name in model.classes_]
    app, card, lock = FastAPI(title=path), model_card(model, model_file=path), Lock()

    @app.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "classes": names, "columns": needed}

    @app.get("/card", response_class=PlainTextResponse)
    def show_card() -> str:
        return card

    @app.post("/predict")
    def predict(question: Question) -> list[Prediction]:
        if missing := {name for row in question.rows for name in needed if name not in row}:
            raise HTTPException(422, f"each row needs {needed}; missing: {sorted(missing)}")
        try:
            with lock:  # requests come in threads, and a prediction sets the threads of torch
                p = model.predict_proba(pd.DataFrame(question.rows)[needed])
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        tables = pd.DataFrame(p, columns=names).to_dict(orient="records")
        return [Prediction(label=max(row, key=row.get), probabilities=row) for row in tables]

    return app


if __name__ == "__main__":
    from fastapi.testclient import TestClient

    table = pd.DataFrame({"text": ["win a prize", "see you"] * 18, "label": ["spam", "ham"] * 18})
    os.environ["SPEAR_AMAL_MODEL"] = f"{tempfile.mkdtemp()}/model.safetensors"
    TextClassifier("only-l", max_epochs=5).fit(table).save(os.environ["SPEAR_AMAL_MODEL"])
    client = TestClient(make_app())
    print(client.get("/health").json())
    print(client.post("/predict", json={"rows": [{"text": "win it"}, {"text": "see it"}]}).json())
    print(client.get("/card").text[-200:].strip())
