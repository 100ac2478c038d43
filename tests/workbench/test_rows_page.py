"""The pages of rows: search, one row, labelling by keys, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from html import unescape

import numpy as np
import pandas as pd
import pytest

from spear_amal.declared_lfs import RegexRule
from spear_amal.workbench.gold_origin import gold_origin
from spear_amal.workbench.next_queue import choose_rows
from spear_amal.workbench.snapshot import RowOutputs

PART = {"HX-Request": "true"}


def with_outputs(workspace, proba: np.ndarray, weights: pd.DataFrame | None = None) -> None:
    """Put outputs of a model into the state of a workspace."""
    outputs = RowOutputs(proba, proba[:, ::-1].copy(), weights, datetime.now())
    workspace.snapshot = replace(
        workspace.snapshot, outputs=outputs, revision=workspace.snapshot.revision + 1
    )


def voted(app):
    """Wait until all LFs of an application have voted; return it."""
    done = app.state.workspace.wait(
        lambda snapshot: snapshot.lfs and not any(lf.is_running for lf in snapshot.lfs), 60
    )
    assert done
    return app


@pytest.fixture(scope="module")
def app(open_app_once, write_project, tmp_path_factory):
    """The application on 120 rows, for all tests of this file; see `client`."""
    return voted(open_app_once(write_project(tmp_path_factory.mktemp("rows") / "messages")))


@pytest.fixture
def client(app, client_of):
    """A browser's client; afterwards there are no labels of this test, and no session."""
    workspace = app.state.workspace
    before = workspace.snapshot
    yield client_of(app)
    workspace.snapshot = replace(before, gold=workspace.snapshot.gold)
    rows = np.flatnonzero(workspace.snapshot.gold != before.gold).tolist()
    workspace.label([row for row in rows if before.gold[row] < 0], None)
    for row in rows:
        workspace.label([row], before.label_of(row))
    app.state.rows = None


@pytest.fixture
def workspace(app):
    """The state behind `client`."""
    return app.state.workspace


def listed(page: str) -> list[int]:
    """Return the rows that a page lists."""
    return [int(row) for row in re.findall(r'class="choose" value="(\d+)"', page)]


def fields(page: str) -> dict[str, str]:
    """Return the hidden fields of the form of labels."""
    form = page[page.index('id="label"') :]
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    return {name: unescape(value) for name, value in pairs}


def act(client, page: str, queue: str = "next", **deed: str):
    """Send the form of a page with one of its buttons."""
    return client.post(f"/label?queue={queue}", data=fields(page) | deed, headers=PART)


# -- search ---------------------------------------------------------------------------------------


def test_one_view_has_one_address(client) -> None:
    answer = client.get("/rows?words=free&regex=&lf=&vote=any&low=&column=&equals=&least=&most=")
    assert str(answer.url).endswith("/rows?words=free")
    assert "<strong>20</strong> of 120 rows" in answer.text
    assert listed(answer.text)[:3] == [3, 9, 15]


def test_parts_tell_the_browser_their_address(client) -> None:
    answer = client.get("/rows?words=free&gold=", headers=PART)
    assert answer.headers["HX-Push-Url"] == "/rows?words=free"


@pytest.mark.parametrize(
    "query, message",
    [
        ("regex=(", "regular expression"),
        ("low=much", "must be a number"),
        ("lf=gone&vote=any", "no LF &#39;gone&#39;"),
        ("column=nothing&equals=1", "no column &#39;nothing&#39;"),
        ("gold=class:other", "no class &#39;other&#39;"),
        ("order=sideways", "must be one of"),
    ],
)
def test_what_cannot_be_searched_is_said_in_the_page(client, query: str, message: str) -> None:
    answer = client.get(f"/rows?{query}")
    assert answer.status_code == 200
    assert message in answer.text and 'id="search"' in answer.text


def test_words_that_were_found_are_marked(client) -> None:
    page = client.get("/rows?words=PRIZE").text
    assert "free <mark>prize</mark> " in page


def test_markup_in_texts_is_shown_and_never_run(
    client_of, open_app, write_project, made_up_rows, tmp_path
) -> None:
    frame = made_up_rows()
    frame.loc[0, "text"] = "<script>alert(1)</script> free & <b>"
    frame = frame.rename(columns={"length": "<i>size"})
    client = client_of(open_app(write_project(tmp_path / "marked", frame)))
    for path in ("/rows?words=free", "/rows/0", "/label?queue=search&words=script&row=0"):
        page = client.get(path).text
        assert "<script>alert" not in page and "alert(1)" in page
    assert "&lt;i&gt;size" in client.get("/rows/0").text


