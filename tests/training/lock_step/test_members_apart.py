"""What goes wrong with one member is no matter of the others; killed runs go on bit for bit."""

from __future__ import annotations

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from spear_amal.errors import FileFormatError
from spear_amal.mixers import Amal
from spear_amal.training import Callback, DivergedError, TrainingResult
from spear_amal.training.checkpoint import Checkpoint
from spear_amal.training.lock_step.engine import LockStep
from spear_amal.training.members import fit_members
from spear_amal.training.run import TrainingRun

EARLY = {"warmup": 1, "refresh_every": 2}


@pytest.fixture
def three(own, group):
    """Three members, of which the second one is to fail."""
    members = [own(seed=0), own(seed=1, n=40), own(seed=2, trainer={"max_epochs": 6})]
    return group(members=members)


def others(trained):
    return [trained[0], trained[2]]


def assert_others_are_as_if_alone(trained, three, train, same):
    left = replace(three, members=others(three.members))
    for one, other in zip(others(trained), train(left, fit_members), strict=True):
        same(one, other, 1e-9)


def test_one_that_diverges_is_named(three, train, same):
    def with_inf(members):
        members[1].table.x[3] = torch.inf
        return fit_members(members)

    trained = train(three, with_inf)
    error = trained[1][1]
    assert isinstance(error, DivergedError)
    assert str(error).startswith("seed 1: loss ")
    assert_others_are_as_if_alone(trained, three, train, same)


class Broken(Exception):
    pass


@pytest.mark.parametrize("when", ["attach", "refresh", "should_refresh", "visits", "mean_weights"])
def test_one_whose_mixer_fails(when, three, train, same):
    def fail(*args):
        raise Broken

    def with_broken(members):
        mixer = Amal(**EARLY)
        setattr(mixer, when, fail)
        members[1] = replace(members[1], mixer=mixer)
        return fit_members(members)

    trained = train(three, with_broken)
    assert isinstance(trained[1][1], Broken)
    assert_others_are_as_if_alone(trained, three, train, same)


def test_an_error_of_a_common_step_is_that_of_all(three, train, monkeypatch):
    def full(self, schedule, steps):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(LockStep, "_train_steps", full)
    assert all(isinstance(error, torch.OutOfMemoryError) for _, error in train(three, fit_members))


def test_those_that_were_over_before_an_error_keep_their_results(three, train, monkeypatch):
    steps, epochs = LockStep._train_steps, []

    def full(self, schedule, steps_):
        epochs.append(len(self.runs))
        if len(epochs) == 5:
            raise torch.OutOfMemoryError("no room")
        return steps(self, schedule, steps_)

    monkeypatch.setattr(LockStep, "_train_steps", full)
    (_, first), (_, second), (_, third) = train(three, fit_members)
    assert isinstance(first, TrainingResult) and isinstance(second, TrainingResult)
    assert isinstance(third, torch.OutOfMemoryError)
    assert epochs == [3, 3, 3, 3, 1]


def test_warnings_are_told_by_member(three, train):
    class Warning_(Amal):
        def should_refresh(self, epoch):
            warnings.warn("so it goes", UserWarning, stacklevel=1)
            return False

    def with_warning(members):
        members[1] = replace(members[1], mixer=Warning_())
        return fit_members(members)

    with pytest.warns(UserWarning, match="so it goes") as shown:
        trained = train(three, with_warning)
    assert len(shown) == 1
    assert [list(result.warnings) for _, result in trained] == [
        [],
        [(UserWarning, "so it goes")],
        [],
    ]


# -- models afterwards ----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_models_have_storage_of_their_own(hidden, three, train):
    """Also where the group ended with an error: else each model is as large as all."""
    for member, _ in train(replace(three, hidden=hidden), fit_members):
        for parameter in member.model.parameters():
            assert parameter.untyped_storage().nbytes() == parameter.nbytes
            assert parameter.is_contiguous()
        state = member.model.state_dict()
        again = copy.deepcopy(member.model).state_dict()
        assert all(torch.equal(again[name], value) for name, value in state.items())
        n_bytes = sum(value.nbytes for value in state.values())
        assert len(pickle.dumps(state)) < n_bytes + 4000


