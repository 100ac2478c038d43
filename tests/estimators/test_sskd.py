"""SSKD as a whole: its first stage, what student and teacher see, files, resuming, bad input."""

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

from spear_amal import TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier, distiller
from spear_amal.estimators.sskd import RotationDistiller
from spear_amal.mixers import Amal, Fixed
from spear_amal.models import FeatureAdapter, build_network
from spear_amal.models.rotations import RotationModel, four_views, projection_head
from spear_amal.teachers import NetworkTeacher, as_teacher, save_teacher_outputs
from spear_amal.teachers.features import FrozenFeatures
from spear_amal.training import Callback
from spear_amal.training.checkpoint import Checkpoint

N, N_VAL, N_TEST = 101, 41, 67
SHORT = {"max_epochs": 2, "head_epochs": 2, "lr": 0.01}


@pytest.fixture(scope="module")
def images():
    X, y = load_digits(return_X_y=True)
    X = (X.reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    ends = np.cumsum([N, N_VAL, N_TEST])
    return [(X[a:b], y[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


@pytest.fixture(scope="module")
def teacher(images):
    return fitted(
        images,
        DistilledClassifier("convnet", mixer="ce", trainer=TrainerConfig(max_epochs=7, lr=0.02)),
    )


def fitted(images, model, **more):
    (X, y), (X_val, y_val), _ = images
    return model.fit(X, y, X_val=X_val, y_val=y_val, **more)


def sskd(images, teachers, **options):
    return fitted(images, distiller("sskd", "convnet", teachers, **{**SHORT, **options}))


def tensors(model):
    return model.models_[0].state_dict()


def same(one, other):
    ours, theirs = tensors(one), tensors(other)
    assert list(ours) == list(theirs)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


# -- views ----------------------------------------------------------------------------------------


def test_four_views_are_quarter_turns_row_by_row():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (3, 2, 5, 5), dtype=np.uint8)
    turned = four_views(torch.as_tensor(x))
    assert turned.dtype == torch.uint8
    for i in range(3):
        for k in range(4):
            expected = np.rot90(x[i], k, (1, 2))
            np.testing.assert_array_equal(turned[4 * i + k].numpy(), expected)


def test_the_model_answers_about_views_in_training_and_is_the_network_otherwise(images):
    x = torch.as_tensor(images[0][0][:5]).float() / 255
    network = build_network("convnet", 10, 1, torch.Generator().manual_seed(0))
    network.forward = network.logits_and_hidden
    seen = []
    model = RotationModel(network, projection_head(32), lambda turned: seen.append(turned))
    logits, hidden, more = model.train()(x)
    again, features = network.logits_and_hidden(four_views(x))
    views = more["views"]
    assert torch.equal(seen[0], four_views(x))
    assert torch.equal(views.logits, again.reshape(5, 4, 10))
    assert torch.equal(views.projected, model.projection(features).reshape(5, 4, 32))
    assert torch.equal(logits, again[::4])
    assert torch.equal(hidden, features[::4])
    plain = model.eval()(x)
    assert len(plain) == 2
    assert torch.equal(plain[0], network.eval().logits_and_hidden(x)[0])
    assert len(seen) == 1


@pytest.mark.parametrize("augment", [None, "crop"])
def test_student_and_teacher_see_the_same_images(images, teacher, monkeypatch, augment):
    seen, answer = [], RotationModel._answer

    def watch(self, turned):
        seen.append((self.teacher is None, turned))
        return answer(self, turned)

    monkeypatch.setattr(RotationModel, "_answer", watch)
    sskd(images, [teacher], augment=augment, max_epochs=1, head_epochs=1)
    batches = -(-N // 64)
    stage_one, stage_two = seen[:batches], seen[batches:]
    assert all(frozen for frozen, _ in stage_one)
    assert len(stage_two) == 2 * batches
    plain = {image.tobytes() for image in images[0][0]}
    held_out = {image.tobytes() for image in images[1][0]}
    for _, own in stage_one:
        upright = {image.numpy().tobytes() for image in own[::4]}
        assert (upright <= plain) == (augment is None)
        assert not upright & held_out
    for (frozen, own), (asked, told) in zip(stage_two[::2], stage_two[1::2], strict=True):
        assert (frozen, asked) == (False, True)
        assert own is told
        upright = [image.numpy().tobytes() for image in own[::4]]
        assert (set(upright) <= plain) == (augment is None)
        assert not set(upright) & held_out


# -- the first stage ------------------------------------------------------------------------------


def test_the_head_learns_and_the_teacher_stays_as_it_was(images, teacher, monkeypatch):
    network = teacher.models_[0].feature
    network.train()  # even a teacher that was left in training mode
    before = copy.deepcopy(network.state_dict())
    copies, make = [], FrozenFeatures._asker

    def watch(self, module):
        copies.append(module)
        return make(self, module)

    monkeypatch.setattr(FrozenFeatures, "_asker", watch)
    model = sskd(images, [teacher], head_epochs=7, max_epochs=1, augment="crop")
    losses = model.head_losses_
    assert len(losses) == 7
    assert losses[-1] < losses[0] < np.log(64) + 0.2
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert any("running_mean" in name for name in before)
    (asked,) = copies
    assert asked is not network
    for held in (network, asked):
        for name, tensor in held.state_dict().items():
            assert torch.equal(tensor, before[name]), name
    assert not any(module.training for module in asked.modules())


def test_features_are_those_of_the_network_in_the_students_order_of_classes(images):
    x = torch.as_tensor(images[0][0][:7]).float()
    networks = [build_network("convnet", 3, 1, torch.Generator().manual_seed(s)) for s in (0, 1)]
    for network in networks:
        network.train()(x)  # statistics other than those of the start
    for held in (networks[:1], networks):
        asked = NetworkTeacher(held, classes=["a", "b", "c"])
        logits, hidden = FrozenFeatures(asked, ["c", "a", "b"])(x)
        torch.testing.assert_close(logits, asked.online_logits(x, ["c", "a", "b"]))
        own = [network.eval().logits_and_hidden(x)[1] for network in held]
        torch.testing.assert_close(hidden, torch.cat(own, dim=1))
        assert not hidden.requires_grad


# -- the whole method -----------------------------------------------------------------------------


def test_digits_end_to_end(images, teacher, tmp_path):
    model = sskd(images, [teacher], keep_epochs=(1,))
    assert isinstance(model, RotationDistiller)
    assert model.weights_.iloc[:N].drop_duplicates().to_dict("records") == [
        pytest.approx({"label": 0.1, "teacher": 0.9, "rotated": 2.7, "similarity": 10.0})
    ]
    losses = model.history_.filter(like="loss/")
    assert list(losses) == ["loss/label", "loss/teacher", "loss/rotated", "loss/similarity"]
    assert (losses.iloc[1, 1:] < losses.iloc[0, 1:]).all()
    X_test = images[2][0]
    p = model.predict_proba(X_test)
    np.testing.assert_allclose(p.sum(1), 1)
    # What is kept is an ordinary network: in the file, in memory, as a snapshot.
    plain = fitted(
        images, DistilledClassifier("convnet", mixer="ce", trainer=TrainerConfig(max_epochs=1))
    )
    assert list(tensors(model)) == list(tensors(plain))
    assert model.snapshots_[1].state_dict().keys() == model.models_[0].feature.state_dict().keys()
    model.save(tmp_path / "student")
    again = RotationDistiller.load(tmp_path / "student")
    np.testing.assert_array_equal(again.predict_proba(X_test), p)
    assert again.head_losses_ == model.head_losses_
    # It may teach in turn.
    np.testing.assert_allclose(
        as_teacher(model).logits(X_test[:3]), as_teacher(again).logits(X_test[:3])
    )


def test_longer_training_leaves_chance_far_behind(images, teacher):
    X, y = images[2]
    options = {"max_epochs": 17, "head_epochs": 5}
    assert sskd(images, [teacher], **options).score(X, y) > 0.35


def test_weights_of_losses_can_be_changed(images, teacher):
    off = {"mixer_options": {"per_loss": {"rotated": 0.5}}}
    found = sskd(images, [teacher], max_epochs=1, **off).weights_.iloc[0].to_dict()
    expected = {"label": 0.1, "teacher": 0.9, "rotated": 0.5, "similarity": 10.0}
    assert found == pytest.approx(expected)
    mine = sskd(images, [teacher], max_epochs=1, mixer=Fixed({"rotated": 0.5}))
    assert mine.weights_.iloc[0].to_dict() == {
        "label": 1.0,
        "teacher": 1.0,
        "rotated": 0.5,
        "similarity": 1.0,
    }


def test_rows_without_label_learn_from_the_teacher(images, teacher):
    (X, y), validation, test = images
    some = np.where(np.arange(N) < 23, y, -1)
    model = sskd([(X, some), validation, test], [teacher], max_epochs=1)
    assert model.weights_.iloc[:N].isna().sum().to_dict() == {
        "label": N - 23,
        "teacher": 0,
        "rotated": 0,
        "similarity": 0,
    }


def test_rules_join_in(images, teacher):
    (X, y), (X_val, y_val), _ = images
    rng = np.random.default_rng(0)
    votes = [np.where(rng.random((len(c), 3)) < 0.5, c[:, None], -1) for c in (y, y_val)]
    some = np.where(np.arange(N) < 53, y, -1)
    model = distiller("sskd", "convnet", [teacher], **SHORT)
    model.fit(X, some, votes[0], X_val, y_val, votes[1])
    assert {"gold", "consensus", "teacher", "rotated", "similarity"} <= set(model.weights_)
    assert model.weights_["gold"].dropna().unique() == pytest.approx([0.1])
    assert model.predict(X_val).shape == (N_VAL,)


@pytest.mark.parametrize("final", ["refit", "crossfit", "crossfit-weights"])
def test_every_final_step(images, teacher, final):
    model = sskd(images, [teacher], fit_strategy=final, n_folds=3, max_epochs=1)
    assert not any(isinstance(joint.feature, RotationModel) for joint in model.models_)
    # Several models may teach: their features stand side by side.
    if final == "crossfit":
        assert len(sskd(images, [model], max_epochs=1).head_losses_) == 2


def test_teachers_of_other_kinds(images):
    generator = torch.Generator().manual_seed(0)
    named = sskd(images, ["convnet"], max_epochs=1)
    assert named.teachers_[0].name == "convnet"
    bare = build_network("convnet", 10, 1, generator)
    layers = [nn.Flatten(), nn.Linear(64, 13), nn.ReLU(), nn.Linear(13, 10)]
    floats = [(X.astype(np.float32), y) for X, y in images]
    for module in (bare, nn.Sequential(*layers), FeatureAdapter(nn.Sequential(*layers))):
        assert len(sskd(floats, [module], max_epochs=1, dtype="float64").head_losses_) == 2


# -- repeating and resuming -----------------------------------------------------------------------


def test_same_seed_same_result(images, teacher):
    one, two = (sskd(images, [teacher], augment="crop") for _ in range(2))
    assert same(one, two)
    assert one.head_losses_ == two.head_losses_
    assert not same(one, sskd(images, [teacher], augment="crop", random_state=1))


@pytest.mark.parametrize("saves", [1, 2, 3])
def test_a_killed_run_goes_on_to_the_same_result(images, teacher, tmp_path, monkeypatch, saves):
    """Killed in the first stage, between the stages, in the second."""
    options = {"augment": "crop", "optimiser": "sgd", "schedule": "cosine"}
    whole = sskd(images, [teacher], **options)
    path, left, save = tmp_path / "run.ckpt", [saves], Checkpoint.save

    def save_and_die(self, *args):
        save(self, *args)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        sskd(images, [teacher], checkpoint=path, **options)
    monkeypatch.setattr(Checkpoint, "save", save)
    again = sskd(images, [teacher], checkpoint=path, **options)
    assert same(whole, again)
    assert whole.head_losses_ == again.head_losses_
    seconds = "seconds"
    assert whole.history_.drop(columns=seconds).equals(again.history_.drop(columns=seconds))


def test_nothing_outside_is_changed(images, teacher):
    before = torch.get_rng_state()
    seen = []

    class Watch(Callback):
        def on_epoch(self, epoch, record):
            seen.append(sorted(record))

    sskd(images, [teacher], callbacks=[Watch()])
    assert torch.equal(before, torch.get_rng_state())
    assert len(seen) == 2  # a user's callback watches the student, not the first stage
    assert "loss/label" in seen[0]


# -- bad input ------------------------------------------------------------------------------------


def test_teachers_without_features_are_refused(images, teacher, tmp_path):
    (X, y), _, _ = images
    linear = LogisticRegression(max_iter=7, tol=1.0).fit(X.reshape(N, -1) / 255, y)
    save_teacher_outputs(tmp_path / "told.npz", np.arange(N), np.zeros((N, 10)), range(10))
    for one in (linear, tmp_path / "told.npz", np.zeros((N, 10))):
        with pytest.raises(InputError, match="must show its features"):
            sskd(images, [one])


class NoHead(nn.Module):
    """Logits from two linear layers side by side: no one knows the features."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, x):
        return self.one(x.float().flatten(1)) + self.two(x.float().flatten(1))


class Maps(nn.Module):
    """Features that are not one row for each image."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(64, 10)

    def forward(self, x):
        return self.one(x.float().flatten(1))

    def logits_and_hidden(self, x):
        return self(x), x


@pytest.mark.parametrize(
    ("module", "message"),
    [(NoHead(), "cannot be told.*head="), (Maps(), r"shape \(1, H\).*\(1, 1, 8, 8\)")],
)
def test_networks_whose_features_are_unclear_are_refused(images, module, message):
    with pytest.raises(InputError, match=message):
        sskd(images, [module])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixer": "amal"}, "no weight of a row"),
        ({"mixer": Amal()}, "no weight of a row"),
        ({"mixer": "alm-kd"}, "no weight of a row"),
        ({"mixer": "kd"}, "no weight of a row"),
        ({"mixer": "ce"}, "no weight of a row"),
        ({"chain": "takd", "assistants": ("convnet",)}, "no chain"),
        ({"mixer_options": {"per_loss": {"rotatd": 1.0}}}, "not trained.*rotatd"),
        ({"mixer_options": {"per_loss": {"rotated": -1.0}}}, "rotated"),
        ({"mixer_options": {"per_loss": 3}}, "by loss name"),
        ({"mixer_options": {"weight_lr": 3}}, "weight_lr"),
        ({"mixer_options": "weight_lr"}, "by name"),
        ({"rotated_ratio": 1.5}, "rotated_ratio"),
        ({"head_epochs": 0}, "head_epochs"),
    ],
)
def test_settings_that_cannot_be(images, teacher, monkeypatch, options, message):
    def refuse(*args):
        raise AssertionError("an error of settings must come before any training")

    monkeypatch.setattr("spear_amal.training.Trainer.begin", refuse)
    with pytest.raises((InputError, ValueError), match=message):
        sskd(images, [teacher], **options)


@pytest.mark.parametrize("number", [0, 2])
def test_one_teacher_is_needed(images, teacher, number):
    with pytest.raises(InputError, match=f"one teacher, found {number}"):
        sskd(images, [teacher] * number)


def test_inputs_that_cannot_be_turned(images, teacher):
    (X, y), (X_val, y_val), test = images
    flat = [(X.reshape(N, -1), y), (X_val.reshape(N_VAL, -1), y_val), test]
    with pytest.raises(InputError, match=r"sskd turns images.*\(64,\)"):
        sskd(flat, [teacher])
    oblong = [(X[..., :6], y), (X_val[..., :6], y_val), test]
    with pytest.raises(InputError, match="square; found 8 x 6"):
        sskd(oblong, [teacher])
    with pytest.raises(InputError, match="leave out teacher_X"):
        fitted(images, RotationDistiller("convnet", [teacher]), teacher_X=X, teacher_X_val=X_val)
