"""The meta-gradient on image models: the closed form sees the head that autograd sees."""

import pytest
import torch
from torch import nn

from spear_amal.batch import Batch
from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.models import FeatureAdapter, JointModel, build_feature_model
from spear_amal.training import LookAhead

SHAPE, C = (2, 8, 9), 5


class OwnNet(nn.Module):
    """Gives logits only; its hidden values are captured."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(SHAPE[0], 7, 3), nn.BatchNorm2d(7)
        self.last = nn.Linear(7, C)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


def make_batch(n, generator):
    x = torch.randint(0, 256, (n, *SHAPE), generator=generator, dtype=torch.uint8)
    y = torch.randint(0, C, (n,), generator=generator)
    teachers = torch.randn(n, 2, C, generator=generator, dtype=torch.float64)
    none = torch.zeros(n, 0, dtype=torch.float64)
    return Batch(torch.arange(n), x, y, none, none, teachers)


@pytest.mark.parametrize("kind", ["linear", "convnet", "resnet8", "wrn-10-1", "own"])
def test_all_methods_agree_and_nothing_is_changed(kind):
    generator = torch.Generator().manual_seed(3)
    batch, validation = make_batch(3, generator), make_batch(7, generator)
    own = FeatureAdapter(OwnNet(), head="last")
    feature = build_feature_model(
        own if kind == "own" else kind,
        0,
        C,
        generator=generator,
        input_shape=SHAPE,
        statistics=([0.5, 0.4], [0.3, 0.2]),
    )
    model = JointModel(feature).double().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    components = ComponentSet([LabelCrossEntropy(), *teacher_components(2, 4.0)])

    def found(parameters, method):
        ahead = LookAhead(
            model, components, batch, validation, eta=0.1, parameters=parameters, method=method
        )
        return ahead.hypergradient(torch.ones(3, 3, dtype=torch.float64))

    closed = found("last-layer", "closed")
    assert closed.abs().max() > 1e-5
    torch.testing.assert_close(closed, found("last-layer", "forward"), rtol=1e-9, atol=1e-12)
    whole = found("network", "forward")
    torch.testing.assert_close(whole, found("network", "double-backward"), rtol=1e-7, atol=1e-10)
    if kind == "linear":  # its last layer is all there is
        torch.testing.assert_close(closed, whole, rtol=1e-9, atol=1e-12)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
