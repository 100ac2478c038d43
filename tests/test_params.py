"""The checker of parameters, and what it relies on in scikit-learn's private module."""

import inspect
import re
from numbers import Real
from typing import ClassVar

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.utils import _param_validation as private

from spear_amal import GoldClassifier, TrainerConfig, params
from spear_amal.errors import InputError
from spear_amal.params import nest_options

BROKEN = f"scikit-learn {sklearn.__version__} changed what spear_amal.params takes from it"


class Owner(BaseEstimator):
    """Has a table of constraints as estimators have."""

    _parameter_constraints: ClassVar = {
        "rate": [params.Interval(Real, 0, 1, closed="neither"), None],
        "kind": [params.StrOptions({"a", "b"})],
        "flag": ["boolean"],
    }

    def __init__(self, rate=0.5, kind="a", flag=True, free=None):
        self.rate = rate
        self.kind = kind
        self.flag = flag
        self.free = free


def test_what_is_relied_on_in_scikit_learn_is_there():
    for name in ("Interval", "StrOptions", "InvalidParameterError"):
        assert hasattr(private, name), f"{BROKEN}: no {name}"
    signature = inspect.signature(private.validate_parameter_constraints)
    wanted = {"parameter_constraints", "params", "caller_name"}
    assert wanted <= set(signature.parameters), f"{BROKEN}: arguments are {signature}"
    assert issubclass(private.InvalidParameterError, ValueError), BROKEN
    with pytest.raises(private.InvalidParameterError) as caught:
        params.check_parameters(Owner(rate=2.0))
    for part in ("'rate'", "Owner", "(0.0, 1.0)", "2.0"):
        assert part in str(caught.value), f"{BROKEN}: its message lacks {part}: {caught.value}"


@pytest.mark.parametrize("wrong", [{"rate": 1.0}, {"kind": "c"}, {"flag": "yes"}, {"rate": "x"}])
def test_a_wrong_value_names_class_and_parameter(wrong):
    with pytest.raises(params.InvalidParameterError, match=f"'{next(iter(wrong))}'.*Owner"):
        params.check_parameters(Owner(**wrong))


def test_allowed_values_and_parameters_without_an_entry_pass():
    params.check_parameters(Owner(rate=None, free=object()))
    params.check_parameters(Owner(kind="c"), {"flag": ["boolean"]})


def test_messages_are_made_only_where_a_condition_fails():
    made = []

    def message(text):
        return lambda: made.append(text) or text

    params.check_conditions((True, message("one")), (True, message("two")))
    assert made == []
    with pytest.raises(InputError, match=r"^two$"):
        params.check_conditions(
            (True, message("one")), (False, message("two")), (False, message("three"))
        )
    assert made == ["two"]


@pytest.mark.parametrize(
    ("check", "right", "wrong", "message"),
    [
        (params.check_positive, [0.1, 7, np.float32(2)], [0, -1, np.nan, np.inf, "1"], "above 0"),
        (params.check_not_negative, [0, 0.0, 3], [-0.1, np.nan, np.inf, None], "at least 0"),
        (params.check_share, [0.5, 1e-9], [0, 1, -1, np.nan, "a"], "strictly between 0 and 1"),
        (
            lambda name, value: params.check_whole(name, value, 2),
            [2, np.int64(7)],
            [1, 2.0, True, None, "2"],
            "whole number of at least 2",
        ),
    ],
)
def test_numbers_are_checked_by_name(check, right, wrong, message):
    for value in right:
        check("rate", value)
    for value in wrong:
        found = re.escape(repr(value))
        with pytest.raises(InputError, match=rf"^rate must .*{message}, found {found}$"):
            check("rate", value)


@pytest.mark.parametrize("trainer", [1, [], "x", TrainerConfig])
def test_options_go_into_an_object_of_options_only(trainer):
    with pytest.raises(InputError, match="trainer must be an object of options"):
        nest_options(GoldClassifier, {"trainer": trainer, "lr": 0.1})


@pytest.mark.parametrize(
    "options", [{"callbacks": [1.5]}, {"callbacks": "x"}, {"checkpoint": ["a"]}, {"checkpoint": 1}]
)
def test_callbacks_and_checkpoints_are_checked_before_training(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TrainerConfig(**options).check_parameters()
