r"""Conditions on the form of a text: links, amounts, capitals, signs, how it begins and ends.

All patterns are of regular languages without look-around or back references: any engine, linear
ones too, finds the same with them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from spear_amal.suggest.condition import RowCondition

#: Forms that occur in texts of all kinds: name, pattern.
FORMS = (
    ("link", r"https?://|www\."),
    ("short link", r"\b(?:bit\.ly|goo\.gl|tinyurl\.com|youtu\.be|t\.co)/\w+"),
    ("address of a site", r"\b\w+\.(?:com|net|org|info|co|uk|tv|me|io)\b"),
    ("e-mail address", r"[\w.+-]{1,64}@\w+\.\w+"),
    ("amount of money", r"[$£€¥]\s?\d+|\b\d+\s?(?:euros?|dollars?|pounds?|usd|gbp|p)\b"),
    ("percentage", r"\d\s?%"),
    ("number", r"\d"),
    ("number of 3 digits or more", r"\d{3}"),
    ("number of 5 digits", r"\b\d{5}\b"),
    ("phone number", r"\b\d{10,12}\b|\b\d{4,5} \d{6}\b"),
    ("time of day", r"\b\d{1,2}(?:[:.]\d{2}\s?(?:am|pm)?|\s?(?:am|pm))\b"),
    ("date", r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b"),
    ("year", r"\b(?:19|20)\d{2}\b"),
    ("word of letters and digits", r"\b(?:[a-z]+\d+|\d+[a-z]+)\w*"),
    ("hashtag", r"#\w"),
    ("mention", r"@\w"),
    ("markup", r"</?\w+[^<>]{0,200}>"),
    ("entity", r"&#?\w{1,8};"),
    ("quotation", r"\"[^\"\n]{1,200}\""),
    ("brackets", r"\([^()\n]{1,200}\)"),
    ("exclamation mark", r"!"),
    ("exclamation marks", r"!{2,}"),
    ("question mark", r"\?"),
    ("question marks", r"\?{2,}"),
    ("dots", r"\.{2,}"),
    ("plus sign", r"\+"),
    ("slash", r"\w/\w"),
    ("asterisk", r"\*"),
    ("smiley", r"[:;=]-?[)(dp]|<3"),
    ("sign beyond latin letters", r"[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"),
    ("ends with a question mark", r"\?\s*\Z"),
    ("ends with an exclamation mark", r"!\s*\Z"),
    ("ends with a letter or digit", r"\w\s*\Z"),
    ("several lines", r"\n."),
)
#: Forms of capital letters: the case counts.
CASED_FORMS = (
    ("word in capitals", r"\b[A-Z]{3,}\b"),
    ("two words in capitals", r"\b[A-Z]{2,}\W+[A-Z]{2,}\b"),
    ("four words in capitals", r"\b[A-Z]{2,}(?:\W+[A-Z]{2,}){3}\b"),
    ("begins with a small letter", r"\A\W*[a-z]"),
    ("two names in a row", r"[a-z,] [A-Z][a-z]+ [A-Z][a-z]+"),
    ("no capital letter", r"\A[^A-Z]*\Z"),
)
_EDGES = (
    ("begins with", re.compile(r"\A\W*(\w{2,24})\b"), r"\A\W*{}\b"),
    ("ends with", re.compile(r"\b(\w{2,24})\W*\Z"), r"\b{}\W*\Z"),
)
_LENGTHS = 6  # bounds of the length, by quantiles
_LONGEST_LENGTH = 1_000  # engines count no further


def form_conditions(
    texts: Sequence[str], least_rows: int
) -> tuple[list[RowCondition], sp.csc_array]:
    """Return conditions that hold on some rows, and on which ones (n, J).

    Parameters
    ----------
    texts : sequence of str (n,)
    least_rows : int
        Conditions of fewer rows are left out.
    """
    made = [_form(name, pattern, True) for name, pattern in FORMS]
    made += [_form(name, pattern, False) for name, pattern in CASED_FORMS]
    made += _lengths(texts)
    rows_of = {condition: _matching(texts, condition) for condition in made} | _edges(texts)
    kept = {c: rows for c, rows in rows_of.items() if least_rows <= len(rows) < len(texts)}
    rows = np.concatenate([np.empty(0, np.int64), *kept.values()])
    columns = np.repeat(np.arange(len(kept)), [len(some) for some in kept.values()])
    shape = len(texts), len(kept)
    return list(kept), sp.csc_array((np.ones(len(rows), bool), (rows, columns)), shape=shape)


def _matching(texts: Sequence[str], condition: RowCondition) -> np.ndarray:
    """Return the rows on which a pattern is found."""
    fields = dict(condition.fields)
    search = re.compile(fields["pattern"], re.IGNORECASE if fields["ignore_case"] else 0).search
    return np.flatnonzero(np.fromiter((bool(search(text)) for text in texts), bool, len(texts)))


def _form(name: str, pattern: str, ignore_case: bool, cost: int = 2) -> RowCondition:
    ignore_case = ignore_case and any(map(str.isalpha, re.sub(r"\\.", "", pattern)))
    return RowCondition("regex", (("pattern", pattern), ("ignore_case", ignore_case)), name, cost)


def _edges(texts: Sequence[str]) -> dict[RowCondition, np.ndarray]:
    """Return conditions on the first and on the last word, with their rows."""
    found: dict[RowCondition, np.ndarray] = {}
    for place, edge, shape in _EDGES:
        rows_of = defaultdict(list)
        for row, text in enumerate(texts):
            if match := edge.search(text.lower()):
                rows_of[match.group(1)].append(row)
        for word, rows in rows_of.items():
            found[_form(f"{place} {word}", shape.format(word), True, 4)] = np.array(rows)
    return found


def _lengths(texts: Sequence[str]) -> list[RowCondition]:
    """Return conditions on the number of characters, with round bounds."""
    if not texts:
        return []
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    inner = np.arange(1, _LENGTHS + 1) / (_LENGTHS + 1)
    bounds = sorted({_round(value) for value in np.quantile(lengths, inner).tolist()})
    made = []
    for bound in bounds:
        if 0 < bound <= _LONGEST_LENGTH:
            made.append(_form(f"at most {bound} characters", rf"(?s)\A.{{0,{bound}}}\Z", False))
            made.append(_form(f"at least {bound} characters", rf"(?s)\A.{{{bound}}}", False))
    return made


def _round(value: float) -> int:
    """Return a number of characters with one figure that counts, or two from 100 on."""
    size = 10 if value >= 100 else 5
    return round(value / size) * size
