"""Images in the table, their augmentation, teachers that answer anew, and features in chunks."""

import numpy as np
import pytest
import torch
from torch import nn

from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.mixers import Amal
from spear_amal.models import JointModel, build_feature_model, channel_statistics
from spear_amal.training import LookAhead, Table, Trainer, TrainerConfig, last_layer
from spear_amal.training.augment import AUGMENTATIONS, random_crop, random_flip, random_turn
from spear_amal.training.last_layer import features_of

N, H, W, C, T = 23, 13, 7, 5, 2
CHANNELS = 3
RANDOM = {"crop": random_crop, "flip": random_flip, "turn": random_turn, **AUGMENTATIONS}
EVERY = pytest.mark.parametrize("change", RANDOM.values(), ids=RANDOM)


def images(n=N, seed=0, dtype=np.uint8):
    drawn = np.random.default_rng(seed).integers(1, 256, (n, CHANNELS, H, W))
    return drawn.astype(dtype)


def teachers(n=N):
    told = np.random.default_rng(1).normal(size=(n, T, C)).astype(np.float32)
    told[3, 0] = np.nan
    return told


def table(**options):
    y = np.random.default_rng(2).integers(0, C, N)
    return Table(images(), y, teachers=teachers(), n_classes=C, **options)


# -- the table ------------------------------------------------------------------------------------


def test_bytes_stay_bytes_and_floats_take_the_tables_type():
    index = torch.tensor([5, 0, 22, 5])
    held = table(dtype=torch.float64)
    batch = held.batch(index)
    assert batch.x.dtype == torch.uint8
    assert batch.x.shape == (4, CHANNELS, H, W)
    assert np.array_equal(batch.x, images()[index])
    floats = Table(images(dtype=np.float32), dtype=torch.float64)
    assert floats.batch(index).x.dtype == torch.float64


def test_read_only_and_reversed_images_are_taken():
    held = images()
    held.flags.writeable = False
    assert np.array_equal(Table(held).x, held)
    assert np.array_equal(Table(held[::-1]).x, held[::-1])


def test_a_subset_keeps_rows_together_and_is_never_augmented():
    held = table()
    held.augment = lambda x: x * 0
    held.online_teachers = (lambda x: torch.zeros(len(x), C), None)
    rows = np.array([7, 3, 19])
    part = held.subset(rows)
    batch = part.batch(torch.arange(3), augmented=True)
    assert np.array_equal(batch.x, images()[rows])
    assert np.array_equal(batch.teachers, teachers()[rows], equal_nan=True)
    assert np.array_equal(batch.y, held.y[rows])
    assert part.augment is None
    assert held.augment is not None  # the whole table keeps its own
    assert np.array_equal(held.with_teachers(teachers()[:, :1]).teachers, teachers()[:, :1], True)


def test_augmentation_happens_only_where_it_is_asked_for():
    held = table()
    held.augment = random_flip
    index = torch.arange(N)
    assert np.array_equal(held.batch(index).x, images())
    assert np.array_equal(held.whole().x, images())
    torch.manual_seed(0)
    changed = held.batch(index, augmented=True).x
    assert not np.array_equal(changed, images())
    assert np.array_equal(held.x, images())  # what is stored stays
    held.augment = None
    assert np.array_equal(held.batch(index, augmented=True).x, images())


def test_live_teachers_answer_about_the_augmented_images_and_others_keep_their_answer():
    held, index = table(), torch.tensor([3, 8, 2])
    held.augment = lambda x: 255 - x
    seen = []

    def ask(x):
        seen.append(x)
        return x.double().mean((1, 2, 3)).unsqueeze(1).expand(-1, C)

    stored = torch.as_tensor(teachers())[index]
    for other in (None, lambda x: None):
        seen.clear()
        held.online_teachers = (ask, other)
        batch = held.batch(index, augmented=True)
        assert len(seen) == 1
        assert torch.equal(seen[0], batch.x)
        assert np.array_equal(batch.x, 255 - images()[index])
        expected = (255.0 - images()[index]).mean((1, 2, 3))
        np.testing.assert_allclose(batch.teachers[:, 0], expected[:, None].repeat(C, 1), rtol=1e-6)
        assert torch.equal(batch.teachers[:, 1], stored[:, 1])
        assert batch.teachers.dtype == torch.float32
    assert np.array_equal(held.teachers, teachers(), equal_nan=True)  # not written through
    plain = held.batch(index)
    assert torch.equal(plain.teachers.nan_to_num(7), stored.nan_to_num(7))
    assert len(seen) == 1


