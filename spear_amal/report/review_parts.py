"""The part of a page that reviews labelling functions: what to fix next, and the rows behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from spear_amal._typing import VectorLike
from spear_amal.labeling import LFAnalysis, LFReview
from spear_amal.printable import printable
from spear_amal.report.dependence import LFDependence
from spear_amal.report.review_tables import (
    as_text,
    readable_by_class,
    readable_classes,
    readable_lfs,
    readable_suspects,
    readable_values,
    readable_words,
    values_sentence,
)
from spear_amal.report.run_tables import votes_sentence
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_WRONG = 10  # rows of one labelling function
MOST_PAIRS = 30


def review_parts(
    review: LFReview, votes: LabelMatrix | VoteFiles, gold: VectorLike | None = None
) -> dict[str, Any]:
    """Return what the template shows of a review; empty tables are left out there."""
    from spear_amal.report.charts import labelling

    dependence = LFDependence.of(votes, gold)
    n = max(review.n_rows, 1)
    return {
        "counts": {
            "lfs": len(review.lfs),
            "rows": review.n_rows,
            "covered": f"{review.n_covered / n:.1%}",
            "gold": review.n_gold,
        },
        "advice": as_text(review.advice),
        "sentence": None if review.test is None else votes_sentence(review.test),
        "lfs": readable_lfs(review),
        "coverage": labelling.coverage_bars(review.lfs),
        "forest": labelling.accuracy_forest(review.lfs) if review.n_gold else None,
        "conflict_map": labelling.conflict_map(LFAnalysis(votes).conflict_matrix()),
        "by_class": readable_by_class(review),
        "classes": readable_classes(review),
        "worth": readable_values(review),
        "worth_sentence": values_sentence(review),
        "pairs": as_text(review.conflicts.head(MOST_PAIRS)),
        "n_pairs": len(review.conflicts),
        "alike": None if dependence is None else dependence.readable(MOST_PAIRS),
        "alike_sentence": None if dependence is None else dependence.sentences(),
        "wrong": _wrong(review),
        "suspects": readable_suspects(review),
        "uncovered": as_text(review.uncovered.drop(columns="row")),
        "uncovered_words": readable_words(review),
    }


def _wrong(review: LFReview) -> list[dict[str, Any]]:
    """Return for each LF that is wrong somewhere its rows, the words that it matched marked."""
    parts = []
    by_name = review.lfs.set_index("LF")
    for lf, rows in review.wrong.groupby("LF", sort=False):
        shown = rows.head(MOST_WRONG)
        table = as_text(shown[["id", "vote", "gold", "matched"]])
        pairs = zip(shown["text"], shown["matched"], strict=True)
        # As objects: pandas would make plain strings of them, which the template escapes again.
        texts = [marked(str(text), str(matched)) for text, matched in pairs]
        table["text"] = pd.Series(texts, index=table.index, dtype=object)
        about = by_name.loc[lf]
        wrong = int(about["gold votes"] - about["right"])
        parts.append({"LF": lf, "wrong": wrong, "of": int(about["gold votes"]), "table": table})
    return sorted(parts, key=lambda part: -part["wrong"])


def marked(text: str, matched: str) -> Markup:
    """Return a text for a page, with the matched words (", " between them) marked.

    Examples
    --------
    >>> str(marked("A free <b>", "free"))
    'A <mark>free</mark> &lt;b&gt;'
    """
    from markupsafe import Markup, escape

    words = sorted(filter(None, matched.split(", ")), key=len, reverse=True)
    if not words:
        return escape(printable(text))
    parts = re.split(f"({'|'.join(map(re.escape, words))})", printable(text), flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
