"""The one writer: what templates may do, and what they do with what users wrote."""

import importlib.util
import re

import made_kd_rows as made
import pandas as pd
import pytest
from jinja2 import UndefinedError

from spear_amal.errors import MissingExtraError, OutputExistsError
from spear_amal.report import page
from spear_amal.report.grid_report import write_grid_report
from spear_amal.report.study_report import write_study_report

EVIL = '<script>alert("x")</script>'


def study_runs(seeds=2):
    """Rows of a study whose method and corpus try to break out of the page."""
    rows = [
        made.row("x", "", method, seed, corpus=f"corpus {EVIL}", dedup=None)
        | {"title": f"{method} {EVIL}", "protocol": "random", "config": {"lfs": EVIL, "data": "1f"}}
        for seed in range(seeds)
        for method in ("ce", "kd")
    ]
    return pd.DataFrame(rows)


def test_pages_of_studies_show_what_users_wrote(tmp_path):
    tuned = {"corpus": EVIL, "method": EVIL, "chosen": {"lr": 0.1}, "score": 0.5}
    tuning = [tuned | {"trials": [{"value": None}]}]
    write_study_report(tmp_path / "study.html", study_runs(), tuning)
    write_grid_report(tmp_path / "grid.html", study_runs().assign(protocol=f"kd-noise: {EVIL}"))
    for name in ("study", "grid"):
        text = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "<script>alert" not in text and text.count("&lt;script&gt;") > 5
        assert page.is_own_report(tmp_path / f"{name}.html")
        # Nothing is fetched, and every figure lies in the file.
        assert re.search(r"https?:|@import", re.sub(r"base64,[^\"]*", "", text)) is None
        assert text.count("<img ") == text.count("data:image/png;base64,") == 1


def test_a_template_that_lacks_something_fails_instead_of_leaving_a_gap():
    with pytest.raises(UndefinedError, match="nothing"):
        page._environment().from_string("{{ nothing }}").render()


def test_no_figure_is_drawn_for_a_file_that_must_stay(tmp_path):
    (tmp_path / "r.html").write_text("mine")

    def context():
        raise AssertionError("the file cannot be written")

    with pytest.raises(OutputExistsError):
        page.write_page(tmp_path / "r.html", "study.html", context)


@pytest.mark.parametrize("package", ["matplotlib", "jinja2", "altair", "vl_convert"])
def test_without_the_extra_it_says_what_to_install(package, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == package else find_spec(name)
    )
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'spear-amal\[report\]'"):
        write_study_report(tmp_path / "r.html", study_runs())
    assert list(tmp_path.iterdir()) == []


def test_columns_are_set_by_what_they_hold():
    frame = pd.DataFrame(
        {"method": ["7"], "gain": ["+0.3"], "given": ["x" * 21], "text": ["x" * 61]}
    )
    assert page._column_kinds(frame) == ["", "number", "wide", "long"]
    assert page._column_kinds(frame[:0]) == ["", "", "", ""]
