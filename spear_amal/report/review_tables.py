"""The tables of a review of labelling functions as strings."""

from __future__ import annotations

import pandas as pd

from spear_amal.labeling import LFReview
from spear_amal.report.formatting import format_interval, format_numbers

_SHARES = ("coverage", "overlaps", "conflicts")
_ON_GOLD = ("gold votes", "accuracy", "95% interval", "chance")


def readable_lfs(review: LFReview) -> pd.DataFrame:
    """Return the table of labelling functions; what rests on gold only where there is gold."""
    table = _with_intervals(review.lfs)
    shares = {name: format_numbers(table[name], "{:.1%}") for name in _SHARES}
    table = table.assign(**shares, chance=format_numbers(table["chance"], "{:.2f}"))
    names = ["LF", "votes for", "grade", *_SHARES, "alone"]
    names += _ON_GOLD if review.n_gold else []
    names += ["copy of"] if table["copy of"].any() else []
    return as_text(table[names])


def readable_by_class(review: LFReview) -> pd.DataFrame:
    """Return the accuracy of every LF that votes for several classes, class by class."""
    several = review.by_class[review.by_class["LF"].duplicated(keep=False)]
    names = ["LF", "class", "votes", "gold votes", "accuracy", "95% interval"]
    return as_text(_with_intervals(several)[names])


def readable_suspects(review: LFReview) -> pd.DataFrame:
    """Return the labels that look wrong."""
    odds = format_numbers(review.suspect_gold["odds"], "{:.3g} : 1")
    return as_text(review.suspect_gold.drop(columns="row").assign(odds=odds))


def readable_words(review: LFReview) -> pd.DataFrame:
    """Return the words that are frequent in rows without a vote."""
    shares = format_numbers(review.uncovered_words["class share"], "{:.0%}")
    return as_text(review.uncovered_words.assign(**{"class share": shares}))


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    bounds = zip(table["gold votes"], table["low"], table["high"], strict=True)
    return table.assign(
        accuracy=format_numbers(table["accuracy"], "{:.2f}"),
        **{"95% interval": [format_interval(a, b, ".2f") if n else "" for n, a, b in bounds]},
    )


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as strings; what is missing is empty."""
    return pd.DataFrame(
        {
            name: ["" if pd.isna(value) else str(value) for value in table[name].tolist()]
            for name in table.columns
        },
        dtype=object,
    )
