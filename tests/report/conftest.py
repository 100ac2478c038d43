"""A small run whose names and texts try to break out of the page."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.report import Evaluation, Examples, ReportContent
from spear_amal.votes.label_matrix import LabelMatrix

sys.path.insert(0, str(Path(__file__).parent))  # so that tests find the made-up rows

EVIL = '<script>alert("x")</script>'
N, M = 31, 7


@pytest.fixture(scope="module")
def votes():
    generator = np.random.default_rng(5)
    held = generator.choice([-1, 0, 1], size=(N, M), p=[0.5, 0.25, 0.25])
    names = [f"{EVIL}{j}" if j == 0 else f"lf $a_{j}$" for j in range(M)]
    return LabelMatrix.from_dense(held, lf_names=names, classes=["<i>no", "yes&"])


@pytest.fixture(scope="module")
def examples(votes):
    generator = np.random.default_rng(7)
    y = np.where(np.arange(N) < 11, np.arange(N) % 2, -1)
    weights = pd.DataFrame(
        {
            "gold": np.where(y >= 0, 1.0, np.nan),
            # NaN where the loss is not defined, as a fitted estimator has it
            "consensus": np.where((y < 0) & votes.covered(), generator.random(N), np.nan),
            "agreement": generator.integers(0, 2, N).astype(float),
        }
    )
    texts = [f"{EVIL} row {i} " + "long " * 60 for i in range(N)]
    return Examples("AMAL", weights, y, votes, texts)


@pytest.fixture(scope="module")
def content(votes, examples):
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 2],
            "loss/gold": [0.7, 0.5, 0.0],
            "loss/consensus": [0.9, 0.8, 0.6],
            "val_score": [0.5, 0.6, np.nan],
        }
    )
    return ReportContent(
        title=f"Run {EVIL}",
        summary=[f"Summary {EVIL}"],
        class_names=votes.classes,
        votes=votes,
        y=examples.y,
        comparison=pd.DataFrame({"method": [EVIL], "was given": ["100 gold"], "test F1": ["81.6"]}),
        histories={f"{EVIL}": history},
        examples=examples,
        outcome=Evaluation(
            EVIL, EVIL, np.array([[7, 2], [1, 3]]), np.linspace(0.5, 1, 13), np.arange(13) % 3 > 0
        ),
        settings={"seed": 3, "note": EVIL},
    )
