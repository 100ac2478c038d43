"""What a classifier learns from votes alone on real corpora: the table of docs/label_models.md.

    python benchmarks/without_gold_table.py SOURCE [SOURCE ...] [--data-dir DIR]

A source is a corpus by name or a folder in WRENCH's format. Of the rows that are no test rows,
4,000 at most, 70% are trained on without any gold. The others score: the label model on those of
them that have a vote, and the classifier on all; means over three draws, accuracy in percent. Test
rows are not scored: what was chosen by this table stays honest on them.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.sparse as sp

from spear_amal.data import TextFeatures
from spear_amal.estimators import LabelModelClassifier
from spear_amal.label_models import LABEL_MODELS
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes

ROWS, SHARE, DRAWS = 4000, 0.3, 3
MODELS = ("majority", "label-model", "dawid-skene")


def scores(found: CorpusVotes, name: str, seed: int) -> tuple[float, float, float]:
    """Coverage, accuracy of the label model on covered rows, and of the classifier on all."""
    corpus, gold = found.corpus, np.asarray(found.corpus.labels)
    pool = np.flatnonzero((corpus.frame["part"] != "test").to_numpy() & (gold >= 0))
    pool = np.random.default_rng(seed).permutation(pool)[:ROWS]
    n = int(SHARE * len(pool))
    scored, trained = pool[:n], pool[n:]
    if "text" in corpus.frame:
        features = TextFeatures().fit(corpus.frame["text"].iloc[pool].tolist())
        X = [features.transform(corpus.frame["text"].iloc[r].tolist()) for r in (scored, trained)]
    else:
        X = [sp.csr_array(corpus.features)[rows] for rows in (scored, trained)]
    votes = found.votes[trained]
    label_model = LABEL_MODELS[name]().fit(votes)
    answers = label_model.predict_proba(found.votes[scored]).argmax(1)
    covered = found.votes[scored].covered()
    model = LabelModelClassifier(label_model=name, random_state=seed).fit(X[1], L=votes)
    names = list(votes.classes)  # gold codes follow these, columns of the model do not
    predicted = np.array([names.index(name) for name in model.predict(X[0]).tolist()])
    return (
        100 * covered.mean(),
        100 * (answers == gold[scored])[covered].mean(),
        100 * (predicted == gold[scored]).mean(),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    print("| corpus | label model | rows with votes | its accuracy there | classifier, all rows |")
    print("|---|---|---|---|---|")
    for source in arguments.sources:
        found = load_corpus_votes(source, data_dir=arguments.data_dir, offline=True)
        for name in MODELS:
            means = np.mean([scores(found, name, seed) for seed in range(DRAWS)], axis=0)
            cells = " | ".join(f"{value:.1f}" for value in means)
            print(f"| {found.name} | `{name}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
