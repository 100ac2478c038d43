"""SMS: which rows are wrong under every method, and how far any method could come.

``python benchmarks/sms_limit.py --data-dir DATA --seeds 3``. Test rows have no part in it: a
quarter of the unlabelled rows of the pool, whose gold nobody is shown, stands in for them.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

from spear_amal.data import partition
from spear_amal.studies import load_corpus_votes, parse_method
from spear_amal.studies.features import study_features

METHODS = (
    "only-l",
    "only-lv:crossfit=5",
    "majority:crossfit=5",
    "amal",
    "amal-folds",
    "recommended",
)
ASIDE = 0.25  # share of U that stands in for the test rows
GAP = 0.75  # of the way from gold alone to gold everywhere
BOUNDS = "gold of every covered row", "gold of every pool row", "and 1-nearest neighbour, either"


def one_seed(
    corpus: Any, x: Any, words: Any, votes: Any, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return F1 of methods and of bounds on the rows set aside, and counts of those rows."""
    y = corpus.labels
    parts = partition(
        corpus, seed=seed, n_labelled=corpus.n_labelled, n_validation=corpus.n_validation
    )
    drawn = np.random.default_rng(seed).permutation(parts.unlabelled)
    aside, unlabelled = np.split(drawn, [int(ASIDE * len(drawn))])
    gold = np.concatenate([parts.labelled, parts.validation])
    pool = np.concatenate([gold, unlabelled])
    known = np.where(np.arange(len(pool)) < len(gold), y[pool], -1)
    answers = {}
    for name in METHODS:
        spec = parse_method(name)
        given = {"L": votes[pool]} if spec.method.uses_votes else {}
        model = spec.make(metric="f1", random_state=seed).fit(x[pool], known, **given)
        needs = {"L": votes[aside]} if model.exponent_ > 0 else {}
        answers[name] = model.predict_proba(x[aside], **needs).argmax(1)
    covered = np.asarray(votes.covered())
    answers |= _bounds(x, y, gold, unlabelled, aside, covered)
    scores = {name: 100 * f1_score(y[aside], said) for name, said in answers.items()}
    wrong = np.stack([answers[name] != y[aside] for name in METHODS])
    return scores, _counts(words, y, gold, aside, covered, wrong, answers)


def _bounds(
    x: Any, y: np.ndarray, gold: np.ndarray, unlabelled: np.ndarray, aside: np.ndarray, covered: Any
) -> dict[str, np.ndarray]:
    """Predict with gold that no method has: of all covered rows, of all rows."""
    with_rules = np.concatenate([gold, unlabelled[covered[unlabelled]]])
    everything = np.concatenate([gold, unlabelled])
    linear = LogisticRegression(C=100, max_iter=2000)
    said = {}
    for name, rows in zip(BOUNDS, (with_rules, everything), strict=False):
        said[name] = linear.fit(x[rows], y[rows]).predict(x[aside])
    near = KNeighborsClassifier(1, metric="cosine").fit(x[everything], y[everything])
    # The better of two answers for each row, as if somebody knew which: no method does.
    right = said[BOUNDS[1]] == y[aside]
    said[BOUNDS[2]] = np.where(right, y[aside], near.predict(x[aside]))
    return said


def _counts(
    words: Any,
    y: np.ndarray,
    gold: np.ndarray,
    aside: np.ndarray,
    covered: np.ndarray,
    wrong: np.ndarray,
    answers: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Count the rows that no method has right, by class, votes and words in common with gold."""
    never = wrong.all(0)
    spam_gold = gold[y[gold] == 1]
    shared = sp.csr_array(words[aside]) @ sp.csr_array(words[spam_gold]).T
    strange = np.asarray(shared.sum(1)).ravel() == 0
    spam, silent = y[aside] == 1, ~covered[aside]
    beyond = answers[BOUNDS[1]] != y[aside]
    return {
        "rows aside": len(aside),
        "spam": spam.sum(),
        "spam, no rule fires": (spam & silent).sum(),
        "wrong for every method": never.sum(),
        ".. of these spam that is called ham": (never & spam).sum(),
        ".. .. on which no rule fires": (never & spam & silent).sum(),
        ".. .. and it shares no word with a labelled spam": (never & spam & silent & strange).sum(),
        ".. .. wrong with gold of every pool row, too": (never & beyond).sum(),
    }


def main() -> None:
    """Print means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--features", default="tfidf")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    source = load_corpus_votes("sms", data_dir=arguments.data_dir)
    x = study_features(source.corpus, arguments.features)
    words = study_features(source.corpus, "tfidf")
    seeds = range(arguments.seeds)
    runs = [one_seed(source.corpus, x, words, source.votes, seed) for seed in seeds]
    scores = {name: np.array([run[0][name] for run in runs]) for name in runs[0][0]}
    for name, values in scores.items():
        print(f"{name:50s} F1 {values.mean():5.1f} ({values.std(ddof=1):.1f})")
    low, high = scores[METHODS[0]], scores[BOUNDS[1]]
    for name, values in scores.items():
        print(f"{name:50s} {((values - low).mean() / (high - low).mean()):5.2f} of the gap")
    print(f"{GAP} of the gap needs F1 {(low + GAP * (high - low)).mean():.1f}")
    for name in runs[0][1]:
        print(f"{name:50s} {np.mean([run[1][name] for run in runs]):6.1f} rows")


if __name__ == "__main__":
    main()
