"""The SPEAR paper's IMDB plot-genre files: bag-of-words features and 25 induced rules, no text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.sources import UrlFiles
from spear_amal.data.formats.spear import read_spear_pickle
from spear_amal.io.arrays import read_array
from spear_amal.votes.label_matrix import LabelMatrix

CLASSES = ("romance", "action")
PART_FILES = {
    "labelled": "d_processed.p",
    "unlabelled": "U_processed.p",
    "validation": "validation_processed.p",
    "test": "test_processed.p",
}
_HOME = (
    "https://raw.githubusercontent.com/ayushbits/Semi-Supervised-LFs-Subset-Selection/HEAD/"
    "datasets/imdb/"
)
FILES = {
    "d_processed.p": "14b9678308a05c53559b5d6870d36e62230e90f635a7a6481664bcf4397d3267",
    "U_processed.p": "4b807cddedbc74024bf8d482ac9f10585a9d54eef5231abfefe29f113359b045",
    "validation_processed.p": "d0890b9a4a97240095f9e8b14a07cf668249e15704ac670ae73ec482a108e9c2",
    "test_processed.p": "08df418b4cfb3432905f5bdff6450fcee1540d8965daad153a6cf0c6ab5a065a",
    "k.npy": "704af4b8e63548c1ec3865cd1bd9ec4d999533003aa51a2de77ef6d343b12c9d",
}


def build(folder: Path, source: str) -> Corpus:
    """Join the four files in the order labelled, unlabelled, validation, test."""
    parts = {part: read_spear_pickle(folder / name) for part, name in PART_FILES.items()}
    features = np.concatenate([arrays["x"] for arrays in parts.values()])
    frame = pd.DataFrame(
        {
            "label": np.concatenate([arrays["L"] for arrays in parts.values()]),
            "part": np.repeat(list(parts), [len(arrays["x"]) for arrays in parts.values()]),
        }
    )
    votes = np.concatenate([arrays["l"] for arrays in parts.values()])
    return Corpus(
        name="imdb",
        classes=CLASSES,
        frame=frame,
        metric="f1",
        source=source,
        features=sp.csr_array(features.astype(np.float32)),
        label_matrix=LabelMatrix.from_dense(
            votes, classes=CLASSES, lf_classes=_rule_classes(folder / "k.npy")
        ),
        n_labelled=284,
        n_validation=284,
    )


def _rule_classes(path: Path) -> np.ndarray:
    return read_array(path, "a plain array of rule classes", "fetch it again")


SPEC = CorpusSpec(
    name="imdb",
    title="IMDB plot genre, published features and rules",
    licence="none stated by the publishers; research use",
    build=build,
    files=FILES,
    sources=(UrlFiles(_HOME, tuple(FILES)),),
)
