"""On which rows of a table a keyword stands, as the LF of a declared rule compares them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spear_amal.declared_lfs import KeywordRule
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.required_literals import RequiredLiterals, any_of
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
    plain = [group for group in index.groups if group.is_plain]
    pays = rule.min_count > 1 or any(group.is_long for group in plain)
    pattern = _as_pattern(rule) if pays else None
    found = None if pattern is None else rows_by_re2(pattern, plain, seconds, wanted)
    if found is None or found.untried:
        return rows_for_lf(lf.needed, index)
    lettered = [group for group in index.groups if not group.is_plain]
    others = rows_for_lf(lf.needed, index, lettered)
    if rule.min_count > 1:  # the LF counts from left to right, which is not always the most
        return FoundRows(NO_ROWS, in_order([found.sure, found.open, others.open]))
    sure = in_order([found.sure, others.sure])
    return FoundRows(sure, in_order([found.open, others.open]))


def _as_pattern(rule: KeywordRule) -> re.Pattern[str] | None:
    r"""Return a pattern that texts without letters beyond ASCII match where keywords are in them.

    None where ``\b`` does not say where a keyword ends, or a keyword has other letters.
    """
    words = rule.keywords
    if not all(map(str.isascii, words)):
        return None
    if rule.whole_word and not all(re.fullmatch(r"\w|\w.*\w", word, re.DOTALL) for word in words):
        return None
    bound = r"\b" if rule.whole_word else ""
    once = f"{bound}{any_of(words)}{bound}"
    text = once if rule.min_count == 1 else rf"(?s:(?:{once}.*?){{{rule.min_count}}})"
    return re.compile(text, re.ASCII | (re.IGNORECASE if rule.ignore_case else 0))


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
