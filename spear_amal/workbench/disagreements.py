"""Rows on which gold stands against the model or against good LFs: labels to look at again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from spear_amal.labeling import lf_check, lf_grades
from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.review_rows import GoldVotes, ReviewedRows, suspect_gold
from spear_amal.workbench.row_search import predicted
from spear_amal.workbench.snapshot import Snapshot

_MOST_ODDS = 1e6


@dataclass(frozen=True)
class Disagreement:
    """What speaks against a label.

    Attributes
    ----------
    row : int
    gold : int
        Class code of the label.
    model, voted : int
        What the model and good LFs say instead, -1 where they do not speak against it.
    model_odds, vote_odds : float
        By which they do, 1 where they do not.
    lfs : str
        Names of the LFs.
    """

    row: int
    gold: int
    model: int = -1
    model_odds: float = 1.0
    voted: int = -1
    vote_odds: float = 1.0
    lfs: str = ""

    @property
    def odds(self) -> float:
        """Both odds together."""
        return self.model_odds * self.vote_odds


def disagreements(snapshot: Snapshot) -> tuple[Disagreement, ...]:
    """Return rows whose label the model or good LFs speak against, the largest odds first."""
    by_row = {found.row: found for found in _of_votes(snapshot)}
    for found in _of_model(snapshot):
        votes = by_row.get(found.row, found)
        by_row[found.row] = replace(
            found, voted=votes.voted, vote_odds=votes.vote_odds, lfs=votes.lfs
        )
    return tuple(sorted(by_row.values(), key=lambda found: (-found.odds, found.row)))


def _of_model(snapshot: Snapshot) -> Iterable[Disagreement]:
    if snapshot.outputs is None:
        return
    gold, model, p = snapshot.gold, predicted(snapshot), snapshot.outputs.proba
    for row in np.flatnonzero((gold >= 0) & (model >= 0) & (gold != model)).tolist():
        other, label = int(model[row]), int(gold[row])
        of_label = p[row, label] if label < p.shape[1] else 0.0
        odds = float(p[row, other]) / max(float(of_label), 1 / _MOST_ODDS)
        yield Disagreement(row, label, other, min(odds, _MOST_ODDS))


def _of_votes(snapshot: Snapshot) -> Iterable[Disagreement]:
    gold = snapshot.gold
    if len(snapshot.classes) < 2 or not snapshot.active or not (gold >= 0).any():
        return
    counts = VotesInParts(snapshot.matrix())
    voted = GoldVotes.of(counts, gold)
    table = lf_check(voted.votes, voted.labels).rename(columns={"votes": "gold votes"})
    table["LF"] = list(voted.votes.lf_names)
    table["grade"] = lf_grades(counts.L, voted.everywhere)
    found = suspect_gold(voted, ReviewedRows.of(None, counts, None), table)
    for row, label, vote, odds, lfs in found[["row", "gold", "voted", "odds", "LFs"]].itertuples(
        index=False, name=None
    ):
        codes = snapshot.classes.index(label), snapshot.classes.index(vote)
        yield Disagreement(row, codes[0], voted=codes[1], vote_odds=min(odds, _MOST_ODDS), lfs=lfs)
