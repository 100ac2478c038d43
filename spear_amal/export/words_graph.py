"""Texts to numbered words within a graph, as scikit-learn's vectorisers cut them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

from spear_amal.errors import InputError
from spear_amal.export.graph import Graph
from spear_amal.export.letters import (
    CASED,
    FINAL_SIGMA,
    IGNORABLE,
    SIGMA,
    case_kinds,
    changed_by,
    class_of,
    word_class,
)

#: Stands before the texts, and is cut off again: operators on texts want at least one, with a word.
FIRST_TEXT = "aa"
_ASCII = [chr(code) for code in range(128)]
_UNCHANGED = "unchanged"  # no single letter becomes this
# A pattern of words, and the fewest letters of one.
_PATTERNS = {r"(?u)\b\w\w+\b": 2, r"(?u)\b\w+\b": 1}
_ACCENTS = {None: str, "ascii": strip_accents_ascii, "unicode": strip_accents_unicode}


def matches(graph: Graph, texts: str, pattern: str) -> Any:
    """Return the matches of a pattern of RE2 in texts (n,): texts (n, T), "" beyond the last."""
    return graph.tokens(texts, tokenexp=pattern)


def characters_of(graph: Graph, texts: str) -> Any:
    """Return the characters of texts (n,): texts (n, T), "" beyond the last."""
    return graph.tokens(texts, separators=[""])


def joined(graph: Graph, texts: str) -> Any:
    """Return the texts of each row (n, T) as one (n,), put together pair by pair."""
    width = graph.cast(graph.size(texts, 1), "DOUBLE")
    doublings = graph.op("Div", graph.op("Log", width), np.array([np.log(2.0)]))
    # Half a bit more: a round of one column too many changes nothing.
    rounds = graph.cast(graph.op("Ceil", graph.op("Add", doublings, np.array([0.5]))), "INT64")

    def halved(body: Graph, _: str, parts: str) -> tuple[str]:
        height = body.size(parts, 0)
        blank = body.op("Expand", [""], body.op("Concat", height, [1], axis=0))
        even = body.op("Concat", parts, blank, axis=1)
        n_pairs = body.op("Div", body.size(even, 1), [2])
        last = body.op("Mul", n_pairs, [2])
        left = body.columns(even, [0], last, 2)
        right = body.columns(even, [1], body.op("Add", last, [1]), 2)
        return (body.op("StringConcat", left, right),)

    (whole,) = graph.loop(graph.op("Squeeze", rounds), [texts], halved, ["STRING"])
    return graph.op("Squeeze", whole, [1])


def final_sigmas(graph: Graph, letters: str) -> Any:
    """Return where letters (n, T) are a capital sigma that ends a word, as ``str.lower`` sees it.

    What stands before it has a case, and what follows has none; some signs are passed over.
    """
    shape = graph.op("Shape", letters)
    kinds = graph.encode(letters, case_kinds(), 0)
    # A sign without case before and after each row: nothing is seen across rows.
    framed = graph.op("Pad", kinds, [0, 1, 0, 1], 0)
    flat = graph.op("Reshape", framed, [-1])
    counts = graph.op("Not", graph.op("Equal", flat, IGNORABLE))
    places = graph.op("Squeeze", graph.op("NonZero", counts), [0])
    nth = graph.op("CumSum", graph.cast(counts, "INT64"), 0)
    n_last = graph.op("Sub", graph.size(places, 0), [1])
    before = graph.op("Max", graph.op("Sub", nth, [2]), [0])
    after = graph.op("Min", nth, n_last)
    cased = [
        graph.op("Equal", graph.op("Gather", flat, graph.op("Gather", places, one)), CASED)
        for one in (before, after)
    ]
    final = graph.op("And", cased[0], graph.op("Not", cased[1]))
    whole = graph.op("Reshape", final, graph.op("Shape", framed))
    inner = graph.columns(whole, [1], [-1])
    is_sigma = graph.op("Equal", letters, [SIGMA])
    return graph.op("And", is_sigma, graph.op("Reshape", inner, shape))


def with_letters_changed(
    graph: Graph,
    texts: str,
    changes: Mapping[str, str],
    *,
    sigma: bool = False,
    drops: bool = False,
    special: Mapping[str, str] | None = None,
) -> Any:
    """Return texts (n,) with single letters replaced.

    Texts without a letter that is replaced, but for capitals of ASCII made small, are left as they
    are: :func:`small_ascii` is for those.

    Parameters
    ----------
    graph : Graph
    texts : value
    changes : mapping of str to str
        What stands for a letter.
    sigma : bool
        Whether the capital sigma is treated as ``str.lower`` does.
    drops : bool
        Whether letters outside ASCII without a place in `changes` are left out.
    special : mapping of str to str, optional
        Longer texts that are taken for one letter, and what stands for them.
    """
    special = special or {}
    odd = class_of(one for one, made in changes.items() if not _is_small_ascii(one, made))
    if drops:
        odd, changes = "[^\\x{0}-\\x{7f}]", dict(zip(_ASCII, _ASCII, strict=True)) | dict(changes)
    names = "|".join(re.escape(one) for one in special)
    found = f"{odd}|{names}" if special else odd
    is_odd = graph.op("RegexFullMatch", texts, pattern=f"(?s).*(?:{found}).*")
    odd_texts = graph.op("Compress", texts, is_odd, axis=0)
    odd_texts = graph.op("Concat", [FIRST_TEXT], odd_texts, axis=0)
    pattern = f"(?s){names}|."
    letters = matches(graph, odd_texts, pattern) if special else characters_of(graph, odd_texts)
    other = "" if drops else _UNCHANGED
    made = graph.encode(letters, {**changes, **special}, other)
    if not drops:
        made = graph.op("Where", graph.op("Equal", made, [other]), letters, made)
    if sigma:
        made = graph.op("Where", final_sigmas(graph, letters), [FINAL_SIGMA], made)
    both = graph.op("Concat", texts, joined(graph, made), axis=0)
    n = graph.op("Squeeze", graph.size(texts, 0))
    own = graph.op("Range", 0, n, 1)
    nth = graph.op("CumSum", graph.cast(is_odd, "INT64"), 0)  # after the first text
    places = graph.op("Where", is_odd, graph.op("Add", nth, n), own)
    return graph.op("Gather", both, places)


def small_ascii(graph: Graph, texts: str) -> Any:
    """Return texts (n,) with the capitals of ASCII made small."""
    # The locale that is everywhere, which knows ASCII alone.
    return graph.op(
        "StringNormalizer", texts, case_change_action="LOWER", locale="C", is_case_sensitive=1
    )


def _is_small_ascii(one: str, made: str) -> bool:
    return one.isascii() and one.isupper() and made == one.lower()


def normal_texts(graph: Graph, texts: str, lowercase: bool, strip_accents: str | None) -> Any:
    """Return texts (n,) in small letters, without accents, or both."""
    if strip_accents not in _ACCENTS:
        raise InputError(f"strip_accents={strip_accents!r} cannot be exported to ONNX")
    changes = _changes(lowercase, strip_accents)
    drops = strip_accents == "ascii"
    if drops:
        changes = {one: made for one, made in changes.items() if made}
    if any(not one.isascii() for one in changes):
        sigma = lowercase and not drops
        texts = with_letters_changed(graph, texts, changes, sigma=sigma, drops=drops)
    return small_ascii(graph, texts) if lowercase else texts


@cache
def _changes(lowercase: bool, strip_accents: str | None) -> dict[str, str]:
    """Return what becomes of letters, of all of Unicode: it takes a while, so once a process."""
    strip = _ACCENTS[strip_accents]
    return changed_by(lambda one: strip(one.lower() if lowercase else one))


def packed_rows(graph: Graph, rows: str, n_rows: str, values: str, fill: Any) -> tuple[Any, ...]:
    """Return values (k,) of ascending rows (k,) as a matrix (n, longest), filled up on the right.

    Returns
    -------
    matrix, scatter
        The second packs further values of the same rows: ``scatter(values, fill)``.
    """
    ones = graph.op("Expand", 1, graph.op("Shape", rows))
    zeros = graph.op("Expand", 0, n_rows)
    counts = graph.op("ScatterElements", zeros, rows, ones, axis=0, reduction="add")
    begins = graph.op("CumSum", counts, 0, exclusive=1)
    numbers = graph.op("Range", 0, graph.op("Squeeze", graph.size(rows, 0)), 1)
    places = graph.op("Sub", numbers, graph.op("Gather", begins, rows))
    indices = graph.op(
        "Concat", *(graph.op("Unsqueeze", one, [1]) for one in (rows, places)), axis=1
    )
    longest = graph.op("ReduceMax", counts, keepdims=1)
    shape = graph.op("Concat", n_rows, graph.op("Max", longest, [1]), axis=0)
    scatter = partial(_scattered, graph, shape, indices)
    return scatter(values, fill), scatter


def _scattered(graph: Graph, shape: str, indices: str, values: str, fill: Any) -> Any:
    return graph.op("ScatterND", graph.op("Expand", fill, shape), indices, values)


def fewest_letters(token_pattern: str) -> int:
    """Return the fewest letters of a word; raise InputError for a pattern of the user's own."""
    if token_pattern not in _PATTERNS:
        raise InputError(
            f"words of the pattern {token_pattern!r} cannot be exported to ONNX; the patterns "
            f"{list(_PATTERNS)} can"
        )
    return _PATTERNS[token_pattern]


def words_of(graph: Graph, texts: str, token_pattern: str) -> Any:
    """Return the words of texts (n,): texts (n, T), "" beyond the last."""
    return matches(graph, texts, f"{word_class()}{{{fewest_letters(token_pattern)},}}")
