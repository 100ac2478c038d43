"""Every public door in small: odd input ends in a documented error, or in what it should.

``make fuzz`` does the same with thousands of inputs.
"""

import tempfile
from pathlib import Path

import pytest
from doors.files import whole
from every_door import DOORS, exempt, public_names
from guard import Tally, run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

#: Inputs for each door here; the same ones each time.
FEW = 12


@pytest.mark.parametrize("name", sorted(DOORS))
def test_odd_input_is_refused_or_used_as_it_should_be(name):
    door = DOORS[name]
    whole()

    @settings(
        max_examples=FEW,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def inputs(data):
        with tempfile.TemporaryDirectory() as folder:
            run(door.enter, data.draw, Path(folder), Tally(), door.raises)

    inputs()


def test_every_public_name_has_a_door_or_a_reason():
    covered = {name for door in DOORS.values() for name in door.names}
    names = public_names()
    assert covered <= names
    assert names - covered == set(exempt())
