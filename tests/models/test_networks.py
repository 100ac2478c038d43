"""Networks by name: sizes, shapes, heads, starts, derivatives and what a wrong name says."""

import copy

import pytest
import torch
from torch.func import functional_call, jvp

from spear_amal.errors import InputError
from spear_amal.models import build_network, compression_ratio, is_network, n_parameters
from spear_amal.models.densenet import DenseNet
from spear_amal.models.registry import network_names
from spear_amal.models.resnet import ResNet
from spear_amal.models.wide_resnet import WideResNet

B, C = 3, 5
IMAGE_NETWORKS = ["resnet8", "resnet14", "wrn-16-1", "wrn-10-2", "densenet-40-12", "convnet"]
WIDTH = {"resnet8": 64, "resnet14": 64, "wrn-16-1": 64, "wrn-10-2": 128, "convnet": 32}

RESNET_SIZES = {
    10: (78_042, 175_258, 272_474, 369_690, 466_906, 855_770, 1_730_714),
    100: (83_892, 181_108, 278_324, 375_540, 472_756, 861_620, 1_736_564),
    102: (84_022, 181_238, 278_454, 375_670, 472_886, 861_750, 1_736_694),
    196: (90_132, 187_348, 284_564, 381_780, 478_996, 867_860, 1_742_804),
}
WIDE_SIZES = {
    10: (175_066, 691_674, 1_549_530, 2_748_890, 6_172_122, 10_961_370),
    100: (180_916, 703_284, 1_566_900, 2_772_020, 6_206_772, 11_007_540),
    102: (181_046, 703_542, 1_567_286, 2_772_534, 6_207_542, 11_008_566),
    120: (182_216, 705_864, 1_570_760, 2_777_160, 6_214_472, 11_017_800),
    196: (187_156, 715_668, 1_585_428, 2_796_692, 6_243_732, 11_056_788),
}
SIZES = [
    (f"resnet{depth}", n_classes, size)
    for n_classes, row in RESNET_SIZES.items()
    for depth, size in zip((8, 14, 20, 26, 32, 56, 110), row, strict=True)
] + [
    (f"wrn-16-{k}", n_classes, size)
    for n_classes, row in WIDE_SIZES.items()
    for k, size in zip((1, 2, 3, 4, 6, 8), row, strict=True)
]
RATIOS = [
    (100, "resnet8", {"resnet14": 2.16, "resnet20": 3.32, "resnet32": 5.64}),
    (100, "resnet8", {"resnet56": 10.27, "resnet110": 20.70}),
    (196, "wrn-16-1", {"wrn-16-2": 3.82, "wrn-16-3": 8.47, "wrn-16-4": 14.94}),
    (196, "wrn-16-1", {"wrn-16-6": 33.36, "wrn-16-8": 59.08}),
    (102, "resnet8", {"wrn-16-2": 8.37, "wrn-16-3": 18.65, "wrn-16-4": 33.00}),
    (102, "resnet8", {"wrn-16-6": 73.88, "wrn-16-8": 131.02}),
    (100, "wrn-16-1", {"wrn-16-2": 3.89, "wrn-16-3": 8.66, "wrn-16-4": 15.32}),
    (100, "wrn-16-1", {"wrn-16-6": 34.31, "wrn-16-8": 60.84}),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def images(size, channels=3, n=B, dtype=torch.float32):
    return torch.randn(n, channels, size, size, generator=seeded(1), dtype=dtype)


def on_meta(name, n_classes, **options):
    with torch.device("meta"):
        return build_network(name, n_classes, **options)


@pytest.mark.parametrize(("name", "n_classes", "size"), SIZES)
def test_parameter_counts_of_the_papers(name, n_classes, size):
    assert n_parameters(on_meta(name, n_classes)) == size


@pytest.mark.parametrize(
    ("options", "n_classes", "size", "hidden"),
    [
        ({}, 100, 1_100_428, 456),
        ({}, 10, 1_059_298, 456),
        ({"stem": 16}, 100, 1_060_132, 448),
        ({"stem": 16}, 10, 1_019_722, 448),
    ],
)
def test_parameter_counts_of_densenets(options, n_classes, size, hidden):
    network = on_meta("densenet-40-12", n_classes, **options)
    assert n_parameters(network) == size
    assert network.head.in_features == hidden


@pytest.mark.parametrize("depth", [8, 20, 110])
def test_padded_shortcuts_have_no_parameters(depth):
    name = f"resnet{depth}"
    padded = on_meta(name, 10, shortcut="padding")
    assert n_parameters(padded) == n_parameters(on_meta(name, 10)) - 2_752


@pytest.mark.parametrize(("n_classes", "student", "teachers"), RATIOS)
def test_compression_ratios_of_the_papers(n_classes, student, teachers):
    small = on_meta(student, n_classes)
    for name, ratio in teachers.items():
        assert round(compression_ratio(on_meta(name, n_classes), small), 2) == ratio


SIZES_OF_IMAGES = [
    *((name, size) for name in IMAGE_NETWORKS for size in (1, 8, 13)),
    *((name, size) for name in ("resnet8", "wrn-16-1", "convnet") for size in (28, 32, 37)),
    ("densenet-40-12", 28),
]


@pytest.mark.parametrize(("name", "size"), SIZES_OF_IMAGES)
def test_any_size_of_image(name, size):
    network = build_network(name, C, generator=seeded()).eval()
    with torch.no_grad():
        logits, hidden = network.logits_and_hidden(images(size))
        assert logits.shape == (B, C)
        assert hidden.shape == (B, WIDTH.get(name, 456))
        assert torch.equal(network.head(hidden), logits)
        assert torch.equal(network(images(size)), logits)
        assert network(images(size, n=0)).shape == (0, C)


@pytest.mark.parametrize("size", [96, 224])
@pytest.mark.parametrize("name", ["resnet8", "wrn-16-1", "convnet"])
def test_large_images(name, size):
    network = build_network(name, C, generator=seeded()).eval()
    with torch.no_grad():
        assert network(images(size, n=1)).shape == (1, C)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_a_batch_of_one_small_gray_image_can_be_trained_on(name):
    network = build_network(name, C, in_channels=1, generator=seeded()).train()
    network(images(8, channels=1, n=1)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_sizes_that_are_not_square():
    x = torch.randn(B, 3, 11, 17, generator=seeded())
    for name in IMAGE_NETWORKS:
        assert build_network(name, C, generator=seeded())(x).shape == (B, C)


@pytest.mark.parametrize("name", [*IMAGE_NETWORKS, "mlp:7-2"])
def test_the_start_comes_from_the_generator_alone(name):
    before = torch.get_rng_state()
    one, two, three = (
        build_network(name, C, generator=seeded(s), input_shape=(3, 8, 8)) for s in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])
        assert torch.isfinite(value).all()
    assert not torch.equal(one.head.weight, three.head.weight)
    generator = seeded()
    first = build_network(name, C, generator=generator, input_shape=(3, 8, 8))
    second = build_network(name, C, generator=generator, input_shape=(3, 8, 8))
    assert not torch.equal(first.head.weight, second.head.weight)


def test_the_start_has_the_published_spread():
    network = build_network("resnet20", 10, generator=seeded())
    for name, p in network.named_parameters():
        if p.ndim == 4 and p.numel() > 2000:
            expected = (2 / (p.shape[0] * p.shape[2] * p.shape[3])) ** 0.5
            assert p.std().item() == pytest.approx(expected, rel=0.1), name
    wide = build_network("wrn-16-1", 10, generator=seeded())
    assert (wide.head.bias == 0).all()
    assert not (network.head.bias == 0).any()


@pytest.mark.parametrize("name", ["resnet8", "wrn-16-1", "densenet-40-12", "convnet"])
def test_forward_mode_is_the_finite_difference(name):
    network = build_network(name, C, generator=seeded()).double().train()
    network(images(9, dtype=torch.float64))  # running statistics away from 0 and 1
    network.eval()
    x = images(9, dtype=torch.float64)
    at = {n: p.detach() for n, p in network.named_parameters()}
    way = {
        n: torch.randn(p.shape, generator=seeded(i), dtype=p.dtype) / p.numel() ** 0.5
        for i, (n, p) in enumerate(at.items())
    }

    def value(parameters):
        return functional_call(network, parameters, (x,))

    def moved(step):
        return value({n: p + step * way[n] for n, p in at.items()}).detach()

    _, slope = jvp(value, (at,), (way,))
    step = 1e-6
    numeric = (moved(step) - moved(-step)) / (2 * step)
    assert slope.abs().max() > 1e-3
    torch.testing.assert_close(slope, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*IMAGE_NETWORKS, "mlp:7-2"])