def test_a_page_beyond_the_last_is_the_last(client) -> None:
    answer = client.get("/rows?page=99")
    assert str(answer.url).endswith("page=3")
    assert listed(answer.text) == list(range(100, 120))


def test_counts_lead_to_the_rows_that_they_count(client) -> None:
    page = client.get("/rows").text
    for query, n in (("gold=class%3Aham", 10), ("majority=class%3Aspam", 40)):
        assert re.search(rf'"/rows\?{query}"[^\n]*</span> {n}</a>', page)
        assert f"<strong>{n}</strong> of 120 rows" in client.get(f"/rows?{query}").text


# -- one row --------------------------------------------------------------------------------------


def test_a_row_shows_votes_probabilities_weights_and_other_columns(client, workspace) -> None:
    n = len(workspace.snapshot.texts)
    weights = pd.DataFrame({"gold loss": np.ones(n), "rule loss": np.full(n, np.nan)})
    with_outputs(workspace, np.tile([0.25, 0.75], (n, 1)), weights)
    page = client.get("/rows/3?words=free").text
    assert "2 of 20" in page or "1 of 20" in page
    assert "75.0" in page and "25.0" in page
    assert "gold loss" in page and "rule loss" not in page
    assert "from the table" in page and "length" in page
    assert 'href="/rows/9?words=free"' in page


def test_a_class_that_was_not_there_can_be_named(
    client_of, open_app, write_project, made_up_rows, tmp_path
) -> None:
    frame = made_up_rows(12, 0)
    app = open_app(write_project(tmp_path / "new", frame, "CLASSES = None\n"))
    client, workspace = client_of(app), app.state.workspace
    page = client.get("/label?queue=next").text
    assert "There are no classes yet" in page
    for name in ("spam", "ham"):
        row = int(fields(page)["row"])
        page = act(client, page, new=name, do="new").text
        assert workspace.snapshot.label_of(row) == name
    assert act(client, page, new=" ", do="new").status_code == 422


def test_what_lfs_matched_is_marked(client, workspace) -> None:
    page = client.get("/rows/3").text
    assert "<mark>free</mark> <mark>prize</mark> 3" in page
    workspace.add_rule(RegexRule(name="three", label="spam", pattern="3$"))
    try:
        assert "<mark>prize</mark> <mark>3</mark>" in client.get("/rows/3").text
    finally:
        workspace.remove_rule("three")


def test_a_row_that_is_not_there_is_said(client) -> None:
    assert client.get("/rows/120").status_code == 404


def test_a_label_says_where_it_is_from(client, workspace) -> None:
    workspace.label([50], "spam")
    workspace.label([1], "ham")
    assert "given in the workbench (gold.csv)" in client.get("/rows/50").text
    assert "the table says spam" in client.get("/rows/1").text


# -- labelling ------------------------------------------------------------------------------------


def test_ten_labels_are_on_the_disk_one_by_one(client, workspace) -> None:
    page = client.get("/label?queue=next").text
    for given in range(1, 11):
        row = int(fields(page)["row"])
        assert workspace.snapshot.gold[row] < 0
        page = act(client, page, label="spam").text
        assert workspace.snapshot.label_of(row) == "spam"
        records = pd.read_csv(workspace.project.gold)
        assert len(records) == given and records["id"].iloc[-1] == row
        assert f'id="n-given">{given}<' in page


def test_the_queue_tells_why_a_row_was_chosen(client) -> None:
    assert "Why this one: " in client.get("/label?queue=next").text


def test_a_label_that_another_tab_gave_is_not_overwritten(client, workspace) -> None:
    page = client.get("/label?queue=search&words=claim&gold=none").text
    row = int(fields(page)["row"])
    workspace.label([row], "ham")
    answer = act(client, page, "search", label="spam")
    assert answer.status_code == 409
    assert (
        "got the label <strong>ham</strong> elsewhere; you chose <strong>spam</strong>"
        in answer.text
    )
    assert workspace.snapshot.label_of(row) == "ham"
    chosen = fields(answer.text.replace("<form", '<form id="label"'))
    again = client.post("/label?queue=search", data=chosen | {"label": "spam"}, headers=PART)
    assert again.status_code == 200 and workspace.snapshot.label_of(row) == "spam"


def test_leaving_the_other_label_goes_on(client, workspace) -> None:
    page = client.get("/label?queue=search&gold=none").text
    row = int(fields(page)["row"])
    workspace.label([row], "ham")
    answer = act(client, page, "search", label="spam").text
    chosen = fields(answer.replace("<form", '<form id="label"')) | {"do": "go on"}
    page = client.post("/label?queue=search&gold=none", data=chosen, headers=PART).text
    assert workspace.snapshot.label_of(row) == "ham" and int(fields(page)["row"]) != row


