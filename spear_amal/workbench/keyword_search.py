"""On which rows of a table a keyword stands, as the LF of a declared rule compares them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from spear_amal.declared_lfs import KeywordRule
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.letter_cases import ENDS_IN_A_MARK, SIGMAS, with_lower_case
from spear_amal.labeling.required_literals import RequiredLiterals
from spear_amal.labeling.text_search import TextScanner
from spear_amal.workbench.pattern_search import (
    NO_ROWS,
    FoundRows,
    StillWanted,
    in_order,
    rows_by_re2,
)
from spear_amal.workbench.text_index import Group, TextIndex


def rows_with_keywords(
    rule: KeywordRule, lf: TextLF, index: TextIndex, seconds: float, wanted: StillWanted
) -> FoundRows:
    """Return the rows on which the LF of a rule fires for sure, and those that it has to test.

    Parameters
    ----------
    rule : KeywordRule
    lf : TextLF
        Of the rule.
    index : TextIndex
    seconds, wanted
        As for :func:`rows_by_re2`.
    """
    words = lf.needed.words if lf.needed is not None else rule.keywords
    found = rows_by_re2(_as_pattern(rule, words), index.groups, seconds, wanted)
    if found is None or found.untried or len(found.open):
        return rows_for_lf(lf.needed, index)
    odd = [index.odd]
    if rule.ignore_case:
        lettered = [group for group in index.groups if not group.is_plain]
        marked = rows_by_re2(re.compile(ENDS_IN_A_MARK), lettered, seconds, wanted)
        odd.append(NO_ROWS if marked is None else marked.sure)
    # The LF counts from left to right, which is not always the most; and has a sigma of its own
    # at the end of words.
    is_sure = rule.min_count == 1 and not set(SIGMAS) & set("".join(words))
    if not is_sure:
        return FoundRows(NO_ROWS, in_order([np.union1d(found.sure, np.concatenate(odd))]))
    unclear = in_order(odd)
    return FoundRows(found.sure[~np.isin(found.sure, unclear)], unclear)


def _as_pattern(rule: KeywordRule, words: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern that texts match on which the LF of a rule fires.

    Some more match where keywords are counted or have a sigma; and where case does not count,
    texts with a letter that ends in a mark may not.
    """
    letters = with_lower_case if rule.ignore_case else str
    words = ["".join(f"[{re.escape(letters(c))}]" for c in word) for word in words]
    before, behind = (r"(?:\A|\W)", r"(?:\W|\Z)") if rule.whole_word else ("", "")
    once = f"{before}(?:{'|'.join(words)})"
    if rule.min_count == 1:
        return re.compile(once + behind)
    return re.compile(rf"(?s:(?:{once}.*?){{{rule.min_count}}})")


def rows_for_lf(
    needed: RequiredLiterals | None, index: TextIndex, groups: Sequence[Group] | None = None
) -> FoundRows:
    """Return the rows on which an LF fires for sure, and those that it has to test.

    Parameters
    ----------
    needed : RequiredLiterals or None
        What the LF looks for first.
    index : TextIndex
    groups : sequence of Group, optional
        Default: all; odd rows are tested in any case.
    """
    if needed is None:
        return FoundRows(NO_ROWS, index.present)
    chosen = index.groups if groups is None else groups
    found = rows_with_words(needed, chosen, index.newline)
    return FoundRows(found.sure, in_order([found.open, index.odd]))


def rows_with_words(
    needed: RequiredLiterals, groups: Sequence[Group], newline: str | None
) -> FoundRows:
    """Return the rows that hold one of some words.

    Parameters
    ----------
    needed : RequiredLiterals
    groups : sequence of Group
    newline : str or None
        Of the groups.
    """
    sure, unclear = [NO_ROWS], [NO_ROWS]
    words = tuple(_as_in_groups(word, newline) for word in needed.words)
    known = tuple(word for word in words if word is not None)
    if known:
        scanner = TextScanner([RequiredLiterals(known, needed.lowered, needed.proof, needed.alone)])
        for group in groups:
            for rows, chunk in group.chunks():
                [candidates] = scanner.scan(chunk)
                sure.append(rows[candidates.sure])
                unclear.append(rows[candidates.open])
    return FoundRows(in_order(sure), in_order(unclear))


def _as_in_groups(word: str, newline: str | None) -> str | None:
    """Return a word as the texts of a group have it, None if none can."""
    if newline is None:
        return None if "\n" in word else word
    return None if newline in word else word.replace("\n", newline)
