"""TF-IDF, a frozen sentence encoder and the same encoder fine-tuned, under several methods.

YouTube and SMS, each seed a partition of its own as in ``docs/results.md``; test rows are opened by
the scorer alone. One JSON line is appended for every run as soon as it is done, so that the command
can be stopped at any time and goes on where it was:

    python benchmarks/encoder_table.py --runs encoders.jsonl
    python benchmarks/encoder_table.py --runs encoders.jsonl --features fine-tuned
    python benchmarks/encoder_table.py --runs encoders.jsonl --output docs/results/encoders.json

With ``--output`` nothing is trained: the lines become the file of scores and the tables, which
``--docs docs/results.md`` puts between the marks that stand there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spear_amal.data.encoder_backends import MINILM
from spear_amal.estimators.together import finish
from spear_amal.io.atomic import write_aside
from spear_amal.studies import parse_method
from spear_amal.studies.corpus_run import StudySetup, make_setup, run_method
from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.studies.summary import interval

CORPORA = {"youtube": "accuracy", "sms": "f1"}
ENCODER = f"encoder:{MINILM}"
#: By name: what a study's features are, and settings of every estimator.
FEATURES: dict[str, tuple[str, dict[str, Any]]] = {
    "tfidf": ("tfidf", {}),
    "frozen": (ENCODER, {}),
    "both": (f"tfidf+{ENCODER}", {}),
    "fine-tuned": (
        f"tokens:{MINILM}",
        {"feature_model": ENCODER, "n_frozen": 3, "max_epochs": 4},
    ),
}
COSINE = "cosine"
METHODS = ("only-l", "only-lv", "label-model", COSINE, "spear", "amal", "recommended")
CEILING = "supervised"
#: "wrench": no gold in L, and V is the whole published validation part; 120 and 500 rows.
PROTOCOLS = ("random", "wrench")
TITLES = {
    ("random", "youtube"): "YouTube (accuracy; L/U/V 100/1,506/100)",
    ("random", "sms"): "SMS (F1; L/U/V 69/4,933/69)",
    ("wrench", "youtube"): "YouTube as published (accuracy; 120 labelled, 1,586 unlabelled rows)",
    ("wrench", "sms"): "SMS as published (F1; 500 labelled, 4,571 unlabelled rows)",
}
MARKS = "<!-- encoders -->", "<!-- end of encoders -->"
PARTS = ("protocol", "corpus", "features", "method", "seed")
Key = tuple[str, str, str, str, int]


def read_runs(path: Path) -> dict[Key, dict[str, Any]]:
    """Read the lines of finished runs; of a line that was cut off nothing is kept."""
    runs: dict[Any, dict[str, Any]] = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        runs[tuple(line[part] for part in PARTS)] = line
    return runs


def append_run(path: Path, line: dict[str, Any]) -> None:
    """Append one line; a line before it that was cut off is ended first."""
    content = path.read_bytes() if path.exists() else b""
    start = "" if not content or content.endswith(b"\n") else "\n"
    with path.open("a", encoding="utf-8") as lines:
        lines.write(start + json.dumps(line) + "\n")


def wanted_runs(options: argparse.Namespace) -> list[Key]:
    """Return all runs in the order in which they are made: seed by seed, the cheapest first."""
    return [
        (options.protocol, corpus, features, method, seed)
        for seed in range(options.first_seed, options.seeds)
        for corpus in options.corpus or CORPORA
        for features in options.features or FEATURES
        for method in options.method or (*METHODS, CEILING)
    ]


def train(options: argparse.Namespace) -> None:
    """Make the runs that are missing."""
    setups: dict[tuple[str, str], StudySetup] = {}
    for key in wanted_runs(options):
        if key in read_runs(options.runs):  # read anew: another process may be at work as well
            continue
        protocol, corpus, features, method, seed = key
        if (corpus, features) not in setups:
            source = load_corpus_votes(corpus, data_dir=options.data_dir)
            name, settings = FEATURES[features]
            setups[corpus, features] = make_setup(
                source, features=name, protocol=protocol, settings=settings
            )
        row = finish(run_method(setups[corpus, features], parse_method(method), seed, {}))
        line: dict[str, Any] = dict(zip(PARTS, key, strict=True))
        figures = ("score", "val_score", "accuracy", "f1", "seconds")
        line |= {name: row.get(name) for name in figures}
        line["score_distinct"] = row["dedup"].get(CORPORA[corpus])
        append_run(options.runs, line)
        print(*key, f"{100 * row['score']:.1f}", f"{row['seconds']:.0f} s", flush=True)


def frame_of(runs: dict[Key, dict[str, Any]]) -> pd.DataFrame:
    """Return one row a run, scores in points."""
    frame = pd.DataFrame(runs.values()).sort_values(list(PARTS))
    return frame.assign(score=(100 * frame["score"]).round(2))


def table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and interval of each method (rows) and features (columns) of one corpus."""
    cells = runs.groupby(["method", "features"])["score"].agg(_cell).unstack()
    order = [m for m in (*METHODS, CEILING) if m in cells.index]
    others = [m for m in cells.index if m not in order]
    return cells.loc[[*order, *others], [f for f in FEATURES if f in cells]].fillna("")