def test_rows_of_another_table_are_not_labelled(client, workspace) -> None:
    page = client.get("/label?queue=search&gold=none").text
    workspace.snapshot = replace(workspace.snapshot, table="another")
    answer = act(client, page, "search", label="spam")
    assert answer.status_code == 409 and "table has changed" in answer.text
    assert (workspace.snapshot.gold >= 0).sum() == 20


def test_skipped_rows_do_not_come_back(client) -> None:
    page = client.get("/label?queue=next").text
    skipped = set()
    for _ in range(12):
        skipped.add(fields(page)["row"])
        page = act(client, page, do="skip").text
    assert len(skipped) == 12 and fields(page)["row"] not in skipped
    page = client.get("/label?queue=next").text
    assert fields(page)["row"] not in skipped


def test_undo_takes_back_labels_and_skips_in_turn(client, workspace) -> None:
    first = client.get("/label?queue=search&gold=none").text
    second = act(client, first, "search&gold=none", label="spam").text
    third = act(client, second, "search&gold=none", do="skip").text
    rows = [int(fields(page)["row"]) for page in (first, second, third)]
    assert rows == [20, 21, 22]
    page = act(client, third, "search&gold=none", do="undo").text
    assert int(fields(page)["row"]) == 21 and workspace.snapshot.label_of(20) == "spam"
    page = act(client, page, "search&gold=none", do="undo").text
    assert int(fields(page)["row"]) == 20 and workspace.snapshot.label_of(20) is None
    answer = act(client, page, "search&gold=none", do="undo")
    assert answer.status_code == 422 and "nothing to take back" in answer.text


def test_undo_does_not_touch_what_another_tab_did_since(client, workspace) -> None:
    page = client.get("/label?queue=search&gold=none").text
    row = int(fields(page)["row"])
    page = act(client, page, "search&gold=none", label="spam").text
    workspace.label([row], "ham")
    answer = act(client, page, "search&gold=none", do="undo")
    assert answer.status_code == 409 and workspace.snapshot.label_of(row) == "ham"


def test_a_tab_takes_back_its_own_steps_only(client, workspace) -> None:
    ours = client.get("/label?queue=search&gold=none").text
    ours = act(client, ours, "search&gold=none", label="spam").text
    theirs = client.get("/label?queue=search&gold=none").text
    theirs = act(client, theirs, "search&gold=none", label="ham").text
    act(client, ours, "search&gold=none", do="undo")
    assert workspace.snapshot.label_of(20) is None
    assert (workspace.snapshot.gold >= 0).sum() == 21


def test_tabs_are_shown_different_rows(client) -> None:
    rows = [fields(client.get("/label?queue=next").text)["row"] for _ in range(4)]
    assert len(set(rows)) == 4


def test_a_queue_ends_with_words(client, workspace) -> None:
    page = client.get("/label?queue=next&words=119").text
    page = client.post("/label?queue=next&words=119", data=fields(page) | {"label": "ham"}).text
    assert "no row of this search is without a label" in page


def test_rows_can_be_walked_without_labelling(client) -> None:
    page = client.get("/label?queue=search&words=free&row=9&walk=all").text
    assert "row=3" in page and "row=15" in page
    # Labelled rows are passed over, unless one asks for them.
    page = client.get("/label?queue=search&words=free&row=9").text
    assert "row=3" not in page and "row=15" not in page and "row=21" in page
    page = client.get("/label?queue=search&gold=any&row=9").text
    assert "row=8" in page and "row=10" in page


def test_a_random_sample_is_one_of_all_rows(client, workspace) -> None:
    ranks = workspace.snapshot.order.ranks
    page = client.get("/label?queue=random").text
    assert "Why this one: drawn at random" in page and "Each row is as likely" in page
    for _ in range(30):
        row = int(fields(page)["row"])
        waiting = ranks[workspace.snapshot.gold < 0]
        assert ranks[row] == waiting.min()
        page = act(client, page, "random", label="spam").text
    records = pd.read_csv(workspace.project.gold)
    assert set(records["chosen"]) == {"random"} and len(records) == 30
    origin = gold_origin(workspace.snapshot)
    # Rows that the table had labelled, and that come before the last one, count as well.
    reached = ranks[records["id"]].max()
    assert origin.n_random == reached + 1 and origin.n_table == 50 - origin.n_random


def test_rows_of_a_search_are_no_random_sample(client, workspace) -> None:
    for address, how in [
        ("random&words=claim", "search"),
        ("search&words=win", "search"),
        ("search", "row"),
        ("next", "next"),
    ]:
        page = client.get(
            f"/label?queue={address}&gold=none" if how == "row" else f"/label?queue={address}"
        ).text
        row = int(fields(page)["row"])
        act(client, page, address, label="ham")
        assert workspace.snapshot.chosen[row] == how
    assert gold_origin(workspace.snapshot).n_random == 0


