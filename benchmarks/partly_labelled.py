"""A corpus as a newcomer has it: one table of texts of which a few rows carry a label.

The table is what `spear-amal compare` reads; rows are in random order, ids are those of the corpus,
and of `--rows` drawn rows, `--gold` drawn ones keep their label. Classes are by name.

    python benchmarks/partly_labelled.py youtube --gold 150 --output youtube.csv
    spear-amal compare --data youtube.csv --lfs labeling_functions/youtube.py --html youtube.html

Texts of the corpus are looked for in `--data-dir` and in $SPEAR_AMAL_DATA, as ever.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.data import write_table
from spear_amal.studies.corpus_votes import load_corpus_votes


def partly_labelled(
    source: str, gold: int, rows: int | None, seed: int, data_dir: str | None = None
) -> pd.DataFrame:
    """Return ``id, text, label`` of drawn rows; the label is empty but for `gold` drawn ones."""
    corpus = load_corpus_votes(source, data_dir=data_dir).corpus
    order = np.random.default_rng(seed).permutation(len(corpus.labels))[:rows]
    names = np.asarray(corpus.classes, dtype=object)[corpus.labels[order]]
    names[gold:] = ""  # the order is random, so that the first are a random sample
    table = pd.DataFrame(
        {"id": order, "text": corpus.frame["text"].to_numpy()[order], "label": names}
    )
    return table.sort_values("id", ignore_index=True)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--gold", type=int, default=150)
    parser.add_argument("--rows", type=int, help="rows of the table; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    table = partly_labelled(
        *(options.source, options.gold, options.rows, options.seed), options.data_dir
    )
    write_table(table, options.output)


if __name__ == "__main__":
    main()
