"""LFs that err alike, in words and as a table: pairs, groups, and how many LFs these are worth."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from spear_amal._typing import VectorLike
from spear_amal.label_models import CorrelatedLabelModel
from spear_amal.report.formatting import format_numbers
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles

# Rows that dependence is learnt from on pages and the terminal.
_ROWS = 5_000


class LFDependence(NamedTuple):
    """How far LFs vote alike beyond what the class explains.

    Attributes
    ----------
    n_lfs : int
        LFs that tell something: those that vote, and not always for one class.
    n_effective : float
        How many independent LFs they are worth.
    groups : list of list of str
        LFs that repeat one answer.
    hard_rows : float
        Share of the rows on which LFs guess more often than on others.
    pairs : DataFrame
        Dependent pairs, with the columns of ``CorrelatedLabelModel.dependence_``.
    """

    n_lfs: int
    n_effective: float
    groups: list[list[str]]
    hard_rows: float
    pairs: pd.DataFrame

    @classmethod
    def of(
        cls, votes: LabelMatrix | VoteFiles, gold: VectorLike | None = None
    ) -> LFDependence | None:
        """Learn it from votes, and from gold where it is known; None where there is no pair."""
        if votes.shape[1] < 2 or not votes.nnz:
            return None
        model = CorrelatedLabelModel(max_rows=_ROWS)
        model._fit_silently(votes, gold)
        table = model.dependence_
        pairs = table[table["dependent"]].drop(columns=["dependent", "group"])
        names = [str(name) for name in votes.lf_names]
        return cls(
            n_lfs=int(model.votes_heard_.sum()),
            n_effective=model.n_effective_,
            groups=[[names[lf] for lf in members] for members in model.groups_],
            hard_rows=float(model.level_shares_[1:].sum()),
            pairs=pairs.reset_index(drop=True),
        )

    def sentences(self) -> str:
        """Return what was found, and what to do about it."""
        if self.pairs.empty and not self.groups and not self.hard_rows:
            return "No two labelling functions vote alike more often than the class explains."
        said = [
            f"Given the class, these {self.n_lfs} labelling functions are worth about "
            f"{self.n_effective:.1f} independent ones."
        ]
        said += [f"These repeat one answer: {', '.join(group)}." for group in self.groups]
        if self.hard_rows:
            said.append(f"On about {self.hard_rows:.0%} of the rows all of them guess more often.")
        said.append(
            "A label model that takes them for independent is too sure, and may follow the largest "
            "group: take label model 'correlated', which counts what is repeated about once; keep "
            "the best of a group, and add functions or prompts that look at something else."
        )
        return " ".join(said)

    def readable(self, most: int = 30) -> pd.DataFrame:
        """Return the most dependent pairs as strings."""
        table = self.pairs.head(most)
        return pd.DataFrame(
            {
                "LF": table["LF"].astype(str),
                "other": table["other"].astype(str),
                "rows together": table["rows"].astype(str),
                "correlation given the class": format_numbers(table["correlation"], "{:.2f}"),
                "p": format_numbers(table["p"], "{:.2g}"),
            },
            dtype=object,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return self._asdict() | {"pairs": self.pairs.to_dict("records")}
