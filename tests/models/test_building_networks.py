"""Sizes of networks, and what makes them: checked by name before anything is built."""

import pytest
from torch import nn

from spear_amal.errors import InputError
from spear_amal.models import build_feature_model, build_network


class Net(nn.Module):
    """A user's network, whose constructor takes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        """Logits."""
        return self.head(x)


@pytest.mark.parametrize("size", [0, -1, 2.5, "2", None])
def test_classes_are_a_whole_number(size):
    with pytest.raises(InputError, match="n_classes"):
        build_feature_model("linear", 3, size)
    with pytest.raises(InputError, match="n_classes"):
        build_network("resnet8", size)


@pytest.mark.parametrize("hidden", [5, "55", [0], [1.5], None])
def test_hidden_widths_are_whole_numbers(hidden):
    with pytest.raises(InputError, match="hidden"):
        build_feature_model("mlp", 3, 2, hidden)


def test_a_class_in_place_of_a_module_is_told_what_to_do():
    with pytest.raises(InputError, match="call it first"):
        build_feature_model(Net, 3, 2)
    assert build_feature_model(Net(), 3, 2) is not None
