"""Weights by row number in single and half precision: values, rounding, state."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import InputError
from spear_amal.mixers import Amal
from spear_amal.mixers.weight_table import WeightTable, round_at_random
from spear_amal.tensors.bool_table import PackedBools

N, K = 31, 3
BOOLS = hnp.arrays(bool, st.tuples(st.integers(0, 13), st.integers(1, 19)))
HALVES = hnp.arrays(np.float16, 17, elements=st.floats(-65504, 65504, width=16))


@given(matrix=BOOLS, data=st.data())
def test_bits_are_the_matrix_that_was_packed(matrix, data):
    held = torch.from_numpy(matrix)
    kept = torch.from_numpy(data.draw(hnp.arrays(bool, matrix.shape[1])))
    rows = torch.randperm(len(held), generator=torch.Generator().manual_seed(0))
    assert torch.equal(PackedBools.pack(held)[rows], held[rows])
    assert torch.equal(PackedBools.pack(held, kept)[:], held & kept)
    stacked = PackedBools.stack([PackedBools.pack(held[:5]), PackedBools.pack(held[5:])])
    assert stacked.shape == matrix.shape
    assert torch.equal(stacked[:], held)


@given(values=HALVES)
def test_what_half_precision_holds_is_not_rounded(values):
    exact = torch.from_numpy(values)
    rounded = round_at_random(exact.float(), torch.Generator().manual_seed(0))
    assert torch.equal(rounded, exact)


@pytest.mark.parametrize("value", [1 + 1e-4, 0.7001, 3e-6, 1e-8, -0.3333])
def test_rounding_goes_to_a_neighbour_and_is_exact_on_average(value):
    drawn = round_at_random(torch.full((40_009,), value), torch.Generator().manual_seed(1))
    nearest = torch.tensor(value).half()
    gap = max(float(nearest.abs()) * 2**-10, 2**-24)
    assert len(drawn.unique()) == 2
    assert float((drawn.float() - value).abs().max()) < gap
    # Five standard deviations of a mean of 40,009 that lie at most `gap` apart.
    assert abs(float(drawn.double().mean()) - value) < 2.5 * gap / 40_009**0.5


def test_small_steps_add_up():
    """Steps of 0.00005 from weight 1, where the neighbour below is 0.0005 away."""
    table = WeightTable(2003, torch.ones(1), "float16")
    rows = torch.arange(len(table))
    for _ in range(400):
        table[rows] = table[rows] - 5e-5
    assert table.whole().mean().item() == pytest.approx(1 - 400 * 5e-5, abs=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_are_changed_alone_and_the_state_goes_on_bit_for_bit(dtype):
    generator = torch.Generator().manual_seed(0)
    table = WeightTable(N, torch.tensor([1.0, 0.5, 0.25]), dtype)
    rows = torch.tensor([7, 3, 29])
    table[rows] = torch.rand(3, K, generator=generator)
    others = torch.tensor([i for i in range(N) if i not in rows])
    assert torch.equal(table[others], torch.tensor([1.0, 0.5, 0.25]).expand(28, K))
    again = WeightTable(N, torch.ones(K), dtype)
    again.load_state_dict(table.state_dict())
    changed = torch.rand(3, K, generator=generator)
    for each in (table, again):
        each[rows] = changed
    assert torch.equal(table.whole(), again.whole())
    assert table[rows].dtype == torch.float32


def test_a_state_is_a_copy():
    table = WeightTable(N, torch.ones(K))
    state = table.state_dict()
    table[torch.tensor([0])] = torch.zeros(1, K)
    table.load_state_dict(state)
    state["lambdas"].zero_()
    assert torch.equal(table.whole(), torch.ones(N, K))


def test_means_are_over_the_domain_and_follow_changes(monkeypatch):
    monkeypatch.setattr("spear_amal.mixers.row_weights.MEAN_ROWS", 5)
    mixer = Amal()
    domain = torch.rand(N, K, generator=torch.Generator().manual_seed(2)) < 0.5
    mixer.attach(N, ["a", "b", "c"], domain, torch.tensor([True, True, False]))
    rows = torch.arange(2, 27)
    assert mixer.mean_weights(rows) == {"a": 1.0, "b": 1.0, "c": 0.0}
    mixer.lambdas[rows] = torch.rand(25, K, generator=torch.Generator().manual_seed(3))
    for asked in (rows, rows[:11]):
        means = mixer.mean_weights(asked)
        for k, name in enumerate("ab"):
            on = domain[asked, k]
            assert means[name] == pytest.approx(mixer.table()[asked, k][on].mean().item())


def test_an_unknown_dtype_is_refused():
    with pytest.raises(InputError, match=r"table_dtype must be one of .*found 'int8'"):
        Amal(table_dtype="int8")
