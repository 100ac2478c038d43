"""Files that somebody breaks while the workbench is open: said at once, and nothing is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest

from spear_amal.workbench.gold_csv import GoldCsv
from spear_amal.workbench.snapshot import Snapshot

SECONDS = 60.0  # for a busy machine
PAGES = ("/rules", "/rows", "/rows/0", "/label", "/label?queue=disagree", "/training", "/report")


class Desk:
    """An open workbench, and what a page sends to it."""

    def __init__(self, folder: Path, app, client) -> None:
        self.folder, self.client, self.workspace = folder, client, app.state.workspace
        self.wait(lambda snapshot: snapshot.is_idle)

    @property
    def snapshot(self) -> Snapshot:
        return self.workspace.snapshot

    def wait(self, wanted: Callable[[Snapshot], bool]) -> Snapshot:
        assert self.workspace.wait(wanted, SECONDS), self.snapshot.problems
        return self.snapshot

    def label(self, row: int, label: str, **fields):
        form = {"tab": "one", "table": self.snapshot.table, "row": row, "label": label}
        form["seen"] = self.snapshot.label_of(row) or ""
        return self.send("/label", form | fields)

    def add_rule(self, name: str, label: str = "spam", **fields):
        form = {"kind": "keyword", "keywords": "claim", "column": "text"}
        return self.send("/rules", form | {"name": name, "label": label} | fields)

    def send(self, path: str, form: dict):
        return self.client.post(path, data=form, headers={"hx-request": "true"})

    def check_pages(self) -> None:
        for path in PAGES:
            answer = self.client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text}"


@pytest.fixture
def open_desk(open_app, client_of):
    def open_it(folder: Path) -> Desk:
        app = open_app(folder)
        return Desk(folder, app, client_of(app))

    return open_it


@pytest.fixture
def desk(open_desk, project_folder) -> Desk:
    return open_desk(project_folder)


def gold_of(desk: Desk, *records: str) -> Path:
    path = desk.folder / "gold.csv"
    path.write_text("\n".join(["id,label", *records, ""]), encoding="utf-8")
    return path


def test_one_unknown_class_in_gold_stops_no_other_label(desk):
    gold_of(desk, "30,ham", "31,nobody", "32,spam", "33,nobody", "34,1")
    desk.wait(lambda snapshot: snapshot.label_of(32) == "spam")
    assert [desk.snapshot.label_of(row) for row in range(30, 35)] == [
        "ham",
        None,
        "spam",
        None,
        None,
    ]
    (problem,) = desk.snapshot.problems
    assert "'nobody' of row 31 does not go with the classes ['ham', 'spam']" in problem
    assert desk.label(35, "ham").status_code == desk.label(31, "spam").status_code == 200
    assert desk.snapshot.label_of(35) == "ham" and desk.snapshot.label_of(31) == "spam"


@pytest.mark.parametrize(
    "content", [b"id,label\r30,ham\r", b"\xff\xfei\0d\0", b"id,nothing\n1,2\n"]
)
def test_a_gold_file_that_cannot_be_read_is_said_and_watched_on(desk, content):
    path = desk.folder / "gold.csv"
    path.write_bytes(content)
    desk.wait(lambda snapshot: any("gold.csv" in text for text in snapshot.problems))
    assert desk.label(30, "ham").status_code == 422 and path.read_bytes() == content
    desk.check_pages()
    gold_of(desk, "31,ham")
    desk.wait(lambda snapshot: not snapshot.problems and snapshot.label_of(31) == "ham")


def test_a_folder_in_the_place_of_gold_is_said(desk):
    (desk.folder / "gold.csv").mkdir()
    answer = desk.label(30, "ham")
    assert answer.status_code == 422 and "gold.csv: Is a directory" in answer.text


def test_a_very_long_text_has_a_label_in_gold(open_desk, write_project, tmp_path):
    texts = ["home " * 100_000, "free prize", "lunch"]
    frame = pd.DataFrame({"text": texts, "label": [None, "spam", "ham"]})
    desk = open_desk(write_project(tmp_path / "long", frame))
    for label in ("ham", "spam", "ham"):
        assert desk.label(0, label).status_code == 200
        assert desk.snapshot.label_of(0) == label and not desk.snapshot.problems


def test_a_class_that_cannot_stand_beside_numbers_is_not_added(open_desk, tmp_path):
    pd.DataFrame({"text": ["a", "b", "c"], "label": [0, 1, None]}).to_csv(tmp_path / "rows.csv")
    (tmp_path / "spear.toml").write_text('data = "rows.csv"\n', encoding="utf-8")
    desk = open_desk(tmp_path)
    answer = desk.label(2, "", do="new", new="other")
    assert answer.status_code == 422 and "numbers" in answer.text
    assert not (tmp_path / "gold.csv").exists() and not desk.snapshot.problems
    assert desk.label(2, "1").status_code == 200 and desk.snapshot.label_of(2) == "1"


@pytest.mark.parametrize("content", [None, "data = [\n"], ids=["gone", "half written"])
def test_labels_and_rules_are_kept_while_the_settings_are_broken(desk, content):
    path = desk.folder / "spear.toml"
    good = path.read_text(encoding="utf-8")
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    desk.wait(lambda snapshot: snapshot.problems)
    assert desk.label(30, "ham").status_code == desk.add_rule("mine").status_code == 200
    assert desk.snapshot.label_of(30) == "ham" and desk.snapshot.named("mine")
    assert any("do not read gold.csv until spear.toml" in text for text in desk.snapshot.problems)
    desk.check_pages()
    path.write_text(good, encoding="utf-8")
    desk.wait(lambda snapshot: not snapshot.problems)
    settings = path.read_text(encoding="utf-8")
    assert 'gold = "gold.csv"' in settings and 'rules = "rules.toml"' in settings


def test_settings_may_name_a_table_before_it_is_there(desk):
    path = desk.folder / "spear.toml"
    settings = path.read_text(encoding="utf-8")
    lfs = (desk.folder / "lfs.py").read_text(encoding="utf-8").replace('"lunch",', '"other",', 1)
    (desk.folder / "others.py").write_text(lfs, encoding="utf-8")
    path.write_text(settings.replace("rows.csv", "more.csv").replace("lfs.py", "others.py"))
    desk.wait(lambda snapshot: snapshot.problems and snapshot.named("other"))
    frame = pd.read_csv(desk.folder / "rows.csv").iloc[:50]
    frame.to_csv(desk.folder / "more.csv", index=False)
    desk.wait(lambda snapshot: len(snapshot.texts) == 50 and not snapshot.problems)


def test_a_full_disk_is_said_and_changes_nothing(desk, monkeypatch):
    assert desk.label(30, "ham").status_code == desk.add_rule("mine").status_code == 200
    files = [desk.folder / name for name in ("gold.csv", "rules.toml")]
    before = [path.read_bytes() for path in files]

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    tried = [desk.label(31, "spam"), desk.label(30, "spam"), desk.add_rule("other")]
    tried.append(desk.send("/parts/rules/mute", {"name": "mine", "muted": "1"}))
    for answer in tried:
        assert answer.status_code == 422 and os.strerror(errno.ENOSPC) in answer.text
        assert "fault of spear-amal" not in answer.text
    assert [path.read_bytes() for path in files] == before
    assert desk.snapshot.label_of(30) == "ham" and desk.snapshot.label_of(31) is None
    assert [lf.name for lf in desk.snapshot.active][-1] == "mine"
    monkeypatch.undo()
    assert desk.label(31, "spam").status_code == 200 and desk.snapshot.label_of(31) == "spam"


def test_a_label_cut_off_by_a_full_disk_is_taken_back(desk, monkeypatch):
    assert desk.label(30, "ham").status_code == 200
    path = desk.folder / "gold.csv"
    whole = path.read_bytes()
    content = GoldCsv.of(whole, path, "label")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))
    assert desk.label(31, "spam").status_code == 422
    assert path.read_bytes() == whole and content.size == len(whole)


TABLES = {
    "rows added": lambda frame: pd.concat([frame, frame.assign(id=frame.id + 1000)]),
    "rows removed": lambda frame: frame.iloc[50:],
    "numbers as texts": lambda frame: frame.assign(text=frame.id),
    "no column of numbers": lambda frame: frame.drop(columns=["length"]),
    "numbers are words now": lambda frame: frame.assign(length="long"),
}


@pytest.mark.parametrize("change", TABLES.values(), ids=TABLES)
def test_a_table_changes_under_rules_and_labels(desk, change):
    threshold = {"kind": "threshold", "column": "length", "at_least": "10"}
    assert desk.add_rule("long", **threshold).status_code == 200
    stale = desk.snapshot.table
    assert desk.label(30, "spam").status_code == 200
    frame = change(pd.read_csv(desk.folder / "rows.csv"))
    frame.to_csv(desk.folder / "rows.csv", index=False)
    desk.wait(lambda s: len(s.frame) == len(frame) and list(s.frame) == list(frame) and s.is_idle)
    desk.wait(lambda s: s.frame.astype(str).iloc[0].tolist() == frame.astype(str).iloc[0].tolist())
    desk.check_pages()
    assert all(len(lf.votes) == len(frame) for lf in desk.snapshot.lfs)
    for lf in desk.snapshot.lfs:
        assert desk.client.get(f"/rules/{quote(lf.name)}").status_code == 200
    if desk.snapshot.table != stale:
        assert desk.label(31, "spam", table=stale).status_code == 409


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"other\n1\n", None])
def test_a_broken_table_is_said_and_the_last_one_stays(desk, content):
    path, n = desk.folder / "rows.csv", len(desk.snapshot.texts)
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    desk.wait(lambda snapshot: snapshot.problems)
    desk.check_pages()
    assert len(desk.snapshot.texts) == n
    assert desk.label(30, "ham").status_code == 200
    path.write_bytes(whole)
    desk.wait(lambda snapshot: not snapshot.problems)
    assert desk.snapshot.label_of(30) == "ham"


def test_another_column_of_texts_needs_a_new_start(desk):
    path = desk.folder / "spear.toml"
    settings = path.read_text(encoding="utf-8")
    path.write_text(settings.replace('text_column = "text"', 'text_column = "id"'))
    (problem,) = desk.wait(lambda snapshot: snapshot.problems).problems
    assert "text_column = 'id' now: end the workbench and start it anew" in problem
    assert desk.label(30, "ham").status_code == 200
    desk.check_pages()
    path.write_text(settings, encoding="utf-8")
    desk.wait(lambda snapshot: not snapshot.problems)


@pytest.mark.parametrize("seen", ["[]", "null", "3", "{", '{"kind": "keyword"}', "[" * 5_000])
def test_a_page_that_saw_no_rule_is_told_so(desk, seen):
    assert desk.add_rule("mine").status_code == 200
    for answer in (
        desk.add_rule("mine", replaces="mine", seen=seen, keywords="other"),
        desk.send("/parts/rules/remove", {"name": "mine", "seen": seen}),
    ):
        assert answer.status_code == 422 and "the page sent no rule that it saw" in answer.text
    assert desk.snapshot.named("mine").rule.keywords == ("claim",)


def test_an_edited_rule_that_was_removed_can_be_saved_as_a_new_one(desk):
    assert desk.add_rule("mine").status_code == 200
    desk.workspace.remove_rule("mine")
    answer = desk.add_rule("mine", replaces="mine", keywords="typed")
    assert answer.status_code == 409 and "was removed, elsewhere" in answer.text
    assert desk.add_rule("mine", replaces="", keywords="typed").status_code == 200


ODD_RULES = {
    "class": {"label": "", "new_label": "third"},
    "count": {"min_count": "9" * 30},
    "pattern": {"kind": "regex", "pattern": "("},
    "long": {"keywords": "w" * 200_000},
    "column": {"column": "nothing"},
}


@pytest.mark.parametrize("fields", ODD_RULES.values(), ids=ODD_RULES)
def test_odd_rules_are_refused_with_the_reason(desk, fields):
    answer = desk.add_rule("mine", **fields)
    assert answer.status_code == 422 and "fault of spear-amal" not in answer.text
    assert not (desk.folder / "rules.toml").exists() and desk.snapshot.named("mine") is None


def test_rows_that_another_tab_shows_are_rows_of_one_table(desk):
    desk.client.get("/label?queue=search&row=119")  # and stays there
    frame = pd.read_csv(desk.folder / "rows.csv").iloc[:3].assign(label=None)
    frame.to_csv(desk.folder / "rows.csv", index=False)
    desk.wait(lambda snapshot: len(snapshot.texts) == 3 and snapshot.is_idle)
    for queue in ("next", "search", "disagree"):
        assert desk.client.get(f"/label?queue={queue}").status_code == 200
