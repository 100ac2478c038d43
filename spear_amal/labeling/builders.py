"""Labelling functions from keywords, regular expressions and word lists."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import ClassLike, PathLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.cell_values import as_list, is_missing
from spear_amal.labeling.data_points import get_column
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.required_literals import RequiredLiterals, any_of, needed_by, searcher
from spear_amal.labeling.rows import field
from spear_amal.notebook_html import html_block
from spear_amal.votes.class_set import is_listed


def keyword_lf(
    name: str,
    keywords: str | Iterable[str],
    label: ClassLike,
    column: str = "text",
    whole_word: bool = True,
    ignore_case: bool = True,
    min_count: int = 1,
    version: str | int | None = None,
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
    version : str or int, optional
        As in :class:`LabelingFunction`; here it is one more thing that a cache of votes compares.

    Examples
    --------
    >>> prize = keyword_lf("prize", ["prize", "won"], 1)
    >>> prize("You WON!"), prize("wonderful")
    (1, -1)
    """
    words = _words([keywords] if isinstance(keywords, str) else keywords, name, "keywords")
    check_whole(f"min_count of LF {name!r}", min_count, 1)
    words = [word.lower() for word in words] if ignore_case else words
    pattern = _any_of(words, whole_word)
    test = _keyword_test(pattern, ignore_case, min_count)
    needed = RequiredLiterals(tuple(words), ignore_case, min_count == 1, (whole_word, whole_word))
    prepare = str.lower if ignore_case else None
    return TextLF(
        *(name, column, test, label, needed),
        pattern=pattern,
        prepare=prepare,
        words=words,
        version=version,
    )


def _words(words: Iterable[Any], lf_name: str, what: str) -> list[str]:
    """Return words as a list; InputError unless there are some, each a text that is not empty."""
    listed = list(words) if is_listed(words) else []
    if not listed or not all(isinstance(word, str) and word for word in listed):
        raise InputError(f"LF {lf_name!r} needs non-empty {what}, found {words!r}")
    return listed


def _keyword_test(
    pattern: re.Pattern[str], ignore_case: bool, min_count: int
) -> Callable[[str], bool]:
    occurs = searcher(pattern)

    def test(text: str) -> bool:
        if ignore_case:
            text = text.lower()
        if min_count == 1 or not occurs(text):
            return occurs(text)
        return sum(1 for _ in pattern.finditer(text)) >= min_count

    return test


def _any_of(words: Iterable[str], whole_word: bool) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){any_of(words)}(?!\w)" if whole_word else any_of(words))


