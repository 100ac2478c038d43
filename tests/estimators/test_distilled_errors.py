"""What cannot be distilled is said at once, in the user's words, and no file is written."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from torch import nn

from spear_amal import TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier, distiller
from spear_amal.models import FeatureAdapter
from spear_amal.teachers import as_teacher, save_teacher_outputs
from spear_amal.training import Trainer

N, D, C = 41, 7, 3
SHAPE = (3, 11, 5)


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N)
    return rng.normal(size=(N, D)) + np.eye(C, D)[y], y


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, *SHAPE)).astype(np.uint8), rng.integers(0, C, N)


@pytest.fixture
def refused(tmp_path):
    """Check that a fit is refused with a message, and leaves nothing behind."""

    def check(match, X, y, student="mlp:5", teachers=(), *, fit=(), **options):
        made = {"max_epochs": 13, "checkpoint": tmp_path / "run.safetensors", **options}
        before = sorted(tmp_path.iterdir())
        model = DistilledClassifier.from_options(student, teachers, **made)
        with pytest.raises(InputError, match=match):
            model.fit(X, y, **dict(fit))
        assert sorted(tmp_path.iterdir()) == before

    return check


# -- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3, 4])
def test_channels_last_are_seen(width, refused):
    x = np.zeros((N, 11, 5, width), dtype=np.uint8)
    y = np.arange(N) % C
    refused(r"look like \(height, width, channels\).*transpose\(0, 3, 1, 2\)", x, y, "convnet")


@pytest.mark.parametrize("shape", [(64, 4, 4), (5, 4, 4), (1, 28, 3), (3, 3, 3), (28, 28)])
def test_small_pictures_with_channels_first_are_not(shape):
    x = np.random.default_rng(0).integers(0, 256, (N, *shape)).astype(np.uint8)
    model = DistilledClassifier("linear", trainer=TrainerConfig(max_epochs=1)).fit(
        x, np.arange(N) % C
    )
    assert model.predict(x).shape == (N,)
    assert model.input_shape_ == (shape if len(shape) == 3 else (1, *shape))


def test_pixels_must_be_finite_numbers(images, refused):
    x, y = images
    for bad in (np.nan, np.inf):
        broken = x.astype(float)
        broken[17, 1, 3, 2] = bad
        refused(r"1 images hold NaN or infinite pixels, first in row 17", broken, y, "convnet")
    refused("images must be numbers", x.astype(str), y, "convnet")
    refused(r"images must be \(rows, channels, height, width\)", x[:, None], y, "convnet")
    refused(r"images must be \(rows, channels, height, width\)", x[:0], y[:0], "convnet")


def test_rows_to_predict_must_be_like_those_of_training(images, features):
    x, y = images
    model = DistilledClassifier("convnet", trainer=TrainerConfig(max_epochs=1)).fit(x, y)
    np.testing.assert_allclose(model.predict_proba(x[:1]), model.predict_proba(x)[:1], rtol=1e-5)
    with pytest.raises(InputError, match=r"trained on images of shape \(3, 11, 5\).*\(3, 5, 11\)"):
        model.predict(x.transpose(0, 1, 3, 2))
    with pytest.raises(InputError, match=r"trained on images of shape \(3, 11, 5\)"):
        model.predict(x.transpose(0, 2, 3, 1))
    with pytest.raises(InputError, match="infinite pixels"):
        model.predict(np.where(x > 0, x, np.nan))
    for flat in (x.reshape(N, -1), x.reshape(N, -1).tolist()):
        with pytest.raises(InputError, match="all images or all features"):
            model.predict(flat)
    plain = DistilledClassifier("linear", trainer=TrainerConfig(max_epochs=1)).fit(*features)
    with pytest.raises(InputError, match=r"trained on rows of shape \(7,\).*\(41, 3, 11, 5\)"):
        plain.predict(x)


def test_bytes_and_other_numbers_are_not_mixed_up(images, refused, tmp_path):
    x, y = images
    whole = x.astype(np.float32)  # 0 to 255: the model would not divide these
    for own, other in ((x, whole), (whole, x)):
        model = DistilledClassifier("linear", trainer=TrainerConfig(max_epochs=1)).fit(own, y)
        model.save(tmp_path / "model", overwrite=True)
        for one in (model, DistilledClassifier.load(tmp_path / "model")):
            assert one.predict(own).shape == (N,)
            with pytest.raises(InputError, match=f"found {other.dtype}; only bytes are divided"):
                one.predict(other)
        (tmp_path / "model").unlink()
        refused(f"found {other.dtype}", own, y, fit={"X_val": other, "y_val": y})
        refused("teacher 0 .*only bytes are divided by 255", other, y, "linear", [model])
    assert (
        DistilledClassifier("linear", trainer=TrainerConfig(max_epochs=1))
        .fit(x.astype(int), y)
        .pixels_
        == "numbers"
    )


def test_training_and_validation_rows_must_be_of_one_kind(images, features, refused):
    x, y = images
    refused("all images or all features", x, y, fit={"X_val": x.reshape(N, -1), "y_val": y})
    refused("all images or all features", *features, fit={"X_val": x, "y_val": y})
    refused(r"found \(3, 11, 4\)", x, y, fit={"X_val": x[..., :4], "y_val": y})


def test_networks_for_images_and_augmentation_need_images(features, refused):
    refused("'resnet8' needs images", *features, "resnet8")
    for augment in ("crop", "crop-flip", "turn-crop-flip"):
        refused(f"augment='{augment}' changes images; X holds plain", *features, augment=augment)


# -- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"nesterov": True}, "nesterov=True needs optimiser='sgd'"),
        ({"nesterov": True, "optimiser": "sgd", "momentum": 0.0}, "momentum above 0"),
        ({"milestones": [3, 0]}, "milestones must be a list of epochs"),
        ({"milestones": 3}, "milestones must be a list of epochs"),
        ({"milestones": [0.5]}, "milestones must be a list of epochs"),
        ({"keep_epochs": 5}, "keep_epochs must be a list of epochs"),
        ({"keep_epochs": ["last"]}, "keep_epochs must be a list of epochs"),
        ({"keep_epochs": [5, 17]}, "keep_epochs holds 17, but training ends after max_epochs=13"),
        ({"assistants": ["mlp:5"]}, "assistants need a chain.*takd.*dgkd"),
        ({"teachers": ["mlp:7", "mlp:5"], "chain": "takd"}, "one teacher, the largest.*found 2"),
        ({"assistants": "mlp:5", "chain": "takd"}, "assistants must be a list, found 'mlp:5'"),
        ({"teachers": "resnet20"}, r"teachers must be a list, found 'resnet20': put it in \[..\]"),
        ({"teachers": nn.Sequential(nn.Linear(D, C))}, "must be a list, found Sequential"),
        ({"teachers": np.zeros((N, C))}, "teachers must be a list, found ndarray"),
        ({"mixer": "best"}, "unknown mixer 'best'"),
        ({"mixer": "amal", "mixer_options": {"warm_up": 3}}, "warm_up"),
        ({"mixer": "amal", "mixer_options": "fast"}, "mixer_options must be options by name"),
        ({"mixer": "kd", "mixer_options": {"per_loss": {"pupil": 1.0}}}, "pupil"),
        ({"student": "resnet9"}, "resnet9"),
        ({"student": None}, "found None"),
    ],
    ids=repr,
)
def test_parameters(options, match, features, refused):
    refused(match, *features, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"direction": "both"},
        {"chain": "dad"},
        {"optimiser": "lion"},
        {"schedule": "linear"},
        {"gamma": 0},
        {"momentum": 1.0},
        {"augment": "mixup"},
        {"patience": 0},
    ],
    ids=repr,
)
def test_settings_out_of_range_are_refused_as_scikit_learn_does(options, features):
    with pytest.raises(ValueError, match=next(iter(options))):
        DistilledClassifier.from_options(**options).fit(*features)


# -- teachers -------------------------------------------------------------------------------------


def test_teachers_of_something_else(features, refused, tmp_path):
    X, y = features
    other = RandomForestClassifier(3, random_state=0).fit(X, np.array(["ant", "bee", "owl"])[y])
    refused(r"its classes \['ant', 'bee', 'owl'\] are not the student's", X, y,
            teachers=[other])  # fmt: skip
    two = LogisticRegression().fit(X[y < 2], y[y < 2])
    refused(r"it does not know \[2\]", X, y, teachers=[two])
    refused("it gives 4 columns, the student has 3 classes", X, y, teachers=[np.ones((N, 4))])
    refused(f"outputs for {N - 1} rows", X, y, teachers=[np.eye(C)[y[1:]] * 4])
    refused("LogisticRegression is not fitted", X, y, teachers=[LogisticRegression()])
    refused("is a class", X, y, teachers=[LogisticRegression])
    refused("nothing can be learnt from int", X, y, teachers=[3])
    refused("there is no file", X, y, teachers=[tmp_path / "gone.npz"])
    refused("say kind='probabilities'", X, y, teachers=[np.eye(C)[y]])
    narrow = LogisticRegression().fit(X[:, :2], y)
    refused("2 features", X, y, teachers=[narrow])


def test_a_missing_teacher_is_said_before_another_is_trained(features, refused, monkeypatch):
    monkeypatch.setattr(Trainer, "begin", None)
    refused("there is no file none.npz", *features, "mlp:5", ["mlp:7", "none.npz"])


def test_logits_that_are_not_numbers(features, refused):
    X, y = features
    told = np.random.default_rng(0).normal(size=(N, C))
    told[5] = np.nan
    refused(r"NaN or infinite in 1 of 41 rows, first in \[5\]; silent=True", X, y, teachers=[told])
    DistilledClassifier(
        "linear", [as_teacher(told, silent=True)], trainer=TrainerConfig(max_epochs=1)
    ).fit(X, y)
    told[5] = [np.inf, 0, 0]
    refused("teacher 1 .*NaN or infinite", X, y, teachers=[np.eye(C)[y] * 4, told])


def test_files_of_outputs_that_lack_rows(features, refused, tmp_path):
    X, y = features
    ids = np.arange(100, 100 + N)
    path = tmp_path / "told.npz"
    save_teacher_outputs(path, ids[3:], np.zeros((N - 3, C)), [0, 1, 2])
    refused(r"3 of 41 rows have no outputs.*\[100, 101, 102\]", X, y, teachers=[path],
            fit={"row_ids": ids})  # fmt: skip
    refused("row_ids has 40 rows, X has 41", X, y, teachers=[path], fit={"row_ids": ids[1:]})
    frame = pd.DataFrame(np.zeros((2, C)), index=["a", "b"])
    refused("have no outputs", X, y, teachers=[frame])


def test_other_inputs_of_teachers(features, refused):
    X, y = features
    wide = LogisticRegression().fit(X, y)
    refused("teacher_X has 40 rows, X has 41", X[:, :2], y, teachers=[wide],
            fit={"teacher_X": X[1:]})  # fmt: skip
    refused("teacher_X and teacher_X_val go together", X[:, :2], y, teachers=[wide],
            fit={"teacher_X": X, "X_val": X[:, :2], "y_val": y})  # fmt: skip
    for trained in ({"teachers": ["mlp:5"]}, {"assistants": ["mlp:5"], "chain": "takd"}):
        options = {"teachers": [wide], **trained}
        refused("trained here .* know X only", X[:, :2], y, fit={"teacher_X": X}, **options)


# -- students -------------------------------------------------------------------------------------


class Squashed(nn.Module):
    """Logits that are not a linear layer's."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(D, C)

    def forward(self, x):
        return torch.tanh(self.inner(x))


