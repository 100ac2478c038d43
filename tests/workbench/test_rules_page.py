"""The page of rules: its list, the editor with its preview, one LF closely, changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("starlette")

from starlette.datastructures import ImmutableMultiDict

from spear_amal.declared_lfs import (
    KeywordRule,
    RegexRule,
    SimilarRule,
    ThresholdRule,
    rule_from_fields,
)
from spear_amal.errors import InputError
from spear_amal.workbench.lf_detail import matched_words, quarrels, rows_with_votes
from spear_amal.workbench.lf_list import LFView, lf_lines
from spear_amal.workbench.render import link
from spear_amal.workbench.rule_form import RuleForm, keywords_of, proposed_name, typed_keywords
from spear_amal.workbench.snapshot import DECLARED, PYTHON, LFError, LFState, Snapshot

NASTY = "<img src=x onerror='alert(1)'>&"
RULES = [
    KeywordRule(name="k", label="spam", keywords=["free", "well, ok", 'say "hi"'], min_count=2),
    KeywordRule(name="k", label="spam", keywords=["a"], whole_word=False, ignore_case=False),
    RegexRule(name="r", label="ham", pattern=r" \bfree & <b>\s*"),
    RegexRule(name="r", label="ham", pattern="x", ignore_case=True, column="title"),
    ThresholdRule(name="t", label="ham", column="length", at_least=3, at_most=7.5),
    ThresholdRule(name="t", label="ham", column="length", at_most=-1),
    SimilarRule(name="s", label="spam", examples=["two\nlines", "b"], at_least=0.25),
]


def form_of(**values: object) -> RuleForm:
    pairs = [
        (name, item)
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    return RuleForm.of(ImmutableMultiDict(pairs))


# -- the form of the editor -----------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_a_rule_goes_through_the_form_and_the_address(rule: object) -> None:
    form = RuleForm.of_rule(rule)
    assert rule_from_fields(form.rule_fields([])) == rule
    address = link("/rules", form.query())
    restored = RuleForm.of(ImmutableMultiDict(parse_qsl(address.partition("?")[2])))
    assert rule_from_fields({**restored.rule_fields([]), "column": rule.column}) == rule
    assert restored.replaces == rule.name


@pytest.mark.parametrize("words", [["a, b", '"x"', "c"], ['"'], [" x"], ["a\u2028b"]])
def test_keywords_are_typed_as_they_are_read(words: list[str]) -> None:
    kept = [word.strip() for word in words]
    assert keywords_of(typed_keywords(words)) == kept or "\u2028" in words[0]


def test_an_empty_form_asks_for_nothing() -> None:
    for kind in ("keyword", "regex", "threshold", "similar", "no kind"):
        form = form_of(kind=kind, label="spam", name="x", keywords="  ", pattern="", examples=[""])
        assert form.is_empty
        assert form.query() == {}


def test_a_new_class_goes_before_a_chosen_one() -> None:
    assert form_of(kind="regex", pattern="x", label="ham", new_label=" eggs ").label == "eggs"


@pytest.mark.parametrize("rows, says", [("1, x", "'x'"), ("7", "no row 7"), ("-1", "'-1'")])
def test_rows_that_there_are_not_are_refused(rows: str, says: str) -> None:
    form = form_of(kind="similar", rows=rows, label="ham")
    with pytest.raises(InputError, match=says):
        form.rule_fields(["a", "b"])


def test_rows_stand_for_their_texts() -> None:
    form = form_of(kind="similar", rows="1 0", examples=["c", " "], label="ham")
    assert form.rule_fields(["a", "b"])["examples"] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"kind": "keyword", "keywords": "Free, prize money"}, "free_prize_money"),
        ({"kind": "regex", "pattern": r"(?i)\b[a-z]+\s(https?://)"}, "http"),
        ({"kind": "regex", "pattern": r"^\d+$"}, "regex"),
        ({"kind": "threshold", "column": "length", "at_least": "3"}, "length_from_3"),
        ({"kind": "similar", "rows": "1"}, "like_b_c"),
        ({"kind": "keyword", "keywords": "日本語, <b>"}, "日本語_b"),
        ({"kind": "keyword", "keywords": "x" * 200}, "x" * 30),
    ],
)
def test_names_are_proposed_from_what_is_looked_for(fields: dict[str, str], name: str) -> None:
    assert proposed_name(form_of(**fields), set(), ["a", "b c"]) == name
    assert proposed_name(form_of(**fields), {name}, ["a", "b c"]) == f"{name}_2"


# -- the list -------------------------------------------------------------------------------------


def lf(name: str, votes: list[int], **values: object) -> LFState:
    return LFState(name, **{"kind": PYTHON, "votes": np.array(votes, np.int16), **values})


@pytest.fixture
def snapshot() -> Snapshot:
    lfs = (
        lf("b", [1, 1, -1, -1], label="spam", about="says 'FREE'", kind=DECLARED),
        lf("a", [0, 1, 0, -1], changed=datetime(2026, 1, 2, tzinfo=UTC)),
        lf("C", [-1, -1, -1, 0], label="ham", is_muted=True, error=LFError("x", 2, 3, 1)),
    )
    texts = ["free one", "free two free", "three", "four"]
    gold = np.array([0, 1, -1, 0])
    frame = pd.DataFrame({"text": texts})
    return Snapshot(1, frame, texts, None, ("ham", "spam"), gold, lfs)


TABLE = pd.DataFrame(
    {
        "coverage": [0.5, 0.75, 0.25],
        "precision": [0.5, 1.0, np.nan],
        "grade": ["bad", "good", "weak"],
    },
    index=["b", "a", "C"],
)


def listed(snapshot: Snapshot, **query: str) -> str:
    return "".join(line.lf.name for line in lf_lines(snapshot, TABLE, LFView.of(query)))


@pytest.mark.parametrize(
    "query, names",
    [
        ({}, "baC"),
        ({"sort": "nonsense"}, "baC"),
        ({"sort": "name"}, "abC"),
        ({"by": "-coverage", "sort": "name"}, "abC"),
        ({"sort": "precision"}, "baC"),  # what is not known comes last, whichever way
        ({"sort": "-precision"}, "abC"),
        ({"sort": "grade"}, "aCb"),
        ({"sort": "-changed"}, "abC"),
        ({"q": "free"}, "b"),
        ({"class": "ham"}, "aC"),
        ({"class": "no such"}, ""),
        ({"grade": "good"}, "a"),
        ({"show": "declared"}, "b"),
        ({"show": "python"}, "aC"),
        ({"show": "muted"}, "C"),
        ({"show": "errors"}, "C"),
    ],
)
def test_lfs_are_filtered_and_sorted(snapshot: Snapshot, query: dict[str, str], names: str) -> None:
    assert listed(snapshot, **query) == names


def test_a_header_sorts_the_other_way_when_asked_again() -> None:
    view = LFView()
    assert view.then_by("coverage") == "-coverage"
    view = LFView(sort="-coverage")
    assert view.aria_sort("coverage") == "descending"
    assert view.then_by("coverage") == "coverage"
    assert (view.aria_sort("name"), view.then_by("name")) == ("none", "name")


# -- one LF ---------------------------------------------------------------------------------------


def test_rows_of_an_lf_by_their_label(snapshot: Snapshot) -> None:
    rows = rows_with_votes(snapshot.lfs[1], snapshot, 10)
    assert {kind: [row.row for row in of_kind] for kind, of_kind in rows.items()} == {
        "wrong": [],
        "right": [0, 1],
        "other": [2],
    }


def test_whom_an_lf_contradicts(snapshot: Snapshot) -> None:
    (other,) = quarrels(snapshot.lfs[0], snapshot)
    assert (other.name, other.rows, other.gold_rows) == ("a", 1, 1)
    assert (other.right, other.other_right, other.example) == (0, 1, 0)


def test_words_are_counted_once_a_row(snapshot: Snapshot) -> None:
    words = matched_words(snapshot.lfs[0], snapshot, lambda text: {"free"}, snapshot.texts)
    assert [(word.word, word.rows, word.gold_rows, word.right) for word in words] == [
        ("free", 2, 2, 1)
    ]


# -- pages ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(open_app_once, write_project, tmp_path_factory):
    """The workbench of one project for all tests, which leave it as they find it."""
    opened = open_app_once(write_project(tmp_path_factory.mktemp("rules") / "messages"))
    assert opened.state.workspace.wait(lambda snapshot: snapshot.is_idle, 60)
    return opened


@pytest.fixture
def client(app, client_of):
    return client_of(app)


@pytest.fixture
def workspace(app):
    return app.state.workspace


def cells(page: str, name: str) -> list[str]:
    """Texts of the cells of an LF in the list."""
    row = re.search(rf'<tr[^>]*data-lf="{re.escape(name)}">(.*?)</tr>', page, re.DOTALL)
    assert row is not None, page
    parts = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row[1], re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", "", part)).strip() for part in parts]


def hidden(page: str, name: str) -> str:
    field = re.search(rf'<input type="hidden" name="{name}"[^>]*value="([^"]*)"', page)
    assert field is not None, page
    return unescape(field[1])


def test_the_list_has_every_lf(client) -> None:
    page = client.get("/rules")
    assert page.status_code == 200
    for name in ("prize", "lunch", "shouts"):
        assert name in cells(page.text, name)[0]
    assert cells(page.text, "prize")[2] == "16.7"  # 20 of 120 rows


def test_the_address_is_the_view(client) -> None:
    page = client.get(
        "/rules",
        params={"kind": "regex", "pattern": "lun.h", "label": "ham", "sort": "-coverage", "q": "u"},
    ).text
    assert 'value="lun.h"' in page
    assert re.search(r'value="ham" checked|value="ham"\s+checked', page)
    assert "20 rows, 16.7" in page
    assert re.search(r'aria-sort="descending"[^>]*>\s*<button[^>]*id="by-coverage"', page)
    assert "2 of 3 LFs" in page


def test_a_preview_says_what_is_wrong_with_a_rule(client) -> None:
    sent = {"kind": "regex", "pattern": "(", "label": "ham"}
    answer = client.post("/parts/rules/preview", data=sent)
    assert answer.status_code == 200
    assert "is no regular expression" in answer.text


def test_a_preview_shows_matches_and_proposes_a_name(client) -> None:
    sent = {"kind": "keyword", "keywords": "lunch", "label": "spam"}
    part = client.post("/parts/rules/preview", data=sent).text
    assert 'data-proposed="lunch_2"' in part  # there is an LF lunch
    assert "20 rows" in part
    assert 'data-query="kind=keyword' in part
    assert "Wrong, by their label" in part


def test_markup_is_escaped_wherever_it_comes_from(
    write_project, open_app, client_of, tmp_path
) -> None:
    frame = pd.DataFrame(
        {"text": [f"free {NASTY}", "home"] * 10, "label": [NASTY, "ham"] * 5 + [None] * 10}
    )
    lfs = f"CLASSES = ({NASTY!r}, 'ham')\n" + (
        "from spear_amal.labeling import keyword_lf\n"
        f"nasty = keyword_lf({NASTY!r}, ['free'], label={NASTY!r})\n"
    )
    app = open_app(write_project(tmp_path / "nasty", frame, lfs))
    assert app.state.workspace.wait(lambda snapshot: snapshot.is_idle, 60)
    client = client_of(app)
    sent = {"kind": "regex", "pattern": f"free|{NASTY}", "label": NASTY, "name": NASTY}
    for part in (
        client.get("/rules", params={**sent, "q": "<img", "removed": NASTY}),
        client.get("/parts/rules/list", params={"q": NASTY}),
        client.post("/parts/rules/preview", data=sent),
        client.get(link("/parts/rules/lf", {"name": NASTY})),
    ):
        assert part.status_code == 200, part.text
        assert "<img" not in part.text
        assert "&lt;img" in part.text or "%3Cimg" in part.text


def test_an_lf_that_is_gone_is_said_to_be(client) -> None:
    page = client.get("/rules/nobody")
    assert page.status_code == 404
    assert "renamed or removed" in page.text
    assert client.get("/rules", params={"edit": "prize"}).status_code == 404  # a Python LF


def test_muting_says_what_it_changed(client, workspace) -> None:
    answer = client.post("/parts/rules/mute", data={"name": "lunch", "muted": "1"})
    assert answer.status_code == 200
    assert workspace.snapshot.named("lunch").is_muted
    assert "is muted" in answer.text and "coverage" in answer.text
    assert "Unmute" in cells(answer.text, "lunch")[-1]
    client.post("/parts/rules/mute", data={"name": "lunch", "muted": "0"})
    assert not workspace.snapshot.named("lunch").is_muted
    assert client.post("/parts/rules/mute", data={"name": "x", "muted": "1"}).status_code == 422


def test_a_rule_becomes_an_lf_is_edited_and_removed(client, workspace) -> None:
    sent = {"kind": "keyword", "keywords": "cash", "label": "spam", "sort": "name"}
    answer = client.post("/rules", data=sent)
    assert answer.status_code == 200, answer.text
    assert "is an LF now" in answer.text
    assert cells(answer.text, "cash")[2] == "16.7"
    assert 'id="keywords"' in answer.text and "free, prize" in answer.text  # an empty editor

    page = client.get("/rules", params={"edit": "cash"}).text
    assert ">cash</textarea>" in page
    changed = {**sent, "keywords": "cash, claim", "name": "cash", "replaces": "cash"}
    changed["seen"] = hidden(page, "seen")
    answer = client.post("/rules", data=changed)
    assert answer.status_code == 200, answer.text
    assert cells(answer.text, "cash")[2] == "33.3"

    detail = client.get("/rules/cash").text
    assert "says 'cash', 'claim'" in unescape(detail)
    seen = workspace.snapshot.named("cash").rule.model_dump_json()
    answer = client.post("/parts/rules/remove", data={"name": "cash", "seen": seen})
    assert answer.status_code == 204
    address = answer.headers["hx-redirect"]
    assert "cash, claim</textarea>" in client.get(address).text
    assert workspace.snapshot.named("cash") is None


def test_a_stale_page_keeps_what_was_typed_and_shows_the_new_state(client, workspace) -> None:
    client.post("/rules", data={"kind": "keyword", "keywords": "now", "label": "spam"})
    page = client.get("/rules", params={"edit": "now"}).text
    workspace.add_rule(
        KeywordRule(name="now", label="spam", keywords=["win"]),
        replaces="now",
        seen=workspace.snapshot.named("now").rule,
    )
    sent = {"kind": "keyword", "keywords": "now, cash", "label": "spam", "name": "now"}
    sent |= {"replaces": "now", "seen": hidden(page, "seen")}
    answer = client.post("/rules", data=sent)
    assert answer.status_code == 409
    assert "now says" in answer.text and "says &#39;win&#39;" in answer.text
    assert "textarea" not in answer.text  # the editor is left as it is
    sent["seen"] = hidden(answer.text, "seen")
    assert client.post("/rules", data=sent).status_code == 200
    assert workspace.snapshot.named("now").rule.keywords == ("cash", "now")
    workspace.remove_rule("now")


def test_a_name_that_is_taken_is_refused(client, workspace) -> None:
    sent = {"kind": "keyword", "keywords": "cash", "label": "spam", "name": "prize"}
    answer = client.post("/rules", data=sent)
    assert answer.status_code == 422
    assert "prize" in answer.text
    assert workspace.snapshot.named("prize").kind == PYTHON


def test_a_project_of_one_class_gets_another_one(
    write_project, open_app, client_of, tmp_path
) -> None:
    frame = pd.DataFrame({"text": ["free prize", "home"] * 5, "label": [None, "ham"] + [None] * 8})
    app = open_app(write_project(tmp_path / "bare", frame, ""))
    assert app.state.workspace.wait(lambda snapshot: snapshot.is_idle, 60)
    client = client_of(app)
    assert 'name="new_label"' in client.get("/rules").text
    sent = {"kind": "keyword", "keywords": "free", "new_label": "spam"}
    assert "5 rows" in client.post("/parts/rules/preview", data=sent).text
    answer = client.post("/rules", data=sent)
    assert answer.status_code == 200, answer.text
    assert app.state.workspace.snapshot.classes == ("ham", "spam")
