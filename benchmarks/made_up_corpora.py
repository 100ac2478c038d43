"""Corpora of many shapes, drawn from known distributions, on which nothing is tuned.

``python benchmarks/made_up_corpora.py --method recommended --method only-lv:crossfit=5`` runs
methods on all of them; ``--corpus NAME`` on one, ``--draws N`` on other draws of the same shapes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from spear_amal.data import Corpus
from spear_amal.data.splits import draw_stratified
from spear_amal.studies import CorpusVotes, run_study, shuffled_votes
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

N_TEST = 600
MOST = 0.6  # an LF fires on at most this share of the rows of its class, or of the others
KEPT = 0.95  # share of votes that a near-copy keeps
N_WORDS, LENGTH = 2000, 30  # vocabulary and mean length of the texts behind sparse features
DIRECTIONS = 60  # thresholds that are looked at for one LF
NEAREST, FEWEST = 25, 5  # words of about the wanted precision, and rows that a word must stand in


@dataclass(frozen=True)
class Shape:
    """What a corpus is drawn from.

    Attributes
    ----------
    shares : tuple of float, length C
        Class balance.
    n_lfs : int
        LFs, each of one class, dealt to the classes in turn; near-copies are among them.
    precision : (float, float)
        Least and greatest share of an LF's votes that are right, about.
    coverage : (float, float)
        Least and greatest share of rows on which an LF votes, about.
    signal : float
        Dense features: distance of a class' mean from the origin, in standard deviations. Sparse
        ones: the share of words that are drawn by class.
    sparse : bool
        TF-IDF of drawn words; else `n_features` normal numbers.
    n_features : int
    n_copies : int
        LFs that repeat another one but for 5% of its votes.
    of_features : bool
        LFs are functions of the features, so that their errors follow them: a list of words, or a
        threshold. Else they vote right and wrong at random, given the class.
    shuffled : bool
        Rows of votes are dealt out anew: a placebo.
    n_pool, n_gold : int
        Rows that are not for testing; rows in L, and as many again in V.
    """

    shares: tuple[float, ...]
    n_lfs: int
    precision: tuple[float, float]
    coverage: tuple[float, float]
    signal: float
    sparse: bool = False
    n_features: int = 20
    n_copies: int = 0
    of_features: bool = False
    shuffled: bool = False
    n_pool: int = 2000
    n_gold: int = 100


def even(n_classes: int) -> tuple[float, ...]:
    """Equal shares."""
    return (1 / n_classes,) * n_classes


SIX_ONE_RARE = (0.24, 0.22, 0.2, 0.18, 0.13, 0.03)
NINE = (0.26, 0.2, 0.14, 0.1, 0.09, 0.08, 0.07, 0.04, 0.02)

#: Shapes by name; the first five are like corpora in which rules were seen to help or harm.
SHAPES: dict[str, Shape] = {
    # few good LFs, many classes: the rules carry the task
    "topics-good": Shape(even(7), 7, (0.75, 0.9), (0.06, 0.12), 0.15, sparse=True),
    # few LFs, of which one vote in two is right
    "topics-weak": Shape(even(5), 5, (0.4, 0.55), (0.1, 0.25), 0.18, sparse=True, of_features=True),
    # very many narrow LFs, right most of the time; features say little
    "relations": Shape(NINE, 160, (0.6, 0.95), (0.005, 0.03), 0.12, sparse=True, n_copies=30),
    # columns so strong that some dozen labels do better than the rules
    "table-strong": Shape(
        *((0.52, 0.48), 20, (0.6, 0.8), (0.05, 0.3), 2.4),
        n_features=40,
        of_features=True,
        n_gold=50,
    ),
    # a rare class with about three gold rows
    "questions-rare": Shape(
        SIX_ONE_RARE, 60, (0.6, 0.9), (0.01, 0.05), 0.2, sparse=True, n_gold=50
    ),
    # nine rows of ten are of one class; LFs for both
    "rare-positive": Shape((0.9, 0.1), 10, (0.6, 0.9), (0.02, 0.1), 0.2, sparse=True),
    "rare-positive-table": Shape((0.9, 0.1), 8, (0.4, 0.8), (0.03, 0.1), 2.0, of_features=True),
    # half of the LFs repeat others
    "copies": Shape(even(3), 24, (0.5, 0.75), (0.05, 0.2), 1.5, n_copies=12, of_features=True),
    # rules right nine times in ten, on nearly every row
    "rules-carry": Shape(even(2), 12, (0.85, 0.92), (0.1, 0.3), 0.35),
    # votes that were dealt out anew
    "placebo": Shape(even(2), 12, (0.85, 0.92), (0.1, 0.3), 0.35, shuffled=True),
    "placebo-many": Shape(even(4), 80, (0.6, 0.9), (0.01, 0.05), 0.15, sparse=True, shuffled=True),
    # plenty of gold
    "much-gold": Shape(
        even(4), 12, (0.5, 0.7), (0.05, 0.15), 0.25, sparse=True, of_features=True, n_gold=400
    ),
}


def made_up_corpus(shape: str | Shape, seed: int = 0) -> CorpusVotes:
    """Draw a corpus and its votes; `seed` is that of the draw, not of L, U and V."""
    name = shape if isinstance(shape, str) else "made-up"
    if isinstance(shape, str):
        shape = SHAPES[shape]
    rng = np.random.default_rng(seed)
    n, n_classes = shape.n_pool + N_TEST, len(shape.shares)
    counts = np.floor(np.array(shape.shares) * n).astype(int)
    counts[0] += n - counts.sum()
    y = rng.permutation(np.repeat(np.arange(n_classes), counts))
    values = _words(shape, y, rng) if shape.sparse else _numbers(shape, y, rng)
    votes, classes_of_lfs = _votes(shape, y, values, rng)
    test = draw_stratified(np.arange(n), y, N_TEST, rng, "the test part")
    in_test = np.isin(np.arange(n), test)
    classes = tuple(f"class{c}" for c in range(n_classes))
    names = [f"lf{j}_{classes[c]}" for j, c in enumerate(classes_of_lfs)]
    L = LabelMatrix.from_dense(votes, classes=classes, lf_names=names)
    corpus = Corpus(
        name=f"{name}-{seed}",
        classes=classes,
        frame=pd.DataFrame({"label": y, "part": np.where(in_test, "test", "train")}),
        # With rare classes accuracy says little: the class alone that is common reaches it.
        metric="macro-f1" if min(shape.shares) < 0.5 / n_classes else "accuracy",
        source=f"drawn by made_up_corpora.py ({name}, seed {seed})",
        features=_tf_idf(values, ~in_test) if shape.sparse else values.astype(np.float32),
        n_labelled=shape.n_gold,
        n_validation=shape.n_gold,
    )
    return CorpusVotes(corpus, shuffled_votes(L, seed) if shape.shuffled else L, "drawn")


def _numbers(shape: Shape, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw features (n, D) around a mean per class."""
    means = rng.normal(size=(len(shape.shares), shape.n_features))
    means *= shape.signal / np.linalg.norm(means, axis=1, keepdims=True)
    return means[y] + rng.normal(size=(len(y), shape.n_features))