def test_features_are_not_augmented():
    held = Table(np.eye(7))
    assert torch.equal(held.batch(torch.arange(7), augmented=True).x, torch.eye(7))


# -- what augmentations do ------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 5, 5), (11, 3, 13, 7), (2, 1, 3, 29)])
def test_shape_type_and_range_stay(change, dtype, shape):
    x = torch.randint(0, 256, shape).to(dtype)
    before = x.clone()
    changed = change(x)
    assert changed.shape == x.shape
    assert changed.dtype == dtype
    assert torch.equal(x, before)
    assert changed.min() >= 0
    assert changed.max() <= x.max()


@EVERY
def test_randomness_is_torchs_own_and_repeats(change):
    x = torch.randint(0, 256, (31, 1, 13, 13), dtype=torch.uint8)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global one is what is checked
    torch.manual_seed(5)
    first, second = change(x), change(x)
    torch.manual_seed(5)
    assert torch.equal(change(x), first)
    assert not torch.equal(first, second)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_a_crop_moves_the_picture_and_fills_with_zeros():
    """One bright dot far from the edge: it moves by up to an eighth of the side, each its own."""
    n, side = 211, 17
    x = torch.zeros(n, 1, side, side, dtype=torch.uint8)
    x[:, 0, 8, 8] = 9
    moved = random_crop(x)
    assert (moved.sum((1, 2, 3)) == 9).all()
    places = moved.flatten(1).argmax(1)
    rows, columns = places // side, places % side
    for found in (rows, columns):
        assert set(found.tolist()) == {6, 7, 8, 9, 10}  # 17 // 8 = 2 pixels each way
    assert (rows != columns).any()


def test_the_inside_of_a_constant_image_stays_and_channels_stay_together():
    x = torch.full((31, CHANNELS, 17, 17), 3.0) * torch.arange(1, 4).view(-1, 1, 1)
    moved = random_crop(x)
    assert torch.equal(moved[..., 2:-2, 2:-2], x[..., 2:-2, 2:-2])
    assert set(moved.unique().tolist()) <= {0.0, 3.0, 6.0, 9.0}
    assert torch.equal(moved[:, 1], 2 * moved[:, 0])


def test_a_flip_mirrors_left_and_right_of_about_half():
    x = torch.as_tensor(images(211))
    changed = random_flip(x)
    mirrored = (changed == x.flip(-1)).flatten(1).all(1)
    same = (changed == x).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 70 < mirrored.sum() < 141  # five standard deviations of 211 draws are 36
    back = torch.where(mirrored.view(-1, 1, 1, 1), changed.flip(-1), changed)
    assert torch.equal(back, x)
    symmetric = torch.cat([x, x.flip(-1)], dim=-1)
    assert torch.equal(random_flip(symmetric), symmetric)


