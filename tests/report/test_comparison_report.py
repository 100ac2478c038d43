"""The page of a comparison: what it was given is on it, and what it was not given is left out."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page

from spear_amal.errors import OutputExistsError
from spear_amal.report import (
    ComparisonContent,
    Estimate,
    Evaluation,
    write_comparison_report,
)

METHODS = [f"Gold {EVIL}", "AMAL"]
SCORES = pd.DataFrame({"method": METHODS, "score": [70.5, 77.0], "low": 65.0, "high": 80.0})
GAINS = pd.DataFrame({"method": ["AMAL"], "gain": [6.5], "low": [1.5], "high": [9.5]})
BARE = ComparisonContent(
    title=f"Rules {EVIL}",
    verdict=f"The rules add 6.5 points {EVIL}.",
    summary=[EVIL],
    table=pd.DataFrame({"method": METHODS, "accuracy": ["70.5", "77.0"]}),
    estimate=Estimate(sentences=()),
)


def page_of(content, folder):
    write_comparison_report(folder / "c.html", content)
    return (folder / "c.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full():
    draws = [
        {"method": method, "draw": f"1.{fold}", "score": 70.0 + fold}
        for method in METHODS
        for fold in range(3)
    ]
    labels = [{"method": "AMAL", "labels": n, "score": 60.0 + n} for n in (5, 11)]
    outcome = Evaluation(
        "AMAL", "11 rows", np.array([[5, 1], [2, 3]]), np.linspace(0.5, 1, 11), np.arange(11) > 2
    )
    return replace(
        BARE,
        estimate=Estimate((f"Expect {EVIL}",), SCORES, GAINS, METHODS[0], "accuracy"),
        by_draw=pd.DataFrame(draws),
        by_labels=pd.DataFrame(labels),
        outcomes=[outcome],
        class_names=["a", EVIL],
        notes=[f"Note {EVIL}"],
        settings={"seed": 3},
    )


def test_everything_stands_on_the_page(full, tmp_path):
    text = page_of(full, tmp_path)
    page = Page(text)
    assert page.charts == [
        *("Scores", f"Gain over {METHODS[0]}", "Scores one by one"),
        *("Score against the number of labels", "Confusion matrix", "Calibration", "Confidence"),
    ]
    [dots, gains, draws, *_] = page.specs
    assert [row["score"] for row in dots["datasets"]["methods"]] == [70.5, 77.0]
    assert gains["datasets"]["methods"][0]["side"] == "above zero"
    assert len(draws["datasets"]["draws"]) == 6
    for words in ("The rules add 6.5 points", "Expect", "Note", "Class by class: AMAL"):
        assert words in page.text
    assert '<p class="verdict">The rules add 6.5 points &lt;script' in text


def test_what_users_wrote_is_shown_not_run(full, tmp_path):
    text = page_of(full, tmp_path)
    assert "<script>alert" not in text
    assert Page(text).text.count(EVIL) >= 6
    assert any(EVIL in json.dumps(spec).replace('\\"', '"') for spec in Page(text).specs)


def test_parts_that_are_missing_are_left_out(tmp_path):
    text = page_of(BARE, tmp_path)
    page = Page(text)
    assert page.charts == [] and page.tags.count("h2") == 2  # methods, settings
    assert "Scores and gains" not in page.text


def test_a_gain_that_nobody_knows_is_no_figure(tmp_path):
    estimate = Estimate((), SCORES, GAINS.assign(gain=np.nan), METHODS[0])
    page = Page(page_of(replace(BARE, estimate=estimate), tmp_path))
    assert page.charts == ["Scores"]


def test_an_existing_file_is_kept(tmp_path):
    (tmp_path / "c.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_comparison_report(tmp_path / "c.html", BARE)
    assert (tmp_path / "c.html").read_text() == "mine"
