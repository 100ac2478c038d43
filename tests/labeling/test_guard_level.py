"""How strict the test of votes is, by the number of gold rows that have votes."""

import pytest

from spear_amal.labeling import VotesTest


@pytest.mark.parametrize(
    ("p_value", "n_rows", "informative"),
    [
        (0.9, 19, True),  # too few rows to distrust anything
        (0.04, 99, True),
        (0.06, 99, False),
        (0.04, 100, False),  # with many rows, votes of any use do better than this
        (0.01, 100, True),
    ],
)
def test_the_level_is_stricter_where_gold_rows_are_many(p_value, n_rows, informative):
    found = VotesTest(p_value, agreement=0.6, expected=0.5, n_rows=n_rows, n_votes=2 * n_rows)
    assert found.informative is informative
