import base64
import errno
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import MissingExtraError, OutputExistsError
from spear_amal.report import (
    ReportContent,
    comparison_table,
    is_own_report,
    write_report,
)
from spear_amal.report.page import versions
from spear_amal.studies import SplitComparisonRow

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects tags and text, and checks that tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.pictures = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


BARE = ReportContent("Bare", [], ["a", "b"])


@pytest.fixture(scope="module")
def written(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "r.html"
    write_report(path, content)
    return path.read_text(encoding="utf-8")


def test_page_needs_nothing_from_outside(written):
    held = Page(written)
    assert "script" not in held.tags and "link" not in held.tags and "iframe" not in held.tags
    bare = re.sub(r"base64,[^\"]*", "", written)
    assert re.search(r"https?:|url\(|@import|//[a-z]", bare) is None
    assert len(held.pictures) == 9 and all(picture["alt"] for picture in held.pictures)
    for picture in held.pictures:
        kind, data = picture["src"].split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_what_users_wrote_is_shown_not_run(written):
    held = Page(written)
    assert '<script>alert("x")</script>' in held.text
    assert "i" not in held.tags  # a class is called <i>no
    assert "<i>no" in held.text and "yes&" in held.text


def test_sections_stand_in_reading_order(written):
    titles = re.findall(r"<h2>(.*?)</h2>", written)
    assert [title.split()[0] for title in titles] == [
        *("Comparison", "Right", "Labelling", "Are", "Learning", "Learnt", "Unlabelled"),
        "Settings",
    ]
    for name in ("seed", "torch", "Python", "spear_amal"):
        assert f"<td>{name}</td>" in written


def test_parts_that_are_missing_are_left_out(tmp_path):
    write_report(tmp_path / "r.html", BARE)
    held = Page((tmp_path / "r.html").read_text())
    assert held.tags.count("h2") == 1 and held.pictures == []


def test_without_gold_nothing_is_said_of_chance(content, tmp_path):
    write_report(tmp_path / "r.html", replace(content, y=None))
    text = (tmp_path / "r.html").read_text()
    assert "chance" not in text and "verdict" not in text
    assert len(Page(text).pictures) == 8


def test_judged_weights_say_that_gold_was_for_looking_only(content, tmp_path):
    weights = content.examples.weights["consensus"].dropna()
    judged = pd.DataFrame({"right": np.arange(len(weights)) % 2 == 0, "consensus": weights})
    examples = replace(content.examples, judged=judged)
    write_report(tmp_path / "r.html", replace(content, examples=examples))
    held = Page((tmp_path / "r.html").read_text())
    assert len(held.pictures) == 10
    assert "opened after training, for this picture only" in " ".join(held.text.split())


def test_optimism_stands_in_the_comparison(tmp_path):
    scores = {"accuracy": 0.8, "f1": 0.75, "macro-f1": 0.7, "nll": 0.5, "ece": 0.1}
    rows = [SplitComparisonRow("m", "M", "100 gold", "f1", scores, val_score=0.81, seconds=1.0)]
    write_report(tmp_path / "r.html", replace(BARE, comparison=comparison_table(rows)))
    text = (tmp_path / "r.html").read_text()
    assert ">optimism</th>" in text and ">+6.0</td>" in text


def test_readable_on_a_phone(written):
    assert '<meta name="viewport" content="width=device-width' in written
    tables = len(re.findall("<table>", written))
    assert tables == len(re.findall('<div class="table"><table>', written)) > 3


def test_existing_file_is_kept(tmp_path):
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_report(tmp_path / "r.html", BARE)
    assert (tmp_path / "r.html").read_text() == "mine"
    assert not is_own_report(tmp_path / "r.html")
    write_report(tmp_path / "r.html", BARE, overwrite=True)
    assert is_own_report(tmp_path / "r.html")


def test_own_report_is_told_from_anything_else(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes", "none", "."):
        assert not is_own_report(tmp_path / name)


def test_full_disk_keeps_the_old_report(tmp_path, monkeypatch):
    (tmp_path / "r.html").write_text("old")

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path / "r.html", BARE, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_bytes() == b"old"


def test_without_matplotlib_it_says_what_to_install(content, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'spear-amal\[report\]'"):
        write_report(tmp_path / "r.html", content)
    assert list(tmp_path.iterdir()) == []


def test_versions_name_what_was_used():
    assert {"spear_amal", "Python", "numpy", "torch"} <= set(versions())
