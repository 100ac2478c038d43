"""The poster's example: where each mixer ends, and after how many steps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.studies.toy_gradient_cosine import (
    FORMS,
    RATE,
    descend,
    poster_paths,
    poster_table,
    steps_until,
)

STEPS = 400


@pytest.fixture(scope="module")
def table():
    return poster_table(poster_paths([30.0], STEPS)).set_index("mixer")


def test_steps_from_thirty(table):
    assert table["steps"].to_dict() | {"plain sum": None} == {
        "plain sum": None,
        "main loss alone": 297,
        "GCS, weighted": 82,
        "GCS, unweighted": 82,
    }
    assert table["steps"].isna().tolist() == [True, False, False, False]


def test_the_plain_sum_ends_between_the_minima(table):
    assert table["end"]["plain sum"] == pytest.approx(5.0, abs=1e-4)
    assert table["end"].drop("plain sum").tolist() == pytest.approx([10.0] * 3, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(st.floats(-50, 50), st.sampled_from(["GCS, weighted", "GCS, unweighted"]))
def test_gcs_follows_its_formula(start, title):
    """Cosines of numbers are signs."""
    found = descend(*FORMS[title], start, steps=7)
    t = start
    for i in range(7):
        main, auxiliary = 2 * (t - 10), 2 * t
        t -= RATE * (main + auxiliary * (main * auxiliary > 0))
        assert found[i + 1] == pytest.approx(t, rel=1e-9, abs=1e-9)


def test_passing_by_is_no_arrival():
    assert steps_until([12.0, 10.0, 8.0]) is None
    assert steps_until([12.0, 10.0, 10.0], near=0.0) == 1
