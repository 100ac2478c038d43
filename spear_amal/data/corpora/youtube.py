"""YouTube comments under five videos, spam against ham."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.sources import UrlArchive
from spear_amal.data.splits import draw_stratified

CLASSES = ("ham", "spam")
HELD_OUT_VIDEO = 5
N_TEST = 250
SPLIT_SEED = 123

FILES = {
    "Youtube01-Psy.csv": "36ce8304361563275d034db5b88091c0fedef43400dcbb180413046da52d8b52",
    "Youtube02-KatyPerry.csv": "902c614f8ef24f987d6f614d7e6111aa5160b89a0646b68e007bd6044a3d123b",
    "Youtube03-LMFAO.csv": "702ef589860a1831956f527760a3d9737ef8a07ab36c7de35b92b8898b8c3928",
    "Youtube04-Eminem.csv": "92f54eb6b22fdf3b7ae85e1f500e5aa7442edd025e504b988a97078756187e76",
    "Youtube05-Shakira.csv": "1d8ab47b71e8037c51183b2fc62f0591a48a4b54f3a4f5d9d3043113b274e98e",
}


def build(folder: Path, source: str) -> Corpus:
    """Videos 1 to 4 are the training rows; video 5 is divided into 120 validation and 250 test."""
    videos = [_read(folder / name, number) for number, name in enumerate(FILES, start=1)]
    frame = pd.concat(videos, ignore_index=True)
    held_out = np.flatnonzero(frame["video"] == HELD_OUT_VIDEO)
    test = draw_stratified(
        held_out,
        frame["label"].to_numpy(),
        N_TEST,
        np.random.default_rng(SPLIT_SEED),
        "the test part",
    )
    frame["part"] = "train"
    frame.loc[held_out, "part"] = "validation"
    frame.loc[test, "part"] = "test"
    return Corpus(
        name="youtube",
        classes=CLASSES,
        frame=frame,
        metric="accuracy",
        source=f"{source}; video 5 divided by spear_amal (seed {SPLIT_SEED})",
    )


def _read(path: Path, video: int) -> pd.DataFrame:
    # Comments are kept raw: byte order marks and HTML entities are part of what rules see.
    table = pd.read_csv(path, encoding="utf-8", keep_default_na=False)
    return pd.DataFrame(
        {
            "text": table["CONTENT"],
            "label": table["CLASS"].astype(np.int64),
            "video": video,
            "author": table["AUTHOR"],
            "date": table["DATE"],
            "comment_id": table["COMMENT_ID"],
        }
    )


SPEC = CorpusSpec(
    name="youtube",
    title="YouTube comments, spam against ham",
    licence="CC BY 4.0",
    build=build,
    files=FILES,
    sources=(
        UrlArchive(
            "https://archive.ics.uci.edu/static/public/380/youtube+spam+collection.zip",
            {name: name for name in FILES},
        ),
    ),
)