def test_a_stored_state_comes_back(name):
    network, other = (
        build_network(name, C, generator=seeded(s), input_shape=(3, 8, 8)) for s in (0, 1)
    )
    network.train()(images(8))
    other.load_state_dict(network.state_dict())
    twin = copy.deepcopy(network).eval()
    expected = network.eval()(images(8))
    assert torch.equal(other.eval()(images(8)), expected)
    assert torch.equal(twin(images(8)), expected)


def test_shortcuts_where_nothing_changes_are_the_input_itself():
    network = WideResNet(16, 1, C, generator=seeded())
    shortcuts = [m.shortcut for m in network.body if hasattr(m, "shortcut")]
    assert [s is None for s in shortcuts] == [True, True, False, True, False, True]
    wider = WideResNet(16, 2, C, generator=seeded())
    assert wider.body[1].shortcut is not None


def test_a_padded_shortcut_adds_channels_of_zeros():
    network = ResNet(8, C, shortcut="padding", generator=seeded())
    x = images(7, channels=16)
    y = network.body[4].shortcut(x)
    assert y.shape == (B, 32, 4, 4)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert (y[:, :8] == 0).all() and (y[:, 24:] == 0).all()
    assert network(images(7)).shape == (B, C)


def test_an_mlp_flattens_images_and_takes_rows():
    network = build_network("mlp:7-2", C, generator=seeded(), input_shape=(3, 8, 8))
    x = images(8)
    assert torch.equal(network(x), network(x.flatten(1)))
    logits, hidden = network.logits_and_hidden(x)
    assert hidden.shape == (B, 2)
    assert torch.equal(network.head(hidden), logits)
    with pytest.raises(InputError, match="input_shape"):
        build_network("mlp:7", C)


