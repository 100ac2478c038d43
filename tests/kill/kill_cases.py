"""The commands that write files, on small inputs, and what their outputs are compared by."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.data import WrenchPart, write_wrench
from spear_amal.votes.label_matrix import LabelMatrix

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free", "win"], label="spam")
greeting = keyword_lf("greeting", ["see you", "hello"], label="ham")
"""
WORDS = (("hello", "see you", "tonight", "lunch"), ("free", "win", "prize", "now"))
N = 61

_TABLE = ("--data", "mail.csv")
_LFS = ("--lfs", "lfs.py")
_MODEL = ("--method", "spear", "--max-epochs", "2")
_DISTILL = ("distill", "--student", "linear", "--max-epochs", "2", "--method", "kd")
_STUDY = (
    *("study", "./wrench", "--seeds", "2", "--max-epochs", "1", "--n-labelled", "11", "--only"),
    *("--method", "majority", "--method", "only-l", "--output", "study.json"),
)

# Name of a case -> its command.
COMMANDS = {
    "init": ("init", "project"),
    "apply": ("apply", *_TABLE, *_LFS, "--output", "votes.npz"),
    "apply --jobs": ("apply", *_TABLE, *_LFS, "--output", "votes.npz", "--jobs", "2"),
    "apply --cache": ("apply", *_TABLE, *_LFS, "--output", "votes.npz", "--cache", "cache"),
    "apply --votes-folder": ("apply", "--data", "parts", *_LFS, "--votes-folder", "votes"),
    "analyze": ("analyze", "--votes", "made.npz", "--output", "table.csv"),
    "train": (
        *("train", *_TABLE, *_LFS, *_MODEL, "--output", "model.safetensors"),
        *("--report", "report.html", "--checkpoint", "checkpoint.safetensors"),
    ),
    "predict": ("predict", *_TABLE, "--model", "made.safetensors", "--output", "predictions.csv"),
    "distill": (
        *(*_DISTILL, *_TABLE, "--teacher", "made.safetensors", "--output", "student.safetensors"),
        *("--report", "report.html", "--weights", "weights.csv", "--keep-epochs", "1"),
    ),
    "teacher-outputs": (
        *("teacher-outputs", "--model", "made.safetensors", *_TABLE),
        *("--id-column", "id", "--output", "teacher.npz"),
    ),
    "next": ("next", *_TABLE, *_LFS, "-n", "3", "--output", "next.csv"),
    "label": ("label", *_TABLE, *_LFS, "--output", "labelled.csv"),
    "compare": (
        *("compare", *_TABLE, *_LFS, "--method", "spear", "--max-epochs", "1", "--folds", "2"),
        *("--repeats", "1", "--output", "comparison.json", "--html", "comparison.html"),
    ),
    "study": _STUDY,
    "study --jobs": (*_STUDY, "--jobs", "2"),
    "study kd-synthetic": (
        *("study", "kd-synthetic", "--output", "runs.json", "--seeds", "2", "--max-epochs", "1"),
        *("--method", "ce", "--method", "kd"),
    ),
    "study report": ("study", "report", "made.json", "--html", "report.html"),
    "demo": ("demo", "--offline", "--max-epochs", "1", "--output", "report.html"),
}
# How often a command is killed in comparison; those with processes take seconds to start them.
SHARES = {"apply --jobs": 1, "study --jobs": 1, "demo": 1, "study kd-synthetic": 4}
USUAL_SHARE = 10


def write_inputs(folder: Path) -> None:
    """Write what the commands read, but for what other commands make (made.*)."""
    generator = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "id": [f"m{i}" for i in range(N)],
            "text": [
                f"{' '.join(generator.choice(WORDS[i % 2], 3))} word{i % 7}" for i in range(N)
            ],
            "label": [("ham", "spam")[i % 2] if i < 47 else "" for i in range(N)],
        }
    )
    frame.to_csv(folder / "mail.csv", index=False)
    (folder / "parts").mkdir()
    for i in range(3):
        frame.iloc[i::3].to_parquet(folder / "parts" / f"{i}.parquet")
    (folder / "lfs.py").write_text(LFS, encoding="utf-8")
    gold = np.arange(N) % 2
    votes = np.where(generator.random((N, 3)) < 0.5, -1, gold[:, None])
    matrix = LabelMatrix.from_dense(votes, classes=("ham", "spam"))
    part = WrenchPart(frame[["text"]].assign(label=gold), matrix)
    write_wrench({"train": part, "valid": part, "test": part}, folder / "wrench")


# -- comparing ------------------------------------------------------------------------------------


STUDIES = (
    *("study.json", "runs.json", "made.json"),
    *("comparison.json", "checkpoint-estimate.json"),
)


# Times; and with how many others a model was trained, of which some were stored before the kill.
_NOT_COMPARED = ("seconds", "path")


def outputs(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by name, without times and file times."""
    return {
        path.relative_to(folder).as_posix(): _without_times(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _without_times(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".json" and path.name in STUDIES:
        study = json.loads(content)
        study.pop("sha256")
        rows = [
            {name: value for name, value in row.items() if not name.startswith(_NOT_COMPARED)}
            for row in study["rows"]
        ]
        # Runs that end at the same time are stored in the order in which they end.
        return json.dumps(sorted(rows, key=json.dumps), sort_keys=True).encode()
    if path.suffix == ".html":
        return re.sub(rb'<p class="date">[^<]*</p>|\d+\.\d s\b|<td[^>]*>\d+\.\d</td>', b"", content)
    if path.name == "checkpoint.safetensors" or "runs-models" in path.parts:
        return b"with times"
    return content


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder of inputs; file times too, which tell parts that need not be made again."""
    shutil.copytree(source, target)