def test_labels_that_stand_alone_are_kept_or_corrected(client, workspace) -> None:
    snapshot = workspace.snapshot
    proba = np.eye(2)[np.arange(120) % 2] * 0.98 + 0.01
    proba[[4, 7]] = proba[[4, 7]][:, ::-1]
    with_outputs(workspace, proba)
    page = client.get("/label?queue=disagree").text
    assert "The model says" in page and "by odds of 99 to 1" in page
    assert fields(page)["row"] == "4"
    page = act(client, page, "disagree", do="keep").text
    assert fields(page)["row"] == "7"
    page = act(client, page, "disagree", label="ham").text
    assert "Nothing waits here" in page
    assert workspace.snapshot.label_of(7) == "ham" and snapshot.label_of(7) == "spam"
    records = pd.read_csv(workspace.project.gold)
    assert records[["id", "label", "replaces"]].to_numpy().tolist() == [[7, "ham", "spam"]]


def test_good_lfs_speak_against_a_label(
    client_of, open_app, write_project, made_up_rows, tmp_path
) -> None:
    lfs = (
        "from spear_amal.labeling import keyword_lf\n"
        'CLASSES = ("ham", "spam")\n'
        'free = keyword_lf("free", ["free", "win", "claim"], "spam")\n'
        'cash = keyword_lf("cash", ["prize", "now"], "spam")\n'
    )
    frame = made_up_rows(n_gold=80)
    frame.loc[11, "label"] = "ham"
    client = client_of(voted(open_app(write_project(tmp_path / "wrong", frame, lfs))))
    page = client.get("/label?queue=disagree").text
    assert fields(page)["row"] == "11" and "Good LFs say" in page


@pytest.fixture
def copied(open_app, write_project, made_up_rows, tmp_path):
    """An application on 120 rows with ids, of which every tenth has one text."""
    frame = made_up_rows()
    frame.loc[frame["id"] % 10 == 5, "text"] = "Check  out this video!"
    return voted(open_app(write_project(tmp_path / "copies", frame)))


def test_a_text_is_offered_once_and_never_if_a_copy_has_a_label(copied) -> None:
    snapshot = copied.state.workspace.snapshot
    for seed in range(3):  # rows 5 and 15 have a label
        assert not {row % 10 for row in choose_rows(snapshot, np.arange(120), seed=seed).rows} & {5}
    gold = snapshot.gold.copy()
    gold[[5, 15]] = -1
    snapshot = replace(snapshot, gold=gold)
    offered = [r for r in choose_rows(snapshot, np.arange(120)).rows if r % 10 == 5]
    assert len(offered) <= 1
    skipped = choose_rows(snapshot, np.arange(120), frozenset([25])).rows
    assert not [row for row in skipped if row % 10 == 5]


def test_all_rows_with_one_text_are_labelled_at_once_and_taken_back(copied, client_of) -> None:
    client, workspace = client_of(copied), copied.state.workspace
    page = client.get("/label?queue=search&gold=none&row=25").text
    assert "Label all 10 rows with this very text" in page
    page = act(client, page, "search&gold=none", label="spam", copies="1").text
    alike = [row for row in range(25, 120, 10)]
    assert {workspace.snapshot.label_of(row) for row in alike} == {"spam"}
    assert workspace.snapshot.chosen == dict.fromkeys(alike, "copy") | {25: "search"}
    assert 'id="n-given">10<' in page and "with this very text" not in page
    act(client, page, "search&gold=none", do="undo")
    assert {workspace.snapshot.label_of(row) for row in alike} == {None}
    assert workspace.snapshot.label_of(15) is not None


def test_without_scripts_a_form_leads_to_the_next_row(client, workspace) -> None:
    page = client.get("/label?queue=search&gold=none").text
    answer = client.post("/label?queue=search&gold=none", data=fields(page) | {"label": "ham"})
    assert answer.status_code == 200 and "<html" in answer.text
    assert fields(answer.text)["row"] == "21" and workspace.snapshot.label_of(20) == "ham"


@pytest.mark.parametrize("row", ["", "-1", "120", "nan", "9" * 40])
def test_rows_that_are_none_are_refused(client, workspace, row: str) -> None:
    page = client.get("/label?queue=search").text
    data = fields(page) | {"row": row, "label": "spam"}
    answer = client.post("/label?queue=search", data=data, headers=PART)
    assert answer.status_code == 422
    assert (workspace.snapshot.gold >= 0).sum() == 20