def regex_lf(
    name: str,
    pattern: str | re.Pattern[str],
    label: ClassLike,
    column: str = "text",
    flags: int = 0,
    version: str | int | None = None,
) -> ColumnLF:
    """LF that votes where a regular expression is found anywhere in a text.

    Parameters
    ----------
    name : str
    pattern : str or compiled pattern
    label : int, str or Enum member
    column : str, default="text"
    flags : int, default=0
        Flags of the module ``re``, for a pattern that is not compiled yet.
    version : str or int, optional
        As in :func:`keyword_lf`.

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
    needed, test = needed_by(expression), searcher(expression)
    return TextLF(name, column, test, label, needed, pattern=expression, version=version)


def compiled(name: str, pattern: str | re.Pattern[str], flags: int = 0) -> re.Pattern[str]:
    """Compile the pattern of an LF, with an error that names it."""
    try:
        return re.compile(pattern, flags)
    except (re.error, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"LF {name!r}: {pattern!r} is no regular expression: {error}") from error
    except RecursionError as error:
        raise InputError(f"LF {name!r}: its pattern has too many brackets in brackets") from error


def dictionary_lf(
    name: str,
    terms: PathLike | Iterable[str] | Mapping[str, ClassLike],
    label: ClassLike | None = None,
    column: str = "text",
    whole_word: bool = True,
    ignore_case: bool = True,
    encoding: str = "utf-8",
    version: str | int | None = None,
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
    column, whole_word, ignore_case, version
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
        classes = dict.fromkeys(_words(_terms(terms, encoding), name, "terms"), True)
    _words(list(classes), name, "terms")
    if ignore_case:
        classes = _lowered(classes, name)
    pattern = _any_of(classes, whole_word)
    test = _dictionary_test(classes, pattern, ignore_case)
    proof, alone = label is not None, (whole_word, whole_word)
    needed = RequiredLiterals(tuple(classes), ignore_case, proof, alone)
    prepare = str.lower if ignore_case else None
    return TextLF(
        *(name, column, test, label, needed),
        answers=object,
        pattern=pattern,
        prepare=prepare,
        words=list(classes),
        version=version,
    )


def _lowered(classes: dict[str, Any], lf_name: str) -> dict[str, Any]:
    lowered: dict[str, Any] = {}
    for term, answer in classes.items():
        if lowered.setdefault(term.lower(), answer) != answer:
            raise InputError(
                f"dictionary_lf {lf_name!r} has {term.lower()!r} for {lowered[term.lower()]!r} and "
                f"{term!r} for {answer!r}, which are one term if case is ignored; leave one out, "
                "or give ignore_case=False"
            )
    return lowered


def _dictionary_test(
    classes: dict[str, Any], pattern: re.Pattern[str], ignore_case: bool
) -> Callable[[str], Any]:
    def test(text: str) -> Any:
        matches = pattern.findall(text.lower() if ignore_case else text)
        counts: dict[Any, int] = {}
        for term in matches:
            counts[classes[term]] = counts.get(classes[term], 0) + 1
        best = [answer for answer, count in counts.items() if count == max(counts.values())]
        return best[0] if len(best) == 1 else None

    return test


def _terms(terms: Any, encoding: str) -> Any:
    if not isinstance(terms, str | os.PathLike):
        return terms
    try:
        lines = Path(terms).read_text(encoding=encoding).splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{terms} is not {encoding} ({error}); try encoding='latin-1'") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"no file of terms {str(terms)!r} can be read ({error}); a single term goes in a list"
        ) from error
    return [line.strip() for line in lines if line.strip()]


# Flags by the letter that a pattern may begin with.
_FLAGS = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "x": re.X}


class ColumnLF(LabelingFunction):
    """An LF that decides by the values of one column.

    Parameters
    ----------
    name : str
    column : str
        The column it reads.
    decide : callable
        From the values of the column to a sequence of answers of that length.
    label : int, str or Enum member, optional
        The class it votes for; the answers are then bools.
    exemplar : str, optional
        A text from which the rule was written.
    reads : callable
        Makes of a column what `decide` takes: a list of Python objects by default.
    version : str or int, optional

    Attributes
    ----------
    column, decide, exemplar, reads
        As above.
    """

    def __init__(
        self,
        name: str,
        column: str,
        decide: Callable[[Any], Any],
        label: ClassLike | None = None,
        exemplar: str | None = None,
        reads: Callable[[Any], Any] = as_list,
        version: str | int | None = None,
    ) -> None:
        super().__init__(name, self._on_batch, label=label, vectorized=True, version=version)
        self.__name__ = name
        self.__doc__ = f"{type(self).__name__} {name} on column {column!r}."
        self.column = column
        self.exemplar = exemplar
        self.decide, self.reads = decide, reads

    def _on_batch(self, batch: Any) -> Any:
        return self.decide(self.reads(get_column(batch, self.column)))

    def _on_row(self, x: Any) -> Any:
        return as_list(self.decide(self.reads([field(x, self.column)])))[0]

    @property
    def row_form(self) -> LabelingFunction:
        """The same LF on rows."""
        return LabelingFunction(self.name, self._on_row, label=self.label)

    def __call__(self, x: Any) -> int | Any:
        """Vote on one row: a text, or an object or mapping that has the column."""
        return self.row_form(x)

    def __repr__(self) -> str:
        label = "" if self.label is None else f", Label: {self.label}"
        return f"{type(self).__name__} {self.name}, Column: {self.column}{label}"

    def _repr_html_(self) -> str:
        return html_block(f"{type(self).__name__} {self.name}", self.facts())

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name."""
        facts = super().facts() | {"reads": f"the column {self.column!r}"}
        return facts if self.exemplar is None else facts | {"written from": self.exemplar}


def declared_columns(lfs: Iterable[LabelingFunction], *further: str | None) -> list[str] | None:
    """Return the columns that LFs read, and further ones; None unless all LFs declare theirs."""
    names: list[str | None] = []
    for lf in lfs:
        if not isinstance(lf, ColumnLF):
            return None
        names.append(lf.column)
    return [name for name in dict.fromkeys([*names, *further]) if name is not None]


