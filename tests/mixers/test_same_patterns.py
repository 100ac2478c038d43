"""Groups of rows on which the same LFs fired, of one gold class."""

import numpy as np
import pytest
import torch

from spear_amal.batch import Batch
from spear_amal.mixers.amal import same_patterns


@pytest.mark.parametrize("n_lfs", [0, 1, 7, 8, 50, 163])
@pytest.mark.parametrize("n", [1, 97])
def test_rows_of_a_group_have_the_same_votes_and_gold(n, n_lfs):
    draw = np.random.default_rng(3)
    few = draw.integers(0, 2, (11, n_lfs))
    votes, y = few[draw.integers(0, 11, n)], draw.integers(-1, 3, n)
    if n > 2 and n_lfs:  # rows that differ in the last vote alone
        votes[1], y[1] = votes[0], y[0]
        votes[1, -1] = 1 - votes[0, -1]
    fired = torch.tensor(votes).float()
    rows = Batch(torch.arange(n), fired, torch.tensor(y), fired, fired, torch.zeros(n, 0, 3))
    group, n_groups = same_patterns(rows)
    keys = [(*row, label) for row, label in zip(votes.tolist(), y.tolist(), strict=True)]
    numbers = dict(zip(keys, group.tolist(), strict=True))
    assert [numbers[key] for key in keys] == group.tolist()
    assert sorted(numbers.values()) == list(range(n_groups))
