"""Losses of auxiliary tasks by hand, and what they say where no head answered."""

import math

import pytest
import torch

from spear_amal.batch import Batch, Outputs, TaskAnswer
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet, SquaredNorm, TaskCrossEntropy, TaskSquaredError

B, C = 5, 3


def given(answers, targets=None, norm=None):
    empty = torch.zeros(B, 0)
    y, teachers = torch.full((B,), -1), torch.zeros(B, 0, C)
    batch = Batch(torch.arange(B), empty, y, empty, empty, teachers, targets or {})
    outputs = Outputs(torch.zeros(B, C), empty, tasks=answers, squared_norm=norm)
    return outputs, batch


def test_classes_are_scored_where_they_are_known():
    values = torch.zeros(B, 4)
    outputs, batch = given(
        {"colour": TaskAnswer(values)}, {"colour": torch.tensor([0, -1, 3, -1, 1])}
    )
    losses = ComponentSet([TaskCrossEntropy("colour")]).losses(outputs, batch)[:, 0]
    torch.testing.assert_close(losses, math.log(4) * torch.tensor([1.0, 0, 1, 0, 1]))


def test_numbers_are_scored_where_they_are_known():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], requires_grad=True)
    targets = torch.tensor([0.0, torch.nan, 5.0, 4.0, torch.nan])
    outputs, batch = given({"weight": TaskAnswer(values)}, {"weight": targets})
    losses = ComponentSet([TaskSquaredError("weight")]).losses(outputs, batch)[:, 0]
    assert losses.tolist() == [1.0, 0.0, 4.0, 0.0, 0.0]
    losses.sum().backward()
    assert values.grad.tolist() == [2.0, 0.0, -4.0, 0.0, 0.0]


def test_a_task_that_the_model_made_has_its_targets_on_every_row():
    values = torch.eye(4)[[0, 1, 2, 3, 0]] * 100
    outputs, batch = given({"rotation": TaskAnswer(values, torch.arange(B) % 4)})
    component = TaskCrossEntropy("rotation")
    assert component.applies(batch).all()
    assert component.loss(outputs, batch).tolist() == [0.0] * B


def test_the_size_of_the_parameters_is_the_same_on_every_row():
    outputs, batch = given({}, norm=torch.tensor(7.0))
    assert SquaredNorm(0.5).loss(outputs, batch).tolist() == [3.5] * B


@pytest.mark.parametrize("component", [TaskCrossEntropy("colour"), TaskSquaredError("colour")])
def test_without_a_head_the_task_is_named(component):
    with pytest.raises(InputError, match=r"no head answered the task 'colour'.*whole network"):
        component.loss(*given({}, {"colour": torch.zeros(B)}))


def test_without_the_squares_l2_says_what_it_needs():
    with pytest.raises(InputError, match="squared_norm=True"):
        SquaredNorm().loss(*given({}))
