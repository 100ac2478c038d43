"""Search of rows against the same conditions tried row by row."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.declared_lfs import Rule, make_lf
from spear_amal.errors import InputError
from spear_amal.labeling import keyword_lf
from spear_amal.workbench.row_query import (
    ORDERS,
    VOTED,
    ColumnSlice,
    RowQuery,
    query_conditions,
    search_terms,
)
from spear_amal.workbench.row_search import RowSearch
from spear_amal.workbench.rule_search import RuleSearch, RuleVotes
from spear_amal.workbench.snapshot import LFError, LFState, RowOutputs, Snapshot

CLASSES = ("ham", "none", "spam")  # a class may have the name of a condition
N = 23
WORDS = ["free", "Free", "prize", "prizes", "win_it", "ÄRGER", "ärger", "a.b", "İx", "now!", "$$"]
_CONDITIONS = ["", "any", "none", "right", "wrong", *(f"class:{name}" for name in CLASSES)]


class PlainSearch:
    """Rules on a table, by their LFs alone: what is much quicker has tests of its own."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._texts = [text if isinstance(text, str) else None for text in frame["text"]]

    def votes(self, rule: Rule, seconds: float) -> RuleVotes:
        fires = np.asarray(make_lf(rule).decide(self._texts), dtype=bool)
        return RuleVotes(fires, len(fires), int(fires.sum()))


def searcher() -> RowSearch:
    return RowSearch(lambda snapshot: PlainSearch(snapshot.frame), "text")  # type: ignore


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    text = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
    texts = draw(st.lists(text, min_size=N, max_size=N))
    codes = st.lists(st.integers(-1, 2), min_size=N, max_size=N).map(np.array)
    numbers = st.sampled_from([1.5, 2.0, 3.0, np.nan])
    frame = pd.DataFrame(
        {
            "text": pd.Series(texts, dtype=object),
            "size": draw(st.lists(numbers, min_size=N, max_size=N)),
            "kind": draw(st.lists(st.sampled_from(["x", "y"]), min_size=N, max_size=N)),
        }
    )
    lfs = tuple(
        LFState(name, "python", draw(codes).astype(np.int16), is_muted=name == "muted", error=error)
        for name, error in [("a", None), ("b", LFError("some", n_rows=1)), ("muted", None)]
    )
    scores = np.array(draw(st.lists(st.integers(1, 9), min_size=3 * N, max_size=3 * N)))
    scores = scores.reshape(N, 3)
    outputs = RowOutputs(scores / scores.sum(axis=1, keepdims=True), None, None, datetime.now())
    gold = draw(codes)
    return Snapshot(
        1, frame, texts, None, CLASSES, gold, lfs, draw(st.sampled_from([outputs, None]))
    )


@st.composite
def queries(draw: st.DrawFn) -> RowQuery:
    bound = st.sampled_from([None, 0.4, 0.5, 2.0])
    term = st.sampled_from(
        ["free", "FREE", '"free prize"', "pri*", "*ize", "-win_it", "ärger", "$$"]
    )
    slices = st.builds(
        ColumnSlice, st.sampled_from(["size"]), st.sampled_from(["", "2", "x"]), bound, bound
    ) | st.builds(ColumnSlice, st.just("kind"), st.sampled_from(["", "x", "z"]))
    return RowQuery(
        words=draw(st.lists(term, max_size=2).map(" ".join)),
        regex=draw(st.sampled_from(["", "", "fr.e", "^prize", r"\bwin"])),
        minds_case=draw(st.booleans()),
        lf_votes=tuple(
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(["a", "b", "muted"]), st.sampled_from(_CONDITIONS[1:])
                    ),
                    max_size=2,
                )
            )
        ),
        votes=draw(st.sampled_from(["", *VOTED])),
        gold=draw(st.sampled_from(_CONDITIONS)),
        model=draw(st.sampled_from(_CONDITIONS)),
        majority=draw(st.sampled_from([*_CONDITIONS, "tie"])),
        low=draw(bound),
        high=draw(bound),
        slices=tuple(draw(st.lists(slices, max_size=1))),
        order=draw(st.sampled_from(ORDERS)),
    )


# -- the same, row by row -------------------------------------------------------------------------


def votes_of(snapshot: Snapshot, row: int) -> list[int]:
    return [int(lf.votes[row]) for lf in snapshot.lfs if not lf.is_muted and lf.votes[row] >= 0]


