"""A model that is only asked is left as it was."""

import pytest
import torch
from torch import nn

from spear_amal.loop.model_state import frozen_model
from spear_amal.models.feature_model import eval_mode


def mixed_modes():
    """A network in training mode with one part that its user froze."""
    net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Dropout(0.5), nn.Linear(7, 3))
    net[1].eval()
    return net


@pytest.mark.parametrize("context", [eval_mode, frozen_model])
def test_every_part_gets_its_own_mode_back(context):
    net = mixed_modes()
    before = [part.training for part in net.modules()]
    with context(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net.modules()] == before
    with pytest.raises(KeyError), context(net):
        raise KeyError
    assert [part.training for part in net.modules()] == before


def test_a_frozen_model_still_builds_graphs():
    net = mixed_modes()
    with torch.inference_mode(), frozen_model(net):
        assert net(torch.ones(2, 5)).requires_grad
