"""The tables of a review of labelling functions as strings."""

from __future__ import annotations

import pandas as pd

from spear_amal.labeling import LFReview
from spear_amal.report.formatting import format_interval, format_numbers

_SHARES = ("coverage", "overlaps", "conflicts")
_FORMS = {"accuracy": ".1f", "value": "+.1f", "dropping": "+.1f", "gain": "+.1f"}
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


def readable_values(review: LFReview) -> pd.DataFrame:
    """Return what each LF is worth, in points of a majority vote; empty without gold."""
    table = review.values
    names = [f"{name}{bound}" for name in _FORMS for bound in ("", " low", " high")]
    points = {name: 100 * table[name].astype(float) for name in names}
    columns = {"LF": table["LF"].astype(str), "gold votes": table["gold votes"].astype(str)}
    for name, form in _FORMS.items():
        if name == "gain":
            columns["best change"] = table["change"].astype(str)
        columns[name] = pd.Series(format_numbers(points[name], f"{{:{form}}}", ""), dtype=object)
        bounds = zip(points[f"{name} low"], points[f"{name} high"], strict=True)
        columns[f"{name}, 95%"] = pd.Series(
            ["" if pd.isna(a) else format_interval(a, b, form) for a, b in bounds], dtype=object
        )
    columns["sure"] = table["sure"].map({True: "yes", False: ""}).astype(str)
    return pd.DataFrame(columns)


def values_sentence(review: LFReview) -> str:
    """Return what is to be known of the values, and whether any change is sure."""
    n_sure = int(review.values["sure"].sum()) if len(review.values) else 0
    few = (
        f"No change is surely a gain: {review.n_gold} gold rows do not tell."
        if not n_sure
        else f"{n_sure} of the changes {'is' if n_sure == 1 else 'are'} surely a gain."
    )
    return (
        "Accuracy: where it votes, from gold rows and votes on all rows. The rest in points of a "
        "majority vote. Value: what a function adds on the average, when they come one after "
        "the other in any order (Shapley). Dropping: what the others gain without it. The "
        "interval of the best change allows for its choice among several; sure allows for the "
        f"number of functions as well. {few}"
    )


def readable_classes(review: LFReview) -> pd.DataFrame:
    """Return the table of classes, shares with their intervals."""
    table = review.classes
    bounds = zip(table["share low"], table["share high"], strict=True)
    shown = table.drop(columns=["share", "share low", "share high"])
    return as_text(
        shown.assign(
            share=format_numbers(table["share"], "{:.1%}", ""),
            **{
                "share, 95%": [
                    "" if pd.isna(a) else format_interval(a, b, ".1%") for a, b in bounds
                ]
            },
        )
    )


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
