"""From the tables of a review to a ranked list of what to mend next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal.labeling.grades import at_most
from spear_amal.maths.holm import holm

#: Problems in the order in which they are worth mending; the figure says how bad they are.
PROBLEMS = {
    "wrong often": "its accuracy lies below chance or one half, and not by luck among so many LFs",
    "loses conflicts": "where it quarrels with another LF, the other one is right",
    "costs points": "a change of it gains points, and not by luck among so many LFs",
    "gold looks wrong": "good LFs agree against the label",
    "class without votes": "no LF votes for a class that rows have",
    "few rows covered": "most rows have no vote",
    "weak": "nearer to chance than to always right",
    "copy": "the same votes as another LF: it counts twice",
    "looks wrong": "its accuracy lies below chance or one half, which may be luck",
    "silent": "it votes on no row",
    "unclear": "too few labelled rows with its vote to judge it",
    "adds nothing": "every row it votes on has votes of others that say the same",
    "rows uncovered": "some rows have no vote",
}
LEVEL = 0.05
_FEW_WRONG = 2  # wrong votes from which a word is named


class Advice(NamedTuple):
    """One line of the list."""

    lf: str
    problem: str
    rows: int
    reason: str
    do: str


def advise(
    tables: Mapping[str, pd.DataFrame], n_rows: int, n_covered: int, n_gold: int
) -> pd.DataFrame:
    """Return the ranked list: by problem, and among equals by the rows that it concerns.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As :class:`~spear_amal.labeling.review.LFReview` has them.
    n_rows, n_covered, n_gold : int
        All rows, those with a vote, those with a label.

    Returns
    -------
    DataFrame
        ``rank, LF, problem, rows, reason, do``.
    """
    lines: list[Advice] = []
    for look in (_wrong, _losing, _costing, _weak, _copies, _silent, _unclear, _adding_nothing):
        lines += look(tables)
    lines += _gold(tables)
    lines += _coverage(tables, n_rows, n_covered)
    lines += _classes(tables, n_gold)
    order = list(PROBLEMS)
    lines.sort(key=lambda line: (order.index(line.problem), -line.rows))
    table = pd.DataFrame(lines, columns=["LF", "problem", "rows", "reason", "do"])
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _with_grade(tables: Mapping[str, pd.DataFrame], *grades: str) -> Iterator[dict[str, Any]]:
    for record in tables["lfs"].to_dict("records"):
        if record["grade"] in grades:
            yield record


def _wrong(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    judged = tables["lfs"][tables["lfs"]["gold votes"] > 0]
    records = judged.to_dict("records")
    tails = holm([at_most(r["right"], r["gold votes"], max(r["chance"], 0.5)) for r in records])
    for record, tail in zip(records, tails, strict=True):
        if record["grade"] != "bad":
            continue
        sure = tail <= LEVEL
        yield Advice(
            record["LF"],
            "wrong often" if sure else "looks wrong",
            _wrong_votes(record),
            f"right on only {_of_gold(record)}, blind votes would be on {record['chance']:.0%}"
            + ("" if sure else "; among so many LFs that may be luck"),
            _mend(tables, record["LF"], sure),
        )


def _mend(tables: Mapping[str, pd.DataFrame], lf: str, sure: bool) -> str:
    words = tables["words"]
    n_wrong = words["gold votes"] - words["right"]
    bad = words[(words["LF"] == lf) & (n_wrong >= _FEW_WRONG) & (n_wrong > words["right"])]
    if len(bad):
        listed = ", ".join(
            f"{row['word']!r} (wrong {row['gold votes'] - row['right']} of {row['gold votes']})"
            for row in bad.head(3).to_dict("records")
        )
        return f"leave out or narrow {listed}"
    if sure:
        return "narrow it by the rows that it gets wrong, or drop it"
    return "look at the rows that it gets wrong, and label more rows on which it votes"


def _wrong_votes(record: Mapping[str, float]) -> int:
    """Return how many of all votes of an LF are wrong, by its accuracy on labelled rows."""
    return round(record["votes"] * (1 - record["accuracy"]))


def _of_gold(record: Mapping[str, float]) -> str:
    return f"{record['right']} of {record['gold votes']} labelled rows ({record['accuracy']:.0%})"


def _losing(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    """Yield LFs that lose to another one, judged by a sign test on the rows that they dispute."""
    sides = []
    for record in tables["conflicts"].to_dict("records"):
        pair = (record["LF"], record["right"]), (record["other"], record["other right"])
        (lf, right), (other, other_right) = sorted(pair, key=lambda side: side[1])
        if other_right > right:
            tail = at_most(right, right + other_right, 0.5)
            sides.append((lf, other, right, other_right, record["rows"], tail))
    adjusted = holm([side[-1] for side in sides])
    worst: dict[str, Advice] = {}
    for (lf, other, right, other_right, rows, _), tail in zip(sides, adjusted, strict=True):
        if tail > LEVEL or (lf in worst and worst[lf].rows >= rows):
            continue
        worst[lf] = Advice(
            lf,
            "loses conflicts",
            rows,
            f"against {other} on {rows} rows: right on {right} labelled ones, {other} on "
            f"{other_right}",
            f"let it abstain where {other} votes",
        )
    yield from worst.values()


def _costing(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    mentioned = {record["LF"] for record in _with_grade(tables, "bad")}
    for record in tables["values"].to_dict("records"):
        if record["sure"] and record["LF"] not in mentioned:
            low, high = 100 * record["gain low"], 100 * record["gain high"]
            yield Advice(
                record["LF"],
                "costs points",
                record["gold votes"],
                f"with this change a majority vote gains {100 * record['gain']:.1f} points (95% "
                f"interval {low:+.1f} to {high:+.1f})",
                record["change"],
            )


def _weak(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    for record in _with_grade(tables, "weak"):
        reason = f"right on {_of_gold(record)}, blind votes would be on {record['chance']:.0%}"
        yield Advice(
            record["LF"], "weak", _wrong_votes(record), reason, _mend(tables, record["LF"], True)
        )


def _copies(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    for record in _with_grade(tables, "copy"):
        yield Advice(
            record["LF"],
            "copy",
            record["votes"],
            f"the same votes as {record['copy of']} on nearly all rows, so that one opinion counts "
            "twice",
            "drop one of the two, or merge them into one LF",
        )


def _silent(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    for record in _with_grade(tables, "silent"):
        yield Advice(
            record["LF"],
            "silent",
            0,
            "it votes on no row of this table",
            "check its words, pattern or column (capitals, spelling), or drop it",
        )


def _unclear(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    if not tables["lfs"]["gold votes"].any():
        return
    for record in _with_grade(tables, "unclear"):
        if record["gold votes"]:
            reason = (
                f"right on {_of_gold(record)}: between {record['low']:.0%} and "
                f"{record['high']:.0%}, blind votes would be on {record['chance']:.0%}"
            )
        else:
            reason = f"it votes on {record['votes']} rows, none of them labelled"
        yield Advice(
            record["LF"], "unclear", record["votes"], reason, "label more rows on which it votes"
        )


def _adding_nothing(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    copied = set(tables["lfs"]["copy of"])
    for record in _with_grade(tables, "good", "weak", "unclear"):
        if record["alone"] == record["conflicts"] == 0 and record["LF"] not in copied:
            yield Advice(
                record["LF"],
                "adds nothing",
                record["votes"],
                "each of its rows has votes of other LFs, and they say the same",
                "keep it only if it is more often right than they are",
            )


def _gold(tables: Mapping[str, pd.DataFrame]) -> Iterator[Advice]:
    suspects = tables["suspect_gold"]
    if len(suspects):
        listed = ", ".join(str(row_id) for row_id in suspects["id"].head(5))
        more = ", .." if len(suspects) > 5 else ""
        yield Advice(
            "",
            "gold looks wrong",
            len(suspects),
            f"good LFs agree against the label on {_n(len(suspects), 'row')}: {listed}{more}",
            "read them, and mend the label or the LFs",
        )


def _coverage(tables: Mapping[str, pd.DataFrame], n_rows: int, n_covered: int) -> Iterator[Advice]:
    n = n_rows - n_covered
    if not n:
        return
    words = tables["uncovered_words"]["word"].head(5).tolist()
    hint = f"; frequent there: {', '.join(words)}" if words else ""
    most = n * 2 > n_rows
    yield Advice(
        "",
        "few rows covered" if most else "rows uncovered",
        n,
        f"{n} of {n_rows} rows ({n / n_rows:.0%}) have no vote{hint}",
        "write LFs for what these rows are about",
    )


def _classes(tables: Mapping[str, pd.DataFrame], n_gold: int) -> Iterator[Advice]:
    for record in tables["classes"].to_dict("records"):
        if record["votes"] == 0 and (record["gold rows"] or not n_gold):
            yield Advice(
                "",
                "class without votes",
                record["gold rows"],
                f"no LF votes for {record['class']!r} ({_n(record['gold rows'], 'labelled row')})",
                "write an LF for it: the votes say nothing of this class",
            )


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