@pytest.mark.parametrize("sides", [(33, 33), (41, 23), (23, 41)])
def test_a_turn_keeps_distances_from_the_centre(sides):
    """A round spot in the middle stays, and one beside it goes round it, oblong or not."""
    height, width = sides
    v, u = torch.meshgrid(
        torch.arange(height) - (height - 1) / 2,
        torch.arange(width) - (width - 1) / 2,
        indexing="ij",
    )
    spot = torch.exp(-((u - 5) ** 2 + v**2) / 4)
    x = spot.expand(61, 1, height, width)
    turned = random_turn(x)[:, 0]
    mass = turned.sum((1, 2))
    torch.testing.assert_close(mass, spot.sum().expand(61), rtol=2e-2, atol=0)
    across = (turned * u).sum((1, 2)) / mass
    down = (turned * v).sum((1, 2)) / mass
    torch.testing.assert_close(torch.hypot(across, down), torch.full((61,), 5.0), rtol=0, atol=0.1)
    angles = torch.rad2deg(torch.atan2(down, across))
    assert angles.abs().max() <= 45.5
    assert angles.min() < -25
    assert angles.max() > 25
    middle = torch.exp(-(u**2 + v**2) / 8).expand(7, 1, height, width)
    torch.testing.assert_close(random_turn(middle), middle, rtol=0, atol=0.05)


# -- features in chunks ---------------------------------------------------------------------------


def network(dtype=torch.float32):
    held = images(700)
    net = build_feature_model(
        "convnet",
        0,
        C,
        generator=torch.Generator().manual_seed(0),
        input_shape=held.shape[1:],
        statistics=channel_statistics(held),
    )
    net = net.to(dtype)
    net.train()
    with torch.no_grad():
        net(torch.as_tensor(held[:64]))  # running means that are not those of the start
    return net, held


def test_chunks_give_what_one_pass_gives(monkeypatch):
    net, held = network(torch.float64)
    net.eval()
    x = torch.as_tensor(held)
    with torch.no_grad():
        logits, hidden = net(x)
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    found = features_of(net, x)
    assert len(calls) == 3  # 256, 256, 188
    torch.testing.assert_close(found[0], logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1], hidden, rtol=0, atol=1e-12)
    monkeypatch.setattr(last_layer, "IMAGES", 7)
    torch.testing.assert_close(features_of(net, x[:23])[0], logits[:23], rtol=0, atol=1e-12)


class Counted(nn.Module):
    """Counts the rows that go through a feature model, by whether it trains."""

    def __init__(self, net):
        super().__init__()
        self.net, self.rows = net, []

    @property
    def head(self):
        return self.net.head

    def forward(self, x):
        if not self.training:
            self.rows.append(len(x))
        return self.net(x)


class Watched(Amal):
    """Notes the weight gradients, and what they would be with V computed for each group anew."""

    def refresh(self, look_ahead, batch):
        weights = self.lambdas[batch.index]
        with_stored = look_ahead.hypergradient(weights)
        fresh = LookAhead.from_options(
            look_ahead.model,
            look_ahead.components,
            batch,
            look_ahead.validation,
            self.look_ahead_options(),
        )
        self.pairs = [*getattr(self, "pairs", []), (with_stored, fresh.hypergradient(weights))]
        super().refresh(look_ahead, batch)


def refreshed(mixer):
    y = np.random.default_rng(2).integers(0, C, 97)
    told = np.random.default_rng(1).normal(size=(97, 1, C))
    kind = {"n_classes": C, "dtype": torch.float64}
    train = Table(images(97), y, teachers=told, **kind)
    validation = Table(images(41, seed=3), y[:41], teachers=told[:41], **kind)
    counted = Counted(network(torch.float64)[0])
    counted.rows.clear()
    Trainer(TrainerConfig(max_epochs=1, batch_size=29)).fit(
        JointModel(counted),
        ComponentSet([LabelCrossEntropy(), *teacher_components(1)]),
        mixer,
        train,
        np.arange(97),
        selection=None,
        outer=validation,
    )
    return counted


def test_validation_rows_go_through_the_network_once_a_refresh():
    options = {"warmup": 0, "refresh_every": 1, "group_size": 31, "inner_repeats": 3}
    counted = refreshed(Amal(**options))
    assert counted.rows.count(41) == 1
    assert [n for n in counted.rows if n != 41 and n != 1] == [31, 31, 31, 4]
    mixer = Watched(**options)
    refreshed(mixer)
    assert len(mixer.pairs) == 4
    for stored, fresh in mixer.pairs:
        assert stored.abs().max() > 0
        assert torch.equal(stored, fresh)
