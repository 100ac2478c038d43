"""A labelling function that asks a language model, with scores, costs and calibration.

You learn to write a prompted LF, to see what it will cost before the first call, to make scores of
the log-probabilities of tokens, to calibrate them on labelled rows, and to put them beside rules.

It asks a stand-in on this machine, which counts words. For a real model name its server:
SPEAR_AMAL_LLM=http://127.0.0.1:8080/v1 (llama.cpp, Ollama, vLLM, ..), SPEAR_AMAL_LLM_MODEL=NAME.

Run from the repository root: python examples/30_ask_a_language_model.py [--small]
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from shared import SMALL
from stand_in_model import stand_in

from spear_amal.data import synthetic_corpus
from spear_amal.labeling import PandasLFApplier, keyword_lf
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs import calibrate, prompt_lf

N_ROWS, N_LABELLED = (120, 60) if SMALL else (600, 150)
corpus = synthetic_corpus(n=N_ROWS + 20, n_test=20, seed=1)
frame, gold = corpus.frame.iloc[:N_ROWS][["text"]], corpus.frame["label"].to_numpy()[:N_ROWS]

rules = [
    keyword_lf("love", ["love", "wedding"], label="romance"),
    keyword_lf("weapons", ["gun", "bomb"], label="action"),
]

with ExitStack() as stack:
    url = os.environ.get("SPEAR_AMAL_LLM") or stack.enter_context(stand_in())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    model = ChatModel(
        name=os.environ.get("SPEAR_AMAL_LLM_MODEL", "stand-in"),
        base_url=url,
        input_price=0.1,  # of a million tokens, for the forecast
        output_price=0.4,
    )
    asks = prompt_lf(
        "asks_model",
        "Plot of a film: {text}",
        {"romance": "a plot about love", "action": "a plot of fights, chases and crime"},
        model=model,
        cache_dir=folder / "answers",
    )
    texts = asks.inquiry.texts(frame)
    print("Before the first call:", asks.inquiry.forecast(texts))

    applier = PandasLFApplier([asks], corpus.classes)
    votes = applier.apply(frame, progress_bar=False)
    codes = votes.to_dense()[:, 0]
    voted = codes >= 0
    print(f"Votes on {voted.mean():.0%} of rows, {(codes == gold)[voted].mean():.0%} of them right")
    print("What came of the rows:", dict(asks.outcomes))

    labelled = np.where(np.arange(N_ROWS) < N_LABELLED, gold, -1)
    calibration = calibrate(asks, frame, labelled, classes=corpus.classes)
    calibration.save(folder / "asks_model.json")  # calibration="asks_model.json" reads it again
    print("Calibration:", calibration.facts["calibration"])
    print("Asked again, at no cost:", asks.inquiry.forecast(texts).n_cached, "answers are kept")

    lfs = [*rules, asks.with_calibration(calibration)]
    L = PandasLFApplier(lfs, corpus.classes).apply(frame, progress_bar=False)
    scores = L.scores.toarray()[:, 2]
    for about, chosen in {"0.8 or more": scores >= 0.8, "less": voted & (scores < 0.8)}.items():
        share = (codes == gold)[chosen].mean()
        print(f"Score {about}: {chosen.sum()} votes, {share:.0%} of them right")
    print("With the rules", L)  # as SPEAR, AMAL and CAGE take it, scores and all