def majority_of(votes: list[int]) -> int | None:
    counts = sorted(((votes.count(code), code) for code in set(votes)), reverse=True)
    if not counts:
        return -1
    return None if len(counts) > 1 and counts[1][0] == counts[0][0] else counts[0][1]


def is_class(code: int | None, wanted: str, gold: int) -> bool:
    if wanted in ("", "any", "none"):
        return wanted == "" or (code == -1) == (wanted == "none")
    if wanted == "tie":
        return code is None
    if wanted in ("right", "wrong"):
        is_known = code is not None and code >= 0 and gold >= 0
        return is_known and (code == gold) == (wanted == "right")
    return code is not None and code >= 0 and CLASSES[code] == wanted.removeprefix("class:")


def is_within(number: float, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return (
        (least is None or number >= least) and (most is None or number <= most) and number == number
    )


def holds(text: str, word: str) -> bool:
    """Return whether a text has a word of a search, in the words of an LF where there is one."""
    is_phrase, is_excluded = '"' in word, word.startswith("-")
    plain = word.strip('-"*')
    if is_phrase or "*" not in word:
        found = keyword_lf("word", [plain], 1)(text) == 1
    else:
        inside = re.escape(plain.lower())
        before = "" if word.startswith("*") else r"(?<!\w)"
        after = "" if word.endswith("*") else r"(?!\w)"
        found = re.search(before + inside + after, text.lower()) is not None
    return found != is_excluded


def fits(snapshot: Snapshot, query: RowQuery, row: int) -> bool:
    text, gold = snapshot.texts[row], int(snapshot.gold[row])
    votes = votes_of(snapshot, row)
    outputs = snapshot.outputs
    model = -1 if outputs is None else int(outputs.proba[row].argmax())
    sure = np.nan if outputs is None else float(outputs.proba[row].max())
    asked = {
        "": True,
        "conflict": len(set(votes)) > 1,
        "none": not votes,
        "some": bool(votes),
        "agree": len(votes) > 1 and len(set(votes)) == 1,
    }
    words = [word for word in re.findall(r'-?"[^"]*"|\S+', query.words)]
    flags = 0 if query.minds_case else re.IGNORECASE
    by_name: dict[str, Any] = {lf.name: lf for lf in snapshot.lfs}
    return (
        all(holds(text, word) for word in words)
        and (not query.regex or re.search(query.regex, text, flags) is not None)
        and all(
            is_class(int(by_name[name].votes[row]), wanted, gold) for name, wanted in query.lf_votes
        )
        and asked[query.votes]
        and is_class(gold, query.gold, gold)
        and is_class(model, query.model, gold)
        and is_class(majority_of(votes), query.majority, gold)
        and is_within(sure, query.low, query.high)
        and all(in_part(snapshot.frame[part.column].iloc[row], part) for part in query.slices)
    )


def in_part(value: Any, part: ColumnSlice) -> bool:
    if isinstance(value, str):
        return part.equals in ("", value)
    is_equal = part.equals == "" or (part.equals == "2" and value == 2)
    return is_equal and is_within(value, part.least, part.most)


@given(snapshots(), queries())
def test_search_finds_what_fits_row_by_row(snapshot: Snapshot, query: RowQuery) -> None:
    sizes = snapshot.frame["size"]
    if query.slices and sizes.isna().all():
        return  # ranges of a column without numbers are refused
    rows = searcher().find(snapshot, query).rows.tolist()
    assert sorted(rows) == [row for row in range(N) if fits(snapshot, query, row)]
    n_votes = [len(votes_of(snapshot, row)) for row in range(N)]
    sure = np.zeros(N) if snapshot.outputs is None else snapshot.outputs.proba.max(axis=1)
    keys = {
        "position": list(range(N)),
        "votes": n_votes,
        "-votes": [-n for n in n_votes],
        "confidence": sure.tolist(),
        "-confidence": (-sure).tolist(),
    }[query.order]
    assert rows == sorted(sorted(rows), key=lambda row: keys[row])


@given(queries())
def test_an_address_says_the_same_as_its_query(query: RowQuery) -> None:
    address = query.address("/rows")
    pairs = parse_qsl(address.partition("?")[2], keep_blank_values=True)
    assert RowQuery.of(pairs) == query
    assert RowQuery.of(pairs).address("/rows") == address


@given(queries())
def test_each_condition_can_be_left_out(query: RowQuery) -> None:
    for _ in range(20):
        if not (parts := query_conditions(query)):
            break
        assert parts[0][1] != query
        query = parts[0][1]
    assert not query_conditions(query)


@given(snapshots(), queries())
def test_a_search_that_is_kept_is_that_of_its_state(snapshot: Snapshot, query: RowQuery) -> None:
    search = searcher()
    try:
        before = search.find(snapshot, query).rows
    except InputError:
        return
    other = Snapshot(
        *(2, snapshot.frame, snapshot.texts, None, CLASSES, 1 - snapshot.gold.clip(max=1)),
        *(snapshot.lfs[1:], snapshot.outputs),
    )
    if any(name == "a" for name, _ in query.lf_votes):
        with pytest.raises(InputError, match="no LF 'a'"):
            search.find(other, query)
    else:
        assert (
            search.find(other, query).rows.tolist() == searcher().find(other, query).rows.tolist()
        )
    assert search.find(snapshot, query).rows.tolist() == before.tolist()


@given(st.text(max_size=20))
def test_any_words_can_be_searched(words: str) -> None:
    texts = ["free prize", "", words]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    snapshot = Snapshot(1, frame, texts, None, CLASSES, np.full(3, -1))
    query = RowQuery(words=words)
    search = searcher()
    rows = search.find(snapshot, query).rows.tolist()
    for spans, row in zip(search.spans(snapshot, query, rows), rows, strict=True):
        assert all(0 <= start < stop <= len(texts[row]) for start, stop in spans)
        included = [term for term in search_terms(words) if not term.is_excluded]
        assert len(spans) >= len(set(included)) or "İ" in words


def test_neighbours_of_a_row_within_a_search() -> None:
    texts = ["free", "lunch", "free", "free"]
    frame = pd.DataFrame({"text": texts})
    snapshot = Snapshot(1, frame, texts, None, CLASSES, np.full(4, -1))
    found = searcher().find(snapshot, RowQuery(words="free"))
    assert found.neighbours(2) == (0, 3)
    assert found.neighbours(0) == (None, 2)
    assert found.neighbours(1) == (0, 2)  # it was not found: those around it
    assert found.place(1) is None and found.place(3) == 2


def test_cells_without_a_text_hold_nothing() -> None:
    texts: list[Any] = ["free", None, float("nan")]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    snapshot = Snapshot(1, frame, texts, None, CLASSES, np.full(3, -1))
    assert searcher().find(snapshot, RowQuery(words="*a*")).rows.tolist() == []
    assert searcher().find(snapshot, RowQuery(words="-free")).rows.tolist() == [1, 2]
    assert searcher().find(snapshot, RowQuery(regex="fre+")).rows.tolist() == [0]


def test_the_search_of_previews_finds_the_same() -> None:
    texts: list[Any] = ["Free", None, "a free prize", "freedom", "ÄRGER", ""]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    snapshot = Snapshot(1, frame, texts, None, CLASSES, np.full(6, -1))
    rules = RuleSearch(frame, "text")
    search = RowSearch(lambda snapshot: rules, "text")
    try:
        for query in (
            RowQuery(words="free"),
            RowQuery(words="fre*"),
            RowQuery(words="-ärger free"),
            RowQuery(regex="^fre+"),
            RowQuery(regex="^fre+", minds_case=True),
        ):
            rows = search.find(snapshot, query).rows.tolist()
            assert rows == searcher().find(snapshot, query).rows.tolist()
        assert search.spans(snapshot, RowQuery(words="prize", regex="^.."), [2]) == [
            [(7, 12), (0, 2)]
        ]
    finally:
        rules.close()


def test_a_regex_that_is_stopped_is_said() -> None:
    frame = pd.DataFrame({"text": ["free", "prize"]})
    snapshot = Snapshot(1, frame, frame["text"].tolist(), None, CLASSES, np.full(2, -1))

    class Stopped:
        def votes(self, rule: Rule, seconds: float) -> RuleVotes:
            return RuleVotes(np.array([True, False]), 1, 2, "Stopped at the time limit")

    found = RowSearch(lambda snapshot: Stopped(), "text").find(snapshot, RowQuery(regex="e"))  # type: ignore
    assert found.rows.tolist() == [0]
    assert found.remark == "Some rows may be missing. Stopped at the time limit"