class TextLF(ColumnLF):
    """An LF that tests one text at a time.

    Parameters
    ----------
    name, column : str
    test : callable
        From a text to True or False, or to a class or None.
    label : int, str or Enum member, optional
    needed : RequiredLiterals, optional
        What a text must hold for `test` to give True or a class: appliers then look for the words
        of all LFs of a column together.
    answers : {bool, object}
        What `test` gives; object for classes.
    exemplar : str, optional
    pattern : compiled pattern, optional
        What `test` searches for.
    prepare : callable, optional
        What is done to a text before that.
    words : sequence of str, optional
        What the pattern stands for, where it was made of words.
    version : str or int, optional

    Attributes
    ----------
    test, needed, answers
        As above.
    """

    def __init__(
        self,
        name: str,
        column: str,
        test: Callable[[str], Any],
        label: ClassLike | None = None,
        needed: RequiredLiterals | None = None,
        answers: type = bool,
        exemplar: str | None = None,
        pattern: re.Pattern[str] | None = None,
        prepare: Callable[[str], str] | None = None,
        words: Sequence[str] = (),
        version: str | int | None = None,
    ) -> None:
        super().__init__(
            name, column, on_texts(name, test, answers), label, exemplar, version=version
        )
        self.test, self.needed, self.answers = test, needed, answers
        self._pattern, self._prepare, self._words = pattern, prepare, words

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name, what it looks for among it."""
        facts = super().facts()
        if self._words:
            facts["looks for"] = ", ".join(self._words)
        elif self._pattern is not None:
            facts["looks for"] = self._pattern.pattern
        return facts

    @property
    def pattern_source(self) -> str | None:
        r"""What finds in a text what the LF looks for: a pattern with its flags; None if unknown.

        Where the LF compares texts in lower case, the pattern minds no case.

        Examples
        --------
        >>> keyword_lf("prize", ["prize"], 1).pattern_source
        '(?i)(?<!\\w)(?:prize)(?!\\w)'
        """
        if self._pattern is None:
            return None
        flags = self._pattern.flags | (0 if self._prepare is None else re.IGNORECASE)
        letters = "".join(letter for letter in "aimsx" if flags & _FLAGS[letter])
        return f"(?{letters}){self._pattern.pattern}" if letters else self._pattern.pattern

    def matched_words(self, text: Any) -> list[str]:
        """Return the parts of a text that the LF looks for, each once, as it compares them.

        Examples
        --------
        >>> keyword_lf("prize", ["prize", "won"], 1).matched_words("You WON, you won a prize")
        ['won', 'prize']
        """
        if self._pattern is None or not isinstance(text, str):
            return []
        prepared = text if self._prepare is None else self._prepare(text)
        return list(dict.fromkeys(match.group() for match in self._pattern.finditer(prepared)))

    def matched_spans(self, text: Any) -> list[tuple[int, int]]:
        """Return where in a text the parts stand that the LF looks for, in order: from, to.

        Empty ones are left out.

        Examples
        --------
        >>> keyword_lf("prize", ["prize", "won"], 1).matched_spans("You WON, you won a prize")
        [(4, 7), (13, 16), (19, 24)]
        """
        if self._pattern is None or not isinstance(text, str):
            return []
        prepared = text if self._prepare is None else self._prepare(text)
        spans = [match.span() for match in self._pattern.finditer(prepared)]
        if len(prepared) != len(text):  # a letter that becomes two in lower case
            sizes = (1 if self._prepare is None else len(self._prepare(letter)) for letter in text)
            places = [place for place, size in enumerate(sizes) for _ in range(size)]
            spans = [(places[start], places[stop - 1] + 1) for start, stop in spans if stop > start]
        return [(start, stop) for start, stop in spans if stop > start]


def text_of(value: Any, lf_name: str) -> str | None:
    """Return a text as it is, None for a missing value.

    Raises
    ------
    InputError
        If the value is something else.
    """
    if isinstance(value, str):
        return value
    if is_missing(value):
        return None
    raise InputError(f"LF {lf_name!r} reads texts, found {value!r} ({type(value).__name__})")


def on_texts(
    lf_name: str, test: Callable[[str], Any], dtype: type = bool
) -> Callable[[list[Any]], np.ndarray]:
    """Turn a test of one text into one of a list; it gives an array of `dtype`.

    A missing value counts as False, or as None if `dtype` is object.
    """
    missing = False if dtype is bool else None

    def decide(values: list[Any]) -> np.ndarray:
        if all(type(value) is str for value in values):
            return np.fromiter(map(test, values), dtype, len(values))
        texts = [text_of(value, lf_name) for value in values]
        answers = (missing if text is None else test(text) for text in texts)
        return np.fromiter(answers, dtype, len(values))

    return decide
