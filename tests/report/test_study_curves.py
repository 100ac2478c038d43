"""The curves in a study's report: drawn where the runs hold them, and said in words."""

import numpy as np
import pandas as pd
import pytest

from spear_amal.report.figures.style import png
from spear_amal.report.study_report import study_curves, write_study_report
from spear_amal.studies import parse_method


def runs(texts, labels=(23,), placebo=False):
    rows = []
    for text in texts:
        spec = parse_method(text)
        config = {"options": spec.settled, "placebo": placebo, "data": "1f"}
        for i, (k, seed) in enumerate((k, seed) for k in labels for seed in range(3)):
            rows.append(
                {
                    **{"corpus": "toy", "features": "tfidf", "protocol": "random", "labels": k},
                    **{"method": spec.text, "title": spec.title, "seed": seed, "metric": "f1"},
                    **{"score": 0.5 + i / 97, "val_score": 0.7, "config": config},
                    **{"dedup": None, "seconds": 1.0, "error": None},
                }
            )
    return pd.DataFrame(rows)


SWEPT = ("spear", "amal", "amal:refresh_every=1", "amal:lookahead_lr=5")


def test_every_kind_of_curve():
    curves = {curve.name: curve for curve in study_curves(runs(SWEPT))}
    assert list(curves) == ["refresh", "lookahead"]
    assert curves["refresh"].title == "toy, 23 labels: how often the weights are fitted to V"
    ax = curves["refresh"].figure.axes[0]
    assert ax.get_xlabel() == "epochs between refreshes" and ax.get_ylabel() == "F1, points"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3", "never"]
    assert curves["lookahead"].figure.axes[0].get_xlabel() == "look-ahead step"
    assert "optimism" in curves["refresh"].caption


def test_budget_curve_of_a_placebo_is_called_so():
    (curve,) = study_curves(runs(["only-l", "amal"], labels=(11, 23), placebo=True))
    assert curve.name == "budget" and "fair rival" in curve.caption
    assert curve.title == "toy, votes shuffled: score against the number of gold labels"
    lines = curve.figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["Only-L", "AMAL"]
    np.testing.assert_array_equal(lines[0].get_xdata(), [11, 23])
    assert len(png(curve.figure)) < 150_000


@pytest.mark.parametrize(
    ("texts", "labels", "pictures"),
    [(["only-l", "amal"], (23,), 1), (["only-l", "amal"], (11, 23), 3), (SWEPT, (23,), 3)],
)
def test_page_of_a_study_holds_them(texts, labels, pictures, tmp_path):
    write_study_report(tmp_path / "s.html", runs(texts, labels))
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert page.count("<img ") == pictures
    assert ("When it helps" in page) == (pictures > 1)
