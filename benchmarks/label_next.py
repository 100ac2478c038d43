"""Whether it pays to label the rows that ``next_rows`` chooses, and not rows picked at random.

A pool of rows of a corpus without its test rows, votes of its labelling functions on all of them,
20 gold rows drawn at random. In each round both ways add as many gold rows: at random, or those of
``next_rows``, whose probabilities are those of the votes in the first round and later of the
classifier trained so far, as with `spear-amal next`. The classifier is scored on the test rows,
which nothing chooses by.

    python benchmarks/label_next.py sms youtube --seeds 10 --method only-lv --method amal

Scores are in percent, macro F1 where one class is rare (sms), else accuracy; gains are those over
rows picked at random, with a 95% interval over seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score

from spear_amal import TextClassifier
from spear_amal.data import TextFeatures
from spear_amal.label_models import AccuracyModel
from spear_amal.labeling import next_rows
from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.votes.label_matrix import LabelMatrix

START, STEP, ROUNDS = 20, 20, 4
MOST_TEST = 2_000


class Trial:
    """One corpus, cut into a pool and test rows by a seed."""

    def __init__(self, source: str, seed: int, data_dir: str | None) -> None:
        found = load_corpus_votes(source, data_dir=data_dir)
        self.generator = np.random.default_rng(seed)
        order = self.generator.permutation(len(found.corpus.labels))
        n_test = min(len(order) // 3, MOST_TEST)
        self.test, pool = order[:n_test], order[n_test:]
        self.frame = found.corpus.frame[["text"]].reset_index(drop=True)
        self.labels = np.asarray(found.corpus.labels)
        self.classes = list(found.corpus.classes)
        self.pool, self.votes = pool, found.votes.with_classes(self.classes)[pool]
        self.rare = source == "sms"
        self.X = TextFeatures(min_df=1).fit_transform(self.frame["text"].iloc[pool].tolist())

    def first(self) -> np.ndarray:
        """Draw the first gold rows (of the pool): at random, at least four of each class."""
        gold = self.labels[self.pool]
        order = self.generator.permutation(len(self.pool))
        chosen = [
            row for code in range(len(self.classes)) for row in order[gold[order] == code][:4]
        ]
        more = [row for row in order if row not in chosen]
        return np.array([*chosen, *more][:START])

    def fit(self, known: np.ndarray, method: str, epochs: int) -> TextClassifier:
        """Train on the pool with these gold rows."""
        names = np.full(len(self.pool), None, dtype=object)
        names[known] = [self.classes[code] for code in self.labels[self.pool[known]]]
        frame = self.frame.iloc[self.pool].reset_index(drop=True).assign(label=names)
        metric = "macro-f1" if self.rare else "accuracy"
        model = TextClassifier(method, max_epochs=epochs, metric=metric)
        return model.fit(frame, votes=_by_position(self.votes))

    def score(self, model: TextClassifier) -> float:
        """Score a model on the test rows, in percent."""
        gold = [self.classes[code] for code in self.labels[self.test]]
        predicted = model.predict(self.frame.iloc[self.test].reset_index(drop=True))
        if self.rare:
            return 100 * float(f1_score(gold, predicted, average="macro"))
        return 100 * float(accuracy_score(gold, predicted))

    def choose(self, known: np.ndarray, model: TextClassifier | None) -> np.ndarray:
        """Choose the rows to label next."""
        y = np.full(len(self.pool), -1)
        y[known] = self.labels[self.pool[known]]
        votes = _by_position(self.votes)
        if model is None:
            p = AccuracyModel().fit(votes, y).predict_proba(votes)
        else:
            rows = self.frame.iloc[self.pool].reset_index(drop=True)
            p = model.predict_proba(rows, votes if model.needs_votes else None)
            p = p[:, model.places_]
        return next_rows(votes, y, STEP, p, self.X)["row"].to_numpy()

    def at_random(self, known: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Draw rows without gold."""
        left = np.setdiff1d(np.arange(len(self.pool)), known)
        return generator.choice(left, STEP, replace=False)


def _by_position(votes: LabelMatrix) -> LabelMatrix:
    return LabelMatrix(votes.codes, lf_names=votes.lf_names, classes=votes.classes)


def run(
    source: str, seed: int, methods: list[str], epochs: int, data_dir: str | None
) -> list[dict]:
    """Run both ways of one seed; one record for each way, method and number of gold rows."""
    trial = Trial(source, seed, data_dir)
    start = trial.first()
    records = []
    for way in ("random", "next"):
        for method in methods:
            known, model = start, None
            generator = np.random.default_rng([7, seed])
            for _ in range(ROUNDS):
                more = (
                    trial.at_random(known, generator)
                    if way == "random"
                    else trial.choose(known, model)
                )
                known = np.concatenate([known, more])
                model = trial.fit(known, method, epochs)
                records.append(
                    {"source": source, "seed": seed, "way": way, "method": method}
                    | {"gold": len(known), "score": trial.score(model)}
                )
    return records


def summary(records: list[dict]) -> pd.DataFrame:
    """Return mean scores of both ways and the gain with its 95% interval over seeds."""
    table = pd.DataFrame(records).pivot_table(
        index=["source", "method", "gold", "seed"], columns="way", values="score"
    )
    table["gain"] = table["next"] - table["random"]
    groups = table.groupby(level=["source", "method", "gold"])
    result = groups[["random", "next", "gain"]].mean()
    half = 1.96 * groups["gain"].std() / np.sqrt(groups.size())
    return result.assign(low=result["gain"] - half, high=result["gain"] + half).round(1)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--method", action="append")
    parser.add_argument("--max-epochs", type=int, default=30)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    records = []
    for source in options.sources:
        for seed in range(options.first, options.first + options.seeds):
            records += run(
                *(source, seed, options.method or ["only-lv"], options.max_epochs),
                options.data_dir,
            )
            print(source, seed, file=sys.stderr, flush=True)
            if options.output is not None:
                options.output.write_text(json.dumps(records), encoding="utf-8")
    print(summary(records).to_string())


if __name__ == "__main__":
    main()
