"""Settings of mixers: whatever stands for a number, a choice or a flag, the error names it."""

import numpy as np
import pandas as pd
import pytest
import torch

from spear_amal.errors import InputError
from spear_amal.mixers import MIXERS, build_mixer

# What no setting of any mixer may be, whether it is a number, a name, a flag or a mapping.
NONSENSE = [float("nan"), 1 + 2j, "no such", b"", pd.NA, pd.NaT, np.datetime64("2024-01-31"), ...]
FREE = {"main", "table_path"}  # texts of the user's own, or paths


@pytest.mark.parametrize("name", sorted(MIXERS))
def test_no_setting_is_nonsense_wherever_the_mixer_is_made_from(name):
    entry = MIXERS[name]
    for setting in build_mixer(name).get_params():
        for value in NONSENSE:
            if setting in FREE and isinstance(value, str):
                continue
            with pytest.raises(InputError, match=setting):
                entry.mixer(**{**entry.defaults, setting: value})
            with pytest.raises(InputError, match=setting):
                build_mixer(name).set_params(**{setting: value})


@pytest.mark.parametrize("eta_lambda", [float("nan"), float("inf"), "0.1"])
def test_a_step_that_would_make_every_weight_nan_is_refused(eta_lambda):
    with pytest.raises(InputError, match="eta_lambda"):
        build_mixer("amal", {"eta_lambda": eta_lambda})


def test_flags_from_numpy_do_what_those_of_python_do():
    weights = []
    for skip in (True, np.True_):
        mixer = build_mixer("auxilearn", {"skip": skip, "combiner": "linear", "seed": 0})
        domain = torch.ones(4, 2, dtype=torch.bool)
        mixer.attach(4, ("label", "teacher"), domain, torch.ones(2, dtype=torch.bool))
        weights.append(mixer.alone.tolist())
    assert weights[0] == weights[1] == [True, False]
