"""Tasks that cannot be meant: what was needed, what was found, what to do."""

import numpy as np
import pytest

from spear_amal import AuxiliaryClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import AuxiliaryTask

N = 23
X = np.random.default_rng(0).normal(size=(N, 7)).astype(np.float32)
IMAGES = np.random.default_rng(1).integers(0, 255, (N, 1, 8, 8), dtype=np.uint8)
Y = np.arange(N) % 2


def refused(match, tasks, given=None, x=X, network="mlp:5", **options):
    model = AuxiliaryClassifier.from_options(
        network, tasks, **{"mixer": "fixed", "max_epochs": 1} | options
    )
    with pytest.raises(InputError, match=match):
        model.fit(x, Y, tasks=given)


@pytest.mark.parametrize(
    ("match", "tasks"),
    [
        (r"tasks must be a list, found 'rotation': put it in \[\.\.\]", "rotation"),
        (r"put it in \[\.\.\]", AuxiliaryTask("side")),
        ("a task must be a name or a Task, found 3", ["side", 3]),
        ("must be a name or a Task", [("side", None, 2, 5)]),
        ("must be a name or a Task", [()]),
        ("name of a task must be a string, found 3", [AuxiliaryTask(3)]),
        (r"name of its own, found \['side', 'side'\]", ["side", AuxiliaryTask("side")]),
        ("cannot be called 'label', which is the name of another loss", ["label"]),
        ("cannot be called 'gold'", ["gold"]),
        ("cannot be called 'teacher1'", ["teacher1"]),
        ("cannot be called 'wing.colour'; use a plain word", ["wing.colour"]),
        ("cannot be called 'wing/colour'", ["wing/colour"]),
        ("cannot be called 'keys'", ["keys"]),
        ("cannot be called ''", [""]),
        (
            "kind must be 'classification' or 'regression', found 'ranking'",
            [AuxiliaryTask("a", "ranking")],
        ),
        (
            "n_outputs must be the number of classes, 2 or more; found 1",
            [AuxiliaryTask("a", None, 1)],
        ),
        ("n_outputs must be .* found True", [AuxiliaryTask("a", n_outputs=True)]),
        ("n_outputs must be .* found 2.0", [AuxiliaryTask("a", n_outputs=2.0)]),
        ("n_outputs must be 1 for regression; found 3", [AuxiliaryTask("a", "regression", 3)]),
        (
            "task 'rotation' is made from X: leave out kind",
            [AuxiliaryTask("rotation", "classification")],
        ),
    ],
)
def test_tasks_that_cannot_be(match, tasks):
    refused(match, tasks)


@pytest.mark.parametrize(
    ("match", "tasks", "given"),
    [
        ("unknown task 'rotatoin'; did you mean 'rotation'", ["rotatoin"], None),
        (r"unknown task 'side'.*fit\(\.\., tasks=\{'side': array\}\)", ["side"], {}),
        (r"targets of a task 'shade' .* its tasks are \['l2'\]", ["l2"], {"shade": Y}),
        ("task 'l2' is made from X; give no targets", ["l2"], {"l2": Y}),
        ("tasks must be targets by name", ["side"], [Y]),
        (r"tasks\['side'\] has 22 rows, X has 23", ["side"], {"side": Y[1:]}),
        (r"one number a row .* shape \(23, 1\)", ["side"], {"side": Y[:, None]}),
        ("one number a row .* <U", ["side"], {"side": Y.astype(str)}),
        (
            "must be class codes, .* found float64",
            [AuxiliaryTask("a", "classification")],
            {"a": Y / 1.0},
        ),
        (r"are all unknown \(-1\)", ["side"], {"side": Y * 0 - 1}),
        (r"are all unknown \(NaN\)", ["side"], {"side": np.full(N, np.nan)}),
        ("infinite numbers", ["side"], {"side": np.full(N, np.inf)}),
        ("from 0 on, -1 where unknown; found -2", ["side"], {"side": Y - 2}),
        ("from 0 to 1, -1 where unknown; found 2", [AuxiliaryTask("a", n_outputs=2)], {"a": Y * 2}),
        ("hold only one class, 0", ["side"], {"side": Y * 0}),
    ],
)
def test_targets_that_cannot_be(match, tasks, given):
    refused(match, tasks, given)


@pytest.mark.parametrize("task", ["rotation", "rotation-shuffled"])
def test_only_square_images_can_be_turned(task):
    refused(rf"'{task}' turns images by quarters.*found rows of shape \(7,\)", [task])
    wide = IMAGES[:, :, :7]
    refused(r"must hold square images.*found rows of shape \(1, 7, 8\)", [task], x=wide)


def test_a_linear_model_shares_nothing():
    refused("no hidden values that tasks could share", ["side"], {"side": Y}, network="linear")
    AuxiliaryClassifier("linear", ["l2"], mixer="fixed", trainer=TrainerConfig(max_epochs=1)).fit(
        X, Y
    )


def test_convnet4_needs_images():
    refused("'convnet4' needs images", ["l2"], network="convnet4")


def test_a_coefficient_below_zero_is_refused():
    with pytest.raises(ValueError, match="l2"):
        AuxiliaryClassifier("mlp:5", ["l2"], l2=-1).fit(X, Y)


def test_answers_are_given_of_tasks_with_targets_only():
    model = AuxiliaryClassifier(
        "mlp:5", ["side", "l2"], mixer="fixed", trainer=TrainerConfig(max_epochs=1)
    )
    model.fit(X, Y, tasks={"side": Y})
    for name in ("l2", "rotation", "sides"):
        with pytest.raises(InputError, match=rf"no targets of a task '{name}'.*have \['side'\]"):
            model.predict_task(X, name)