def _cell(scores: pd.Series) -> str:
    n = len(scores)
    return f"{np.mean(scores):.1f} ({_interval(scores)}{'' if n >= 5 else f', n={n}'})"


def gains(runs: pd.DataFrame, over: str = "tfidf") -> pd.DataFrame:
    """Return paired gains over other features, in points, on the seeds that both have."""
    scores = runs.pivot(index=["method", "seed"], columns="features", values="score")
    cells = {}
    for features in [f for f in FEATURES if f in scores and f != over and over in scores]:
        difference = (scores[features] - scores[over]).dropna()
        cells[features] = difference.groupby("method").agg(_gain)
    return pd.DataFrame(cells).fillna("")


def gains_of_method(runs: pd.DataFrame, method: str = COSINE) -> pd.DataFrame:
    """Return paired gains of a method over the others on the same features and seeds."""
    scores = runs.pivot(index=["features", "seed"], columns="method", values="score")
    cells = {}
    for other in [m for m in METHODS if m in scores and m != method and method in scores]:
        difference = (scores[method] - scores[other]).dropna()
        cells[other] = difference.groupby("features").agg(_gain)
    return (
        pd.DataFrame(cells)
        .reindex([f for f in FEATURES if f in set(runs["features"])])
        .T.fillna("")
    )


def _gain(difference: pd.Series) -> str:
    n = len(difference)
    few = "" if n >= 5 else f", n={n}"
    return f"{difference.mean():+.1f} ({_interval(difference, '+')}{few})"


def _interval(values: pd.Series, sign: str = "") -> str:
    low, high = interval(values.to_numpy(dtype=float))
    return "no interval" if np.isnan(low) else f"{low:{sign}.1f} to {high:{sign}.1f}"


def write_scores(path: Path, runs: pd.DataFrame) -> None:
    """Write scores by corpus, features and method, those of a method in one line."""
    lines = []
    for key, part in runs.groupby(list(PARTS[:-1])):
        scores = dict(zip(part["seed"].astype(str), part["score"], strict=True))
        lines.append(f"  {json.dumps(': '.join(key))}: {json.dumps(scores)}")
    with write_aside(path) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def markdown(cells: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    lines = [["", *map(str, cells.columns)], ["---"] * (1 + len(cells.columns))]
    lines += [
        [f"`{name}`", *map(str, row)]
        for name, row in zip(cells.index, cells.to_numpy(), strict=True)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(runs: pd.DataFrame) -> str:
    """Return the tables of all corpora, and of the gains, as Markdown."""
    parts = []
    for (protocol, corpus), part in runs.groupby(["protocol", "corpus"]):
        parts += [f"### {TITLES[protocol, corpus]}", markdown(table(part))]
        if protocol != PROTOCOLS[0]:
            continue
        of_cosine = f"of `{COSINE}` over the others", gains_of_method(part)
        for title, cells in ("over TF-IDF", gains(part)), of_cosine:
            if len(cells):
                parts += [f"Gain {title}, paired by seed:", markdown(cells)]
    return "\n\n".join(parts)


def main() -> None:
    """Make the runs that are missing, or write what is there as scores and tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="file of JSON lines")
    parser.add_argument("--corpus", action="append", choices=list(CORPORA), help="default: all")
    parser.add_argument("--features", action="append", choices=list(FEATURES))
    parser.add_argument("--method", action="append", help="default: those of the table")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="for two processes at once")
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=Path, help="write scores and tables, and train nothing")
    parser.add_argument("--docs", type=Path, help="page to put the tables into")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.output is None:
        train(options)
        return
    runs = frame_of(read_runs(options.runs))
    write_scores(options.output, runs)
    text = tables(runs)
    print(text)
    if options.docs is not None:
        page = options.docs.read_text(encoding="utf-8")
        before, rest = page.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        parts = (before, MARKS[0], "\n\n", text, "\n\n", MARKS[1], after)
        options.docs.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
