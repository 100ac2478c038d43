"""How much work a regular expression may make ``re``, which tries one way after the other.

RE2 takes linear time for any pattern, ``re`` does not: of two repeats that can divide the same
letters between them it tries every division. A pattern that somebody else wrote is taken only if
the number of ways is bounded, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spear_amal.labeling.re2_patterns import share_no_character, translated
from spear_amal.labeling.required_literals import parser

#: Longest pattern that is taken.
LONGEST = 200
#: Ways to match from one place of a text that are allowed.
MOST_WAYS = 10_000
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


def objection_to(pattern: str, flags: int) -> str | None:
    r"""Return why a pattern is not safe to run, None if it is.

    Safe is a pattern that RE2 can say as well, with at most one repeat without a bound whose end is
    not clear from the character behind it, no such repeat within a repeat, and a bounded number of
    other choices. The time for a text then grows with its length squared at most.

    Parameters
    ----------
    pattern : str
        It compiles.
    flags : int
        Of the module ``re``.

    Examples
    --------
    >>> objection_to(r"\bwin (a|the) \d+ dollars", 0)
    >>> objection_to(r"(\w+ )+won", 0)
    'a repeat without a bound of something with choices in it'
    """
    if len(pattern) > LONGEST:
        return f"it has more than {LONGEST} characters"
    compiled = re.compile(pattern, flags)
    translation = translated(compiled, is_plain=True)
    if parser is None or translation is None:
        return "it cannot be read"
    if not translation.is_exact:
        return f"it has {' and '.join(translation.beyond)}, which RE2 does not know"
    try:
        work = _of_sequence(list(parser.parse(pattern, flags)), compiled.flags, is_last=True)
    except _TooMuchError as reason:
        return str(reason)
    if work.n_open > 1:
        return "two repeats without a bound, whose ends are not clear"
    return None if work.ways <= MOST_WAYS else f"more than {MOST_WAYS:,} ways to match"


class _TooMuchError(Exception):
    """A repeat of which there may be too many ways; says which."""


@dataclass(frozen=True)
class _Work:
    """Ways to match from one place, and repeats whose number grows with the text."""

    ways: int = 1
    n_open: int = 0


def _of_sequence(items: Sequence[Any], flags: int, is_last: bool) -> _Work:
    """Return the work of parts one after the other; `is_last` if nothing comes behind them."""
    ways, n_open = 1, 0
    for k, item in enumerate(items):
        rest = items[k + 1 :]
        work = _of_item(item, rest, flags, is_last and not rest)
        ways, n_open = min(ways * work.ways, MOST_WAYS + 1), n_open + work.n_open
    return _Work(ways, n_open)


def _of_item(item: Any, rest: Sequence[Any], flags: int, is_last: bool) -> _Work:
    name, argument = str(item[0]), item[1]
    if name in _REPEATS:
        return _of_repeat(argument, rest, flags, is_last)
    if name == "BRANCH":
        branches = [_of_sequence(list(branch), flags, is_last) for branch in argument[1]]
        return _Work(sum(b.ways for b in branches), max(b.n_open for b in branches))
    if name == "SUBPATTERN":
        _, added, removed, inner = argument
        return _of_sequence(list(inner), (flags | added) & ~removed, is_last)
    return _Work()  # a character, or a place: RE2 knows nothing else


def _of_repeat(argument: Any, rest: Sequence[Any], flags: int, is_last: bool) -> _Work:
    least, most, inner = argument
    part = list(inner)
    work = _of_sequence(part, flags, is_last=False)
    if most == parser.MAXREPEAT:
        if work.n_open:
            raise _TooMuchError("a repeat without a bound within a repeat")
        if work.ways > 1 or inner.getwidth()[0] != inner.getwidth()[1]:
            raise _TooMuchError("a repeat without a bound of something with choices in it")
        return _Work(n_open=0 if is_last or _ends_clearly(part, rest, flags) else 1)
    if work.n_open and most > 1:
        raise _TooMuchError("a repeat without a bound within a repeat")
    if most == least:
        return _Work(min(work.ways**most, MOST_WAYS + 1), work.n_open)
    if _ends_clearly(part, rest, flags):
        return _Work()
    ways = 0
    for times in range(least, most + 1):
        ways += work.ways**times
        if ways > MOST_WAYS:
            break
    return _Work(ways, work.n_open)


def _ends_clearly(part: Sequence[Any], rest: Sequence[Any], flags: int) -> bool:
    """Return whether what comes behind a repeated character is never such a character itself."""
    if len(part) != 1 or not rest:
        return False
    follower = rest[0]
    while str(follower[0]) == "SUBPATTERN" and len(list(follower[1][3])):
        flags = (flags | follower[1][1]) & ~follower[1][2]
        follower = follower[1][3][0]
    return share_no_character(part[0], follower, flags)
