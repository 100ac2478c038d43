"""Look-aheads from inner products of rows with V, and groups of rows with the same votes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_look_ahead import ETA, N_VAL, component_sets, make_batch, make_model

from spear_amal.batch import Batch
from spear_amal.mixers.amal import same_patterns
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training import LookAhead, ValidationLoss


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("feature", ["linear", "mlp"])
@pytest.mark.parametrize("kind", ["spear", "options", "teachers"])
def test_products_are_all_that_is_needed(kind: str, feature: str, sparse: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    model, components = make_model(feature, generator), dict(component_sets())[kind]
    batch = make_batch(9, generator, labelled=4, sparse=sparse)
    validation = make_batch(N_VAL, generator, sparse=sparse)
    hidden = [
        model.feature(each.x)[1].detach() if feature == "mlp" else each.x
        for each in (batch, validation)
    ]
    own, seen = (h.to_dense() if isinstance(h, SparseRows) else h for h in hidden)
    weights = torch.rand(9, len(components), generator=generator, dtype=torch.float64)
    plain = LookAhead(model, components, batch, validation, eta=ETA)
    quick = LookAhead(model, components, batch, validation, eta=ETA, products=own @ seen.T)
    witness = LookAhead(model, components, batch, validation, eta=ETA, method="double-backward")
    for look in (plain, quick):
        torch.testing.assert_close(
            look.alignment(weights), witness.alignment(weights), rtol=1e-11, atol=1e-13
        )
    torch.testing.assert_close(
        quick.hypergradient(weights), witness.hypergradient(weights), rtol=1e-11, atol=1e-13
    )


@pytest.mark.parametrize(
    "outer", [ValidationLoss(rules=True, gamma=0.6), ValidationLoss(teacher=True)]
)
def test_products_are_left_alone_where_more_than_the_head_counts(outer: ValidationLoss) -> None:
    generator = torch.Generator().manual_seed(3)
    model, components = make_model("linear", generator), dict(component_sets())["spear"]
    batch, validation = make_batch(9, generator, labelled=4), make_batch(N_VAL, generator)
    weights = torch.rand(9, len(components), generator=generator, dtype=torch.float64)
    options = {"eta": ETA, "outer": outer}
    plain = LookAhead(model, components, batch, validation, **options)
    wrong = torch.full((9, N_VAL), torch.nan, dtype=torch.float64)
    quick = LookAhead(model, components, batch, validation, **options, products=wrong)
    assert torch.equal(quick.alignment(weights), plain.alignment(weights))


@pytest.mark.parametrize("n_lfs", [0, 1, 7, 8, 50, 163])
@pytest.mark.parametrize("n", [1, 97])
def test_rows_of_a_group_have_the_same_votes_and_gold(n: int, n_lfs: int) -> None:
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
