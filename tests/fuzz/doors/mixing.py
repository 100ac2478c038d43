"""Mixers, losses, teachers and networks: odd names, options, losses and rows."""

import math

import numpy as np
import torch
from hypothesis import strategies as st
from registry import door
from values import arrays, mostly, odd, small_odd

from spear_amal import losses, mixers, models, teachers
from spear_amal.loop import LossMixer
from spear_amal.models import FeatureAdapter, ImageModel, channel_statistics
from spear_amal.training import METRICS, score

names = mostly(st.sampled_from(sorted(mixers.MIXERS)), small_odd)
floats = mostly(st.floats(0, 5), st.sampled_from([-1.0, 1e30, float("nan"), float("inf")]), 60)
NUMBERS = st.one_of(st.floats(0, 1), st.integers(1, 3), st.just(None), st.booleans())


@st.composite
def options(draw, of):
    """Draw options of a mixer, some known and some not."""
    known = mixers.mixer_parameters(of) if isinstance(of, str) else ()
    key = st.one_of(st.sampled_from([*known, "odd"]), st.text(max_size=4))
    value = st.one_of(NUMBERS, small_odd)
    return draw(mostly(st.just({}), st.dictionaries(key, value, max_size=2), 2))


@door(
    *("mixers.build_mixer", "mixers.mixer_parameters", "mixers.MIXERS", "mixers.PRESETS"),
    *(f"mixers.{cls.__name__}" for cls in (mixers.Amal, mixers.Fixed, mixers.Uncertainty)),
    *("mixers.AlmKd", "mixers.AuxiLearn", "mixers.Crust", "mixers.GradientCosine", "mixers.MAOAL"),
    *("mixers.LearningToReweight", "mixers.MetaWeightNet", "mixers.RandomSearch", "mixers.Single"),
    *("mixers.SuperLoss", "mixers.DGKD", "mixers.HINTON", "mixers.Mixer", "mixers.MixerEntry"),
)
def building(draw, folder):
    name = draw(names)
    given = draw(options(name))
    made = mixers.build_mixer(name, given)
    # What is set afterwards is checked as the constructor checks it.
    entry = mixers.MIXERS[name]
    other = entry.mixer(**entry.defaults).set_params(**given)
    assert repr(other.get_params()) == repr(made.get_params())
    domain = torch.ones(6, 2, dtype=torch.bool)
    if "table_path" not in given:
        made.attach(6, ("label", "teacher"), domain, torch.ones(2, dtype=torch.bool))
        table = made.table()
        assert table is None or (table.shape == (6, 2) and torch.isfinite(table).all())


@door("loop.LossMixer", "spear_amal.LossMixer", "mixers.LookAheadOptions", "mixers.Step")
def loss_mixer(draw, folder):
    common = [
        "amal",
        "fixed",
        "uncertainty",
        "superloss",
        "spear",
        "single",
        "dgkd",
        "random-search",
    ]
    name = draw(mostly(st.sampled_from(common), names))
    given = draw(options(name)) if draw(st.integers(0, 5)) == 0 else {}
    if name == "superloss" and "tau" not in given:
        given = {"tau": 0.7, **given}
    n = draw(mostly(st.just(9), small_odd, 20))
    mixer = LossMixer(name, draw(mostly(st.just(["a", "b"]), odd, 20)), n_rows=n, **given)
    shape = draw(mostly(st.just((3, 2)), st.sampled_from([(2, 3), (0, 2), (3,), (1, 2)])))
    size = math.prod(shape)
    values = draw(st.lists(floats, min_size=size, max_size=size))
    table = torch.tensor(values).reshape(shape).requires_grad_()
    ids = st.lists(st.integers(0, 8), min_size=3, max_size=3)
    rows = draw(mostly(ids, arrays((0, 2)), 12))
    rows = torch.tensor(rows) if isinstance(rows, list) and draw(st.booleans()) else rows
    loss = mixer(table, rows)
    loss.backward()
    assert torch.isfinite(loss)
    assert table.grad is None or torch.isfinite(table.grad).all()


@door("loop.LossMixer", "mixers.Fixed")
def fixed_weights(draw, folder):
    weights = draw(
        mostly(
            st.dictionaries(st.sampled_from(["a", "b"]), st.floats(0, 9), max_size=2),
            st.one_of(st.dictionaries(st.sampled_from(["a", "c"]), small_odd), small_odd),
        )
    )
    mixer = LossMixer("fixed", ["a", "b"], per_loss=weights)
    n = draw(st.integers(1, 4))
    cells = draw(st.lists(st.floats(0, 9), min_size=2 * n, max_size=2 * n))
    applies = draw(st.lists(st.booleans(), min_size=2 * n, max_size=2 * n))
    table = np.array(cells).reshape(n, 2)
    defined = np.array(applies).reshape(n, 2)
    mixed = mixer(torch.tensor(table, requires_grad=True), applies=torch.tensor(defined))
    by_hand = sum(
        float((weights or {}).get(name, 1.0)) * table[defined[:, k], k].mean()
        for k, name in enumerate("ab")
        if defined[:, k].any()
    )
    assert math.isclose(mixed.item(), by_hand, rel_tol=1e-5, abs_tol=1e-6)


