"""The studies on images at a size of moments: whole rows, resumed runs, test rows kept apart."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from spear_amal.errors import InputError
from spear_amal.studies import load_study, run_grid_study
from spear_amal.studies.distillation.coreset import of_every_class
from spear_amal.studies.grid.image_split import ImageTestScorer, make_image_split

ROWS = {"corpus": "digits", "n_train": 103, "n_validation": 53, "n_test": 101}
TINY = {**ROWS, "max_epochs": 2, "batch_size": 31, "student": "mlp:7"}
OPTIONS = {
    "kd-capacity": {"teachers": "mlp:23,mlp:13", "assistant": "mlp:13"},
    "kd-multi": {"teachers": ("mlp:23", "mlp:13")},
    "kd-early": {"teachers": ["mlp:23"], "max_epochs": 3},
    "kd-self": {},
    "coreset": {"teachers": ["mlp:23"], "share": 0.3},
}
# Fields of a row, beside those of all studies.
FIELDS = {
    "kd-capacity": {"teacher_score", "ce_score", "compression", "relative", "relative_ce"},
    "kd-multi": {"teacher_scores", "compression"},
    "kd-early": {"teacher_scores", "teacher_score", "compression"},
    "kd-self": set(),
    "coreset": {"rows", "class_rows", "noise_rate"},
}
EVERY = {"score", "val_score", "best_epoch", "parameters", "mean_weights", "seconds", "warnings"}
NAMES = list(OPTIONS)


def run_tiny(name, folder, study=None, seeds=2, **more):
    return run_grid_study(study or name, folder / "runs.json", seeds, **TINY | OPTIONS[name] | more)


def results(rows):
    """What must not change from run to run."""
    return rows.drop(columns="seconds").to_dict("records")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Rows of a study that ran undisturbed, and its folder."""
    held = {}

    def get(name):
        if name not in held:
            folder = tmp_path_factory.mktemp(name)
            held[name] = run_tiny(name, folder), folder
        return held[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_whole_and_json(whole, name):
    rows, folder = whole(name)
    assert rows["error"].isna().all()
    assert rows["score"].between(0, 1).all()
    stored = json.loads((folder / "runs.json").read_text())["rows"]
    assert len(stored) == len(rows)
    for row in stored:
        assert (EVERY | FIELDS[name]) <= set(row)
        assert row["protocol"].startswith(f"{name}: ")
    methods = rows.groupby(["protocol", "seed"])["method"].apply(set)
    smaller = [one for one in methods if one != max(methods, key=len)]
    # Without an assistant of its own size no chain is run.
    allowed = {"takd", "dgkd"} if name == "kd-capacity" else set()
    assert all(max(methods, key=len) - one == allowed for one in smaller)


@pytest.mark.parametrize("name", NAMES)
def test_test_labels_reach_scores_only(whole, name, tmp_path, monkeypatch):
    def poisoned(self, x, y, start=ImageTestScorer.__init__):
        start(self, x, (y + 1) % 10)

    monkeypatch.setattr(ImageTestScorer, "__init__", poisoned)
    make_image_split.cache_clear()
    rows, clean = run_tiny(name, tmp_path), whole(name)[0]
    make_image_split.cache_clear()
    for column in ("val_score", "best_epoch", "mean_weights"):
        assert rows[column].tolist() == clean[column].tolist()
    assert rows["score"].tolist() != clean["score"].tolist()


@pytest.mark.parametrize(
    "name",
    [
        "kd-early",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("kd-capacity", "coreset")),
    ],
)
def test_a_killed_study_goes_on_where_it_was(whole, name, tmp_path, killed_and_continued):
    rows, n = killed_and_continued(
        load_study(name), lambda study: run_tiny(name, tmp_path, study), 5
    )
    assert n == len(rows)
    assert results(rows) == results(whole(name)[0])


def test_a_failed_run_becomes_a_row_and_is_tried_again(whole, tmp_path):
    study = load_study("kd-multi")

    def failing(spec, folder):
        if spec.method == "takd" and spec.seed == 1:
            raise RuntimeError("out of luck")
        return study.run(spec, folder)

    rows = run_tiny("kd-multi", tmp_path, dataclasses.replace(study, run=failing))
    failed = rows[rows["error"].notna()]
    assert failed[["method", "seed"]].values.tolist() == [["takd", 1]]
    assert failed["error"].tolist() == ["RuntimeError: out of luck"]
    assert results(run_tiny("kd-multi", tmp_path)) == results(whole("kd-multi")[0])


