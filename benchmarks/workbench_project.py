"""Projects on which the workbench is measured and shown, and the workbench as users start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spear_amal.data import load_corpus

LFS = '''\
"""Three beginnings, for plots of films."""

from spear_amal.labeling import keyword_lf, labeling_function

CLASSES = ("romance", "action")

wedding = keyword_lf("wedding", ["wedding", "bride", "marry", "marriage"], label="romance")
guns = keyword_lf("guns", ["gun", "shoot", "sniper", "assassin", "bomb"], label="action")


@labeling_function(label="action")
def fights_crime(x):
    """Police, gangs or agents."""
    return any(word in x.text for word in ("police", "gang", "agent", "terrorist"))
'''
SETTINGS = """\
data = "plots.csv"
test = "test.csv"
text_column = "text"
label_column = "label"
id_column = "id"
lfs = "lfs.py"
metric = "f1"
method = "amal"
max_epochs = 30
"""


def plots_project(folder: Path, n_gold: int, seed: int = 0) -> Path:
    """Write a project about the corpus `plots`, of which some rows have a label.

    Raises
    ------
    spear_amal.errors.DataUnavailableError
        If the corpus is not at hand.
    """
    corpus = load_corpus("plots", offline=True)
    folder.mkdir(parents=True)
    for part, name in (("train", "plots.csv"), ("test", "test.csv")):
        rows = corpus.rows(part)
        frame = corpus.frame.iloc[rows][["title", "text"]].rename_axis("id").reset_index()
        frame["words"] = frame["text"].str.split().str.len()
        labels = np.array(corpus.classes, dtype=object)[corpus.labels[rows]]
        if part == "train":
            unknown = np.random.default_rng(seed).permutation(len(rows))[n_gold:]
            labels[unknown] = None
        frame.assign(label=labels).to_csv(folder / name, index=False)
    (folder / "lfs.py").write_text(LFS, encoding="utf-8")
    (folder / "spear.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


class Served(NamedTuple):
    """A workbench that answers: its address, with the token, and its process."""

    address: str
    pid: int


@contextmanager
def served_workbench(folder: Path) -> Iterator[Served]:
    """Yield a workbench in a process of its own; it ends with the block."""
    command = [sys.executable, "-m", "spear_amal", "workbench", str(folder)]
    with subprocess.Popen(
        [*command, "--no-browser", "--json", "--quiet"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(address_of(process), process.pid)
        finally:
            process.send_signal(signal.SIGINT)


def address_of(process: subprocess.Popen[str]) -> str:
    """Return the address that a workbench prints with ``--json``, once it does."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            return str(json.loads(text)["address"])
    raise SystemExit("the workbench did not start")