@door("losses.resolve", "losses.NAMES", "losses.EVERY_LOSS", "losses.spear_components")
def losses_by_name(draw, folder):
    known = st.one_of(st.integers(1, 7), st.sampled_from(losses.NAMES))
    chosen = draw(mostly(st.lists(known, min_size=1, max_size=3), odd, 2))
    resolved = losses.resolve(chosen)
    assert len(set(resolved)) == len(resolved)
    changes = {
        "consensus": st.sampled_from(["hard", "soft"]),
        "rule_gold": st.sampled_from(["conditional", "joint"]),
        "agreement": st.sampled_from(["feature-rules", "rules-feature"]),
        "class_weights": st.sampled_from([None, [1.0, 2.0]]),
    }
    options = {k: draw(mostly(right, small_odd)) for k, right in changes.items()}
    losses.spear_components(chosen, **options)


@door("losses.teacher_components", "losses.teacher_names", "losses.TeacherDivergence")
def losses_of_teachers(draw, folder):
    n = draw(mostly(st.integers(1, 3), small_odd))
    temperature = draw(mostly(st.floats(0.5, 8), small_odd))
    direction = draw(mostly(st.sampled_from(["teacher-student", "student-teacher"]), small_odd))
    assert len(losses.teacher_components(n, temperature, direction)) == n


@door(
    *("models.build_feature_model", "models.build_network", "models.check_kind"),
    *("models.check_network", "models.is_network", "models.network_names", "models.MLP"),
    *("models.LinearModel", "models.ConvNet", "models.ResNet", "models.n_parameters"),
    *("models.WideResNet", "models.DenseNet", "models.ConvNet4", "models.Network"),
    *("models.compression_ratio", "models.ImageModel", "models.FeatureAdapter"),
)
def networks(draw, folder):
    kind = draw(
        mostly(st.sampled_from(["linear", "mlp", "mlp:3"]), st.sampled_from(["mlp:x", Thinker]), 5)
    )
    n, c = draw(mostly(st.just(4), small_odd)), draw(mostly(st.just(2), small_odd))
    network = models.build_feature_model(kind, n, c, draw(mostly(st.just((3,)), small_odd)))
    assert models.n_parameters(network) > 0
    logits, _ = network(torch.zeros(5, n))
    assert logits.shape == (5, c)
    other = models.build_network(draw(mostly(st.just("resnet8"), small_odd)), c)
    assert models.compression_ratio(other, other) == 1
    assert not isinstance(other, FeatureAdapter | ImageModel)


class Thinker(torch.nn.Module):
    """A module whose constructor takes nothing."""

    def __init__(self):
        super().__init__()


@door("models.channel_statistics")
def statistics_of_images(draw, folder):
    right = st.sampled_from([np.full((3, 2, 4, 4), 51, np.uint8), np.full((3, 4, 4), 0.2)])
    mean, std = channel_statistics(draw(mostly(right, arrays((0, 4)), 1)))
    assert np.isfinite(mean).all() and np.isfinite(std).all()


@door(
    *("teachers.ArrayTeacher", "teachers.as_teacher", "teachers.as_teachers"),
    *("teachers.stack_logits", "teachers.TeacherOutputs", "teachers.mean_teacher"),
)
def teachers_of_arrays(draw, folder):
    cell = mostly(st.floats(-5, 5), st.sampled_from([np.nan, np.inf, 1e300]), 100)
    cells = np.array(draw(st.lists(cell, min_size=6, max_size=6))).reshape(3, 2)
    values = draw(mostly(st.just(cells), st.one_of(arrays((0, 3)), odd), 4))
    names = st.sampled_from([None, ["ham", "spam"], ["spam", "ham"]])
    given, asked = draw(mostly(names, odd, 9)), draw(mostly(st.just(["ham", "spam"]), odd, 9))
    teacher = teachers.ArrayTeacher(values, "t", given, kind="logits")
    twin = teachers.ArrayTeacher(values, "u", given, kind="logits")
    right = st.sampled_from([[teacher], teacher, [teacher, twin]])
    things = draw(mostly(right, st.sampled_from([[values], [teacher, teacher], [None], []]), 3))
    stacked = np.asarray(teachers.stack_logits(things, np.zeros((3, 2)), classes=asked))
    assert np.isfinite(stacked).all()
    turned = given == ["spam", "ham"] and asked == ["ham", "spam"]
    expected = np.asarray(values, dtype=float)[:, ::-1] if turned else values
    for part in np.moveaxis(stacked, int(stacked.shape[0] == 3), 0):
        np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)
    teachers.mean_teacher(teachers.as_teachers(things))


@door("training.score", "training.METRICS")
def scores(draw, folder):
    metric = draw(mostly(st.sampled_from(sorted(METRICS)), small_odd, 2))
    y, predicted = (
        np.array(draw(st.lists(st.integers(0, 2), min_size=5, max_size=5))) for _ in "ab"
    )
    value = score(metric, y, predicted)
    assert 0 <= value <= 1
    if metric == "accuracy":
        assert math.isclose(value, (y == predicted).mean())
