"""Which rows are looked for: the conditions of a search, and the address that says the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from spear_amal.errors import InputError

#: What may be asked of a class that something gives a row; other answers are "class:NAME".
ANY, NO, RIGHT, WRONG, TIE = "any", "none", "right", "wrong", "tie"
CLASS = "class:"
#: Orders of rows; a minus has the largest first.
ORDERS = ("position", "confidence", "-confidence", "votes", "-votes")
#: What may be asked of all votes of a row.
VOTED = ("conflict", "none", "some", "agree")
_TERM = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


@dataclass(frozen=True)
class SearchTerm:
    """A word or phrase that a text is to hold, or not to hold.

    Attributes
    ----------
    text : str
        In lower case.
    is_open : (bool, bool)
        Whether letters may touch it before and after.
    is_excluded : bool
    """

    text: str
    is_open: tuple[bool, bool] = (False, False)
    is_excluded: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """What finds it in a text in lower case."""
        before, after = self.is_open
        edges = ("" if before else r"(?<!\w)", "" if after else r"(?!\w)")
        return re.compile(f"{edges[0]}{re.escape(self.text)}{edges[1]}")


def search_terms(words: str) -> tuple[SearchTerm, ...]:
    """Return the words and quoted phrases of a search.

    A word counts only if no letter, digit or underscore touches it; a star at its beginning or end
    lets it be touched there. A minus before a word leaves rows out that hold it.

    Examples
    --------
    >>> [term.text for term in search_terms('free "Prize draw" win*')]
    ['free', 'prize draw', 'win']
    >>> search_terms("-win*")[0]
    SearchTerm(text='win', is_open=(False, True), is_excluded=True)
    """
    terms = []
    for minus, phrase, word in _TERM.findall(words):
        text = word or phrase
        stars = (False, False) if phrase else (text[:1] == "*", text[-1:] == "*")
        if word:
            text = text.strip("*")
        if text.strip():
            terms.append(SearchTerm(text.lower(), stars, bool(minus)))
    return tuple(terms)


@dataclass(frozen=True)
class ColumnSlice:
    """A column that equals a value, or lies in a range.

    Attributes
    ----------
    column : str
    equals : str
        "" where any value will do.
    least, most : float or None
    """

    column: str
    equals: str = ""
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class RowQuery:
    """Conditions that all have to hold, and the order of what is found.

    Attributes
    ----------
    words : str
        See :func:`search_terms`.
    regex : str
    minds_case : bool
        Of the regex.
    lf_votes : tuple of (str, str)
        LFs and what is asked of their votes: "any", "none", "right", "wrong" or "class:NAME".
    votes : str
        Of all LFs that vote: one of :data:`VOTED`; "agree" has two votes or more, all alike.
    gold, model, majority : str
        As for an LF; a majority may also be "tie". "" asks nothing.
    low, high : float or None
        Bounds of the model's confidence, its largest probability.
    slices : tuple of ColumnSlice
    order : str
        One of :data:`ORDERS`.
    """

    words: str = ""
    regex: str = ""
    minds_case: bool = False
    lf_votes: tuple[tuple[str, str], ...] = ()
    votes: str = ""
    gold: str = ""
    model: str = ""
    majority: str = ""
    low: float | None = None
    high: float | None = None
    slices: tuple[ColumnSlice, ...] = ()
    order: str = "position"

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> RowQuery:
        """Read the values of an address; what is not filled in asks nothing.

        Parameters
        ----------
        pairs : iterable of (str, str)
            Names and values in their order; other names are passed over.

        Raises
        ------
        InputError
            If a number is none, or an order or a condition is unknown.

        Examples
        --------
        >>> RowQuery.of([("words", "free"), ("lf", "prize"), ("vote", "wrong")]).lf_votes
        (('prize', 'wrong'),)
        """
        values: dict[str, list[str]] = {}
        for name, text in pairs:
            values.setdefault(name, []).append(text)

        def value(name: str) -> str:
            return values.get(name, [""])[-1].strip()

        return cls(
            words=value("words"),
            regex=values.get("regex", [""])[-1],
            minds_case=bool(value("case")),
            lf_votes=tuple(
                (name, vote or ANY) for name, vote in _side_by_side(values, "lf", "vote") if name
            ),
            votes=_one_of("votes", value("votes"), ("", *VOTED)),
            gold=value("gold"),
            model=value("model"),
            majority=value("majority"),
            low=_number("low", value("low")),
            high=_number("high", value("high")),
            slices=tuple(
                ColumnSlice(column, equals, _number("least", least), _number("most", most))
                for column, equals, least, most in _side_by_side(
                    values, "column", "equals", "least", "most"
                )
                if column
            ),
            order=_one_of("order", value("order") or ORDERS[0], ORDERS),
        )

    def values(self) -> list[tuple[str, str]]:
        """Return the values of an address that says the same."""
        plain = {
            "words": self.words,
            "regex": self.regex,
            "case": "1" if self.minds_case else "",
            "votes": self.votes,
            "gold": self.gold,
            "model": self.model,
            "majority": self.majority,
            "low": _written(self.low),
            "high": _written(self.high),
            "order": "" if self.order == ORDERS[0] else self.order,
        }
        pairs = [(name, text) for name, text in plain.items() if text]
        for name, vote in self.lf_votes:
            pairs += [("lf", name), ("vote", vote)]
        for part in self.slices:
            pairs += [("column", part.column), ("equals", part.equals)]
            pairs += [("least", _written(part.least)), ("most", _written(part.most))]
        return pairs

    def address(self, path: str, **further: object) -> str:
        """Return the address of a view of this search; values that are None are left out.

        Examples
        --------
        >>> RowQuery(words="free", gold="none").address("/rows", page=2)
        '/rows?words=free&gold=none&page=2'
        """
        more = [(name, str(value)) for name, value in further.items() if value is not None]
        pairs = self.values() + more
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def changed(self, **changes: Any) -> RowQuery:
        """Return the query with other values of some attributes."""
        return replace(self, **changes)


def query_conditions(query: RowQuery) -> list[tuple[str, RowQuery]]:
    """Return each condition in words, with the query without it.

    Examples
    --------
    >>> [words for words, _ in query_conditions(RowQuery(words="free", gold="none"))]
    ['words: free', 'no label']
    """
    found = []
    for name, text in [("words", query.words), ("regex", query.regex)]:
        if text:
            found.append((f"{name}: {text}", query.changed(**{name: ""})))
    found += [
        (
            f"{name} {_vote_in_words(vote)}",
            query.changed(lf_votes=tuple(pair for pair in query.lf_votes if pair != (name, vote))),
        )
        for name, vote in query.lf_votes
    ]
    if query.votes:
        found.append((_VOTED_IN_WORDS[query.votes], query.changed(votes="")))
    for name, wanted in [
        ("gold", query.gold),
        ("model", query.model),
        ("majority", query.majority),
    ]:
        if wanted:
            found.append((_class_in_words(name, wanted), query.changed(**{name: ""})))
    if query.low is not None or query.high is not None:
        sure = f"confidence {_range_in_words(query.low, query.high)}"
        found.append((sure, query.changed(low=None, high=None)))
    for part in query.slices:
        is_range = part.least is not None or part.most is not None
        about = [f"= {part.equals}"] if part.equals else []
        about += [_range_in_words(part.least, part.most)] if is_range else []
        rest = tuple(other for other in query.slices if other is not part)
        found.append((f"{part.column} {' and '.join(about) or 'any'}", query.changed(slices=rest)))
    return found


_VOTED_IN_WORDS = {
    "conflict": "votes contradict each other",
    "none": "no votes",
    "some": "with votes",
    "agree": "two votes or more, all alike",
}
_GOLD_IN_WORDS = {ANY: "labelled", NO: "no label"}
_WANTED_IN_WORDS = {
    ANY: "says something",
    NO: "says nothing",
    RIGHT: "is right",
    WRONG: "is wrong",
    TIE: "is tied",
}


def _vote_in_words(vote: str) -> str:
    words = {ANY: "votes", NO: "abstains", RIGHT: "is right", WRONG: "is wrong"}
    return words.get(vote, f"votes {vote.removeprefix(CLASS)}")


def _class_in_words(name: str, wanted: str) -> str:
    if name == "gold" and wanted in _GOLD_IN_WORDS:
        return _GOLD_IN_WORDS[wanted]
    if wanted in _WANTED_IN_WORDS:
        return f"{name} {_WANTED_IN_WORDS[wanted]}"
    return f"{name}: {wanted.removeprefix(CLASS)}"


def _range_in_words(least: float | None, most: float | None) -> str:
    if most is None:
        return f"from {_written(least)}"
    return f"up to {_written(most)}" if least is None else f"{_written(least)} to {_written(most)}"


def _side_by_side(values: Mapping[str, list[str]], *names: str) -> list[tuple[str, ...]]:
    """Return values of names that stand in an address as often as the first of them."""
    lists = [[text.strip() for text in values.get(name, [])] for name in names]
    length = len(lists[0])
    return list(zip(*(part[:length] + [""] * (length - len(part)) for part in lists), strict=True))


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name!r} must be a number, found {text!r}") from None


def _written(number: float | None) -> str:
    return "" if number is None else f"{number:.12g}"


def _one_of(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise InputError(
            f"{name!r} must be one of {', '.join(filter(None, known))}; found {text!r}"
        )
    return text
