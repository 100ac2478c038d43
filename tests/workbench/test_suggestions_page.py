"""The page of suggestions: what it shows, and what becomes of a candidate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from threading import Event

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("starlette")

from starlette.datastructures import QueryParams

from spear_amal.cli.workbench import project_of
from spear_amal.declared_lfs import make_lf, rule_from_fields
from spear_amal.errors import InputError
from spear_amal.workbench import suggester
from spear_amal.workbench.app import create_app
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.rule_form import RuleForm
from spear_amal.workbench.server import hosts_of
from spear_amal.workbench.snapshot import LFState, Snapshot

CLASSES = ("ham", "spam")
WORDS = {
    "spam": ("free prize", "win cash!", "claim now"),
    "ham": ("lunch at", "home by", "see you"),
}


class StillWorkspace:
    """Stands for a workspace whose files nobody watches and whose LFs run at once."""

    def __init__(self, folder: Path, n_gold: int) -> None:
        (folder / "spear.toml").write_text('data = "rows.csv"\n', encoding="utf-8")
        self.project, self.hub = project_of(folder), Hub()
        codes = np.arange(120) % 2
        texts = [f"{WORDS[CLASSES[code]][row % 3]} {row}" for row, code in enumerate(codes)]
        frame = pd.DataFrame({"id": range(120), "text": texts, "label": None})
        votes = np.where(["prize" in text for text in texts], 1, -1).astype(np.int16)
        prize = LFState("prize", "python", votes, label="spam")
        gold = np.where(np.arange(120) < n_gold, codes, -1)
        self.snapshot = Snapshot(1, frame, texts, None, CLASSES, gold, (prize,), table="t")

    def add_rule(self, rule) -> None:
        if self.snapshot.named(rule.name):
            raise InputError(f"the name {rule.name} is taken")
        fires = make_lf(rule).fires_on if rule.kind == "similar" else make_lf(rule).decide
        where = fires(self.snapshot.frame[rule.column].tolist())
        votes = np.where(where, CLASSES.index(rule.label), -1).astype(np.int16)
        lf = LFState(rule.name, "declared", votes, label=rule.label, rule=rule)
        self.change(lfs=(*self.snapshot.lfs, lf))

    def reject(self, signature: str, rejected: bool = True) -> None:
        others = self.snapshot.rejected - {signature}
        self.change(rejected=others | {signature} if rejected else others)

    def change(self, **changes) -> None:
        self.snapshot = replace(self.snapshot, revision=self.snapshot.revision + 1, **changes)
        self.hub.publish("rules")

    def close(self) -> None:
        pass


class HereAndNow:
    """Stands for the process: the same work in the thread that asks."""

    def __init__(self, handler: str, is_urgent: bool) -> None:
        assert not is_urgent
        assert handler == "spear_amal.workbench.suggester:make_suggestions"

    def answers(self, *request, seconds: float, wanted) -> Iterator[object]:
        return suggester.make_suggestions(*request)

    def close(self) -> None:
        pass


@pytest.fixture
def no_process(monkeypatch):
    monkeypatch.setattr(suggester, "KillableWorker", HereAndNow)
    monkeypatch.setattr(suggester, "encoder_of", lambda features: "ngrams")


class Page:
    """The page and its parts, as text."""

    def __init__(self, workspace, app, client) -> None:
        self.workspace, self.app, self.client = workspace, app, client
        self._made = Event()
        publish = workspace.hub.publish

        def hear(topic, **values):
            publish(topic, **values)
            if topic == suggester.TOPIC:
                self._made.set()

        workspace.hub.publish = hear

    def fresh(self, path: str = "/parts/suggestions") -> str:
        """Return a part once the suggestions are of the present state."""
        for _ in range(4):
            self._made.clear()
            text = self.client.get(path).text
            if 'data-fresh="true"' in text:
                return text
            assert self._made.wait(60)
        raise AssertionError("suggestions never come to rest")

    def post(self, deed: str, signature: str):
        return self.client.post(f"/suggestions/{deed}", data={"signature": signature})


def signatures(text: str) -> list[str]:
    return list(map(unescape, re.findall(r'data-signature="([^"]*)"', text)))


@pytest.fixture
def open_page(no_process, tmp_path, client_of):
    opened: list[Page] = []

    def open_it(n_gold: int = 80) -> Page:
        workspace = StillWorkspace(tmp_path, n_gold)
        app = create_app(workspace, "a-token-of-tests", hosts_of(8765))
        opened.append(Page(workspace, app, client_of(app)))
        return opened[-1]

    yield open_it
    for page in opened:
        page.app.state.suggester.close()
        page.app.state.previewer.close()


def test_says_that_they_are_being_made_and_then_shows_them(open_page) -> None:
    page = open_page()
    assert "Suggestions are being made" in page.client.get("/suggestions").text
    text = page.fresh("/suggestions")
    assert "Supported by labelled rows" in text and "80 labelled rows" in text
    shown = signatures(text)
    assert len(shown) == len(set(shown)) > 2
    assert "keyword for spam: prize" not in shown  # an LF votes so already
    assert not any("threshold" in name and " id " in name for name in shown)


def test_accepted_candidate_is_an_lf_and_gone_from_the_list(open_page) -> None:
    page = open_page()
    first = signatures(page.fresh())[0]
    answer = page.post("accept", first)
    assert answer.status_code == 200 and "is an LF now" in answer.text
    assert first not in signatures(answer.text)
    assert (page.workspace.snapshot.lfs[-1].votes >= 0).any()
    assert first not in signatures(page.fresh())
    assert page.post("accept", first).status_code == 422


def test_name_that_was_taken_meanwhile_gets_a_number(open_page) -> None:
    page = open_page()
    first = signatures(page.fresh())[0]
    found = page.app.state.suggester.candidate(first)
    page.workspace.add_rule(found.rule.model_copy(update={"label": "ham"}))
    assert f"{found.rule.name}_2 is an LF now" in page.post("accept", first).text


def test_rejected_candidate_never_comes_again_until_allowed(open_page) -> None:
    page = open_page()
    first = signatures(page.fresh())[0]
    answer = page.post("reject", first)
    assert "will not be suggested again" in answer.text
    assert page.workspace.snapshot.rejected == {first}
    text = page.fresh()
    assert first not in signatures(text) and "Rejected (1)" in text
    assert page.post("allow", first).status_code == 200
    assert not page.workspace.snapshot.rejected
    assert first in signatures(page.fresh())


def test_rows_of_a_candidate_right_and_wrong_apart(open_page) -> None:
    page = open_page()
    first = next(name for name in signatures(page.fresh()) if name.startswith("keyword"))
    text = page.client.get("/parts/suggestions/rows", params={"signature": first}).text
    assert "Right, by their label" in text and "<mark>" in text and "Matching rows" in text
    gone = page.client.get("/parts/suggestions/rows", params={"signature": "none"})
    assert gone.status_code == 422 and "this suggestion is gone" in gone.text


def test_edit_opens_the_editor_with_it(open_page) -> None:
    page = open_page()
    text = page.fresh()
    path, _, query = unescape(re.search(r'data-key="e" href="([^"]*)"', text)[1]).partition("?")
    form = RuleForm.of(QueryParams(query))
    found = page.app.state.suggester.candidate(signatures(text)[0])
    fields = form.rule_fields(page.workspace.snapshot.texts)
    assert path == "/rules" and rule_from_fields(fields) == found.rule


def test_few_labels_are_too_early(open_page) -> None:
    page = open_page(n_gold=4)
    text = page.fresh()
    assert "None yet: with 4 labelled rows" in text.replace("\n", " ")
    assert "luck (of all that were tried)" not in text


def test_no_labels_at_all(open_page) -> None:
    assert "No row has a label yet" in open_page(n_gold=0).fresh()


def test_new_labels_make_new_suggestions(open_page) -> None:
    page = open_page(n_gold=40)
    assert "40 labelled rows" in page.fresh()
    gold = page.workspace.snapshot.gold.copy()
    gold[60] = 0
    page.workspace.change(gold=gold)
    assert "these are the former ones" in page.client.get("/parts/suggestions").text
    assert "41 labelled rows" in page.fresh()


def test_error_is_shown(open_page, monkeypatch) -> None:
    page = open_page()

    def fail(request):
        raise InputError("<b>no such encoder</b>")

    monkeypatch.setattr(suggester, "make_suggestions", fail)
    text = page.fresh()
    assert "No suggestions could be made" in text and "&lt;b&gt;no such encoder" in text


def test_signatures_with_markup_are_shown_and_never_run(open_page) -> None:
    page = open_page()
    page.workspace.reject("<script>alert('x')</script>")
    text = page.fresh()
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_waits_for_lfs_that_run_for_the_first_time(open_page) -> None:
    page = open_page()
    new = LFState("new", "declared", np.full(120, -1, np.int16), label="ham", is_running=True)
    page.workspace.change(lfs=(*page.workspace.snapshot.lfs, new))
    maker = page.app.state.suggester
    assert not maker.of(page.workspace.snapshot).is_fresh and not maker._is_running
    page.workspace.change(lfs=page.workspace.snapshot.lfs[:1])
    assert signatures(page.fresh())


def test_process_of_its_own(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(suggester, "encoder_of", lambda features: "ngrams")
    workspace, made = StillWorkspace(tmp_path, 80), Event()
    monkeypatch.setattr(workspace.hub, "publish", lambda topic, **values: made.set())
    maker = suggester.Suggester(workspace.project, workspace.hub)
    assert maker.of(workspace.snapshot).suggestions is None
    assert made.wait(120)
    state = maker.of(workspace.snapshot)
    assert state.is_fresh and state.error == "" and state.suggestions.n_gold == 80
    maker.close()


@pytest.mark.parametrize(
    ("features", "encoder"), [("encoder:folder/x", "folder/x"), ("tfidf", None), ("", None)]
)
def test_encoder_is_that_of_the_features(features: str, encoder: str | None, monkeypatch) -> None:
    monkeypatch.setattr(suggester.importlib.util, "find_spec", lambda name: None)
    assert suggester.encoder_of(features) == (encoder or "ngrams")


def test_key_moves_with_all_that_suggestions_depend_on(tmp_path) -> None:
    snapshot = StillWorkspace(tmp_path, 80).snapshot
    gold = snapshot.gold.copy()
    gold[np.flatnonzero(gold < 0)[0]] = 1
    others = [
        replace(snapshot, gold=gold),
        replace(snapshot, lfs=snapshot.lfs[1:]),
        replace(snapshot, lfs=(replace(snapshot.lfs[0], is_muted=True), *snapshot.lfs[1:])),
        replace(snapshot, rejected=frozenset({"x"})),
        replace(snapshot, classes=("a", "b")),
    ]
    keys = {suggester._key(state) for state in (snapshot, *others)}
    assert len(keys) == 6
    assert suggester._key(replace(snapshot, revision=99)) == suggester._key(snapshot)
