"""The studies of mixers at a size of moments: whole rows, resumed runs, test rows kept apart."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spear_amal.errors import InputError
from spear_amal.estimators.together import finish
from spear_amal.mixers import MIXERS
from spear_amal.report.grid_report import write_grid_report
from spear_amal.report.grid_tables import conditions, of_grid_study
from spear_amal.studies import corpus_run, load_study, run_grid_study
from spear_amal.studies.catalogue import CATALOGUE, DISTILLATION_STUDIES, MIXER_STUDIES
from spear_amal.studies.corpus_run import corpus_split, load_setup
from spear_amal.studies.grid.image_split import ImageTestScorer, make_image_split
from spear_amal.studies.mixers import aux_rotation
from spear_amal.studies.mixers.variants import VARIANTS, mixer_arguments
from spear_amal.studies.split import HeldOutScorer

IMAGES = {"corpus": "digits", "n_validation": 53, "n_test": 101, "batch_size": 31, "max_epochs": 2}
TINY = {
    "aux-rotation": {**IMAGES, "n_train": 61, "trials": 2, "max_epochs": 3}
    | {"student": "mlp:23-17", "lr": 0.1},
    "mixers-rules": {"corpus": "synthetic", "max_epochs": 2},
    "mixers-distillation": {**IMAGES, "n_train": 103, "few": 67}
    | {"student": "mlp:7", "teachers": "mlp:13"},
}
# A cheap part of the methods, one of every kind.
QUICK = {
    "aux-rotation": ["single", "random-search", "gcs", "amal"],
    "mixers-rules": ["only-lv", "single", "fixed", "random-search", "gcs", "amal"],
    "mixers-distillation": ["single", "kd", "random-search", "superloss", "amal"],
}
NAMES = list(TINY)
EVERY = {"score", "val_score", "best_epoch", "seconds", "seconds_per_epoch", "warnings"}


@pytest.fixture(scope="module")
def texts(source):
    """Let the study of rules find the small corpus, under whatever name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_run, "load_corpus_votes", lambda corpus, data_dir=None: source)
        load_setup.cache_clear()
        yield
    load_setup.cache_clear()
    corpus_split.cache_clear()


def run_tiny(name, folder, study=None, **more):
    options = {"methods": QUICK[name], **TINY[name], **more}
    return run_grid_study(study or name, folder / "runs.json", 2, **options)


def results(rows):
    """What must not change from run to run."""
    return rows.drop(columns=["seconds", "seconds_per_epoch"]).to_dict("records")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, texts):
    """Rows of a study that ran undisturbed, and its folder."""
    held = {}

    def get(name):
        if name not in held:
            folder = tmp_path_factory.mktemp(name)
            held[name] = run_tiny(name, folder), folder
        return held[name]

    return get


