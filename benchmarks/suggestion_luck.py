"""How often suggested labelling functions are luck, and how good those are that are none.

Rows of a corpus without its test rows; some of them, drawn at random, have gold. Two parts:

* with gold classes dealt out anew among these rows, so that texts tell nothing of them: in which
  share of the draws anything is admitted (at most 5% is promised), and what the same table of
  candidates would admit whose interval alone lies above chance, or whose p-value alone is below 5%;
* with gold as it is: how many are admitted, how right they are on the other rows (none of them
  a test row), how many of those are better than chance there, and how many intervals hold what the
  other rows say.

    python benchmarks/suggestion_luck.py youtube sms --draws 200 --gold 50 100 200 --data-dir DATA
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from spear_amal.data import load_corpus
from spear_amal.labeling.analysis import wilson_interval
from spear_amal.suggest import mine_conditions, suggest_lfs
from spear_amal.suggest.many_tests import LEVEL, ManyTests, try_conditions

MOST_TEST = 2_000


class Source:
    """A corpus without its test rows."""

    def __init__(self, name: str, data_dir: str | None, most_rows: int) -> None:
        corpus = load_corpus(name, data_dir=data_dir)
        order = np.random.default_rng(0).permutation(len(corpus.labels))
        kept = order[min(len(order) // 3, MOST_TEST) :][:most_rows]
        self.frame = pd.DataFrame({"text": corpus.frame["text"].to_numpy()[kept]})
        self.codes = np.asarray(corpus.labels)[kept]
        self.classes = tuple(map(str, corpus.classes))

    def luck(self, n_gold: int, draws: int, encoder: str | None) -> None:
        """Print how often something passes that cannot be true."""
        passed = np.zeros(3)
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            has_gold = np.zeros(len(self.frame), bool)
            has_gold[rng.choice(len(self.frame), n_gold, replace=False)] = True
            pool = mine_conditions(self.frame, "text", has_gold, encoder=encoder, seed=seed)
            gold = rng.permutation(self.codes[pool.rows[: pool.n_gold]])
            holds = pool.holds[: pool.n_gold]
            tests = try_conditions(holds, gold, len(self.classes), seed=seed)
            passed += (
                (tests.adjusted <= LEVEL).any(),
                above_chance(tests, gold, len(self.classes)).any(),
                (tests.p_value <= LEVEL).any(),
            )
        shares = ", ".join(f"{share:.1%}" for share in passed / draws)
        print(f"  {n_gold} gold rows, shuffled: admitted, interval alone, p alone in {shares}")

    def worth(self, n_gold: int, draws: int, encoder: str | None) -> None:
        """Print how good admitted candidates are on rows that had no gold."""
        counts, precisions, above, held = [], [], [], []
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            rows = rng.choice(len(self.frame), n_gold, replace=False)
            y = np.full(len(self.frame), -1)
            y[rows] = self.codes[rows]
            made = suggest_lfs(self.frame, y, classes=self.classes, encoder=encoder, seed=seed)
            counts.append(len(made.admitted))
            for candidate in made.admitted:
                code = self.classes.index(str(candidate.rule.label))
                others = candidate.rows[y[candidate.rows] < 0]
                if len(others):
                    precision = (self.codes[others] == code).mean()
                    precisions.append(precision)
                    above.append(precision > (self.codes[y < 0] == code).mean())
                    held.append(candidate.low <= precision <= candidate.high)
        if not precisions:
            print(f"  {n_gold} gold rows: nothing admitted in {draws} draws")
            return
        print(
            f"  {n_gold} gold rows: {np.mean(counts):.1f} admitted, right on "
            f"{np.mean(precisions):.1%} of other rows, {np.mean(above):.1%} better than chance "
            f"there, {np.mean(held):.1%} of the intervals hold it"
        )


def above_chance(tests: ManyTests, gold: np.ndarray, n_classes: int) -> np.ndarray:
    """Return what an uncorrected look at intervals calls good (J, C)."""
    low = np.stack(
        [wilson_interval(tests.right[:, c], tests.votes, 0.95)[0] for c in range(n_classes)], axis=1
    )
    return low > np.bincount(gold, minlength=n_classes) / len(gold)


def main() -> None:
    """Run both parts for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--gold", nargs="+", type=int, default=[50, 100, 200])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--true-draws", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_500, help="of a corpus at most")
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--data-dir", default=None)
    options = parser.parse_args()
    for name in options.sources:
        source = Source(name, options.data_dir, options.rows)
        print(f"{name}: {len(source.frame)} rows")
        for n_gold in options.gold:
            source.luck(n_gold, options.draws, options.encoder)
            source.worth(n_gold, options.true_draws, options.encoder)


if __name__ == "__main__":
    main()
