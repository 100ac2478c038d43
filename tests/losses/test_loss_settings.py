"""Settings of losses: one that would be read as another is refused."""

import enum

import pytest

from spear_amal.errors import InputError
from spear_amal.losses import GoldCrossEntropy, TeacherDivergence, teacher_components


@pytest.mark.parametrize("direction", ["teacher", "student-Teacher", 1, None])
def test_a_direction_that_is_none_is_not_taken_for_the_other_one(direction):
    with pytest.raises(InputError, match="direction"):
        TeacherDivergence(direction=direction)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "4"])
def test_a_temperature_is_a_finite_number_above_0(temperature):
    with pytest.raises(InputError, match="temperature"):
        teacher_components(2, temperature)


@pytest.mark.parametrize(
    "factors", [[1.0, float("nan")], [1.0, -1.0], ["a", "b"], [None], 3.0, [enum.Enum("E", "a")]]
)
def test_factors_by_class_are_finite_numbers(factors):
    with pytest.raises(InputError, match="class_weights"):
        GoldCrossEntropy(factors)
