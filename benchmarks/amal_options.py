"""Ask what options of AMAL do where rules are weak, many, or copies of each other.

One model each, on corpora at hand and on made-up ones; the difference to AMAL's defaults in points
with a paired 95% interval over partitions.

    python benchmarks/amal_options.py --seeds 10 --output docs/results/amal-options.json

The output holds the scores alone: for each corpus and variant those of all partitions, in points.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from made_up_corpora import made_up_corpus
from never_worse import write_scores

from spear_amal.studies import CorpusVotes, run_study
from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.studies.summary import interval

LABELS = {"imdb": 100, "mushroom": 50}
MADE_UP = ("topics-weak", "copies", "relations")
AMAL = "amal"
#: What is shown of each variant, and the options that make it.
VARIANTS = {
    "AMAL, one model": "",
    "cut statistic, 0.6 of the rows": "cut_statistic=0.6",
    "qualities from L, shrunk": "quality_guides=labelled",
    "qualities from L and V, shrunk": "quality_guides=gold",
    "near-copies once": "drop_copies=0.9",
    "pooled weights": "weight_sharing=pooled",
    "pooled weights, twice the step": "weight_sharing=pooled,weight_lr=120",
    "epoch by likelihood": "metric=auto",
    "class balance of V": "prior_correction=true",
}
METHODS = {title: f"{AMAL}:{options}".rstrip(":") for title, options in VARIANTS.items()}


def scores_of(source: CorpusVotes, seeds: int, labels: int | None) -> dict[str, list[float]]:
    """Return scores in points by variant, one a partition."""
    scores = {}
    for title, method in METHODS.items():
        runs = run_study(source, [method], seeds, n_labelled=labels, only=True)
        scores[title] = (runs.sort_values("seed")["score"] * 100).round(2).tolist()
    return scores


def table(results: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Return a line a variant: its mean on each corpus, and the difference to the first."""
    columns = {}
    for corpus, scores in results.items():
        base, *others = (np.array(values) for values in scores.values())
        cells = [f"{base.mean():.1f}"]
        for values in others:
            low, high = interval(values - base)
            cells.append(f"{(values - base).mean():+.1f} ({low:+.1f} to {high:+.1f})")
        columns[corpus] = cells
    return pd.DataFrame(columns, index=list(VARIANTS))


def main() -> None:
    """Run all variants, write the scores, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="partitions of each corpus")
    parser.add_argument("--draws", type=int, default=2, help="corpora of each made-up shape")
    parser.add_argument("--corpus", action="append", choices=[*LABELS, *MADE_UP])
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    results = {}
    for name in options.corpus or [*LABELS, *MADE_UP]:
        if name in LABELS:
            sources = [load_corpus_votes(name, data_dir=options.data_dir)]
        else:
            sources = [made_up_corpus(name, draw) for draw in range(options.draws)]
        for source in sources:
            key = source.corpus.name
            results[key] = scores_of(source, options.seeds, LABELS.get(name))
            write_scores(options.output, results)  # what is done so far
            print(table({key: results[key]}).to_string(), flush=True)
    print(table(results).to_string())


if __name__ == "__main__":
    main()
