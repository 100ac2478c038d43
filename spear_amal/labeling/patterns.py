"""Labelling functions from keywords, regular expressions and word lists."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from spear_amal.errors import InputError
from spear_amal.labeling.column_lf import ColumnLF, TextLF
from spear_amal.labeling.literals import Needed, any_of, needed_by, searcher


def keyword_lf(
    name: str,
    keywords: str | Iterable[str],
    label: Any,
    column: str = "text",
    whole_word: bool = True,
    ignore_case: bool = True,
    min_count: int = 1,
) -> ColumnLF:
    """LF that votes where a text holds at least `min_count` keywords.

    Parameters
    ----------
    name : str
    keywords : str or iterable of str
        Words or phrases.
    label : int, str or Enum member
    column : str, default="text"
    whole_word : bool, default=True
        A keyword counts only if no letter, digit or underscore touches it.
    ignore_case : bool, default=True
        Compare the lower-cased text with the lower-cased keywords.
    min_count : int, default=1
        Occurrences needed, of all keywords together and not overlapping.

    Examples
    --------
    >>> prize = keyword_lf("prize", ["prize", "won"], 1)
    >>> prize("You WON!"), prize("wonderful")
    (1, -1)
    """
    words = [keywords] if isinstance(keywords, str) else list(keywords)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise InputError(f"keyword_lf {name!r} needs non-empty keywords, found {words!r}")
    if min_count < 1:
        raise InputError(f"keyword_lf {name!r} needs min_count of at least 1, found {min_count}")
    words = [word.lower() for word in words] if ignore_case else words
    test = _keyword_test(words, whole_word, ignore_case, min_count)
    proof = "" if min_count > 1 else "word" if whole_word else "part"
    needed = Needed(tuple(words), lowered=ignore_case, proof=proof)
    return TextLF(name, column, test, label, needed)


def _keyword_test(
    words: list[str], whole_word: bool, ignore_case: bool, min_count: int
) -> Callable[[str], bool]:
    pattern = _any_of(words, whole_word)
    found = searcher(pattern)

    def test(text: str) -> bool:
        if ignore_case:
            text = text.lower()
        if min_count == 1 or not found(text):
            return found(text)
        return sum(1 for _ in pattern.finditer(text)) >= min_count

    return test


def _any_of(words: Iterable[str], whole_word: bool) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){any_of(words)}(?!\w)" if whole_word else any_of(words))


def regex_lf(
    name: str,
    pattern: str | re.Pattern[str],
    label: Any,
    column: str = "text",
    flags: int = 0,
) -> ColumnLF:
    """LF that votes where a regular expression is found anywhere in a text.

    Parameters
    ----------
    name : str
    pattern : str or compiled pattern
    label : int, str or Enum member
    column : str, default="text"
    flags : int, default=0
        Flags of :mod:`re`, for a pattern that is not compiled yet.

    Raises
    ------
    InputError
        If the pattern is no regular expression.

    Examples
    --------
    >>> check = regex_lf("check_out", r"check.*out", 1)
    >>> check("check it out"), check("out, check")
    (1, -1)
    """
    expression = compiled(name, pattern, flags)
    return TextLF(name, column, searcher(expression), label, needed_by(expression))


def compiled(name: str, pattern: str | re.Pattern[str], flags: int = 0) -> re.Pattern[str]:
    """Compile the pattern of an LF, with an error that names it."""
    try:
        return re.compile(pattern, flags)
    except (re.error, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"LF {name!r}: {pattern!r} is no regular expression: {error}") from error


def dictionary_lf(
    name: str,
    terms: str | os.PathLike[str] | Iterable[str] | Mapping[str, Any],
    label: Any = None,
    column: str = "text",
    whole_word: bool = True,
    ignore_case: bool = True,
    encoding: str = "utf-8",
) -> ColumnLF:
    """LF from a gazetteer: a word list of one class, or a mapping from term to class.

    Of terms that begin at one place the longest counts. With a mapping the class with the most
    matches wins; a tie abstains.

    Parameters
    ----------
    name : str
    terms : path, iterable of str, or mapping of str to class
        A file holds one term a line; empty lines are skipped.
    label : int, str or Enum member
        The class of a word list; not given with a mapping.
    column, whole_word, ignore_case
        As in :func:`keyword_lf`.
    encoding : str, default="utf-8"
        Of the file.

    Examples
    --------
    >>> cities = dictionary_lf("place", {"York": 0, "New York": 1})
    >>> cities("in New York"), cities("in York"), cities("York and New York")
    (1, 0, -1)
    """
    if isinstance(terms, Mapping):
        if label is not None:
            raise InputError(f"dictionary_lf {name!r}: give classes in the mapping or label=")
        classes = dict(terms)
    else:
        if label is None:
            raise InputError(f"dictionary_lf {name!r} needs label= for a list of terms")
        classes = dict.fromkeys(_terms(terms, encoding), True)
    if not classes or not all(isinstance(term, str) and term for term in classes):
        raise InputError(f"dictionary_lf {name!r} needs non-empty terms, found {list(classes)!r}")
    if ignore_case:
        classes = {term.lower(): answer for term, answer in classes.items()}
    test = _dictionary_test(classes, whole_word, ignore_case)
    proof = "" if label is None else "word" if whole_word else "part"
    needed = Needed(tuple(classes), lowered=ignore_case, proof=proof)
    return TextLF(name, column, test, label, needed, answers=object)


def _dictionary_test(
    classes: dict[str, Any], whole_word: bool, ignore_case: bool
) -> Callable[[str], Any]:
    pattern = _any_of(classes, whole_word)

    def test(text: str) -> Any:
        matches = pattern.findall(text.lower() if ignore_case else text)
        counts: dict[Any, int] = {}
        for term in matches:
            counts[classes[term]] = counts.get(classes[term], 0) + 1
        best = [answer for answer, count in counts.items() if count == max(counts.values())]
        return best[0] if len(best) == 1 else None

    return test


def _terms(terms: Any, encoding: str) -> list[str]:
    if not isinstance(terms, str | os.PathLike):
        return list(terms)
    try:
        lines = Path(terms).read_text(encoding=encoding).splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{terms} is not {encoding} ({error}); try encoding='latin-1'") from error
    return [line.strip() for line in lines if line.strip()]
