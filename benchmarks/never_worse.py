"""Hold the recommended pool against ignoring the rules, and against all other methods.

Methods over partitions of all corpora at hand, with their votes and with votes that were dealt out
anew, and of made-up corpora; gains in points with paired 95% intervals, and mean ranks.

    python benchmarks/never_worse.py --seeds 10 --jobs 2 --output never-worse.json
    python benchmarks/never_worse.py --made-up 2 --seeds 2 --output never-worse-made-up.json

Every run is stored at once beside the output (``--runs``), and is not repeated. The output holds
the scores alone: for each corpus and method those of all partitions, in points.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from made_up_corpora import SHAPES, made_up_corpus

from spear_amal.io.atomic import write_aside
from spear_amal.studies import CorpusVotes, run_study
from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.studies.summary import interval

LABELS = {"imdb": 100, "youtube": 100, "sms": 100, "plots": 100, "census": 100, "mushroom": 50}
POOL = "recommended"
RIVAL = "only-lv:crossfit=5"
#: What the pool must not be a point worse than: the same labels in folds, and Imply Loss refit.
RIVALS = (RIVAL, "label-model:crossfit=5", "spear:crossfit=5", "imply-loss:refit")
OTHERS = ("majority:crossfit=5", "l2r", "amal", "amal-folds")
METHODS = (*RIVALS, *OTHERS, POOL)
CEILING = "supervised"


def run(
    source: CorpusVotes | str, seeds: int, labels: int | None, placebo: bool, options: Any
) -> dict[str, list[float]]:
    """Return scores in points by method, one a partition."""
    methods = [name for name in (*METHODS, CEILING) if name not in (options.without or ())]
    runs = run_study(
        load_corpus_votes(source, data_dir=options.data_dir) if isinstance(source, str) else source,
        # The slowest last: these train one by one.
        sorted(methods, key=lambda name: name.startswith(("imply-loss", "l2r"))),
        seeds,
        n_labelled=labels,
        placebo=placebo,
        only=True,
        jobs=options.jobs,
        output=options.runs,
    )
    failed = runs["error"].dropna()
    if len(failed):
        print(f"{len(failed)} runs failed, the first: {failed.iloc[0]}")
    scores = runs.pivot(index="seed", columns="method", values="score") * 100
    return {name: scores[_written(name, scores)].round(2).tolist() for name in methods}


def _written(name: str, scores: pd.DataFrame) -> str:
    return name if name in scores else f"{name}=true"


def gains(scores: dict[str, list[float]], rival: str) -> tuple[float, float, float]:
    """Return the mean gain of the pool over a method, in points, with a paired interval."""
    difference = np.array(scores[POOL], dtype=float) - np.array(scores[rival], dtype=float)
    difference = difference[~np.isnan(difference)]
    low, high = interval(difference)
    return float(difference.mean()), low, high


def table(results: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Return one row a corpus: means of all methods, and the pool against the best rival."""
    lines = []
    for name, scores in results.items():
        means = {method: float(np.nanmean(scores[method])) for method in scores}
        best = max((name for name in RIVALS if name in means), key=lambda method: means[method])
        line: dict[str, Any] = {"corpus": name, **{m: f"{v:.1f}" for m, v in means.items()}}
        line["over gold"] = "{:+.1f} ({:+.1f} to {:+.1f})".format(*gains(scores, RIVAL))
        line["over best"] = f"{best}: " + "{:+.1f} ({:+.1f} to {:+.1f})".format(
            *gains(scores, best)
        )
        lines.append(line)
    return pd.DataFrame(lines)


def mean_ranks(results: dict[str, dict[str, list[float]]]) -> pd.Series:
    """Return the mean rank by mean score of each method that ran on every corpus; 1 is best."""
    means = pd.DataFrame(
        {c: {m: np.nanmean(v[m]) for m in METHODS if m in v} for c, v in results.items()}
    )
    return means.dropna().rank(ascending=False).mean(axis=1).sort_values()


def write_scores(path: Path, results: dict[str, dict[str, list[float]]]) -> None:
    """Write scores by corpus and method, those of a method in one line."""
    lines = [
        f"  {json.dumps(f'{corpus}: {method}')}: {json.dumps(values)}"
        for corpus, scores in results.items()
        for method, values in scores.items()
    ]
    with write_aside(path) as temporary:
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Run what is missing, write the scores, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", choices=list(LABELS), help="default: all")
    parser.add_argument(
        "--made-up", type=int, default=0, help="draws of each shape, in their place"
    )
    parser.add_argument("--shape", action="append", choices=list(SHAPES))
    parser.add_argument("--seeds", type=int, default=10, help="partitions of each corpus")
    parser.add_argument("--without", action="append", choices=METHODS, help="a method to leave out")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--data-dir")
    parser.add_argument("--runs", type=Path, help="file of all runs; default: beside the output")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.runs = options.runs or options.output.with_suffix(".runs.json")
    results = {}
    if options.made_up:
        for shape in options.shape or SHAPES:
            for draw in range(options.made_up):
                source = made_up_corpus(shape, draw)
                results[f"{shape}-{draw}"] = run(source, options.seeds, None, False, options)
    else:
        for corpus in options.corpus or LABELS:
            for placebo in (False, True):
                name = f"{corpus}, shuffled" if placebo else corpus
                labels = LABELS[corpus]
                results[name] = run(corpus, options.seeds, labels, placebo, options)
                print(table({name: results[name]}).T.to_string(), flush=True)
    write_scores(options.output, results)
    print(table(results).to_string())
    print(mean_ranks(results).round(2).to_string())


if __name__ == "__main__":
    main()