@pytest.mark.parametrize("name", ["wrn-16-11", "wrn-28-10", "wrn-40-2", "mlp:1", "mlp:64-32-16"])
def test_names_beyond_the_list(name):
    assert is_network(name)


def test_every_listed_name_is_built():
    for name in network_names():
        assert is_network(name)
        assert on_meta(name, C, input_shape=(3, 8, 8)).head.out_features == C


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet", "wrn-16-0", "wrn-17-2", "wrn-4-2", "mlp:", "mlp:0", "mlp:5-", 3]
)
def test_unknown_names_give_the_list(name):
    assert not is_network(name)
    with pytest.raises(InputError, match=r"there is no network .*resnet110.*wrn-16-k"):
        build_network(name, C)


def test_unknown_names_give_a_near_one():
    with pytest.raises(InputError, match="did you mean 'resnet20'"):
        build_network("ResNet-20", C)


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="depth"):
        ResNet(9, C)
    with pytest.raises(InputError, match="shortcut"):
        ResNet(8, C, shortcut="B")
    with pytest.raises(InputError, match="depth"):
        WideResNet(15, 1, C)
    with pytest.raises(InputError, match="widening"):
        WideResNet(16, 0, C)
    with pytest.raises(InputError, match="depth"):
        DenseNet(C, depth=41)
