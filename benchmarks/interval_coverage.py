"""How often the 95% intervals that are printed hold what they are about, by simulation.

Three kinds, each on made-up data whose truth is known exactly:

* scores and gains in outer folds (`compare`, `train`): ridge classifiers on normal classes, from
  stable ones to such as hang on every row, against the accuracy of the model trained on all rows;
* shares by gold rows and guesses (`analyze`): Wilson's interval on the gold rows alone beside it;
* class shares, accuracies and values of labelling functions, as `analyze` makes them of votes.

    python benchmarks/interval_coverage.py --draws 500

Numbers are shares of draws. The parameters of a share are drawn anew each time: the coverage of an
interval of a share jumps up and down with the very share, and no interval has 95% for each.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import norm

from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.guessed_rows import GuessedRows
from spear_amal.labeling.lf_values import lf_value_table
from spear_amal.labeling.review_rows import GoldVotes
from spear_amal.maths.prediction_powered import powered_share
from spear_amal.studies.crossval.intervals import Interval, gain_interval, score_interval
from spear_amal.studies.crossval.outcome import Predictions
from spear_amal.votes.label_matrix import LabelMatrix

K, WATCHED = 5, 300
# Rows, features, distance of the classes, features of the baseline, share of class 1.
FOLDED = [
    (40, 10, 0.8, 3, 0.5),
    (80, 10, 0.8, 3, 0.5),
    (80, 60, 0.8, 30, 0.5),
    (160, 30, 0.5, 20, 0.5),
    (160, 100, 1.0, 50, 0.5),
    (240, 100, 1.2, 3, 0.5),
    (240, 10, 1.2, 9, 0.5),
    (100, 300, 1.0, 3, 0.5),
    (200, 20, 0.9, 3, 0.75),
]


# -- folds ----------------------------------------------------------------------------------------


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Fit a linear classifier by least squares; return weights (D,) and intercept."""
    middle, signs = x.mean(0), 2.0 * y - 1
    centred = x - middle
    inner = centred.T @ centred + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(inner, centred.T @ (signs - signs.mean()))
    return weights, float(signs.mean() - middle @ weights)


def accuracy_of(model: tuple[np.ndarray, float], middle: np.ndarray, share: float) -> float:
    """Return the accuracy of a linear classifier on normal classes around -middle and middle."""
    weights, intercept = model
    length = np.linalg.norm(weights) + 1e-12
    along = weights @ middle
    right = norm.cdf((along + intercept) / length), norm.cdf((along - intercept) / length)
    return float(share * right[0] + (1 - share) * right[1])


def folded_draw(
    n: int, D: int, distance: float, d: int, share: float, repeats: int, rng: np.random.Generator
) -> tuple[bool, bool]:
    """Return whether intervals of a score and of its gain over fewer features held the truth."""
    middle = np.zeros(D)
    middle[: min(5, D)] = distance / np.sqrt(min(5, D))
    penalty = D / distance**2
    drawn = rng.random(n + WATCHED) < share
    x = rng.normal(size=(n + WATCHED, D)) + np.where(drawn[:, None], middle, -middle)
    y = drawn[:n].astype(int)
    truths, codes, watched = {}, {}, {}
    folds = np.stack([rng.permutation(n) % K for _ in range(repeats)])
    for name, used in (("ours", slice(0, D)), ("theirs", slice(0, d))):
        z = x[:, used]
        truths[name] = accuracy_of(ridge(z[:n], y, penalty), middle[used], share)
        codes[name] = np.empty((repeats, n), dtype=int)
        answers = []
        for repeat, fold in enumerate(folds):
            for number in range(K):
                kept = fold != number
                weights, intercept = ridge(z[:n][kept], y[kept], penalty)
                predicted = (z @ weights + intercept > 0).astype(int)
                codes[name][repeat, ~kept] = predicted[:n][~kept]
                if repeat == 0:
                    answers.append(predicted[n:])
        watched[name] = np.stack(answers)
    rows = np.arange(n)
    made = Predictions(y, rows, codes, {}, {}, folds, rows, watched)
    overlaps = {name: made.overlap(name) for name in codes}
    score = score_interval("accuracy", y, codes["ours"], rows, overlaps["ours"])
    mean = sum(overlaps.values()) / 2
    gain = gain_interval("accuracy", y, codes["ours"], codes["theirs"], rows, mean)
    return _holds(score, truths["ours"]), _holds(gain, truths["ours"] - truths["theirs"])


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def show_folds(draws: int, rng: np.random.Generator) -> None:
    """Print coverage of scores and gains in folds."""
    print("scores and gains in 5 folds; rows, features, distance, features of the baseline, share")
    for setting in FOLDED:
        line = [f"{setting!s:32}"]
        for repeats in (1, 2):
            held = np.mean([folded_draw(*setting, repeats, rng) for _ in range(draws)], axis=0)
            line.append(f"{repeats} repeats: score {held[0]:.3f}, gain {held[1]:.3f}")
        print("  ".join(line), flush=True)