def test_parameters_are_no_views_after_an_error(three, train, monkeypatch):
    monkeypatch.setattr(LockStep, "train_epoch", lambda self, orders: 1 / 0)
    for member, error in train(three, fit_members):
        assert isinstance(error, ZeroDivisionError)
        for parameter in member.model.parameters():
            assert parameter.untyped_storage().nbytes() == parameter.nbytes


def test_one_that_has_left_keeps_no_table_of_all(three, monkeypatch):
    sizes, line_up = [], LockStep.__init__

    def watched(self, runs, *rest):
        line_up(self, runs, *rest)
        gone = [member.model for member in members if member.model not in self._stack.models]
        sizes.extend(
            (parameter.untyped_storage().nbytes(), parameter.nbytes)
            for model in gone
            for parameter in model.parameters()
        )

    monkeypatch.setattr(LockStep, "__init__", watched)
    members = three.draw()
    fit_members(members)
    assert sizes and all(storage == needed for storage, needed in sizes)


# -- killed and resumed ---------------------------------------------------------------------------


class Killed(KeyboardInterrupt):
    pass


def kill_at(monkeypatch, name, at):
    """Kill in call number `at` of a method of runs."""
    original, calls = getattr(TrainingRun, name), []

    def killing(self, *args):
        calls.append(self)
        if len(calls) == at:
            raise Killed
        return original(self, *args)

    monkeypatch.setattr(TrainingRun, name, killing)


LEARNING = {
    "memory": lambda folder: Amal(**EARLY),
    "half": lambda folder: Amal(**EARLY, table_dtype="float16"),
    "mapped": lambda folder: Amal(**EARLY, table_path=folder / "tables"),
}


@pytest.mark.parametrize("kept", LEARNING)
@pytest.mark.parametrize(("name", "at"), [("before_epoch", 8), ("after_epoch", 5), ("order", 12)])
@pytest.mark.parametrize("features", ["dense", "wide"])
def test_a_killed_group_goes_on_bit_for_bit(
    features, name, at, kept, own, group, train, same, tmp_path, monkeypatch
):
    """Members leave after 3, 4 and 6 epochs; with sparse features the widest one leaves first."""
    members = [
        own(
            seed=i,
            n=20 + i,
            n_features=9 - 2 * i if features == "wide" else 6,
            mixer=lambda: LEARNING[kept](tmp_path),
            fingerprint=f"run-{i}",
            trainer={"max_epochs": epochs, "checkpoint": tmp_path / f"{i}.safetensors"},
        )
        for i, epochs in enumerate((3, 4, 6))
    ]
    drawn = group(members=members, features=features, trainer={"checkpoint_every": 2})
    without = [replace(m, trainer={"max_epochs": m.trainer["max_epochs"]}) for m in members]
    whole = train(replace(drawn, members=without), fit_members)
    with monkeypatch.context() as patch:
        kill_at(patch, name, at)
        with pytest.raises(Killed):
            train(drawn, fit_members)
    for one, other in zip(train(drawn, fit_members), whole, strict=True):
        same(one, other, 0)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["0.safetensors"]
    # What is over is not trained again.
    kill_at(monkeypatch, "before_epoch", 1)
    for one, other in zip(train(drawn, fit_members), whole, strict=True):
        same(one, other, 0)


