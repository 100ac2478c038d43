"""Heads of tasks on one network: which images they see, what is shared, what prediction skips."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet, LabelCrossEntropy, SquaredNorm, TaskCrossEntropy
from spear_amal.maths.gradients import reaches
from spear_amal.models import (
    Affine,
    ConvNet4,
    ImageModel,
    JointModel,
    MultiTask,
    build_feature_model,
    build_network,
    n_parameters,
)
from spear_amal.models.multi_task import main_answer, turned, untracked

B, C, K, SIDE = 11, 5, 3, 8


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=B, seed=1):
    return torch.randn(n, 1, SIDE, SIDE, generator=seeded(seed))


def trunk():
    return ImageModel(build_network("convnet4", C, 1, seeded(), input_shape=(1, SIDE, SIDE)))


def multi(*names, **options):
    network = trunk()
    width = network.head.in_features
    sizes = {"colour": K, "weight": 1}
    heads = {name: Affine(width, sizes.get(name, 4), seeded(7)) for name in names}
    return MultiTask(network, heads, **options)


class Watched(nn.Module):
    """Remembers what it was asked about."""

    def __init__(self):
        super().__init__()
        self.head = Affine(SIDE * SIDE, C, seeded())
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return self.head(x.flatten(1)), x.flatten(1)


def watched(*names):
    network = Watched()
    return network, MultiTask(network, {n: Affine(SIDE * SIDE, 4, seeded()) for n in names})


def batch_of(x):
    empty = torch.zeros(len(x), 0)
    y = torch.arange(len(x)) % C
    return Batch(torch.arange(len(x)), x, y, empty, empty, torch.zeros(len(x), 0, C))


# -- the network of MAOAL's experiments -----------------------------------------------------------


@pytest.mark.parametrize(("side", "hidden"), [(32, 2048), (28, 1568), (14, 288), (4, 32), (7, 32)])
def test_convnet4_flattens_what_two_halvings_leave(side, hidden):
    network = build_network("convnet4", C, 3, seeded(), input_shape=(3, side, side)).eval()
    logits, found = network.logits_and_hidden(torch.randn(2, 3, side, side, generator=seeded()))
    assert found.shape == (2, hidden)
    torch.testing.assert_close(network.head(found), logits)
    # Four convolutions without bias, four pairs of batch normalisation, the head with bias.
    convolutions = 9 * 32 * (3 + 3 * 32)
    assert n_parameters(network) == convolutions + 4 * 2 * 32 + (hidden + 1) * C


def test_convnet4_needs_a_shape_of_its_own():
    with pytest.raises(InputError, match="'convnet4' needs input_shape="):
        build_network("convnet4", C)
    for shape in [(1, 3, 8), (1, 8, 2), (64,)]:
        with pytest.raises(InputError, match="4 x 4 pixels or more"):
            ConvNet4(C, shape)


# -- turned images --------------------------------------------------------------------------------


def test_a_turned_image_gets_the_target_that_says_how_to_turn_it_back():
    x, quarters = images(), torch.arange(B) % 4
    seen = turned(x, quarters)
    for i in range(B):
        torch.testing.assert_close(torch.rot90(seen[i], -int(quarters[i]), (1, 2)), x[i])
    assert torch.equal(turned(x, torch.zeros(B, dtype=torch.long)), x)


def test_the_trunk_sees_upright_images_then_the_ones_turned_by_their_targets():
    network, model = watched("rotation")
    x = images()
    _, _, more = model.train()(x)
    upright, seen = network.seen
    answer = more["tasks"]["rotation"]
    assert torch.equal(upright, x)
    assert torch.equal(seen, turned(x, answer.targets))
    torch.testing.assert_close(answer.values, model.heads["rotation"](seen.flatten(1)))


def test_angles_come_from_the_global_stream_and_all_occur():
    _, model = watched("rotation")
    torch.manual_seed(0)
    x = images(101)
    first, second = (model.train()(x)[2]["tasks"]["rotation"].targets for _ in range(2))
    torch.manual_seed(0)
    again = model(x)[2]["tasks"]["rotation"].targets
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert set(first.tolist()) == {0, 1, 2, 3}


def test_in_evaluation_the_angle_is_that_of_the_place():
    _, model = watched("rotation", "rotation-shuffled")
    before = torch.get_rng_state()
    first, second = (model.eval()(images(seed=s))[2]["tasks"] for s in (1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert first["rotation"].targets.tolist() == [i % 4 for i in range(B)]
    for name in first:
        assert torch.equal(first[name].targets, second[name].targets)


@pytest.mark.parametrize("training", [True, False])
def test_shuffled_targets_say_nothing_of_the_angle(training):
    """Counts of (angle, target) against their expectation, over thousands of rows."""
    torch.manual_seed(0)
    n = 4001
    _, model = watched("rotation", "rotation-shuffled")
    tasks = model.train(training)(torch.zeros(n, 1, SIDE, SIDE))[2]["tasks"]
    angle, target = tasks["rotation"].targets, tasks["rotation-shuffled"].targets
    counts = torch.bincount(4 * angle + target, minlength=16).double()
    chi_square = ((counts - n / 16).square() / (n / 16)).sum()
    assert chi_square < 37.7  # 15 degrees of freedom, one in a thousand


def test_both_rotation_tasks_share_one_pass():
    network, model = watched("rotation", "rotation-shuffled")
    model.train()(images())
    assert len(network.seen) == 2


# -- the main answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_main_answer_is_that_of_the_network_alone(training):
    model, x = multi("rotation", "colour").train(training), images()
    alone = copy.deepcopy(model.network)
    logits, hidden, _ = model(x)
    expected = alone(x)
    assert torch.equal(logits, expected[0])
    assert torch.equal(hidden, expected[1])
    # Batch statistics took note of the upright images only.
    for (name, ours), theirs in zip(model.network.named_buffers(), alone.buffers(), strict=True):
        assert torch.equal(ours, theirs), name


def test_prediction_costs_nothing_extra():
    network, model = watched("rotation", "colour")
    with torch.no_grad():
        assert len(model.eval()(images())) == 2
    assert len(network.seen) == 1
    with torch.no_grad():
        assert set(model.train()(images())[2]["tasks"]) == {"rotation", "colour"}


def test_a_validation_loss_asks_for_the_main_answer_only():
    network, model = watched("rotation")
    joint = JointModel(model).train()
    with pytest.raises(RuntimeError, match="on purpose"), main_answer(joint):
        assert joint(batch_of(images())).tasks == {}
        raise RuntimeError("on purpose")
    assert len(network.seen) == 1
    assert set(joint(batch_of(images())).tasks) == {"rotation"}


def test_untracked_gives_every_layer_its_mode_back():
    model = trunk().train()
    model.network.body[1].eval()
    with pytest.raises(RuntimeError, match="on purpose"), untracked(model):
        model(images())
        raise RuntimeError("on purpose")
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(layer.track_running_stats for layer in layers)
    assert all(int(layer.num_batches_tracked) == 0 for layer in layers)
    model(images())
    assert [int(layer.num_batches_tracked) for layer in layers] == [0, 1, 1, 1]


def test_the_head_is_the_networks_so_the_model_fits_wherever_a_network_does():
    model, x = multi("rotation"), images()
    assert model.head is model.network.head
    logits, hidden = model.eval().logits_and_hidden(x)
    torch.testing.assert_close(model.head(hidden), logits)
    assert model.task_answer("rotation", x).shape == (B, 4)


def test_other_tasks_answer_about_upright_rows():
    model, x = multi("colour", "weight"), images()
    _, hidden, more = model.train()(x)
    tasks = more["tasks"]
    torch.testing.assert_close(tasks["colour"].values, model.heads["colour"](hidden))
    torch.testing.assert_close(tasks["weight"].values, model.heads["weight"](hidden)[:, 0])
    assert (tasks["colour"].targets, tasks["weight"].targets) == (None, None)


# -- shared and own parameters, and the size of them ----------------------------------------------


def test_each_loss_reaches_the_trunk_and_its_own_head():
    model = JointModel(multi("rotation", squared_norm=True)).train()
    losses = ComponentSet([LabelCrossEntropy(), TaskCrossEntropy("rotation"), SquaredNorm()])
    batch = batch_of(images())
    columns = losses.columns(model(batch), batch, losses.applies(batch))
    named = dict(model.named_parameters())
    found = reaches([column.sum() for column in columns], list(named.values()))
    for (name, _), (label, rotation, l2) in zip(named.items(), found.T.tolist(), strict=True):
        own = "heads.rotation" in name
        main = "network.network.head" in name
        assert (label, rotation, l2) == (not own, not main, not own), name


def test_the_gradient_of_l2_is_twice_the_coefficient_times_the_parameters():
    network = trunk().double()
    network.network.body[0].weight.requires_grad_(False)
    heads = {"rotation": Affine(network.head.in_features, 4, seeded()).double()}
    model = JointModel(MultiTask(network, heads, squared_norm=True)).eval()
    batch, loss = batch_of(images().double()), SquaredNorm(0.25)
    values = loss.loss(model(batch), batch)
    trained = {n: p for n, p in network.named_parameters() if p.requires_grad}
    total = sum(float(p.detach().square().sum()) for p in trained.values())
    assert values.shape == (B,)
    torch.testing.assert_close(values, torch.full((B,), 0.25 * total, dtype=torch.float64))
    gradients = torch.autograd.grad(values.mean(), list(trained.values()))
    for parameter, gradient in zip(trained.values(), gradients, strict=True):
        torch.testing.assert_close(gradient, 2 * 0.25 * parameter)


def test_a_functional_call_sees_the_squares_of_its_own_parameters():
    model = multi(squared_norm=True).double().eval()
    at = {name: 2 * p.detach() for name, p in model.named_parameters()}
    own, other = (
        model(images().double())[2]["squared_norm"],
        functional_call(model, at, (images().double(),))[2]["squared_norm"],
    )
    torch.testing.assert_close(other, 4 * own)


def test_a_network_by_name_needs_no_wrapping():
    network = build_network("convnet4", C, 1, seeded(), input_shape=(1, SIDE, SIDE)).eval()
    model = MultiTask(network, {"rotation": Affine(128, 4, seeded())}).eval()
    logits, hidden, more = model(images())
    expected = network.logits_and_hidden(images())
    assert torch.equal(logits, expected[0])
    assert torch.equal(hidden, expected[1])
    assert more["tasks"]["rotation"].values.shape == (B, 4)


def test_any_network_goes_along():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = nn.Linear(7, 13), nn.Linear(13, C)

        def forward(self, x):
            return self.out(torch.relu(self.inner(x)))

    own = build_feature_model(Own(), 7, C)
    model = MultiTask(own, {"colour": Affine(13, K, seeded())}).train()
    logits, hidden, more = model(torch.randn(B, 7, generator=seeded()))
    assert logits.shape == (B, C)
    assert hidden.shape == (B, 13)
    assert more["tasks"]["colour"].values.shape == (B, K)
    assert model.head is own.head
