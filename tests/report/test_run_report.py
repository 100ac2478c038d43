import base64
import errno
import json
import os
import re
from dataclasses import replace
from hashlib import sha256

import altair as alt
import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page

from spear_amal.errors import MissingExtraError, OutputExistsError
from spear_amal.report import (
    ReportContent,
    comparison_table,
    is_own_report,
    write_report,
)
from spear_amal.report.page import versions
from spear_amal.studies import SplitComparisonRow

BARE = ReportContent("Bare", [], ["a", "b"])


@pytest.fixture(scope="module")
def written(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "r.html"
    write_report(path, content)
    return path.read_text(encoding="utf-8")


def test_page_needs_nothing_from_outside(written):
    held = Page(written)
    assert not {"link", "iframe", "object"} & set(held.tags)
    assert all("src" not in script for script, _ in held.scripts)
    bundle = max((text for _, text in held.scripts), key=len)
    bare = re.sub(r"base64,[^\"]*", "", written.replace(bundle, ""))
    assert re.search(r"https?:|url\(|@import|[^:]//[a-z]", bare) is None
    # A browser refuses what the page's own rule leaves out: anything from outside among it.
    assert held.policy["default-src"] == "'none'"
    assert not any("http" in sources or "*" in sources for sources in held.policy.values())


def test_only_the_scripts_of_the_page_may_run(written):
    held = Page(written)
    run = [text for attributes, text in held.scripts if attributes.get("type") is None]
    digests = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in run]
    assert held.policy["script-src"] == " ".join(f"'sha256-{digest}'" for digest in digests)
    assert len(run) == 2  # the page's own, and Vega once for all charts


def test_every_figure_has_a_name_and_a_specification(written):
    held = Page(written)
    assert len(held.charts) == 12 and all(held.charts)
    for spec in held.specs:
        assert spec["width"] == "container" and spec["datasets"]
        assert alt.Chart.from_dict({"data": {"name": "x"}, **spec})  # validated by the schema


def test_page_is_light(written):
    assert len(written) < 1_500_000


def test_contents_lead_to_the_headings(written):
    held = Page(written)
    ids = re.findall(r'<h2 id="([^"]*)">', written)
    assert [link[1:] for link in held.links] == ids and len(ids) == 9


def test_columns_can_be_sorted_and_are_explained(written):
    heads = re.findall(r"<th scope=.*?</th>", written, re.DOTALL)
    assert len(heads) > 15 and all('<button type="button"' in head for head in heads)
    assert '<button type="button" title="Share of all rows on which the labelling' in written


def test_a_page_without_charts_has_no_vega(tmp_path):
    write_report(tmp_path / "r.html", BARE)
    held = Page((tmp_path / "r.html").read_text())
    assert held.charts == [] and len(held.scripts) == 1


def test_what_users_wrote_is_shown_not_run(written):
    held = Page(written)
    assert EVIL in held.text
    assert sum(EVIL in json.dumps(spec["datasets"]).replace('\\"', '"') for spec in held.specs) == 5
    assert EVIL not in written and "<script>alert" not in written
    assert "i" not in held.tags  # a class is called <i>no
    assert "<i>no" in held.text and "yes&" in held.text


def test_sections_stand_in_reading_order(written):
    titles = re.findall(r"<h2 id=.*?>(.*?)</h2>", written)
    assert [title.split()[0] for title in titles] == [
        *("Comparison", "Right", "What", "Labelling", "Rows", "Learning", "Learnt"),
        *("Unlabelled", "Settings"),
    ]
    for name in ("seed", "torch", "Python", "spear_amal"):
        assert f"<td>{name}</td>" in written


def test_parts_that_are_missing_are_left_out(tmp_path):
    write_report(tmp_path / "r.html", BARE)
    held = Page((tmp_path / "r.html").read_text())
    assert held.tags.count("h2") == 1 and held.pictures == [] and held.charts == []


def test_without_gold_nothing_is_said_of_chance(content, tmp_path):
    write_report(tmp_path / "r.html", replace(content, y=None))
    text = (tmp_path / "r.html").read_text()
    held = Page(text)
    assert "chance" not in held.text and "verdict" not in held.text
    assert len(held.charts) == 11


def test_judged_weights_say_that_gold_was_for_looking_only(content, tmp_path):
    weights = content.examples.weights["consensus"].dropna()
    judged = pd.DataFrame({"right": np.arange(len(weights)) % 2 == 0, "consensus": weights})
    examples = replace(content.examples, judged=judged)
    write_report(tmp_path / "r.html", replace(content, examples=examples))
    held = Page((tmp_path / "r.html").read_text())
    [picture] = held.pictures
    assert picture["alt"] == "Weights where the rules are right and wrong"
    kind, data = picture["src"].split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(data).startswith(b"\x89PNG")
    assert "opened after training, for this picture only" in " ".join(held.text.split())


def test_optimism_stands_in_the_comparison(tmp_path):
    scores = {"accuracy": 0.8, "f1": 0.75, "macro-f1": 0.7, "nll": 0.5, "ece": 0.1}
    rows = [SplitComparisonRow("m", "M", "100 gold", "f1", scores, val_score=0.81, seconds=1.0)]
    write_report(tmp_path / "r.html", replace(BARE, comparison=comparison_table(rows)))
    text = (tmp_path / "r.html").read_text()
    assert ">optimism</button>" in text and ">+6.0</td>" in text


def test_readable_on_a_phone(written):
    assert '<meta name="viewport" content="width=device-width' in written
    body = written[: written.index("</main>")]
    tables = len(re.findall("<table>", body))
    assert tables == len(re.findall('<div class="table[a-z ]*"><table>', body)) > 3


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
