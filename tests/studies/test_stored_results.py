"""Stored runs: the committed files are read, shown without torch, and gone on from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spear_amal.report.grid_tables import conditions
from spear_amal.studies import (
    CATALOGUE,
    load_study,
    parse_method,
    read_study,
    run_grid_study,
    run_study,
)
from spear_amal.studies.curves import LOOK_AHEAD, REFRESH, over_setting
from spear_amal.studies.results_file import RENAMED, StudyFile, identity, plain_json
from spear_amal.studies.summary import summarise

RESULTS = Path(__file__).parents[2] / "docs" / "results"
FILES = sorted(
    path for path in RESULTS.glob("*.json") if '"format": 1' in path.read_text("utf-8")[:20]
)
OLD = {present: old for old, present in RENAMED.items()}
# Whole files of studies that need no corpus to say what they run.
RESUMED = {
    "kd-synthetic": [{}],
    "kd-noise": [{}, {"teacher_labels": "clean"}, {"scale": "cifar"}],
    "kd-capacity": [{}, {"scale": "dense"}],
    "kd-multi": [{}],
    "kd-early": [{}],
    "kd-self": [{}],
    "coreset": [{}],
    "aux-rotation": [{}, {"n_labelled": 100}],
    "mixers-distillation": [{}],
}


def names_in(value):
    """Names of all options within a value."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from names_in(item)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_committed_files_are_read_and_summarised(path):
    runs = read_study(path)
    grid = runs["protocol"].str.split(":").str[0].isin(CATALOGUE)
    assert grid.all() or not grid.any()
    if grid.all():
        assert sum(len(condition.runs) for condition in conditions(runs)) == len(runs)
    else:
        assert summarise(runs)["score"].between(0, 100).all()
    old = set(RENAMED) - ({"share"} if path.stem == "coreset" else set())
    assert not old & set(names_in(list(runs["config"])))
    options = re.compile(rf"\b({'|'.join(RENAMED)})=")
    assert not any(options.search(text) for text in [*runs["method"], *runs["title"]])


def test_curves_are_found_by_present_names():
    runs = read_study(RESULTS / "imdb-overfit.json")
    (looks,) = over_setting(runs, LOOK_AHEAD)
    assert set(looks["method"]) == {"AMAL", "AMAL, weight_sharing=row"}
    assert sorted(set(looks[LOOK_AHEAD])) == [0.05, 0.5, 5]
    (refreshes,) = over_setting(runs, REFRESH)
    assert {1.0, 3.0, 10.0, 30.0, float("inf")} == set(refreshes[REFRESH])


@pytest.mark.parametrize("name", RESUMED)
def test_committed_runs_of_a_study_are_not_run_again(name, tmp_path):
    path = Path(shutil.copy(RESULTS / f"{name}.json", tmp_path))
    before, rows = path.read_bytes(), StudyFile(path).finished()
    seeds = sorted({row["seed"] for row in rows.values()})
    study, known = load_study(name), set()
    for options in RESUMED[name]:
        specs = study.run_specs(seeds, **options)
        known |= {identity(plain_json(study.identify(spec))) for spec in specs} & set(rows)
    assert known == set(rows)
    if len(RESUMED[name]) == 1:
        told = []
        run_grid_study(name, path, seeds, progress=lambda *said: told.append(said))
        assert told == [(len(rows), len(rows), "")]
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def with_old_names(value):
    """Give options the names that older files have."""
    if isinstance(value, list):
        return [with_old_names(item) for item in value]
    if isinstance(value, dict):
        return {OLD.get(name, name): with_old_names(item) for name, item in value.items()}
    return value


def test_a_file_of_older_names_goes_on(source, tmp_path):
    path = tmp_path / "a.json"
    methods = ["amal:validation=split,weight_lr=30", "amal:lookahead_lr=1.5,weight_sharing=row"]
    options = {"output": path, "only": True, "max_epochs": 1, "tune": 1}
    first = run_study(source, methods, 2, **options)
    content = json.loads(path.read_text("utf-8"))
    for row in content["rows"] + content["tuning"]:
        row["config"] = with_old_names(row["config"])
        for name in ("method", "title"):
            for present, old in OLD.items():
                row[name] = row[name].replace(f"{present}=", f"{old}=")
    texts = {row["method"] for row in content["rows"]}
    assert texts == {"amal:validation=split,rho=30", "amal:eta_look=1.5,share=row"}
    del content["sha256"]  # files of earlier versions have none
    path.write_text(json.dumps(content), "utf-8")
    told = []
    again = run_study(source, methods, 2, progress=lambda *said: told.append(said), **options)
    assert told == [(2, 2, ""), (4, 4, "")]
    assert again.equals(first)


def test_recommended_of_earlier_files_is_amal_in_folds_and_the_pool_is_itself(tmp_path):
    """The pool has a mixer among its options only where it was asked for one."""
    of_amal = {"mixer": "amal", "crossfit": 5, "inference": "product"}
    cases = {
        "recommended": (of_amal, "amal-folds"),
        "recommended:mixer=amal-paper": (of_amal, "amal-folds:mixer=amal-paper"),
        "recommended:crossfit=3": (parse_method("recommended:crossfit=3").settled, None),
        "recommended:mixer=spear": (parse_method("recommended:mixer=spear").settled, None),
    }
    row = {"corpus": "a", "seed": 0, "metric": "accuracy", "features": "b", "protocol": "c"}
    row |= {"labels": 9, "score": 0.5, "val_score": 0.5, "seconds": 1.0}
    rows = [
        row | {"method": method, "config": {"options": options}}
        for method, (options, _) in cases.items()
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"format": 1, "rows": rows}), "utf-8")
    now = [row["method"] for row in StudyFile(path).rows]
    assert now == [present or method for method, (_, present) in cases.items()]


def test_tables_are_printed_without_torch():
    code = (
        "import sys\n"
        "from spear_amal.cli import main\n"
        "for file in sys.argv[1:]:\n"
        "    sys.argv = ['spear-amal', 'study', 'report', file]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code\n"
        "print('torch' in sys.modules)\n"
    )
    files = [str(RESULTS / f"{name}.json") for name in ("imdb-overfit", "aux-rotation")]
    command = [sys.executable, "-c", code, *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Is AMAL worth it on imdb" in ran.stdout  # one of methods over seeds
    assert "ALM-KD is left out" in ran.stdout  # one of mixers
    assert ran.stdout.splitlines()[-1] == "False"
