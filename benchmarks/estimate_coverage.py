"""How often the interval that ``train`` prints holds the score of its model on new rows.

Each draw makes a table as a newcomer has it: support tickets of three classes, one of them rare,
1,000 to 1,500 rows of which 150 to 320 have gold, some texts empty, eight labelling functions of
which one tells nothing. The method is trained on it; its score on new rows, and what the rules add,
are estimated in outer folds as `train` does; then the model is scored on 2,000 fresh rows.

    python benchmarks/estimate_coverage.py --draws 100 --output estimate-coverage.json

A run that is stopped goes on; `--first` starts with another draw. The default is a cheap AMAL, in 3
folds and of 4 epochs, so that a draw takes seconds: model and estimate are cheap alike, so the
question stays the same.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import spear_amal
from spear_amal.data import TextFeatures
from spear_amal.estimators.together import finish
from spear_amal.labeling import PandasLFApplier, keyword_lf, labeling_function
from spear_amal.studies import parse_method
from spear_amal.studies.crossval.estimate import FOLDS, REPEATS, estimate_score
from spear_amal.studies.crossval.folds import text_groups
from spear_amal.studies.crossval.outcome import fair_rival
from spear_amal.studies.crossval.runs import HeldOutFold, run_fold
from spear_amal.studies.crossval.table import ComparedTable, TableRows
from spear_amal.studies.engine import StudyRun, execute
from spear_amal.studies.results_file import StudyFile
from spear_amal.votes.class_set import ClassNames

CLASSES = ClassNames(("billing", "technical", "shipping"))
SHARES = (0.55, 0.30, 0.15)
N_FRESH = 2_000
EMPTY = 0.013
N_COMMON, N_TOPIC = 600, 80
# Class, and places of words in the class' list: frequent words cover more rows.
KEYWORDS = [(0, (0, 5)), (0, (1, 7, 9)), (0, (3, 4)), (1, (0, 6)), (1, (2, 3, 8)), (2, (0, 1, 4))]
KEYWORDS += [(2, (2, 5))]


def _words(count: int, generator: np.random.Generator) -> list[str]:
    consonants, vowels = list("bcdfgklmnprstv"), list("aeiou")
    return [
        "".join(
            generator.choice(consonants) + generator.choice(vowels)
            for _ in range(generator.integers(2, 5))
        )
        for _ in range(count)
    ]


_GENERATOR = np.random.default_rng(1)
COMMON = _words(N_COMMON, _GENERATOR)
TOPICS = [_words(N_TOPIC, _GENERATOR) for _ in CLASSES]


@labeling_function(label="shipping")
def odd_length(x: Any) -> bool:
    """Vote by the length of the text, which tells nothing."""
    return len(x.text) % 5 == 1


LFS = [
    keyword_lf(f"words_{number}", [TOPICS[code][place] for place in places], label=CLASSES[code])
    for number, (code, places) in enumerate(KEYWORDS)
] + [odd_length]


def tickets(n: int, generator: np.random.Generator, topical: float, stray: float) -> pd.DataFrame:
    """Make n tickets with columns id, text and label.

    A word is one of the class' topic with a probability of `topical`, one of any topic with
    `stray`, else a common one.
    """
    y = generator.choice(len(CLASSES), n, p=SHARES)
    frequent = [1 / np.arange(1, size + 1) ** 0.8 for size in (N_COMMON, N_TOPIC)]
    of_common, of_topic = (weights / weights.sum() for weights in frequent)
    texts = []
    for code in y:
        length = 0 if generator.random() < EMPTY else int(generator.integers(4, 18))
        kind = generator.random(length)
        common = generator.choice(N_COMMON, length, p=of_common)
        place = generator.choice(N_TOPIC, length, p=of_topic)
        topic = np.where(kind < topical, code, generator.integers(len(CLASSES), size=length))
        texts.append(
            " ".join(
                TOPICS[t][p] if k < topical + stray else COMMON[c]
                for k, t, p, c in zip(kind, topic, place, common, strict=True)
            )
        )
    labels = [CLASSES[code] for code in y]
    return pd.DataFrame({"id": [f"T-{i:05}" for i in range(n)], "text": texts, "label": labels})


def _rows(frame: pd.DataFrame, labelled: np.ndarray) -> TableRows:
    codes = np.array([CLASSES.index(name) for name in frame["label"]])
    votes = PandasLFApplier(LFS, classes=CLASSES).apply(frame, progress_bar=False)
    texts = frame["text"].tolist()
    return TableRows(texts, np.where(labelled, codes, -1), votes, text_groups(texts))


def newcomers_table(draw: int) -> tuple[ComparedTable, TableRows]:
    """Make the table of a draw, and fresh rows of the same kind."""
    generator = np.random.default_rng(draw)
    n, n_gold = int(generator.integers(1_000, 1_501)), int(generator.integers(150, 321))
    kind = (generator.uniform(0.16, 0.30), generator.uniform(0.03, 0.08))
    labelled = np.zeros(n, dtype=bool)
    labelled[generator.permutation(n)[:n_gold]] = True
    rows = _rows(tickets(n, generator, *kind), labelled)
    fresh = _rows(tickets(N_FRESH, generator, *kind), np.ones(N_FRESH, dtype=bool))
    return ComparedTable("tickets", rows, CLASSES, new_features=TextFeatures), fresh


def run_draw(draw: int, method: str, metric: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Estimate and score one draw; return the fields of its row."""
    spec = parse_method(method)
    table, fresh = newcomers_table(draw)
    estimate = estimate_score(table, spec, metric, settings=settings)
    # Fresh rows are held out as a test table, all of them: their texts are as they come.
    on_fresh = replace(table, test=fresh)
    none = HeldOutFold(on_fresh, np.full(len(table.rows), -1))
    both = [run_fold(none, trained, 0, metric, settings) for trained in (spec, fair_rival(spec))]
    written, gold_alone = map(finish, both)
    return {
        "score": written["score"],
        "val_score": written["val_score"],
        "dedup": None,  # as rows of studies have it
        "n_rows": len(table.rows),
        "n_gold": len(table.gold),
        "estimate": {name: _short(value) for name, value in estimate.as_json().items()},
        "gain": round(written["score"] - gold_alone["score"], 6),
        "answer": None if estimate.rules is None else estimate.rules.answer,
    }


