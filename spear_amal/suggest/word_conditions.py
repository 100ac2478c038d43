r"""Conditions on words: runs of one to three words, and the same with a number or any word in them.

A *word* is what ``\w+`` matches, so that what is counted here is exactly what the rule finds: a
keyword as a whole word, or a pattern between two ``\b``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from spear_amal.suggest.condition import RowCondition

_WORDS = re.compile(r"(\W+)")
_DIGITS = re.compile(r"\d+")
_JOINTS = {" ", "'", "\u2019", "-"}  # what may stand between the words of one keyword
_APOSTROPHES = {"'", "\u2019"}
_LONGEST = 24  # letters of a word: longer ones are addresses and noise
_NUMBER, _ANY = r"\d+", r"\w+"


def word_conditions(
    texts: Sequence[str], least_rows: int
) -> tuple[list[RowCondition], sp.csc_array]:
    """Return conditions that hold on some rows, and on which ones (n, J).

    Parameters
    ----------
    texts : sequence of str (n,)
    least_rows : int
        Conditions of fewer rows are left out.
    """
    split = [_WORDS.split(text.lower()) for text in texts]
    n_rows = Counter(word for parts in split for word in set(parts[::2]))
    known = {w for w, n in n_rows.items() if n >= least_rows and 0 < len(w) <= _LONGEST}
    ids: dict[str, int] = {}
    rows: list[int] = []
    columns: list[int] = []
    for row, parts in enumerate(split):
        keys = {ids.setdefault(key, len(ids)) for key in _keys(parts, known)}
        columns.extend(keys)
        rows.extend([row] * len(keys))
    shape = len(texts), len(ids)
    holds = sp.csc_array((np.ones(len(rows), bool), (rows, columns)), shape=shape)
    counts = np.diff(holds.indptr)
    keys_of = list(ids)
    frequent = np.flatnonzero(counts >= least_rows).tolist()
    broken = _Fragments({keys_of[j]: int(counts[j]) for j in frequent})
    kept = [j for j in frequent if not broken.is_cut(keys_of[j])]
    return [_condition(keys_of[j]) for j in kept], holds[:, kept]


def _keys(parts: list[str], known: set[str]) -> Iterator[str]:
    r"""Yield conditions of one text: keywords as they are, patterns between two ``\b``."""
    words, joints = parts[::2], parts[1::2]
    last = len(words) - 1
    for i, word in enumerate(words):
        number = word.isdecimal()
        if not (number or word in known):
            if len(word) <= _LONGEST and _DIGITS.search(word):
                yield _pattern(_DIGITS.sub(lambda _: _NUMBER, word))
            continue
        yield word
        if not number and _DIGITS.search(word):
            yield _pattern(_DIGITS.sub(lambda _: _NUMBER, word))
        if i == last or joints[i] not in _JOINTS:
            continue
        second, joint = words[i + 1], joints[i]
        if number or second in known or second.isdecimal():
            yield from _with_numbers((word, second), (joint,))
        if i + 1 < last and (between := joints[i + 1]) in _JOINTS:
            third = words[i + 2]
            if third in known and joint == between == " " and not number:
                yield _pattern(f"{word} {_ANY} {third}")
            if all(w in known or w.isdecimal() for w in (second, third)):
                yield from _with_numbers((word, second, third), (joint, between))


def _with_numbers(words: tuple[str, ...], joints: tuple[str, ...]) -> Iterator[str]:
    """Yield a run of words, and the same with any number in place of each number."""
    yield "".join(w + j for w, j in zip(words, (*joints, ""), strict=True))
    numbers = [word.isdecimal() for word in words]
    if any(numbers) and not all(numbers):
        shown = [_NUMBER if is_number else w for w, is_number in zip(words, numbers, strict=True)]
        yield _pattern("".join(w + j for w, j in zip(shown, (*joints, ""), strict=True)))


def _pattern(inside: str) -> str:
    return rf"\b{inside}\b"


def _condition(key: str) -> RowCondition:
    n_words = 1 + sum(key.count(joint) for joint in _JOINTS)
    if not key.startswith(r"\b"):
        return RowCondition("keyword", (("keywords", (key,)),), key, n_words)
    spoken = key.replace(r"\b", "").replace(_NUMBER, "[number]").replace(_ANY, "[any word]")
    fields = (("pattern", key), ("ignore_case", True))
    return RowCondition("regex", fields, spoken, 2 + n_words)


class _Fragments:
    """Words that are halves of others, as the don and the t of "don't" mostly are."""

    def __init__(self, n_rows: dict[str, int]) -> None:
        self._starts: set[str] = set()
        self._ends: set[str] = set()
        for key, n in n_rows.items():
            words, joints = _WORDS.split(key)[::2], _WORDS.split(key)[1::2]
            if len(words) == 2 and joints[0] in _APOSTROPHES:
                for word, cut in zip(words, (self._ends, self._starts), strict=True):
                    if 2 * n >= n_rows.get(word, 0):
                        cut.add(word)

    def is_cut(self, key: str) -> bool:
        """Return whether the run begins, or ends, with half a word."""
        words = _WORDS.split(key.replace(r"\b", "").replace(_NUMBER, "0").replace(_ANY, "any"))
        return words[0] in self._starts or words[-1] in self._ends
