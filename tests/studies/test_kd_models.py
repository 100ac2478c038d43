"""Models that several runs of a study share: found again, told apart, with their snapshots."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spear_amal.studies.grid.image_split import DataSpec, make_image_split
from spear_amal.studies.grid.students import TeacherSpec, seconds_of, stages, trained

DATA = DataSpec("digits", 101, 53, 29)
SETTINGS = {"optimiser": "sgd", "lr": 0.05, "max_epochs": 3, "batch_size": 31}
SPEC = TeacherSpec("mlp:13", DATA, 1, SETTINGS)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "mlp:17"},
        {"seed": 2},
        {"settings": SETTINGS | {"lr": 0.1}},
        {"settings": SETTINGS | {"keep_epochs": [3]}},
        {"data": dataclasses.replace(DATA, n_train=103)},
        {"data": dataclasses.replace(DATA, noise=0.2)},
        {"data": dataclasses.replace(DATA, side=4)},
        {"data": dataclasses.replace(DATA, label_set="worse")},
        {"method": "kd", "teachers": (SPEC,)},
        {"method": "amal", "teachers": (SPEC,)},
        {"method": "kd", "teachers": (dataclasses.replace(SPEC, seed=5),)},
    ],
)
def test_every_setting_that_matters_has_a_file_of_its_own(changes):
    assert dataclasses.replace(SPEC, **changes).path("models") != SPEC.path("models")


def test_where_the_data_lies_does_not_matter():
    moved = dataclasses.replace(SPEC, data=dataclasses.replace(DATA, data_dir="elsewhere"))
    assert moved.path("models") == SPEC.path("models")
    taught = [TeacherSpec("mlp:7", one.data, 1, SETTINGS, "kd", (one,)) for one in (SPEC, moved)]
    assert taught[0].path("models") == taught[1].path("models")


def test_a_kept_model_is_the_trained_one(tmp_path):
    taught = TeacherSpec("mlp:7", DATA, 1, SETTINGS, "amal", (SPEC,))
    split, _ = make_image_split(DATA, 1)
    for spec in (SPEC, taught):
        fresh = trained(spec, tmp_path)
        kept = trained(spec, tmp_path)
        np.testing.assert_array_equal(kept.predict_proba(split.x), fresh.predict_proba(split.x))
        assert kept.val_score_ == fresh.val_score_
        np.testing.assert_allclose(kept.weights_, fresh.weights_, rtol=1e-6)
        assert seconds_of(spec, tmp_path) > 0
    assert {path.name for path in tmp_path.iterdir()} == {
        spec.path(tmp_path).name for spec in (SPEC, taught)
    }


def test_stages_are_the_epochs_of_one_run(tmp_path):
    spec = dataclasses.replace(SPEC, settings=SETTINGS | {"keep_epochs": [1, 3]})
    found = stages(spec, tmp_path)
    assert list(found) == [1, 3]
    split, _ = make_image_split(DATA, 1)
    early, last = (found[epoch].predict_proba(split.x) for epoch in found)
    assert np.abs(early - last).max() > 1e-3
    # The best epoch by validation score is among the three; if it is the last, they agree.
    kept = trained(spec, tmp_path)
    best = kept.best_epoch_[0] + 1
    if best in found:
        np.testing.assert_array_equal(
            kept.predict_proba(split.x), found[best].predict_proba(split.x)
        )
    one_epoch = dataclasses.replace(SPEC, settings=SETTINGS | {"max_epochs": 1})
    alone = trained(one_epoch, tmp_path)
    np.testing.assert_array_equal(alone.predict_proba(split.x), early)


def test_a_model_without_snapshots_has_no_stages(tmp_path):
    assert stages(SPEC, tmp_path) == {}
