"""LFs that err alike, in words and as a table, on pages."""

import numpy as np

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_judges
from spear_amal.report import ReportContent, write_report
from spear_amal.report.dependence import LFDependence


def test_a_group_is_named_with_what_to_do(tmp_path):
    L, _ = synthetic_judges(601, 8, accuracies=0.75, cliques=[3], copying=0.9, seed=0)
    found = LFDependence.of(L)
    assert found.groups == [["lf0", "lf1", "lf2"]] and len(found.pairs) == 3
    said = found.sentences()
    assert "These repeat one answer: lf0, lf1, lf2." in said and "label model 'correlated'" in said
    assert found.readable()["other"].tolist() == found.pairs["other"].tolist()
    assert found.to_dict()["pairs"][0]["p"] < 1e-9
    write_report(tmp_path / "r.html", ReportContent("LFs", [], L.classes, L))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "LFs that err alike" in page and "These repeat one answer: lf0, lf1, lf2." in page


def test_independent_ones_and_too_few():
    L, _ = synthetic_judges(401, 5, accuracies=0.75, seed=1)
    assert "No two labelling functions vote alike" in LFDependence.of(L).sentences()
    assert LFDependence.of(LabelMatrix.from_dense([[0], [1]])) is None
    assert LFDependence.of(LabelMatrix.from_dense(np.full((3, 2), -1), classes=[0, 1])) is None
