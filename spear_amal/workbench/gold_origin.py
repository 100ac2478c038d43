"""How labelled rows came up: drawn at random, chosen, or labelled in the table.

Numbers that rest on labelled rows are those of all rows only as far as the labelled ones were drawn
at random. The random sample offers rows in a fixed order of chance, so the rows up to the last one
that was labelled there are a random sample of all rows, also those among them that had got a label
in another way before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spear_amal.workbench.gold_file import squeezed
from spear_amal.workbench.rule_table import MajorityScore, majority_score
from spear_amal.workbench.snapshot import Snapshot

#: How a row came up: in the random sample, or as one with the text of a row that was labelled.
RANDOM, COPY = "random", "copy"
#: Random rows from which on numbers are shown of these alone.
ENOUGH = 30
# Of the rows before the last random one so many have a label, or the order was another one.
_LEAST_SHARE = 0.8


@dataclass(frozen=True)
class GoldOrigin:
    """How the labelled rows came up.

    Attributes
    ----------
    n : int
        Labelled rows.
    n_random : int
        Those that are a random sample of all rows.
    n_table : int
        Of the others, those whose label the table has.
    votes : MajorityScore or None
        How the votes agree with the random rows; None for fewer than :data:`ENOUGH`.
    """

    n: int
    n_random: int
    n_table: int
    votes: MajorityScore | None = None

    @property
    def is_mostly_random(self) -> bool:
        """Whether more than half of the labelled rows are a random sample."""
        return 2 * self.n_random > self.n

    @property
    def sentence(self) -> str:
        """What that means for numbers that rest on labelled rows; "" without any."""
        if not self.n:
            return ""
        if self.n_table == self.n:
            return (
                f"All {self.n:,} labels are the table's own: numbers that rest on them hold for "
                "all rows only if those rows were drawn at random."
            )
        said = f"{self.n_random:,} of {self.n:,} labelled rows were drawn at random"
        if self.n_random == self.n:
            return f"{said}: numbers that rest on them hold for all rows."
        others = [(self.n_table, "labelled in the table"), (self.n_here, "chosen here")]
        said = ", ".join([said, *(f"{count:,} {how}" for count, how in others if count)])
        if self.is_mostly_random:
            return f"{said}: precision, scores and suggestions lean a little to these."
        return f"{said}: precision, scores and suggestions speak of rows like these, not of all."

    @property
    def of_votes(self) -> str:
        """How the votes agree with the random rows; "" where these are too few."""
        if self.votes is None or not self.votes.n_gold:
            return ""
        score = self.votes
        return (
            f"On the random ones alone the majority of the votes is right on "
            f"{100 * score.agreement:.1f}% ({100 * score.low:.1f} to {100 * score.high:.1f}) of "
            f"the {score.n_gold:,} with a vote."
        )

    @property
    def n_here(self) -> int:
        """Rows that were labelled here, and are no part of the random sample."""
        return self.n - self.n_random - self.n_table


def gold_origin(snapshot: Snapshot) -> GoldOrigin:
    """Return how the labelled rows of a snapshot came up."""
    drawn = random_gold(snapshot)
    rows = np.flatnonzero((snapshot.gold >= 0) & ~drawn).tolist()
    n_random, n_table = int(drawn.sum()), sum(row not in snapshot.chosen for row in rows)
    votes = None
    if n_random >= ENOUGH and snapshot.active:
        gold = np.where(drawn, snapshot.gold, -1)
        votes = majority_score(replace(snapshot, gold=gold))
    return GoldOrigin(n_random + len(rows), n_random, n_table, votes)


def random_gold(snapshot: Snapshot) -> np.ndarray:
    """Return which rows (n,) with a label are a random sample of all rows with a text."""
    drawn = np.zeros(len(snapshot.texts), dtype=bool)
    said = [row for row, how in snapshot.chosen.items() if how == RANDOM]
    if not said:
        return drawn
    # Where rows are known by their texts, one label is of all copies; the first was drawn.
    ranks = snapshot.order.ranks
    first: dict[str, int] = {}
    for row in sorted(said, key=lambda row: int(ranks[row])):
        first.setdefault(squeezed(snapshot.texts[row]), row)
    rows = list(first.values())
    before = (ranks >= 0) & (ranks <= ranks[rows].max())
    labelled = before & (snapshot.gold >= 0)
    if labelled.sum() >= _LEAST_SHARE * before.sum():
        return np.asarray(labelled)
    drawn[rows] = True  # of a sample that was drawn in another way
    return drawn & (snapshot.gold >= 0)
