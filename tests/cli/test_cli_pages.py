"""Pages that commands on a user's own table write."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

EVIL = '<script>alert("x")</script>'
LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ["ham", "spam"]
LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("see", ["see"], "ham")]
"""


@pytest.fixture
def table():
    texts = [f"free prize {EVIL}", "free lunch", "see you", "nothing"] * 20
    labels = ["spam", "ham", "ham", "ham"] * 10 + [""] * 40
    frame = pd.DataFrame({"id": [f"T-{i}" for i in range(80)], "text": texts, "label": labels})
    frame.to_csv("rows.csv", index=False)
    Path("rules.py").write_text(LFS, encoding="utf-8")
    return ("--data", "rows.csv", "--lfs", "rules.py", "--id-column", "id")


def test_analyze_writes_the_review_as_a_page(ok, run, table):
    shown = ok("analyze", *table, "--html", "lfs.html")
    assert "Page written to lfs.html" in shown.stdout
    text = Path("lfs.html").read_text(encoding="utf-8")
    assert "<td>T-1</td>" in text and "<mark>free</mark> lunch" in text
    assert "What to fix next" in text and "rows.csv" in text
    assert "<script>alert" not in text
    assert run("analyze", *table, "--html", "lfs.html").exit_code == 2  # it is kept
    ok("analyze", *table, "--html", "lfs.html", "--force")


def test_the_page_of_one_command_does_not_change_what_scripts_get(ok, table):
    shown = ok("analyze", *table, "--html", "lfs.html", "--json")
    assert json.loads(shown.stdout)["review"]["rows"] == 80


@pytest.mark.slow  # it trains
def test_the_report_of_train_has_the_rows_behind_the_rules(ok, table):
    ok(
        "train",
        *table,
        "--method",
        "spear",
        "--max-epochs",
        2,
        "--report",
        "r.html",
        "--estimate",
        "none",
    )
    text = Path("r.html").read_text(encoding="utf-8")
    assert "<mark>free</mark> lunch" in text and "<td>T-1</td>" in text
    titles = re.findall(r"<h2 id=.*?>(.*?)</h2>", text)
    assert {"What to fix next", "Rows that functions get wrong", "Learning curves"} <= set(titles)