def _words(shape: Shape, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw counts of words (n, N_WORDS)."""
    base = 1 / np.arange(5, N_WORDS + 5)  # Zipf's law, without its few most common words
    base = rng.permutation(base / base.sum())
    topics = rng.gamma(0.03, size=(len(shape.shares), N_WORDS)) * base
    topics /= topics.sum(1, keepdims=True)
    words = (1 - shape.signal) * base + shape.signal * topics
    lengths = 1 + rng.poisson(LENGTH, len(y))
    return np.stack([rng.multinomial(k, words[c]) for k, c in zip(lengths, y, strict=True)])


def _tf_idf(counts: np.ndarray, pool: np.ndarray) -> sp.csr_array:
    seen = counts[:, (counts[pool] > 0).sum(0) >= 2]
    weights = TfidfTransformer(sublinear_tf=True).fit(seen[pool])
    return sp.csr_array(weights.transform(seen), dtype=np.float32)


def _votes(
    shape: Shape, y: np.ndarray, values: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw votes (n, m), and the class (m,) of each LF."""
    n_own = shape.n_lfs - shape.n_copies
    classes = np.arange(n_own) % len(shape.shares)
    columns = []
    for c in classes:
        precision, coverage = rng.uniform(*shape.precision), rng.uniform(*shape.coverage)
        if not shape.of_features:
            fired = _at_random(y == c, precision, coverage, rng)
        elif shape.sparse:
            fired = _with_words(values > 0, y == c, precision, coverage, rng)
        else:
            fired = _above_threshold(values, y == c, precision, coverage, rng)
        columns.append(np.where(fired, c, ABSTAIN))
    copied = rng.integers(n_own, size=shape.n_copies)
    columns += [np.where(rng.random(len(y)) < KEPT, columns[j], ABSTAIN) for j in copied]
    return np.stack(columns, axis=1), np.concatenate([classes, classes[copied]])


def _at_random(
    is_class: np.ndarray, precision: float, coverage: float, rng: np.random.Generator
) -> np.ndarray:
    """Return where (n,) an LF fires whose errors are any rows."""
    n_votes = len(is_class) * coverage
    right, wrong = precision * n_votes, (1 - precision) * n_votes
    n_class, n_others = is_class.sum(), (~is_class).sum()
    # A class may have too few rows for so many votes: the LF then fires less, as precisely.
    share = min(1.0, MOST * n_class / right, MOST * n_others / wrong)
    chance = np.where(is_class, share * right / n_class, share * wrong / n_others)
    return rng.random(len(is_class)) < chance


def _with_words(
    present: np.ndarray,
    is_class: np.ndarray,
    precision: float,
    coverage: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return where (n,) any of some words stands that are about as precise as wanted."""
    n_rows = present.sum(0)
    known = np.flatnonzero(n_rows >= FEWEST)
    off = abs((present & is_class[:, None]).sum(0)[known] / n_rows[known] - precision)
    fired = np.zeros(len(is_class), dtype=bool)
    for word in rng.permutation(known[np.argsort(off)[:NEAREST]]):
        if fired.mean() >= coverage:
            break
        fired |= present[:, word]
    return fired


def _above_threshold(
    x: np.ndarray,
    is_class: np.ndarray,
    precision: float,
    coverage: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return where (n,) a combination of columns is high that is about as precise as wanted."""
    towards = x[is_class].mean(0) - x[~is_class].mean(0)
    towards /= np.linalg.norm(towards)
    across = rng.normal(size=(DIRECTIONS, x.shape[1]))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    mixture = np.linspace(-0.2, 1, DIRECTIONS)[:, None]
    scores = x @ (mixture * towards + np.sqrt(1 - mixture**2) * across).T
    fired = scores >= np.quantile(scores, 1 - coverage, axis=0)
    reached = (fired & is_class[:, None]).sum(0) / fired.sum(0)
    return fired[:, abs(reached - precision).argmin()]


def main() -> None:
    """Run methods on made-up corpora, and print their mean scores."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--method", action="append", required=True)
    parser.add_argument("--corpus", action="append", choices=sorted(SHAPES))
    parser.add_argument("--draws", type=int, default=1, help="corpora of each shape")
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--seeds", type=int, default=2, help="partitions of each corpus")
    arguments = parser.parse_args()
    for name in arguments.corpus or SHAPES:
        for draw in range(arguments.first, arguments.first + arguments.draws):
            source = made_up_corpus(name, draw)
            rows = run_study(source, arguments.method, arguments.seeds, only=True)
            print(f"\n{source.name} ({source.corpus.metric}, {arguments.seeds} seeds)")
            for method, runs in rows.groupby("method", sort=False):
                errors = runs["error"].dropna()
                error = f"  {len(errors)} failed: {errors.iloc[0]}" if len(errors) else ""
                print(f"  {method:40s} {100 * runs['score'].mean():6.1f}{error}", flush=True)


if __name__ == "__main__":
    main()