def test_fits_with_files_of_their_own_are_groups_of_their_own(own, group, train, tmp_path):
    def member(seed):
        path = tmp_path / f"{seed}.safetensors"
        return own(seed=seed, fingerprint=f"{seed}-fold", trainer={"checkpoint": path})

    trained = train(group(members=[member(0), member(1)]), fit_members)
    assert [result.path for _, result in trained] == ["lock step of 1"] * 2
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_file_of_other_members_is_refused(own, group, train, tmp_path):
    def asked(*fingerprints):
        path = tmp_path / "run.safetensors"
        return group(
            members=[
                own(seed=i, fingerprint=f"a-{print_}", trainer={"checkpoint": path})
                for i, print_ in enumerate(fingerprints)
            ]
        )

    train(asked("0", "1"), fit_members)
    for other in (asked("0", "2"), asked("0")):
        for _, error in train(other, fit_members):
            assert isinstance(error, FileFormatError)


def test_a_file_of_a_model_that_trained_alone_is_refused_with_advice(own, group, train, tmp_path):
    def asked(n):
        settings = {"checkpoint": tmp_path / "run.safetensors"}
        return group(members=[own(seed=i, fingerprint="a", trainer=settings) for i in range(n)])

    train(asked(1), fit_members)  # as earlier versions trained each fold
    for _, error in train(asked(2), fit_members):
        assert isinstance(error, FileFormatError)
        assert "holds a training checkpoint, not a training checkpoint of several" in str(error)
        assert "remove the file to start afresh" in str(error)


def test_a_checkpoint_that_cannot_be_written_ends_no_other_group(
    own, group, train, tmp_path, monkeypatch
):
    def full(self, states):
        raise OSError("no room")

    monkeypatch.setattr(Checkpoint, "save", full)
    lost = own(fingerprint="a", trainer={"checkpoint": tmp_path / "run.safetensors"})
    (_, error), (_, result) = train(group(members=[lost, own(seed=1)]), fit_members)
    assert isinstance(error, OSError)
    assert isinstance(result, TrainingResult)


def test_after_a_failure_the_file_stays_what_it_was(own, group, train, same, tmp_path, monkeypatch):
    """A member that failed half-way through a refresh is no state to go on from."""
    path = tmp_path / "run.safetensors"
    members = [
        own(seed=i, mixer=lambda: Amal(**EARLY), fingerprint=f"a-{i}", trainer={"checkpoint": path})
        for i in range(2)
    ]
    drawn = group(members=members)
    whole = train(drawn, fit_members)
    path.unlink()
    refresh, calls = Amal.refresh, []

    def failing(self, look_ahead, batch):
        refresh(self, look_ahead, batch)
        calls.append(self)
        if len(calls) == 3:
            raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Amal, "refresh", failing)
        (_, error), (_, other) = train(drawn, fit_members)
    assert isinstance(error, OSError) and isinstance(other, TrainingResult)
    for one, wanted in zip(train(drawn, fit_members), whole, strict=True):
        same(one, wanted, 0)


# -- callbacks ------------------------------------------------------------------------------------


class Watching(Callback):
    def __init__(self):
        self.told = []

    def watch(self, model):
        self.model = model

    def on_begin(self, n_epochs, first):
        self.told.append(("begin", n_epochs, first))

    def on_epoch(self, epoch, record):
        norm = sum(float(p.detach().square().sum()) for p in self.model.parameters())
        self.told.append((epoch, sorted(record), np.isfinite(norm)))

    def on_end(self):
        self.told.append("end")


def test_a_user_who_watches_sees_a_model_alone(own, group, train, same):
    watching = [Watching(), Watching()]
    members = [own(seed=0, callbacks=(watching[0],)), own(seed=1), own(seed=2)]
    trained = train(group(members=members), fit_members)
    assert [result.path for _, result in trained] == ["lock step of 1"] + ["lock step of 2"] * 2
    (alone,) = train(group(members=[own(seed=0, callbacks=(watching[1],))]), fit_members)
    same(trained[0], alone, 0)
    assert watching[0].told == watching[1].told
    assert [entry[0] for entry in watching[0].told] == ["begin", 0, 1, 2, 3, "e"]
