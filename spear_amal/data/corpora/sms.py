"""SMS messages, spam against ham; with the published split and rules where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.sources import NpmPackage, UrlArchive
from spear_amal.data.splits import hold_out_test
from spear_amal.errors import FileFormatError

# The package names the labels good and bad, and its author's replacement of "ham" and "spam" also
# hit words of messages (hamster, Bahamas). These are the lines (from 0) where it did, each time in
# the first "good" of the message, or in its first "bad" where it has none. The store checks the
# result by SHA-256.
_HIT_LINES = (
    *(198, 291, 645, 869, 1193, 1488, 1514, 1741, 2016, 2318, 2389, 2619, 2677),
    *(2823, 2878, 3176, 3446, 3454, 3529, 4145, 4276, 4320, 4520, 4624, 5056),
)
_LABELS = {"good": "ham", "bad": "spam"}


def revert_package(content: bytes) -> bytes:
    """Return the official ``SMSSpamCollection`` from the package's ``dataSet.txt``.

    Raises
    ------
    FileFormatError
        If the content is not lines of label, tab, message.
    """
    try:
        lines = content.decode("utf-8").split("\n")
        for i in _HIT_LINES:
            label, message = lines[i].split("\t", maxsplit=1)
            word = "good" if "good" in message else "bad"
            lines[i] = f"{label}\t{message.replace(word, _LABELS[word], 1)}"
        return "\n".join(_relabelled(line) for line in lines).encode("utf-8")
    except (UnicodeDecodeError, IndexError, KeyError, ValueError) as error:
        raise FileFormatError(
            f"the package's file is not the SMS collection that was expected ({error!r})"
        ) from error


def _relabelled(line: str) -> str:
    if not line:  # the file ends with a line break
        return line
    label, message = line.split("\t", maxsplit=1)
    return f"{_LABELS[label]}\t{message}"


CLASSES = ("ham", "spam")
COLLECTION = "SMSSpamCollection"
N_TEST = 500
SPLIT_SEED = 20261120

PUBLISHED = {
    "train.csv": "ea4a8e46199dfeb199d6d55f6c0b6e209905a55c5b8b86308f9097763ed431ac",
    "valid.csv": "afbde3e1d58f01de389aa5a5f14c215832465aac62f77a79832eb1b7cec5272b",
    "test.csv": "86df6eddd6bb1d60be73f8f077b6e798470013ad02096328c53508ee8d40981e",
    "rules.tsv": "2dad40fd3caf91e69968ef702e437b31b969f6c2eb52b63849cd4fc65291e17c",
}


def build(folder: Path, source: str) -> Corpus:
    """Build the corpus: with the published split if the folder has it, else divided by a seed."""
    published = all((folder / name).is_file() for name in PUBLISHED)
    if published:
        frame, parts = _published(folder), "parts as published"
    else:
        frame = hold_out_test(_collection(folder / COLLECTION), N_TEST, SPLIT_SEED)
        parts = f"train and test drawn by spear_amal (seed {SPLIT_SEED})"
    return Corpus(
        name="sms",
        classes=CLASSES,
        frame=frame,
        metric="f1",
        source=f"{source}; {parts}",
        n_labelled=69,
        n_validation=69,
    )


def _published(folder: Path) -> pd.DataFrame:
    """Exemplars of the rules as the labelled part, then the three csv files; all lower-cased."""
    pieces = {"labelled": _exemplars(folder / "rules.tsv")}
    for part, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        table = pd.read_csv(folder / f"{name}.csv", encoding="latin-1", keep_default_na=False)
        pieces[part] = pd.DataFrame({"text": table["v2"], "label": table["v1"]})
    frame = pd.concat([rows.assign(part=part) for part, rows in pieces.items()], ignore_index=True)
    return frame.assign(label=_codes(frame["label"]))


def _exemplars(path: Path) -> pd.DataFrame:
    """Distinct third columns of the rules file; several rules share an exemplar."""
    lines = path.read_text(encoding="latin-1").splitlines()
    rows = pd.DataFrame([line.split("\t") for line in lines], columns=["label", "regex", "text"])
    return rows[["text", "label"]].drop_duplicates("text")


def _collection(path: Path) -> pd.DataFrame:
    # Not read as CSV: quotation marks in messages are text.
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    labels, texts = zip(*(line.split("\t", maxsplit=1) for line in lines), strict=True)
    return pd.DataFrame({"text": texts, "label": _codes(pd.Series(labels))})


def _codes(names: pd.Series) -> np.ndarray:
    return names.map({name: code for code, name in enumerate(CLASSES)}).to_numpy(dtype=np.int64)


SPEC = CorpusSpec(
    name="sms",
    title="SMS messages, spam against ham",
    licence="CC BY 4.0",
    build=build,
    files={COLLECTION: "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"},
    published=PUBLISHED,
    sources=(
        UrlArchive(
            "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip",
            {COLLECTION: COLLECTION},
        ),
        NpmPackage(
            "spam-filter@1.1.1", {"package/dataSet.txt": COLLECTION}, transform=revert_package
        ),
    ),
)
