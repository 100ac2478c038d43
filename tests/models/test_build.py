"""What a user names, makes or hands over becomes a feature model for rows or for images."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from spear_amal.errors import InputError
from spear_amal.models import (
    MLP,
    FeatureAdapter,
    ImageModel,
    LinearModel,
    build_feature_model,
    build_network,
    check_kind,
)
from spear_amal.tensors.sparse_rows import SparseRows

B, D, C = 3, 11, 5
SHAPE = (2, 7, 9)
STATISTICS = (np.array([0.25, 0.5]), np.array([0.5, 0.25]))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def for_images(kind, shape=SHAPE, statistics=STATISTICS, seed=0, **options):
    return build_feature_model(
        kind, 0, C, (13,), generator(seed), input_shape=shape, statistics=statistics, **options
    )


def raw(shape=SHAPE):
    values = np.random.default_rng(0).integers(0, 256, (B, *shape), dtype=np.uint8)
    return torch.from_numpy(values)


class Flat(nn.Module):
    def __init__(self, shape, n_classes):
        super().__init__()
        self.shape = shape
        self.fc = nn.Linear(int(np.prod(shape)), n_classes)

    def forward(self, x):
        return self.fc(x.flatten(1))


@pytest.mark.parametrize(
    "kind", ["linear", "mlp", "mlp:7-2", "resnet8", "wrn-16-1", "convnet", Flat]
)
def test_images_of_any_kind_of_model(kind):
    model = for_images(kind).eval()
    assert isinstance(model, ImageModel)
    logits, hidden = model(raw())
    assert logits.shape == (B, C)
    assert torch.equal(model.head(hidden), logits)
    torch.testing.assert_close(model.mean, torch.tensor([0.25, 0.5]))
    same, other = for_images(kind).eval(), for_images(kind, seed=1).eval()
    assert torch.equal(same(raw())[0], logits)
    assert kind == "linear" or not torch.equal(other(raw())[0], logits)
    empty = for_images(kind, statistics=None, seed=1).eval()
    empty.load_state_dict(model.state_dict())
    assert torch.equal(empty(raw())[0], logits)


def test_flattened_models_see_normalised_pixels():
    model = for_images("linear")
    hidden = model(raw())[1]
    assert torch.equal(hidden, model.normalised(raw()).flatten(1))
    assert for_images("mlp")(raw())[1].shape == (B, 13)


def test_gray_images_without_a_channel_axis():
    for kind in ("linear", "resnet8", Flat):
        model = for_images(kind, (7, 9), None).eval()
        assert torch.equal(model(raw((7, 9)))[0], model(raw((7, 9))[:, None])[0])
    assert for_images(Flat, (7, 9), None).network.module.shape == (1, 7, 9)


@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (3, 0, 7), ()])
def test_shapes_that_are_no_images(shape):
    with pytest.raises(InputError, match="input_shape"):
        for_images("linear", shape)


def test_modules_are_copied_and_normalise_once():
    network = build_network("convnet", C, 2, generator())
    model = for_images(network)
    assert model.network.module is not network
    own = ImageModel(network, 0.0, 2.0)
    copied = for_images(own)
    assert isinstance(copied, ImageModel)
    assert copied is not own
    assert copied.std == 2.0
    wrapped = for_images(FeatureAdapter(own))
    assert isinstance(wrapped, FeatureAdapter)
    torch.testing.assert_close(wrapped.eval()(raw())[0], own.eval()(raw())[0])
    adapted = for_images(FeatureAdapter(Flat(SHAPE, C), head="fc"))
    assert torch.equal(adapted.head(adapted(raw())[1]), adapted(raw())[0])


def test_a_module_without_a_head_passes_it_on():
    model = for_images(FeatureAdapter(Flat(SHAPE, C), head=None))
    assert model.head is None
    assert model(raw())[0].shape == (B, C)


@pytest.mark.parametrize("shape", [None, (D,)])
def test_rows_of_features(shape):
    def build(kind):
        return build_feature_model(kind, D, C, (13,), generator(), input_shape=shape)

    x = torch.randn(B, D, generator=generator())
    assert isinstance(build("linear"), LinearModel)
    assert build("mlp")(x)[1].shape == (B, 13)
    named = build("mlp:7-2")
    assert isinstance(named, MLP)
    sparse = SparseRows.from_csr(sp.csr_array(x.numpy()), x.dtype)
    torch.testing.assert_close(named(x)[0], named(sparse)[0])
    assert build(lambda n, c: nn.Linear(n, c))(x)[0].shape == (B, C)
    with pytest.raises(InputError, match=r"'resnet8' needs images.*11 features"):
        build("resnet8")


def test_the_global_state_is_left_alone():
    before = torch.get_rng_state()
    for kind in ("linear", "mlp", "resnet8", Flat):
        for_images(kind)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", ["linear", "mlp", "mlp:3", "wrn-40-2", Flat, nn.Linear(2, 2)])
def test_kinds_that_are_known(kind):
    check_kind(kind)


@pytest.mark.parametrize("kind", ["forest", "resnet9", None, 3, "", ("linear",), ["mlp"]])
def test_kinds_that_are_not(kind):
    with pytest.raises(InputError, match=r"student must be 'linear'.*found"):
        check_kind(kind, "student")
    with pytest.raises(InputError, match="feature_model must be"):
        build_feature_model(kind, D, C)


def test_a_near_name_is_shown():
    with pytest.raises(InputError, match="did you mean 'resnet110'"):
        check_kind("resnet101")


def test_modules_for_other_classes_are_refused_early():
    with pytest.raises(InputError, match="5 outputs, but there are 2"):
        build_feature_model(FeatureAdapter(nn.Linear(D, C)), D, 2)
    with pytest.raises(InputError, match="of 2 classes"):
        build_feature_model(nn.Linear(D, C), D, 2)
    with pytest.raises(InputError, match="5 outputs, but there are 2"):
        build_feature_model(ImageModel(Flat(SHAPE, C)), 0, 2, input_shape=SHAPE)
    with pytest.raises(InputError, match="return a torch module"):
        build_feature_model(lambda d, c: None, D, C)
