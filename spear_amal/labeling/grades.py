"""Grades of labelling functions, from good to silent, and which of them are copies."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from spear_amal._typing import StoredVotesLike, VectorLike
from spear_amal.labeling.analysis import VotesInParts, share
from spear_amal.labeling.significance import lf_check
from spear_amal.votes.gold import has_label

#: What a grade says, in the order from best to worst.
GRADES = {
    "good": "the 95% interval of its accuracy lies above chance (that of blind votes)",
    "weak": "nearer to chance than to always right; or that is the most that its interval allows",
    "unclear": "chance lies within the interval, or no labelled row has a vote: label more rows",
    "copy": "the same votes as an LF before it",
    "bad": "the interval lies below chance, or it holds chance and lies below one half",
    "silent": "it votes on no row",
}
# Of the rows on which one of two LFs votes, the share with the same vote of both that makes a copy.
ALIKE = 0.95
# Fewer votes may be alike by chance.
LEAST_VOTES = 10


def lf_grades(L: StoredVotesLike, y: VectorLike | None = None) -> list[str]:
    """Return the grade of each LF, one of :data:`GRADES`.

    "silent" and "copy" need no gold. The others rest on :func:`lf_check`; a "weak" LF has
    ``(accuracy - chance) / (1 - chance) < 1/2``, and is above chance or has this even at the upper
    end of its interval: more labels would not make it a good one. Votes for a rare class may be as
    good as blind ones and wrong nearly always, so an LF that is not told from chance is "bad" if
    its interval lies below one half.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), or VoteFiles or the path of such a folder
    y : array (n,), optional
        Gold classes, -1, None or NaN where unknown.

    Examples
    --------
    >>> gold = np.array([0, 1] * 30)
    >>> in_three = np.where(np.arange(60) % 3 == 0, 1 - gold, gold)  # one is wrong
    >>> lf_grades(np.stack([gold, gold, 1 - gold, 0 * gold, in_three], axis=1), gold)
    ['good', 'copy', 'bad', 'weak', 'weak']
    """
    counts = VotesInParts(L)
    grades = np.full(counts.L.shape[1], "unclear", dtype=object)
    if y is not None and has_label(y).any():
        check = lf_check(counts.L, y)
        middle = (1 + check["chance"]) / 2
        verdict = check["verdict"].to_numpy()
        judged = np.isin(verdict, ("good", "bad"))
        grades[judged] = verdict[judged]
        grades[(verdict == "good") & (check["precision"] < middle).to_numpy()] = "weak"
        grades[(verdict == "unclear") & (check["high"] < middle).to_numpy()] = "weak"
        grades[(verdict == "unclear") & (check["high"] < 0.5).to_numpy()] = "bad"
    grades[[pair.lf for pair in copies(counts).itertuples()]] = "copy"
    grades[counts.totals.fired == 0] = "silent"
    return [str(grade) for grade in grades]


def copies(counts: VotesInParts, alike: float = ALIKE) -> pd.DataFrame:
    """Return LFs that vote as one before them does, with the first such LF.

    The one before is no copy itself, so that LFs which drift apart step by step are not all left
    out for the sake of the first.

    Parameters
    ----------
    counts : VotesInParts
    alike : float
        Least share of the rows on which one of two LFs votes that have the same vote of both.

    Returns
    -------
    DataFrame
        ``lf, of`` (column numbers), ``rows`` (with the same vote of both) and ``share`` (of the
        rows on which one of them votes).
    """
    fired, same = counts.totals.fired, counts.agreements()
    either = fired[:, None] + fired[None, :] - counts.overlaps()
    shares = share(same, either)
    pairs: list[tuple[int, int, int, float]] = []
    originals: list[int] = []
    for lf in range(len(fired)):
        before = [j for j in originals if same[j, lf] >= LEAST_VOTES and shares[j, lf] >= alike]
        if before:
            of = before[0]
            pairs.append((lf, of, int(same[of, lf]), float(shares[of, lf])))
        else:
            originals.append(lf)
    return pd.DataFrame(pairs, columns=["lf", "of", "rows", "share"])


def at_most(successes: int, trials: int, probability: float) -> float:
    """Return the chance of so few successes, or fewer: the lower tail of the binomial.

    Examples
    --------
    >>> round(at_most(1, 4, 0.5), 4)
    0.3125
    """
    if not 0 < probability < 1 or successes >= trials:
        return 1.0 if probability < 1 or successes >= trials else 0.0
    k = np.arange(successes + 1)
    choose = np.array([math.lgamma(trials + 1) - math.lgamma(i + 1) for i in k])
    choose -= [math.lgamma(trials - i + 1) for i in k]
    logs = choose + k * math.log(probability) + (trials - k) * math.log1p(-probability)
    return float(min(np.exp(logs).sum(), 1.0))
