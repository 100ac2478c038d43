"""Rules files: one rule a line, ``class TAB regular expression TAB exemplar``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.required_literals import needed_by, searcher
from spear_amal.votes.class_set import is_listed

# Letters of one pattern, and of all patterns of a file: it takes some microseconds a letter to make
# a pattern ready, in which nothing can interrupt it.
MOST_LETTERS = 50_000
MOST_LETTERS_TOGETHER = 500_000


class RuleLF(TextLF):
    """A regular expression of a rules file, with the text from which it was written.

    Attributes
    ----------
    exemplar : str or None
        The text as it stands in the file.
    pattern : str
    lower, strip : bool
        What is done to a text before the pattern is searched.
    """

    def __init__(
        self,
        name: str,
        pattern: re.Pattern[str],
        label: str,
        column: str,
        exemplar: str | None,
        lower: bool,
        strip: bool,
    ) -> None:
        self.pattern = pattern.pattern
        self.lower, self.strip = lower, strip
        needed, matches = needed_by(pattern), searcher(pattern)
        if needed is not None:
            # A space at the end of a text is no proof of one in the text without it.
            inner = not strip or all(word == word.strip() for word in needed.words)
            needed = replace(needed, lowered=needed.lowered or lower, proof=needed.proof and inner)
        super().__init__(
            *(name, column, lambda t: matches(self.prepare(t)), label, needed),
            exemplar=exemplar,
            pattern=pattern,
            prepare=self.prepare,
        )

    def prepare(self, text: str) -> str:
        """Text as the pattern sees it."""
        text = text.lower() if self.lower else text
        return text.strip() if self.strip else text


def read_rules(
    path: PathLike,
    column: str = "text",
    encoding: str = "utf-8",
    lower: bool = True,
    strip: bool = True,
) -> list[RuleLF]:
    r"""Read a rules file into LFs, in the order of its lines.

    Parameters
    ----------
    path : path
        Lines ``class TAB regular expression [TAB exemplar]``; empty lines are skipped. The class
        is a name that the applier's `classes` must hold.
    column : str, default="text"
    encoding : str, default="utf-8"
        The published SMS rules are latin-1.
    lower, strip : bool, default=True
        Search in the lower-cased text, without spaces at its ends.

    Returns
    -------
    list of RuleLF
        Named ``rule01_<class>`` and so on, by rule number.

    Raises
    ------
    FileFormatError
        If the encoding is another one, or a line has no class, no pattern or a pattern that is
        no regular expression or too long; names the line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rules.tsv"
    >>> _ = path.write_text("spam\twon .*prize\tYou WON a prize")
    >>> rule, = read_rules(path)
    >>> rule.name, rule("You WON the prize"), rule.exemplar
    ('rule1_spam', 'spam', 'You WON a prize')
    """
    parsed, letters = [], 0
    for number, line in _lines(path, encoding):
        label, regex, exemplar = _fields(path, number, line)
        letters += len(regex)
        if letters > MOST_LETTERS_TOGETHER:
            raise FileFormatError(
                f"{path}, line {number}: the patterns up to here have more than "
                f"{MOST_LETTERS_TOGETHER} letters together; write word lists as "
                "spear_amal.labeling.dictionary_lf, or cut the file into several"
            )
        parsed.append((label, _compiled(path, number, regex), exemplar))
    if not parsed:
        raise FileFormatError(f"{path} holds no rule; needed lines 'class TAB regex TAB exemplar'")
    width = len(str(len(parsed)))
    return [
        RuleLF(f"rule{number:0{width}d}_{label}", pattern, label, column, exemplar, lower, strip)
        for number, (label, pattern, exemplar) in enumerate(parsed, start=1)
    ]


def _lines(path: PathLike, encoding: str) -> list[tuple[int, str]]:
    try:
        # Not splitlines(): latin-1 texts hold \x85 and other characters that it takes for ends.
        lines = Path(path).read_bytes().decode(encoding).split("\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is not {encoding} ({error}); try encoding='latin-1'"
        ) from error
    numbered = [(number, line.rstrip("\r")) for number, line in enumerate(lines, start=1)]
    return [(number, line) for number, line in numbered if line.strip()]


def _fields(path: Any, number: int, line: str) -> tuple[str, str, str | None]:
    label, *rest = line.split("\t", 2)
    label = label.strip()
    if not label or not rest or not rest[0]:
        raise FileFormatError(
            f"{path}, line {number}: needed 'class TAB regex [TAB exemplar]', found {line[:99]!r}"
        )
    return label, rest[0], (rest[1] if len(rest) == 2 and rest[1].strip() else None)


def _compiled(path: Any, number: int, regex: str) -> re.Pattern[str]:
    where = f"{path}, line {number}: {regex[:99]!r}"
    if len(regex) > MOST_LETTERS:
        raise FileFormatError(
            f"{where}.. has {len(regex)} letters, more than {MOST_LETTERS}; write long lists of "
            "words as spear_amal.labeling.dictionary_lf, or as several rules"
        )
    try:
        return re.compile(regex)
    except (re.error, OverflowError) as error:
        raise FileFormatError(f"{where} is no regular expression: {error}") from error
    except RecursionError as error:
        raise FileFormatError(f"{where} has too many brackets inside each other") from error


def exemplar_frame(lfs: Iterable[Any]) -> pd.DataFrame:
    """Exemplars of LFs as labelled rows.

    Parameters
    ----------
    lfs : iterable of LFs
        Those without exemplar are left out.

    Returns
    -------
    DataFrame
        Columns ``text, label, lf``, one row for each LF; drop duplicates of ``text`` for the
        distinct labelled rows.
    """
    rows = [(lf.exemplar, lf.label, lf.name) for lf in lfs if getattr(lf, "exemplar", None)]
    return pd.DataFrame(rows, columns=["text", "label", "lf"])


def exemplar_matrix(lfs: Sequence[Any], texts: Iterable[str]) -> sp.csr_array:
    """Return which text is the exemplar of which LF (the matrix r of ImplyLoss and SPEAR).

    Parameters
    ----------
    lfs : sequence of LFs, length m
    texts : iterable of str, length n
        Compared with the exemplars without spaces at the ends.

    Returns
    -------
    csr_array of bool, shape (n, m)

    Raises
    ------
    InputError
        If `texts` is one text, or no list.
    """
    if isinstance(texts, str) or not is_listed(texts):
        raise InputError(f"texts must be a list of texts, found {texts!r:.99}")
    columns: dict[str, list[int]] = {}
    for j, lf in enumerate(lfs):
        if getattr(lf, "exemplar", None):
            columns.setdefault(lf.exemplar.strip(), []).append(j)
    texts = list(texts)
    pairs = [(i, j) for i, text in enumerate(texts) for j in columns.get(str(text).strip(), ())]
    rows, hits = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return sp.csr_array((np.ones(len(pairs), dtype=bool), (rows, hits)), (len(texts), len(lfs)))