# -- shares and votes -----------------------------------------------------------------------------


def show_shares(draws: int, rng: np.random.Generator) -> None:
    """Print coverage of shares by guesses of three qualities, and of gold rows alone."""
    print("shares from n gold rows and 1,000 guesses; the share is drawn between the bounds")
    for bounds in ((0.05, 0.95), (0.8, 0.99)):
        for quality in (0.0, 1.5, 3.0):
            for n in (10, 20, 50, 100, 200):
                held, widths = np.zeros(2), np.zeros(2)
                for _ in range(draws):
                    p = rng.uniform(*bounds)
                    y = (rng.random(n + 1000) < p).astype(float)
                    noisy = np.log(p / (1 - p)) + quality * (2 * y - 1) + rng.normal(size=len(y))
                    f = 1 / (1 + np.exp(-noisy))
                    for k, others in enumerate((f[n:], f[:0])):
                        mean = powered_share(y[:n], f[:n], others)
                        held[k] += mean.low <= p <= mean.high
                        widths[k] += mean.high - mean.low
                print(
                    f"{bounds} quality {quality}, n = {n:3}: with guesses {held[0] / draws:.3f}, "
                    f"without {held[1] / draws:.3f}, width over width {widths[0] / widths[1]:.2f}",
                    flush=True,
                )


def made_votes(
    n: int, rng: np.random.Generator, quality: np.ndarray, coverage: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return classes (n,), three of 50, 30 and 20 percent, and votes (n, m) of one class each."""
    y = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    votes = np.full((n, len(quality)), -1)
    for lf, (right, covered) in enumerate(zip(quality, coverage, strict=True)):
        code = lf % 3
        rate = np.where(y == code, right, (1 - right) / 2) * covered * 3
        votes[rng.random(n) < np.minimum(rate, 1), lf] = code
    return y, votes


def show_votes(draws: int, rng: np.random.Generator) -> None:
    """Print coverage of class shares, accuracies of LFs, and what dropping one gains."""
    print("of votes of 9 LFs on 1,500 rows: class shares, accuracies, values, dropping")
    names = [f"lf{j}" for j in range(9)]
    for n_gold in (20, 50, 150):
        held: dict[str, list[bool]] = {name: [] for name in ("share", "accuracy", "value", "drop")}
        for _ in range(draws):
            quality, coverage = rng.uniform(0.4, 0.95, 9), rng.uniform(0.05, 0.3, 9)
            many_y, many = made_votes(20_000, rng, quality, coverage)
            truth = lf_value_table(_rows(many, many_y, None), names, "abc")
            y, votes = made_votes(1_500, rng, quality, coverage)
            rows = _rows(votes, y, n_gold)
            for c, mean in enumerate(rows.class_shares()):
                held["share"].append(mean.low <= (0.5, 0.3, 0.2)[c] <= mean.high)
            for lf, mean in enumerate(rows.lf_accuracies()):
                fired = many[:, lf] >= 0
                right = (many[fired, lf] == many_y[fired]).mean()
                held["accuracy"].append(mean.low <= right <= mean.high)
            table = lf_value_table(rows, names, "abc")
            for name, column in (("value", "value"), ("drop", "dropping")):
                inside = table[f"{column} low"].le(truth[column] + 1e-12)
                inside &= table[f"{column} high"].ge(truth[column] - 1e-12)
                held[name].extend(inside)
        shares = ", ".join(f"{name} {np.mean(values):.3f}" for name, values in held.items())
        print(f"{n_gold:3} gold rows: {shares}", flush=True)


def _rows(votes: np.ndarray, y: np.ndarray, n_gold: int | None) -> GuessedRows:
    gold = y if n_gold is None else np.where(np.arange(len(y)) < n_gold, y, -1)
    counts = VotesInParts(LabelMatrix.from_dense(votes, classes=["a", "b", "c"]))
    return GuessedRows.of(counts, GoldVotes.of(counts, gold), gold)


def main() -> None:
    """Print all three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("folds", "shares", "votes"))
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    for name, show in (("folds", show_folds), ("shares", show_shares), ("votes", show_votes)):
        if options.only in (None, name):
            show(options.draws, rng)


if __name__ == "__main__":
    main()
