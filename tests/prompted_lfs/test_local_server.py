"""Prompted LFs against a real server: llama-cpp-python with the model that a variable names."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from local_server import MODEL_VARIABLE, local_server

from spear_amal.labeling import PandasLFApplier
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs import Question, asking, prompt_lf, prompt_lfs

PYTHON = os.environ.get("SPEAR_AMAL_LLAMA_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get(MODEL_VARIABLE),
        reason=f"needs a model file (GGUF), named by {MODEL_VARIABLE}",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("llama_cpp") is None and not PYTHON,
        reason="needs llama-cpp-python[server], here or by SPEAR_AMAL_LLAMA_PYTHON",
    ),
]
CLASSES = ("ham", "spam")
ABOUT = {"ham": "about the music video", "spam": "advertises something else"}
ROWS = pd.DataFrame(
    {"text": ["I love this song", "Subscribe to my channel, win money", None, "so beautiful"]}
)


@pytest.fixture(scope="module")
def server() -> Any:
    """Run one server for all tests of the file."""
    more = {"python": PYTHON} if PYTHON else {}
    with local_server(os.environ[MODEL_VARIABLE], **more) as url:
        yield url


def test_votes_scores_and_joint_calls(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_clients", {})
    model = ChatModel(name="local", base_url=server, concurrency=1)
    told: dict[str, Any] = {"model": model, "cache_dir": tmp_path}
    lfs = [
        prompt_lf("plain", "Comment: {text}", ABOUT, score="none", **told),
        prompt_lf("scored", "Comment: {text}", ABOUT, score="logprobs", **told),
        prompt_lf("joint", "Comment: {text}", ABOUT, score="none", rows_per_call=2, **told),
        *prompt_lfs(
            "Comment: {text}",
            [Question("first", "Is it spam?", ABOUT), Question("second", "And this?", ABOUT)],
            **told,
        ),
    ]
    applier = PandasLFApplier(lfs, CLASSES)
    matrix, meta = applier.apply(ROWS, progress_bar=False, return_meta=True)
    votes = matrix.to_dense()
    assert (votes[2] == -1).all()
    assert not meta.faults
    # The schema holds the model to the words: nothing is nonsense.
    for name in ("plain", "first", "second"):
        assert set(meta.abstentions[name]) <= {"nothing to read", "unknown"}
    scores = matrix.scores.toarray()[:, 1]
    voted = votes[:, 1] >= 0
    assert voted.any()
    assert ((scores[voted] > 1 / 3 - 1e-6) & (scores[voted] <= 1)).all()
    again = applier.apply(ROWS, progress_bar=False)
    np.testing.assert_array_equal(again.to_dense(), votes)
