"""Previews say what the LF of a rule will do, and are bounded in time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.declared_lfs import KeywordRule, RegexRule, SimilarRule, ThresholdRule, make_lf
from spear_amal.errors import InputError
from spear_amal.labeling import lf_check
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench import neighbours, pattern_search, rule_search
from spear_amal.workbench.distribution import Distribution
from spear_amal.workbench.highlight import pieces
from spear_amal.workbench.killable import SupersededError
from spear_amal.workbench.preview import Preview, Previewer
from spear_amal.workbench.rule_search import RuleSearch
from spear_amal.workbench.snapshot import DECLARED, LFState, Snapshot

TEXTS = [
    *("You WON a prize", "a prize for you\nand me", "won, won and won", "lunch at home", ""),
    *("wonderful caf\u00e9", "\u0130stanbul won", "prize\ufeff", "\ud800 won", "no\u017fe won 5"),
    *(
        "free prize now",
        "prize prize",
        "home by five",
        "WON'T you",
        "\u03a3\u03c3\u03c2 won",
        "won",
    ),
]
NUMBERS = [float(k) if k % 5 else np.nan for k in range(len(TEXTS))]
GOLD = np.array([1, 1, 1, 0, -1, 0, -1, 1, -1, 1, 1, 0, 0, -1, -1, 1])


def rule(kind: type, **fields: Any) -> Any:
    return kind(**{"name": "typed", "label": "spam"} | fields)


def snapshot_of(texts: list[Any], gold: Any = None, *lfs: LFState, revision: int = 1) -> Snapshot:
    n = len(texts)
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "n": (NUMBERS * n)[:n]})
    gold = np.full(n, -1) if gold is None else np.asarray(gold)
    return Snapshot(revision, frame, texts, None, ("ham", "spam"), gold, lfs)


def lf_state(name: str, votes: list[int], **more: Any) -> LFState:
    return LFState(name, DECLARED, np.array(votes), **more)


SNAPSHOT = snapshot_of(TEXTS, GOLD)


class InThisProcess:
    """Stands in for a process that makes vectors, once it may begin."""

    may_begin = Event()

    def __init__(self, handler: str, is_urgent: bool = True) -> None:
        pass

    def answers(self, *request: Any, seconds: float, wanted: Any) -> Iterator[Any]:
        self.may_begin.wait()
        yield from neighbours.vectors_in_blocks(*request)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def previewer() -> Iterator[Previewer]:
    InThisProcess.may_begin.set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "KillableWorker", InThisProcess)
        previewer = Previewer(SNAPSHOT.frame, "text", seconds=60)
        yield previewer
        previewer.close()


@pytest.mark.slow
def test_vectors_are_made_in_a_process_of_their_own() -> None:
    search = RuleSearch(SNAPSHOT.frame, "text")
    try:
        for asked in RULES[-2:]:
            votes = search.votes(asked, 60)
            assert not votes.is_partial
            np.testing.assert_array_equal(votes.fires, votes_of(asked))
    finally:
        search.close()


RULES = [
    rule(KeywordRule, keywords=["won", "prize"]),
    rule(KeywordRule, keywords=["won"], whole_word=False),
    rule(KeywordRule, keywords=["WON"], ignore_case=False),
    rule(KeywordRule, keywords=["won", "prize"], min_count=2),
    rule(KeywordRule, keywords=["you\nand", "\u03c3\u03c3\u03c2", "i\u0307stanbul"]),
    rule(RegexRule, pattern=r"\bwon\b"),
    rule(RegexRule, pattern=r"^.*won$", ignore_case=True),
    rule(RegexRule, pattern=r"(\w)\1"),
    rule(RegexRule, pattern=r"prize(?! for)"),
    rule(RegexRule, pattern="$"),
    rule(ThresholdRule, column="n", at_least=3),
    rule(ThresholdRule, column="n", at_least=3, at_most=6),
    rule(SimilarRule, examples=["won a prize"], at_least=0.3),
    rule(SimilarRule, examples=["won", "lunch at home"], at_least=1.0),
]


def votes_of(rule: Any) -> np.ndarray:
    lf = make_lf(rule)
    return np.asarray(lf.decide(lf.reads(SNAPSHOT.frame[rule.column])), bool)


@pytest.mark.parametrize("has_arrow", [True, False])
@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_a_preview_is_what_the_lf_votes(
    previewer: Previewer, rule: Any, has_arrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_arrow:
        monkeypatch.setattr(pattern_search, "arrow", None)
    preview = previewer.preview(rule, SNAPSHOT)
    np.testing.assert_array_equal(preview.fires, votes_of(rule))
    assert preview.n_matches == preview.fires.sum() and not preview.is_partial
    assert preview.coverage == preview.n_matches / len(TEXTS)


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_gold_is_judged_as_in_the_table_of_rules(previewer: Previewer, rule: Any) -> None:
    gold = previewer.preview(rule, SNAPSHOT).gold
    L = LabelMatrix.from_dense(np.where(votes_of(rule), 1, -1)[:, None], classes=["ham", "spam"])
    wanted = lf_check(L, GOLD).iloc[0]
    for name in ("votes", "right", "precision", "low", "high", "chance", "verdict"):
        np.testing.assert_equal(getattr(gold, name), wanted[name])


@settings(max_examples=40)
@given(
    st.lists(
        st.text(
            st.sampled_from("aAbsik \n\u00e9\u00c9\u017f\u0130\u212a\u0307\u03a3\u03c2\x01."),
            max_size=9,
        ),
        min_size=1,
    ),
    st.lists(
        st.text(st.sampled_from("aAbs \nik.\u00e9\u0307\u03c3\x01"), min_size=1, max_size=2),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 2]),
)
def test_keywords_are_found_as_their_lf_finds_them(
    texts: list[str], keywords: list[str], whole_word: bool, ignore_case: bool, min_count: int
) -> None:
    fields = {"whole_word": whole_word, "ignore_case": ignore_case, "min_count": min_count}
    asked = rule(KeywordRule, keywords=keywords, **fields)
    lf = make_lf(asked)
    search = RuleSearch(pd.DataFrame({"text": pd.Series(texts, dtype=object)}), "text")
    try:
        votes = search.votes(asked, 60)
        _, spans = search.shown(asked, list(range(len(texts))))
    finally:
        search.close()
    np.testing.assert_array_equal(votes.fires, lf.decide(texts))
    assert all(bool(span) >= fires for span, fires in zip(spans, votes.fires, strict=True))


def test_rows_are_counted_against_the_votes_of_other_lfs(previewer: Previewer) -> None:
    asked = rule(KeywordRule, keywords=["home", "five", "lunch"])  # rows 3 and 12
    n = len(TEXTS)
    lfs = (
        lf_state("for", [1 if row == 3 else -1 for row in range(n)]),
        lf_state("against", [0 if row == 12 else -1 for row in range(n)]),
        lf_state("muted", [0] * n, is_muted=True),
        lf_state("typed", [0] * n),  # the rule itself, as it was
    )
    counts = previewer.preview(asked, snapshot_of(TEXTS, GOLD, *lfs[1:], revision=2))
    assert (counts.n_matches, counts.n_new, counts.n_overlaps, counts.n_conflicts) == (2, 1, 1, 1)
    counts = previewer.preview(asked, snapshot_of(TEXTS, GOLD, *lfs, revision=3))
    assert (counts.n_matches, counts.n_new, counts.n_overlaps, counts.n_conflicts) == (2, 0, 2, 1)
    shown = {row.row: (row.is_new, row.conflicts) for row in counts.rows}
    assert shown == {3: (False, False), 12: (False, True)}


def test_right_and_wrong_rows_have_their_words_marked(previewer: Previewer) -> None:
    preview = previewer.preview(rule(KeywordRule, keywords=["prize"]), SNAPSHOT)
    assert {row.row for row in preview.right_rows} == {0, 1, 7, 10}
    [wrong] = preview.wrong_rows
    assert (wrong.row, wrong.gold, wrong.spans) == (11, 0, ((0, 5), (6, 11)))
    assert pieces(wrong.text, wrong.spans) == [("prize", True), (" ", False), ("prize", True)]


def test_words_are_marked_where_lower_case_is_longer(previewer: Previewer) -> None:
    preview = previewer.preview(rule(KeywordRule, keywords=["won"]), SNAPSHOT)
    spans = {row.text: row.spans for row in preview.rows}
    assert spans["\u0130stanbul won"] == ((9, 12),)


def test_the_rows_shown_stay_while_a_rule_is_refined() -> None:
    n = 400
    texts = [f"row {k} {'odd' if k % 2 else 'even'}" for k in range(n)]
    snapshot = snapshot_of(texts)
    previewer = Previewer(snapshot.frame, "text", seconds=60)
    try:
        first = previewer.preview(rule(RegexRule, pattern="row"), snapshot, 10)
        second = previewer.preview(rule(RegexRule, pattern="row .*odd"), snapshot, 10)
    finally:
        previewer.close()
    assert len(first.rows) == len(second.rows) == 10
    kept = {row.row for row in first.rows if row.row % 2}
    assert kept <= {row.row for row in second.rows}


def test_a_threshold_shows_how_the_numbers_lie(previewer: Previewer) -> None:
    asked = rule(ThresholdRule, column="n", at_least=3)
    numbers = previewer.preview(asked, SNAPSHOT).distribution
    assert numbers is not None
    known = ~np.isnan(SNAPSHOT.frame["n"].to_numpy())
    assert (numbers.counts.sum(), numbers.n_missing) == (known.sum(), (~known).sum())
    assert numbers.of_class.sum(axis=0).tolist() == [(GOLD[known] == c).sum() for c in (0, 1)]
    assert numbers.place(numbers.edges[0] - 1, 400) == 0
    assert numbers.place(numbers.edges[-1] + 1, 400) == 400
    bars = numbers.bars(400, 70)
    assert all(0 <= x and x + w <= 400.1 and 0 <= y and y + h <= 70.1 for _, x, y, w, h in bars)
    assert {code for code, *_ in bars} == {-1, 0, 1}
    assert previewer.preview(rule(KeywordRule, keywords=["a"]), SNAPSHOT).distribution is None


def test_a_class_that_nobody_has_used_yet(previewer: Previewer) -> None:
    preview = previewer.preview(rule(KeywordRule, keywords=["won"], label="news"), SNAPSHOT)
    assert (preview.gold.right, preview.gold.verdict) == (0, "unclear")
    assert preview.n_matches and not preview.right_rows


@pytest.mark.parametrize("texts", [[], [None], [""]])
def test_tables_with_nothing_to_find(texts: list[str | None]) -> None:
    snapshot = snapshot_of(texts)
    previewer = Previewer(snapshot.frame, "text", seconds=60)
    try:
        asked = rule(KeywordRule, keywords=["a"]), rule(RegexRule, pattern="a(?!b)")
        assert all(previewer.preview(rule, snapshot).n_matches == 0 for rule in asked)
    finally:
        previewer.close()


def test_a_changed_table_is_searched_anew(previewer: Previewer) -> None:
    other = snapshot_of(["won", "lost"], revision=9)
    previewer = Previewer(SNAPSHOT.frame, "text", seconds=60)
    try:
        asked = rule(RegexRule, pattern="won")
        assert previewer.preview(asked, SNAPSHOT).n_matches > 1
        assert previewer.preview(asked, other).fires.tolist() == [True, False]
    finally:
        previewer.close()


@pytest.mark.parametrize("numbers", [[], [np.nan], [2.0], [np.inf, 1.0]])
def test_columns_with_hardly_a_number_have_a_distribution(numbers: list[float]) -> None:
    values = np.array(numbers)
    distribution = Distribution.of(values, np.full(len(values), -1), 2)
    assert distribution.counts.sum() == np.isfinite(values).sum()
    assert 0 <= distribution.place(1.0, 400) <= 400 and distribution.bars(400, 70)


def test_what_cannot_be_used_is_said(previewer: Previewer) -> None:
    with pytest.raises(InputError, match="no column 'title'; it has 'text', 'n'"):
        previewer.preview(rule(KeywordRule, keywords=["a"], column="title"), SNAPSHOT)
    with pytest.raises(InputError, match="looked for in texts only"):
        previewer.preview(rule(RegexRule, pattern="a", column="n"), SNAPSHOT)
    with pytest.raises(InputError, match="needs numbers"):
        previewer.preview(rule(ThresholdRule, column="text", at_least=1), SNAPSHOT)


# -- limits ---------------------------------------------------------------------------------------


def partial(monkeypatch: pytest.MonkeyPatch, is_stuck: bool) -> Preview:
    """Return a preview that was stopped at once."""
    monkeypatch.setattr(pattern_search, "arrow", None)
    monkeypatch.setattr(pattern_search, "_STUCK", -1.0 if is_stuck else 60.0)
    texts = ["won", "lost"] * 5000
    snapshot = snapshot_of(texts)
    previewer = Previewer(snapshot.frame, "text", seconds=0.0)
    try:
        return previewer.preview(rule(RegexRule, pattern=r"(\w)o(?=n)"), snapshot)
    finally:
        previewer.close()


def test_a_pattern_that_is_slow_is_previewed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = partial(monkeypatch, is_stuck=False)
    assert preview.is_partial and not preview.is_too_slow
    assert preview.remark == (
        f"Stopped at the time limit after {preview.n_tried:,} of 10,000 rows."
    )


def test_a_pattern_that_hangs_cannot_become_an_lf(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = partial(monkeypatch, is_stuck=True)
    assert preview.is_partial and preview.is_too_slow
    assert "cannot become an LF" in preview.remark


def test_a_newer_preview_of_a_tab_ends_the_older(
    previewer: Previewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes, asked = RuleSearch.votes, rule(RegexRule, pattern="won")

    def slow_votes(self: RuleSearch, *arguments: Any) -> Any:
        monkeypatch.setattr(RuleSearch, "votes", votes)
        previewer.preview(asked, SNAPSHOT, tab="one")  # typed meanwhile
        return votes(self, *arguments)

    for tab, is_ended in (("one", True), ("two", False)):
        monkeypatch.setattr(RuleSearch, "votes", slow_votes)
        if is_ended:
            with pytest.raises(SupersededError):
                previewer.preview(asked, SNAPSHOT, tab=tab)
        else:
            assert previewer.preview(asked, SNAPSHOT, tab=tab).n_matches


def test_vectors_that_are_not_ready_or_too_many_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MOST_BYTES", 0)
    monkeypatch.setattr(neighbours, "_ROWS", 20)
    monkeypatch.setattr(InThisProcess, "may_begin", Event())
    monkeypatch.setattr(neighbours, "KillableWorker", InThisProcess)
    asked = rule(SimilarRule, examples=["won a prize"], at_least=0.5)
    search = RuleSearch(pd.DataFrame({"text": [f"won a prize {k}" for k in range(50)]}), "text")
    try:
        waiting = search.votes(asked, 0.0)
        assert waiting.is_growing and waiting.n_tried == 0
        assert waiting.remark == "0 of 50 rows have been compared; the others follow."
        InThisProcess.may_begin.set()
        ended = search.votes(asked, 60)
    finally:
        InThisProcess.may_begin.set()
        search.close()
    assert not (ended.is_growing or ended.is_too_slow)
    assert (ended.n_tried, ended.fires.sum(), ended.n_likely) == (20, 20, 50)
    assert ended.remark == "20 of 50 rows have been compared; memory is set aside for no more."


def test_columns_are_kept_up_to_a_number() -> None:
    closed = []

    class Part:
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    kept = rule_search._Kept[str, Part](2)
    for name in "abacb":
        assert kept.get(name, lambda name=name: Part(name)).name == name
    assert closed == ["b", "a"]
    kept.close()
    assert sorted(closed) == ["a", "b", "b", "c"]