def test_capacity_sets_scores_against_teacher_and_labels_alone(whole):
    rows, _ = whole("kd-capacity")
    np.testing.assert_allclose(rows["relative"], rows["score"] / rows["teacher_score"], atol=1e-5)
    alone = rows[rows["method"] == "ce"]
    assert (alone["relative_ce"] == 1).all()
    # One run for each seed, whatever the teacher.
    assert (alone.groupby("seed")["score"].nunique() == 1).all()
    ratios = rows.groupby("protocol")["compression"].first()
    parameters = {width: 64 * width + width + 10 * width + 10 for width in (7, 13, 23)}
    for width in (13, 23):
        found = ratios[f"kd-capacity: teacher mlp:{width}"]
        assert found == pytest.approx(parameters[width] / parameters[7], abs=1e-3)


def test_early_stages_teach_together(whole):
    rows, _ = whole("kd-early")
    assert set(rows["teacher_scores"][0]) == {"1", "2", "3"}
    taught = rows.set_index("method")["mean_weights"].map(set)
    assert (taught["amal"] == {"label", "teacher"}).all()
    assert (taught["amal-stages"] == {"label", "teacher0", "teacher1", "teacher2"}).all()
    assert (rows["teacher_score"] == [one["3"] for one in rows["teacher_scores"]]).all()


def test_the_best_epoch_of_self_distillation_is_no_worse_on_validation(whole):
    rows, _ = whole("kd-self")
    assert set(rows["protocol"]) == {"kd-self: 0% wrong labels", "kd-self: 20% wrong labels"}
    table = rows.pivot(index=["protocol", "seed"], columns="method", values="val_score")
    assert (table["ce-early"] >= table["ce"]).all()
    last = rows[rows["method"] == "ce"]
    assert (last["best_epoch"] == TINY["max_epochs"]).all()
    wrong = rows[rows["protocol"].str.contains("20%")]
    found = wrong.set_index("method")["auc"]["amal"].dropna()  # none if the best epoch came early
    assert found.between(0, 1).all()
    assert len(found)


def test_coresets_have_their_size_and_every_class(whole):
    rows, _ = whole("coreset")
    sizes = rows.set_index("method")["rows"]
    assert (sizes["complete"] == 103).all()
    assert (sizes.drop("complete") == 31).all()
    assert all(min(one) >= 1 for one in rows["class_rows"])
    even = rows.set_index("method")["class_rows"]["random-balanced"]
    assert all(max(one) - min(one) <= 1 for one in even)


def test_an_order_gives_its_first_rows_when_all_classes_are_there():
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    order = np.array([6, 4, 2, 0, 1, 3, 5])
    assert of_every_class(order, y, 5).tolist() == [0, 1, 2, 4, 6]
    with pytest.raises(InputError, match="2 rows are fewer than the 3 classes"):
        of_every_class(order, y, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epoch": 3}, "no option 'max_epoch'; did you mean 'max_epochs'"),
        ({"scale": "large"}, "scale must be one of small"),
        ({"student": "resnet9"}, "there is no network 'resnet9'"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"lr": "fast"}, "lr"),
        ({"teachers": ""}, "there is no network"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_options_that_cannot_be_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        load_study(name).run_specs([0], **options)


def test_own_options_are_checked():
    with pytest.raises(InputError, match="two networks, the larger first"):
        load_study("kd-multi").run_specs([0], teachers="mlp:13")
    with pytest.raises(InputError, match="share must lie between 0 and 1"):
        load_study("coreset").run_specs([0], share=1.5)


@pytest.mark.parametrize("name", NAMES)
def test_options_can_be_listed(name):
    known = load_study(name).options
    assert known[0] == "scale"
    assert {"data_dir", "max_epochs", "corpus", "n_train"} <= set(known)


@pytest.mark.parametrize("name", NAMES)
def test_every_scale_makes_runs_whose_rows_differ(name):
    study = load_study(name)
    for scale in ("small", "paper"):
        specs = study.run_specs([0, 1], scale=scale)
        rows = {json.dumps(study.identify(spec), sort_keys=True) for spec in specs}
        assert len(rows) == len(specs)
        for spec in specs:
            study.teachers(spec)
