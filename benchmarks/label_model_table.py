"""What each label model makes of the votes of real corpora: the tables of docs/label_models.md.

    python benchmarks/label_model_table.py SOURCE [SOURCE ...] [--data-dir DIR] [--models NAME ...]

A source is a corpus by name, a folder in WRENCH's format, or ``made-up:SHAPE`` for a shape of
``made_up_corpora.py``. Models are fitted on the votes of all rows but the test rows, and scored on
those of them that have gold (which was not given to the model) and a vote: accuracy, where a tie of
k classes counts as a k-th, and F1 of class 1 (of more than two classes macro-F1), in percent. Test
rows are not scored: what is chosen by these tables stays honest on them. ``--on-test`` scores them
and no others, those without votes as well.

A model is a label model by name, with options as methods have them, as in
``majority:class_balance=gold``.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from made_up_corpora import made_up_corpus
from sklearn.metrics import f1_score

from spear_amal.errors import MissingExtraError
from spear_amal.label_models import LABEL_MODELS
from spear_amal.studies import parse_method
from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.votes.label_matrix import LabelMatrix

N_GOLD, DRAWS = 100, 5
TIE = 1e-9
MADE_UP = "made-up:"
REGIMES = {
    "none": "Votes alone",
    "chance": f"{N_GOLD} gold rows, drawn by chance (mean of {DRAWS} draws)",
    "positives": f"{N_GOLD} gold rows of class 1 only (mean of {DRAWS} draws)",
    "loud": "Votes alone, beside two LFs that always vote for class 1",
}


class Pool(NamedTuple):
    """Votes (n, m) and gold codes (n,) of all rows but the test rows, and those to score."""

    name: str
    votes: LabelMatrix
    gold: np.ndarray
    test: Pool | None = None


def read_pool(source: str, data_dir: str | None, on_test: bool) -> Pool:
    """Read the rows of a corpus that are no test rows, and the others if they are to be scored."""
    if source.startswith(MADE_UP):
        found = made_up_corpus(source.removeprefix(MADE_UP))
    else:
        found = load_corpus_votes(source, data_dir=data_dir)
    test = (found.corpus.frame["part"] == "test").to_numpy()
    gold = np.asarray(found.corpus.labels)
    others = Pool(found.name, found.votes[test], gold[test]) if on_test else None
    return Pool(found.name, found.votes[~test], gold[~test], others)


def draw_gold(pool: Pool, regime: str, seed: int) -> np.ndarray:
    """Gold (n,) that a model is given: none, of rows drawn by chance, or of class 1 only.

    NaN where it is unknown.
    """
    given = np.full(len(pool.gold), np.nan)
    rows = np.flatnonzero(pool.gold == 1 if regime == "positives" else pool.gold >= 0)
    if regime in ("chance", "positives"):
        drawn = np.random.default_rng(seed).choice(rows, min(N_GOLD, len(rows) // 2), replace=False)
        given[drawn] = pool.gold[drawn]
    return given


def with_loud_lfs(votes: LabelMatrix) -> LabelMatrix:
    """The votes beside two LFs that always vote for class 1 and one that never votes."""
    extra = np.tile([1, 1, -1], (len(votes), 1))
    return LabelMatrix.from_dense(np.c_[votes.to_dense(), extra], classes=votes.classes)


def score(name: str, pool: Pool, votes: LabelMatrix, given: np.ndarray) -> tuple[float, float]:
    """Accuracy and F1 of a label model on the rows whose gold it was not given."""
    y = np.where(np.isnan(given), -1, given).astype(int)
    model = parse_method(name).make().new_label_model().fit(votes, y)
    if pool.test is None:
        rows = np.flatnonzero(pool.votes.covered() & (pool.gold >= 0) & (y < 0))
        p, gold = model.predict_proba(votes)[rows], pool.gold[rows]
    else:
        p, gold = model.predict_proba(pool.test.votes), pool.test.gold
    tied = p >= p.max(1, keepdims=True) - TIE
    right = tied[np.arange(len(gold)), gold] / tied.sum(1)
    average = "binary" if p.shape[1] == 2 else "macro"
    return 100 * right.mean(), 100 * f1_score(gold, p.argmax(1), average=average, zero_division=0)


def cell(name: str, pool: Pool, votes: LabelMatrix, regime: str) -> str:
    """Mean scores over draws of gold, as text."""
    try:
        draws = range(DRAWS if regime in ("chance", "positives") else 1)
        scores = [score(name, pool, votes, draw_gold(pool, regime, seed)) for seed in draws]
    except MissingExtraError:
        return "-"
    accuracy, f1 = np.mean(scores, axis=0)
    return f"{accuracy:.1f} / {f1:.1f}"


def table(pools: list[Pool], models: list[str], regime: str) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| label model | " + " | ".join(pool.name for pool in pools) + " |"
    yield "|---|" + "---|" * len(pools)
    for name in models:
        cells = [
            cell(name, pool, with_loud_lfs(pool.votes) if regime == "loud" else pool.votes, regime)
            for pool in pools
        ]
        yield f"| `{name}` | " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--data-dir")
    parser.add_argument("--models", nargs="+", default=list(LABEL_MODELS))
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=list(REGIMES))
    parser.add_argument("--on-test", action="store_true")
    arguments = parser.parse_args()
    read = [read_pool(name, arguments.data_dir, arguments.on_test) for name in arguments.sources]
    for regime in arguments.regimes:
        print(f"\n{REGIMES[regime]}:\n")
        for line in table(read, arguments.models, regime):
            print(line, flush=True)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about gold of 1 and -1, which is meant
        main()
