"""Raw pixels through a normalising model, and statistics of channels."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, jvp

from spear_amal.errors import InputError
from spear_amal.models import ImageModel, build_network, channel_statistics, image_model

B, CHANNELS, SIZE, C = 3, 2, 7, 5


def pixels(n=B, channels=CHANNELS, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, channels, SIZE, SIZE), dtype=np.uint8)


def model(mean=(0.25, 0.5), std=(0.5, 0.125), name="resnet8"):
    network = build_network(name, C, CHANNELS, torch.Generator().manual_seed(0))
    return ImageModel(network, mean, std).eval()


# -- statistics ---------------------------------------------------------------------------------


@given(st.integers(1, 13), st.integers(1, 500), st.sampled_from(["u1", "f4", "f8", "i8", "u2"]))
def test_statistics_do_not_depend_on_the_chunks(n, chunk, dtype):
    x = pixels(n, 3).astype(dtype)
    scaled = x / 255 if dtype == "u1" else x.astype(float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_model, "CHUNK", chunk)
        mean, std = channel_statistics(x)
    np.testing.assert_allclose(mean, scaled.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std((0, 2, 3)), rtol=1e-12)


def test_statistics_far_from_zero(monkeypatch):
    monkeypatch.setattr(image_model, "CHUNK", SIZE * SIZE)
    x = 1e6 + np.random.default_rng(0).standard_normal((11, 1, SIZE, SIZE))
    np.testing.assert_allclose(channel_statistics(x)[1], x.std(), rtol=1e-9)


def test_a_constant_channel_keeps_its_scale():
    x = pixels()
    x[:, 1] = 7
    mean, std = channel_statistics(x)
    assert mean[1] == pytest.approx(7 / 255)
    assert std[1] == 1.0
    assert channel_statistics(np.zeros((1, 1, 2, 2)))[1] == 1.0


def test_statistics_of_one_channel_and_reversed_arrays():
    x = pixels(channels=1)
    for same in (x[:, 0], x[::-1], x[:, :, ::-1]):
        for one, two in zip(channel_statistics(same), channel_statistics(x), strict=True):
            np.testing.assert_allclose(one, two)


@pytest.mark.parametrize(
    "x", [np.zeros((3, 4)), np.zeros((0, 2, 3, 3)), np.array([[[["a"]]]]), np.zeros((2, 3, 0, 1))]
)
def test_statistics_of_what_is_no_image(x):
    with pytest.raises(InputError, match="images must be numbers"):
        channel_statistics(x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_statistics_name_the_broken_image(value, monkeypatch):
    monkeypatch.setattr(image_model, "CHUNK", 2 * CHANNELS * SIZE * SIZE)
    x = pixels(11).astype(np.float32)
    x[5, 1, 2, 3] = value
    with pytest.raises(InputError, match="image 5 "):
        channel_statistics(x)


# -- the model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bytes_and_floats_are_normalised(dtype):
    made = model().to(dtype)
    raw = torch.from_numpy(pixels())
    scaled = raw.to(dtype) / 255
    expected = torch.stack([(scaled[:, 0] - 0.25) / 0.5, (scaled[:, 1] - 0.5) / 0.125], dim=1)
    seen = made.normalised(raw)
    assert seen.dtype == dtype
    torch.testing.assert_close(seen, expected)
    torch.testing.assert_close(made.normalised(scaled.double()), expected)
    logits, hidden = made(raw)
    assert logits.dtype == dtype
    assert torch.equal(logits, made.head(hidden))
    torch.testing.assert_close(logits, made.network(expected))
    torch.testing.assert_close(made(scaled)[0], logits)


def test_normalised_training_rows_have_mean_0_and_deviation_1():
    x = pixels(13)
    made = model(*channel_statistics(x))
    seen = made.normalised(torch.from_numpy(x))
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(CHANNELS), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.std((0, 2, 3), correction=0), torch.ones(CHANNELS))


def test_images_without_a_channel_axis():
    made = ImageModel(build_network("convnet", C, 1), [0.5], [0.5]).eval()
    gray = torch.from_numpy(pixels(channels=1))
    assert torch.equal(made(gray)[0], made(gray[:, 0])[0])


@pytest.mark.parametrize("n", [0, 1])
def test_few_images(n):
    logits, hidden = model()(torch.from_numpy(pixels(n)))
    assert logits.shape == (n, C)
    assert hidden.shape == (n, 64)


def test_one_number_for_all_channels():
    x = torch.rand(B, CHANNELS, SIZE, SIZE)
    assert torch.equal(model(0, 1).normalised(x), x)
    assert torch.equal(model(0, 2).normalised(x), x / 2)
    assert ImageModel(model().network).state_dict()["mean"].shape == ()


@pytest.mark.parametrize("shape", [(B, 1, SIZE, SIZE), (B, SIZE, SIZE), (B, 98), (B, 2, 3, 1, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"\(rows, 2, height, width\)"):
        model()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("mean", "std"),
    [([0, 0], [1]), ([0.0, 0.0], [1.0, 0.0]), (0.0, -1.0), ([np.nan], [1]), ([[0.0]], [[1.0]])],
)
def test_bad_statistics_are_refused(mean, std):
    with pytest.raises(InputError, match="mean and std"):
        model(mean, std)


def test_statistics_travel_with_the_state():
    one, two = model(), model((0, 0), (1, 1), "resnet8")
    raw = torch.from_numpy(pixels())
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(raw)[0], two(raw)[0])
    assert torch.equal(one(raw)[0], copy.deepcopy(one)(raw)[0])
    assert {name for name, _ in one.named_buffers()} >= {"mean", "std"}
    assert "mean" not in dict(one.named_parameters())


def test_forward_mode_in_double_on_bytes():
    made = model(name="convnet").double()
    raw = torch.from_numpy(pixels())
    at = {n: p.detach() for n, p in made.named_parameters()}
    way = {n: torch.randn_like(p) / p.numel() ** 0.5 for n, p in at.items()}

    def value(parameters):
        return functional_call(made, parameters, (raw,))

    (_, slopes) = jvp(value, (at,), (way,))
    step = 1e-6
    up, down = (value({n: p + sign * step * way[n] for n, p in at.items()}) for sign in (1.0, -1.0))
    for slope, a, b in zip(slopes, up, down, strict=True):
        torch.testing.assert_close(slope, (a - b) / (2 * step), rtol=1e-5, atol=1e-6)


def test_a_module_of_the_users_own_is_adapted():
    own = nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * SIZE * SIZE, C))
    made = ImageModel(own, 0.5, 0.5)
    logits, hidden = made(torch.from_numpy(pixels()))
    assert hidden.shape == (B, CHANNELS * SIZE * SIZE)
    assert torch.equal(made.head(hidden), logits)
