"""Which parameters form a module, for the networks of this package and for others'."""

import warnings

import pytest
import torch
from torch import nn

from spear_amal.errors import InputError
from spear_amal.mixers.module_partition import assign_modules
from spear_amal.models.registry import build_network


def modules(network, how="stage", prefix=""):
    named = {prefix + name: p for name, p in network.named_parameters()}
    found = assign_modules(named, how)
    assert list(found) == list(named)
    return list(dict.fromkeys(found.values()))


def numbered(stem, numbers):
    return [f"{stem}.{n}" for n in numbers]


@pytest.mark.parametrize("prefix", ["", "feature.model.", "module._orig_mod."])
@pytest.mark.parametrize(
    ("name", "stages", "blocks"),
    [
        ("mlp:5-3", ["layers.0", "layers.1"], ["layers.0", "layers.1"]),
        ("convnet", numbered("body", (0, 4, 8, 12)), numbered("body", (0, 4, 8, 12))),
        ("resnet8", numbered("body", (0, 3, 4, 5)), numbered("body", (0, 3, 4, 5))),
        (
            "resnet14",
            numbered("body", (0, "3-4", "5-6", "7-8")),
            numbered("body", (0, 3, 4, 5, 6, 7, 8)),
        ),
        ("wrn-16-1", numbered("body", (0, "1-2", "3-4", "5-6")), numbered("body", range(7))),
        ("wrn-10-2", numbered("body", range(4)), numbered("body", range(4))),
        (
            "densenet-40-12",
            numbered("body", (0, "1-12", 15, "17-28", 31, "33-44")),
            numbered("body", (*range(13), 15, *range(17, 29), 31, *range(33, 45))),
        ),
    ],
)
def test_networks_of_this_package(name, stages, blocks, prefix):
    """Each convolution with its batch norm; a stage ends where the width changes."""
    network = build_network(name, 3, 1, input_shape=(1, 5, 5))
    assert modules(network, "stage", prefix) == [*stages, "head"]
    assert modules(network, "block", prefix) == [*blocks, "head"]


def test_rules_and_tasks_beside_the_network_are_modules_of_their_own():
    network = build_network("resnet14", 3, 1)
    joint = nn.ModuleDict(
        {
            "feature": network,
            "rules": nn.ParameterDict({"theta": torch.ones(3, 5), "bias": torch.ones(5)}),
            "tasks": nn.ModuleDict({"turn": nn.Linear(64, 4)}),
        }
    )
    found = modules(joint)
    assert found[:2] == ["feature.body.0", "feature.body.3-4"]
    assert found[-3:] == ["feature.head", "rules", "tasks"]


class Basic(nn.Module):
    """A block with names as in common residual networks."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3), nn.BatchNorm2d(n_out)
        if n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1), nn.BatchNorm2d(n_out))


class Stages(nn.Module):
    """A stem, numbered stages of which one is much larger than the others, and a head."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
        self.layer1 = nn.Sequential(Basic(5, 5), Basic(5, 5))
        self.layer2 = nn.Sequential(Basic(5, 7), *(Basic(7, 7) for _ in range(5)))
        self.fc = nn.Linear(7, 2)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_numbered_stages_by_name(prefix):
    assert modules(Stages(), "stage", prefix) == ["conv1", "layer1", "layer2", "fc"]
    blocks = [*numbered("layer1", range(2)), *numbered("layer2", range(6))]
    assert modules(Stages(), "block", prefix) == ["conv1", *blocks, "fc"]


@pytest.mark.parametrize("how", ["stage", "block"])
def test_a_transformers_blocks_are_its_stages(how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about speed
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(4, 2, 5), 3, norm=nn.LayerNorm(4)
        )
    network = nn.ModuleDict(
        {
            "embedding": nn.Embedding(7, 4),
            "encoder": encoder,
            "head": nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)),
        }
    )
    expected = ["embedding", *numbered("encoder.layers", range(3)), "head"]
    assert modules(network, how) == expected  # the last norm goes with the last block
    norm = assign_modules(dict(network.named_parameters()), how)["encoder.norm.weight"]
    assert norm == "encoder.layers.2"


def test_a_norm_that_comes_first_goes_with_the_layer_after_it():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    assert modules(network) == ["1", "3"]
    assert modules(nn.Sequential(nn.BatchNorm1d(3), nn.LayerNorm(3))) == ["0-1"]


def test_small_models_and_bare_parameters():
    assert modules(nn.Linear(3, 2)) == ["network"]
    assert set(assign_modules({"w": torch.ones(3), "b": torch.ones(2)}).values()) == {"network"}
    assert assign_modules({}) == {}
    mixed = {"token": torch.ones(1, 3), "body.weight": torch.ones(2, 3)}
    assert assign_modules(mixed) == {"token": "token", "body.weight": "body"}


def test_every_parameter_on_its_own():
    network = build_network("convnet", 3, 1)
    assert modules(network, "parameter") == [name for name, _ in network.named_parameters()]


def test_by_mapping_the_longest_beginning_counts_and_by_callable():
    named = dict(build_network("mlp:5-3", 2, input_shape=(7,)).named_parameters())
    given = {"model": "rest", "model.layers.0": "low", "model.layers.0.bias": "shift"}
    assert list(assign_modules(named, given).values()) == ["low", "shift", *["rest"] * 4]
    upper = assign_modules(named, lambda name: name.split(".")[1].upper())
    assert list(upper.values()) == ["LAYERS"] * 4 + ["HEAD"] * 2


def test_a_parameter_without_a_module_is_named():
    named = {"body.weight": torch.ones(2, 3), "bodyguard.weight": torch.ones(3)}
    with pytest.raises(InputError, match=r"bodyguard\.weight': its keys, \['body'\]"):
        assign_modules(named, {"body": "low"})
    with pytest.raises(InputError, match=r"body\.weight.*5"):
        assign_modules(named, {"body": 5, "bodyguard": "high"})
    with pytest.raises(InputError, match=r"body\.weight.*5"):
        assign_modules(named, lambda name: 5)