def _short(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def summary(rows: list[dict[str, Any]]) -> str:
    """Return how often intervals held what they should, in words."""
    estimates = pd.DataFrame([row["estimate"] for row in rows])
    frame = pd.DataFrame(rows)
    score, gain, val_score = (frame[name].to_numpy() for name in ("score", "gain", "val_score"))
    held = (estimates["low"] <= score) & (score <= estimates["high"])
    gain_held = (estimates["gain_low"] <= gain) & (gain <= estimates["gain_high"])
    half = 100 * (estimates["high"] - estimates["low"]).mean() / 2
    gain_half = 100 * (estimates["gain_high"] - estimates["gain_low"]).mean() / 2
    answers = frame["answer"].value_counts().to_dict()
    wrong = int(((frame["answer"] == "adds") & (gain <= 0)).sum())
    return "\n".join(
        [
            f"{len(rows)} draws, mean score on {N_FRESH} fresh rows {score.mean():.3f}, "
            f"estimated {estimates['score'].mean():.3f}, on validation rows {val_score.mean():.3f}",
            f"intervals of the score that held it: {held.sum()} of {len(rows)} "
            f"(mean half-width {half:.1f} points)",
            f"intervals of the gain that held it: {gain_held.sum()} of {len(rows)} "
            f"(mean half-width {gain_half:.1f} points); mean gain {100 * gain.mean():.1f} points",
            f"answers: {answers}; said to add something where they did not: {wrong}",
        ]
    )


def main() -> None:
    """Run the draws that the file lacks and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--method", default="amal-folds:crossfit=3")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--max-epochs", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    settings = {"max_epochs": options.max_epochs}
    spec = parse_method(options.method)
    runs = []
    for draw in range(options.first, options.first + options.draws):
        row = {"corpus": "tickets", "method": spec.text, "title": spec.title, "seed": draw}
        row |= {"metric": options.metric, "features": "tfidf", "protocol": "fresh rows"}
        config = {"options": spec.settled, "settings": settings, "folds": FOLDS, "repeats": REPEATS}
        row |= {"labels": 0, "config": config | {"version": spear_amal.__version__}}
        arguments = (draw, options.method, options.metric, settings)
        runs.append(StudyRun(row, run_draw, arguments, f"draw {draw}"))

    def show(done: int, total: int, what: str) -> None:
        print(f"{done}/{total} {what}", file=sys.stderr, flush=True)

    rows = execute(runs, StudyFile(options.output), jobs=options.jobs, progress=show)
    print(summary([row for row in rows if row["error"] is None]))


if __name__ == "__main__":
    main()
