"""Compare the baselines, SPEAR and AMAL over several partitions of a corpus.

You learn: how to get the table that the README shows, on the corpora and on your own seeds.

    python examples/09_baseline_table.py imdb --seeds 5 --jobs 2

Corpora: plots, sms, youtube, imdb, generated. Where the data are missing it says so and uses the
generated corpus. Every seed is a new partition into L, U and V; the test rows stay the same and
only the scorer opens them.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from spear_amal.data import corpus_file, load_corpus
from spear_amal.errors import DataUnavailableError
from spear_amal.labeling import PandasLFApplier, load_lfs, read_rules
from spear_amal.studies import METHODS, compare_seeds, summarise

FOLDER = Path(__file__).parent.parent / "labeling_functions"


def load(name, published):
    try:
        corpus = load_corpus(name)
    except DataUnavailableError as error:
        print(f"{error}\nUsing the generated corpus instead.")
        corpus = load_corpus("generated")
    if corpus.label_matrix is not None:
        return corpus, corpus.label_matrix
    if corpus.name == "sms" and published:
        lfs = read_rules(corpus_file("sms", "rules.tsv"), encoding="latin-1")
    else:
        own = corpus.name if corpus.name != "generated" else "plots"
        lfs = load_lfs(FOLDER / f"{own}.py").lfs
    return corpus, PandasLFApplier(lfs, classes=corpus.classes).apply(corpus.frame)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--published", action="store_true", help="SMS: published rules and L")
    parser.add_argument("--small", action="store_true", help="few epochs, for a quick look")
    args = parser.parse_args()

    corpus, votes = load(args.corpus, args.published)
    partition = {"labelled": "published"} if args.published and corpus.name == "sms" else {}
    settings = {"max_epochs": 3} if args.small else {}
    runs = compare_seeds(
        corpus,
        votes,
        args.methods.split(","),
        range(args.seeds),
        jobs=args.jobs,
        partition=partition,
        **settings,
    )
    baseline = runs["method"].iloc[0]
    table = Table(title=f"{corpus.name}: test {corpus.metric}, {args.seeds} partitions")
    for column in ("method", "score", "sd", f"gain over {baseline}", "wins", "V - test", "seconds"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for name, row in summarise(runs, baseline).iterrows():
        gain = "" if name == baseline else f"{row.gain:+.1f} ± {row.ci:.1f}"
        numbers = (f"{row.score:.1f}", f"{row.sd:.1f}", gain, f"{row.wins:.0f}")
        title = METHODS[name].title
        table.add_row(title, *numbers, f"{row.optimism:+.1f}", f"{row.seconds:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
