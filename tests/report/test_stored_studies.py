"""The committed result files, some of them of older versions, still give their tables."""

import json
from pathlib import Path

import numpy as np
import pytest

from spear_amal.report.formatting import markdown
from spear_amal.report.grid_tables import conditions, grid_table, of_grid_study, readable_grid
from spear_amal.report.study_report import readable_summary, study_tables
from spear_amal.studies import read_study

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
FILES = [path for path in sorted(RESULTS.glob("*.json")) if '"tuning"' in path.read_text("utf-8")]


def tables_of(runs):
    if of_grid_study(runs).all():
        return [readable_grid(part, grid_table(part)) for part in conditions(runs)]
    return [readable_summary(table) for *_, table in study_tables(runs)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_run_is_counted_and_every_mean_is_that_of_the_file(path):
    rows = json.loads(path.read_text("utf-8"))["rows"]
    groups = {}
    for row in rows:
        placebo = bool(row["config"].get("placebo"))
        key = (row["corpus"], row["protocol"], row["labels"], placebo, row["method"])
        groups.setdefault(key, []).append(row["score"])
    tables = tables_of(read_study(path))
    assert sum(table["seeds"].astype(int).sum() for table in tables) == len(rows)
    shown = sorted(float(cell) for table in tables for cell in table.iloc[:, 1])
    np.testing.assert_allclose(
        shown, sorted(100 * np.mean(scores) for scores in groups.values()), rtol=0, atol=0.0501
    )
    assert all("nan" not in markdown(table) for table in tables)


def test_all_files_of_studies_are_found():
    assert len(FILES) >= 22
