"""Mixers, losses, teachers and networks: odd names, options, losses and rows."""

import numpy as np
import torch
from hypothesis import strategies as st
from registry import door
from values import arrays, mostly, odd, small_odd

from spear_amal import losses, mixers, models, teachers
from spear_amal.loop import LossMixer
from spear_amal.training import METRICS, score

names = mostly(st.sampled_from(sorted(mixers.MIXERS)), small_odd)
floats = mostly(st.floats(0, 5), st.sampled_from([-1.0, 1e30, float("nan"), float("inf")]), 30)


@st.composite
def options(draw, of):
    """Draw options of a mixer, some known and some not."""
    try:
        known = list(mixers.mixer_parameters(of))
    except Exception:
        known = []
    key = st.one_of(st.sampled_from([*known, "odd"]), st.text(max_size=4))
    return draw(mostly(st.just({}), st.dictionaries(key, small_odd, max_size=2), 2))


@door(
    *("mixers.build_mixer", "mixers.mixer_parameters", "mixers.MIXERS", "mixers.PRESETS"),
    *(f"mixers.{cls.__name__}" for cls in (mixers.Amal, mixers.Fixed, mixers.Uncertainty)),
    *("mixers.AlmKd", "mixers.AuxiLearn", "mixers.Crust", "mixers.GradientCosine", "mixers.MAOAL"),
    *("mixers.LearningToReweight", "mixers.MetaWeightNet", "mixers.RandomSearch", "mixers.Single"),
    *("mixers.SuperLoss", "mixers.DGKD", "mixers.HINTON", "mixers.Mixer", "mixers.MixerEntry"),
)
def building(draw, folder):
    name = draw(names)
    mixers.mixer_parameters(name)
    mixers.build_mixer(name, draw(options(name)))


@door("loop.LossMixer", "spear_amal.LossMixer")
def loss_mixer(draw, folder):
    name = draw(st.one_of(st.sampled_from(["amal", "fixed", "uncertainty", "superloss"]), names))
    given = draw(options(name)) if draw(st.integers(0, 3)) == 0 else {}
    n = draw(mostly(st.just(9), small_odd))
    mixer = LossMixer(name, draw(mostly(st.just(["a", "b"]), odd)), n_rows=n, **given)
    shape = draw(st.sampled_from([(3, 2), (3, 2), (2, 3), (0, 2), (3,), (1, 2)]))
    size = int(np.prod(shape))
    values = draw(st.lists(floats, min_size=size, max_size=size))
    table = torch.tensor(values).reshape(shape).requires_grad_()
    rows = draw(mostly(st.lists(st.integers(0, 8), min_size=3, max_size=3), arrays((0, 2))))
    rows = torch.tensor(rows) if isinstance(rows, list) and draw(st.booleans()) else rows
    try:
        loss = mixer(table, rows)
    finally:
        table.grad = None
    loss.backward()
    assert torch.isfinite(loss)


@door("losses.resolve", "losses.NAMES", "losses.EVERY_LOSS")
def losses_by_name(draw, folder):
    losses.resolve(draw(st.one_of(st.lists(st.integers(1, 7), max_size=3), odd)))


@door(
    *("models.build_feature_model", "models.build_network", "models.check_kind"),
    *("models.check_network", "models.is_network", "models.network_names", "models.MLP"),
    *("models.LinearModel", "models.ConvNet", "models.ResNet", "models.n_parameters"),
    *("models.WideResNet", "models.DenseNet", "models.ConvNet4", "models.Network"),
    "models.compression_ratio",
)
def networks(draw, folder):
    kind = draw(
        st.one_of(st.sampled_from(["linear", "mlp", "mlp:3", "mlp:x", "resnet8"]), small_odd)
    )
    models.check_kind(kind)
    n, c = draw(st.one_of(st.just(4), small_odd)), draw(st.one_of(st.just(2), small_odd))
    network = models.build_feature_model(kind, n, c, draw(st.one_of(st.just((3,)), small_odd)))
    assert models.n_parameters(network) > 0
    models.build_network(draw(st.one_of(st.just("resnet8"), small_odd)), c)


@door(
    *("teachers.ArrayTeacher", "teachers.as_teacher", "teachers.as_teachers"),
    *("teachers.stack_logits", "teachers.TeacherOutputs", "teachers.mean_teacher"),
)
def teachers_of_arrays(draw, folder):
    values = draw(st.one_of(arrays((0, 3)), odd))
    classes = draw(st.one_of(st.none(), st.just(["ham", "spam"]), odd))
    teacher = teachers.ArrayTeacher(
        values, "t", classes, kind=draw(st.sampled_from([None, "logits"]))
    )
    things = draw(st.sampled_from([[teacher], teacher, [values], [teacher, teacher], [None], []]))
    stacked = teachers.stack_logits(things, np.zeros((3, 2)), classes=classes)
    assert stacked.shape[1] == 3 or stacked.shape[0] == 3
    teachers.mean_teacher(teachers.as_teachers(things))


@door("training.score", "training.METRICS")
def scores(draw, folder):
    metric = draw(st.one_of(st.sampled_from(sorted(METRICS)), small_odd))
    y, predicted = (
        np.array(draw(st.lists(st.integers(0, 2), min_size=5, max_size=5))) for _ in "ab"
    )
    assert 0 <= score(metric, y, predicted) <= 1