class Convolved(nn.Module):
    """No linear layer at all."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Conv1d(1, C, D)

    def forward(self, x):
        return self.inner(x[:, None]).squeeze(2)


def seeded(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind()


@pytest.mark.parametrize(
    "student",
    [
        seeded(Squashed),
        FeatureAdapter(seeded(Squashed), head=None),
        FeatureAdapter(seeded(Convolved), head=None),
    ],
    ids=["squashed", "squashed, no head", "convolved"],
)
@pytest.mark.parametrize("mixer", ["amal", "alm-kd"])
def test_a_student_without_a_linear_head(student, mixer, features, refused):
    """Said before the first epoch, though weights are refreshed after the tenth only."""
    X, y = features
    teacher = LogisticRegression().fit(X, y)
    refused("'look_ahead': 'network'", X, y, student, [teacher], mixer=mixer)
    options = {"warmup": 0, "refresh_every": 1, "look_ahead": "network", "weight_lr": 0.01}
    model = DistilledClassifier(
        student, [teacher], mixer=mixer, mixer_options=options, trainer=TrainerConfig(max_epochs=2)
    ).fit(X, y)
    trained = model.weights_["teacher"].dropna()
    assert trained.nunique() > 7
    plain = DistilledClassifier(
        student, [teacher], mixer="kd", trainer=TrainerConfig(max_epochs=2)
    ).fit(X, y)
    assert plain.predict(X).shape == (N,)


def test_a_student_of_no_known_head_or_of_other_classes(features, refused):
    X, y = features
    refused("head=None.*look_ahead", X, y, Convolved(), mixer="amal")
    refused("2 (outputs|classes)|not clear which", X, y, nn.Linear(D, 2), mixer="kd")
    refused("must return a torch module", X, y, lambda d, c: None, mixer="kd")


def test_a_distiller_that_drops_its_only_teacher(features, refused):
    X, y = features
    teacher = LogisticRegression().fit(X, y)
    with pytest.raises(InputError, match="drop=1 would leave none of 1 teachers"):
        distiller("dgkd-drop", "mlp:5", [teacher]).fit(X, y)
    refused("drop=1 would leave none", X, y, teachers=[teacher], mixer="dgkd-drop")
