"""Rows with equal flags and codes get equal numbers, and no others."""

import numpy as np
import pytest
import torch

from spear_amal.mixers.amal import number_equal_rows


@pytest.mark.parametrize("n_flags", [0, 1, 7, 50, 51, 163])
@pytest.mark.parametrize("n", [0, 1, 97])
def test_numbers_are_those_of_distinct_rows(n, n_flags):
    draw = np.random.default_rng(3)
    few = draw.integers(0, 2, (11, n_flags))
    rows, codes = few[draw.integers(0, 11, n)], draw.integers(-1, 3, n)
    if n > 2 and n_flags:  # rows that differ in the last flag alone
        rows[1], codes[1] = rows[0], codes[0]
        rows[1, -1] = 1 - rows[0, -1]
    expected = {key: None for key in zip(map(bytes, rows.astype(np.uint8)), codes, strict=True)}
    n_kinds, kinds = number_equal_rows(torch.tensor(rows).float(), torch.tensor(codes))
    assert n_kinds == len(expected)
    pairs = set(zip(kinds.tolist(), map(bytes, rows.astype(np.uint8)), codes, strict=True))
    assert len(pairs) == n_kinds == len(set(kinds.tolist()))
    assert set(kinds.tolist()) == set(range(n_kinds))
