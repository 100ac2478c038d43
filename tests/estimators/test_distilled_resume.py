"""A distillation that is killed anywhere goes on to the same result bit for bit."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from spear_amal.errors import FileFormatError
from spear_amal.estimators import DistilledClassifier, distiller
from spear_amal.training import Callback
from spear_amal.training.run import TrainingRun

N, N_VAL, C, EPOCHS = 53, 23, 3, 5
SHAPE = (1, 11, 11)


def rows():
    rng = np.random.default_rng(1)
    y = rng.integers(0, C, N + N_VAL)
    x = rng.normal(60, 20, (len(y), *SHAPE)) + 90 * np.eye(C, SHAPE[1])[y][:, None, :, None]
    return x.clip(0, 255).astype(np.uint8), y


def teacher():
    x, y = rows()
    return LogisticRegression(max_iter=300).fit(x.reshape(len(x), -1) / 255, y)


class KillAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise KeyboardInterrupt


# A chain's assistants stand before the student: their epochs count as well in a kill.
METHODS = {
    "amal": {"mixer_options": {"warmup": 1, "refresh_every": 2, "group_size": 31}},
    "alm-kd": {"mixer_options": {"warmup": 1, "refresh_every": 2, "group_size": 31}},
    "dgkd": {"assistants": ["convnet"]},
}


def run(method, path=None, callbacks=(), **changes):
    x, y = rows()
    options = {
        "max_epochs": EPOCHS,
        "batch_size": 17,
        "optimiser": "sgd",
        "schedule": "cosine",
        "augment": "crop-flip",
        "keep_epochs": [2, 4],
        "checkpoint": path,
        "callbacks": callbacks,
        **METHODS[method],
        **changes,
    }
    model = distiller(method, "convnet", [teacher(), "mlp:7"], **options)
    return model.fit(x[:N], y[:N], X_val=x[N:], y_val=y[N:])


@pytest.fixture(scope="module")
def whole():
    """Results of runs that nobody killed, made when first asked for."""
    made = {}

    def of(method, **changes):
        key = (method, repr(changes))
        if key not in made:
            made[key] = run(method, **changes)
        return made[key]

    return of


def assert_same(one, other):
    x, _ = rows()
    assert np.array_equal(one.weights_, other.weights_, equal_nan=True)
    timeless = [m.history_.drop(columns="seconds") for m in (one, other)]
    pd.testing.assert_frame_equal(*timeless, check_exact=True)
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))
    assert (one.best_epoch_, one.val_score_) == (other.best_epoch_, other.val_score_)
    modules = [[*m.models_, *m.snapshots_.values()] for m in (one, other)]
    assert list(one.snapshots_) == list(other.snapshots_)
    for a, b in zip(*modules, strict=True):
        states = [module.state_dict() for module in (a, b)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    for a, b in zip(one.teachers_, other.teachers_, strict=True):
        assert a.name == b.name
        assert np.array_equal(a.logits(x), b.logits(x))


# The chain, the longest, is killed in all its parts below.
@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.slow if m == "dgkd" else ()) for m in METHODS]
)
@given(at=st.integers(0, EPOCHS - 1))
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_callback_that_interrupts_costs_nothing(method, at, whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "student.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(method, path, [KillAt(at)])
    assert_same(run(method, path), whole(method))


@pytest.mark.parametrize("at", [2, 5, 7, 12, 15])
def test_killed_in_a_teacher_an_assistant_or_the_student(at, whole, tmp_path, monkeypatch):
    """Five epochs each of a teacher by name, an assistant and the student: killed in one."""
    path = tmp_path / "student.safetensors"
    original, count = TrainingRun.before_epoch, [0]

    def before_epoch(self):
        count[0] += 1
        if count[0] == at:
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(TrainingRun, "before_epoch", before_epoch)
    with pytest.raises(KeyboardInterrupt):
        run("dgkd", path)
    resumed = run("dgkd", path)
    assert count[0] == 3 * EPOCHS + 1  # one was begun twice, none that was finished
    assert_same(resumed, whole("dgkd"))
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == [
        "student-assistant0.safetensors",
        "student-teacher1.safetensors",
        "student.safetensors",
    ]


@pytest.mark.parametrize("final", ["crossfit", "refit"])
def test_other_finals_go_on_as_well(final, whole, tmp_path):
    path = tmp_path / "student.safetensors"
    changes = {"fit_strategy": final, "n_folds": 2, "max_epochs": 3, "keep_epochs": [2]}

    class KillSecond(Callback):
        starts = 0

        def on_begin(self, n_epochs, first):
            KillSecond.starts += 1

        def on_epoch(self, epoch, record):
            if KillSecond.starts == 2 and epoch == 0:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("amal", path, [KillSecond()], **changes)
    assert_same(run("amal", path, **changes), whole("amal", **changes))


def test_a_run_is_known_by_what_its_teachers_say_but_not_by_where_that_is_kept(tmp_path):
    x, y = rows()
    told = np.random.default_rng(0).normal(size=(len(x), C))

    def fit(told, **changes):
        options = {"max_epochs": 1, "checkpoint": tmp_path / "run", **changes}
        model = DistilledClassifier.from_options("mlp:5", [told], mixer="kd", **options)
        return model.fit(x[:N], y[:N], X_val=x[N:], y_val=y[N:])

    first = fit(told)
    for same in ({"teacher_cache": tmp_path / "kept"}, {"callbacks": [Callback()]}, {"verbose": 0}):
        assert_same(fit(told, **same), first)
    for other, changes in (
        (told + 1, {}),
        (told, {"temperature": 2.0}),
        (told, {"augment": "crop"}),
    ):
        with pytest.raises(FileFormatError, match="other data or settings"):
            fit(other, **changes)


def test_a_folder_of_kept_outputs_changes_nothing(tmp_path):
    x, y = rows()

    def fit(cache):
        options = {"max_epochs": 2, "teacher_cache": cache}
        model = DistilledClassifier.from_options(
            "mlp:5", [teacher(), "mlp:7"], mixer="kd", **options
        )
        return model.fit(x[:N], y[:N], X_val=x[N:], y_val=y[N:])

    plain = fit(None)
    assert_same(fit(tmp_path), plain)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 4  # two teachers, training and validation rows
    assert_same(fit(tmp_path), plain)
    assert sorted(tmp_path.iterdir()) == kept


def test_the_same_seed_gives_the_same_and_another_seed_another(whole):
    assert_same(run("dgkd"), whole("dgkd"))
    x, _ = rows()
    other = run("dgkd", random_state=1)
    assert not np.array_equal(other.predict_proba(x), whole("dgkd").predict_proba(x))