def test_all_studies_of_runs_are_in_the_catalogue():
    assert {**DISTILLATION_STUDIES, **MIXER_STUDIES} == CATALOGUE
    assert list(MIXER_STUDIES) == NAMES
    for name in CATALOGUE:
        assert load_study(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_whole_and_json(whole, name):
    rows, folder = whole(name)
    assert rows["error"].isna().all()
    assert rows["score"].between(0, 1).all()
    stored = json.loads((folder / "runs.json").read_text())["rows"]
    assert len(stored) == len(rows)
    for row in stored:
        assert set(row) >= EVERY
        assert row["protocol"].startswith(f"{name}: ")
    assert of_grid_study(rows).all()  # `study report` shows them as what they are
    methods = rows.groupby(["protocol", "seed"])["method"].apply(list)
    assert all(sorted(one) == sorted(QUICK[name]) for one in methods)
    found = {one.name: next(iter(one.methods)) for one in conditions(rows)}
    assert len(found) == {"mixers-rules": 1}.get(name, 2)
    assert set(found.values()) == {"only-lv" if name == "mixers-rules" else "single"}


@pytest.mark.parametrize("name", NAMES)
def test_test_labels_reach_scores_only(whole, name, tmp_path, monkeypatch):
    kind, n_classes = (HeldOutScorer, 2) if name == "mixers-rules" else (ImageTestScorer, 10)

    def poisoned(self, x, y, *others, start=kind.__init__):
        start(self, x, (np.asarray(y) + 1) % n_classes, *others)

    monkeypatch.setattr(kind, "__init__", poisoned)
    for held in (make_image_split, corpus_split):
        held.cache_clear()
    rows, clean = run_tiny(name, tmp_path), whole(name)[0]
    for held in (make_image_split, corpus_split):
        held.cache_clear()
    for column in ("val_score", "best_epoch"):
        assert rows[column].tolist() == clean[column].tolist()
    assert rows["mean_weights"].dropna().tolist() == clean["mean_weights"].dropna().tolist()
    assert rows["score"].tolist() != clean["score"].tolist()


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_a_killed_study_goes_on_where_it_was(whole, name, tmp_path, killed_and_continued):
    rows, n = killed_and_continued(
        load_study(name), lambda study: run_tiny(name, tmp_path, study), 3
    )
    # Where runs train together, those that were under way are repeated.
    assert n == len(rows) or (name == "mixers-rules" and len(rows) < n <= len(rows) + 3)
    assert results(rows) == results(whole(name)[0])


def test_the_main_loss_alone_is_the_same_run_whatever_the_task(whole):
    rows, _ = whole("aux-rotation")
    alone = rows[rows["method"] == "single"].drop(columns=["seconds", "seconds_per_epoch"])
    one, other = (held.reset_index(drop=True) for _, held in alone.groupby("protocol"))
    for column in ("score", "val_score", "best_epoch"):
        assert one[column].tolist() == other[column].tolist()
    searched = rows[rows["method"] == "random-search"]
    assert all(len(held) == 2 for held in searched["mean_weights"])


def test_the_page_shows_every_condition_with_its_verdicts(whole, tmp_path):
    pytest.importorskip("matplotlib")
    rows, _ = whole("aux-rotation")
    write_grid_report(tmp_path / "a.html", rows)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for task in ("rotation", "shuffled targets"):
        assert f"aux-rotation, digits: {task}" in page
        assert f"{task}: the highest mean has" in page
    assert "ALM-KD is left out" in page and "Weights of the losses" in page


def test_rows_say_weights_by_epoch_and_by_module(texts, tmp_path):
    methods = ["single", "amal", "maoal", "superloss"]
    rows = run_tiny("aux-rotation", tmp_path, methods=methods)
    held = rows.set_index("method")
    epochs = TINY["aux-rotation"]["max_epochs"]
    for method in ("single", "amal"):
        for series, means in zip(
            held.loc[method, "weights_by_epoch"], held.loc[method, "mean_weights"], strict=True
        ):
            assert {name: len(values) for name, values in series.items()} == dict.fromkeys(
                means, epochs
            )
            assert {name: values[-1] for name, values in series.items()} == means
    for series in held.loc["maoal", "module_weights_by_epoch"]:
        assert len(series) > 1
        assert all(name.startswith("rotation") and "/" in name for name in series)
        assert all(len(values) == epochs for values in series.values())
    # Weighed anew for every batch: there is nothing to say at the end.
    assert held.loc["superloss", "mean_weights"].isna().all()


@pytest.mark.parametrize("name", NAMES)
def test_every_mixer_can_be_built_and_none_is_forgotten(texts, name):
    specs = load_study(name).run_specs([3], **TINY[name])
    built = {spec.settings["own"]["mixer"] for spec in specs if "own" in spec.settings}
    left_out = {"aux-rotation": {"alm-kd", "crust", "dgkd"}, "mixers-rules": {"alm-kd", "crust"}}
    without = {MIXERS[mixer].mixer for mixer in left_out.get(name, set()) | {"dgkd"}}
    expected = {entry.mixer for entry in MIXERS.values()} - without
    assert {MIXERS[mixer].mixer for mixer in built} == expected
    if "alm-kd" not in built:
        assert "ALM-KD is left out" in MIXER_STUDIES[name].note


def test_every_mixer_runs_on_rules(texts):
    study = load_study("mixers-rules")
    for spec in study.run_specs([1], **{**TINY["mixers-rules"], "max_epochs": 1}):
        assert 0 <= finish(study.run(spec, ""))["score"] <= 1, spec.method


@pytest.mark.parametrize("name", ["aux-rotation", "mixers-distillation"])
def test_every_mixer_runs_on_images(name, tmp_path):
    study = load_study(name)
    specs = study.run_specs([1], **TINY[name] | {"max_epochs": 1})
    for spec in specs:
        if spec.condition == specs[0].condition:
            assert 0 <= study.run(spec, str(tmp_path))["score"] <= 1, spec.method


def test_features_of_rules_are_those_that_were_asked_for(source, texts, tmp_path):
    path = tmp_path / "vectors.npy"
    np.save(path, np.random.default_rng(0).normal(size=(len(source.corpus.frame), 5)))
    study, options = load_study("mixers-rules"), TINY["mixers-rules"]
    given = study.run_specs([0], **options, features=f"file:{path}")[0]
    default = study.run_specs([0], **options)[0]
    setup = load_setup("synthetic", None, None, given.settings["features"])
    assert setup.x.shape[1] == 5
    assert study.identify(given)["features"] == f"file:{path}"
    assert study.identify(default)["features"] == "tfidf"
    assert study.identify(given)["config"] != study.identify(default)["config"]


def test_few_labels_are_kept_evenly_and_others_hidden(tmp_path):
    y = np.repeat(np.arange(3), 31)
    kept = aux_rotation.kept_labels(y, 12, 0)
    assert np.bincount(kept[kept >= 0]).tolist() == [4, 4, 4]
    assert (kept[kept >= 0] == y[kept >= 0]).all()
    assert not np.array_equal(kept, aux_rotation.kept_labels(y, 12, 1))
    assert aux_rotation.kept_labels(y, None, 0) is y
    for n in (2, len(y)):
        with pytest.raises(InputError, match="n_labelled"):
            aux_rotation.kept_labels(y, n, 0)
    rows = run_tiny("aux-rotation", tmp_path, methods=["single"], n_labelled=20)
    assert rows["error"].isna().all()
    assert set(rows["protocol"]) == {
        "aux-rotation: rotation, 20 labels",
        "aux-rotation: shuffled targets, 20 labels",
    }


def test_a_search_draws_anew_for_every_seed():
    study = load_study("aux-rotation")
    by_method = {spec.method: spec for spec in study.run_specs([5], trials=3)}
    search = mixer_arguments(by_method["random-search"])
    assert search == {"mixer": "random-search", "mixer_options": {"trials": 3, "seed": 5}}
    assert mixer_arguments(by_method["gcs"]) == {"mixer": "gcs", "mixer_options": {}}
    assert VARIANTS["random-search"].options == {}


def test_teachers_of_few_labels_have_seen_more_or_the_same():
    study, options = load_study("mixers-distillation"), TINY["mixers-distillation"]
    for teacher_rows, n in (("all", None), ("same", 67)):
        right = study.run_specs([0], **options, teacher_rows=teacher_rows, rate=0)[0]
        (teacher,) = study.teachers(right)
        assert (teacher.data.n_train, right.data.n_train) == (n, 67)
        assert teacher_rows in right.condition
    wrong = study.run_specs([0], **options | {"few": 0})
    (teacher,) = study.teachers(wrong[0])
    assert teacher.data == wrong[0].data and teacher.data.noise == 0.4
    names = {spec.method for spec in wrong}
    several = study.run_specs([0], **options | {"teachers": "mlp:5,mlp:7"})
    assert {spec.method for spec in several} - names == {"dgkd"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("aux-rotation", {"teachers": "resnet8"}, "has no teachers"),
        ("aux-rotation", {"trial": 3}, "did you mean 'trials'"),
        ("aux-rotation", {"student": "convnet5"}, "there is no network 'convnet5'"),
        ("mixers-distillation", {"teacher_rows": "none"}, "teacher_rows must be one of"),
        ("mixers-distillation", {"rate": 0, "few": 0}, "leave no condition"),
        ("mixers-rules", {"scale": "small"}, "no option 'scale'"),
    ],
)
def test_options_that_cannot_be_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        load_study(name).run_specs([0], **options)


@pytest.mark.parametrize("name", ["aux-rotation", "mixers-distillation"])
def test_every_scale_makes_runs_whose_rows_differ(name):
    study = load_study(name)
    for scale in ("small", "paper"):
        specs = study.run_specs([0, 1], scale=scale)
        rows = {json.dumps(study.identify(spec), sort_keys=True) for spec in specs}
        assert len(rows) == len(specs)
        for spec in specs:
            study.teachers(spec)
