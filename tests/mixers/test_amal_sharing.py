"""Who learns together: rows alone, rows of one vote pattern, both, or all rows of a loss."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.mixers import Amal
from spear_amal.mixers.amal import SHARES, GroupMeans

N, K, M = 11, 3, 2
FIRED = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 0], [0, 0], [1, 1], [1, 0]]).float()
Y = torch.tensor([-1, -1, -1, 0, 1, -1, 0])
B = len(Y)
PATTERNS = [[0, 1], [2], [3], [4], [5], [6]]  # same votes and same gold


class Look:
    """A look-ahead whose inner products are given."""

    def __init__(self, value):
        self.value = value

    def alignment(self, weights):
        return self.value

    def feature_scale(self):
        return 1.0


def batch():
    index = torch.tensor([4, 0, 7, 10, 2, 9, 5])
    return Batch(index, torch.zeros(B, 1), Y, FIRED, torch.zeros(B, M), torch.zeros(B, 0, 2))


def learnt(share, gradient, domain=None):
    mixer = Amal(0.01, weight_sharing=share, clamp=(0.0, 9.0), inner_repeats=1, normalise="none")
    domain = torch.ones(N, K, dtype=torch.bool) if domain is None else domain
    mixer.attach(N, ("a", "b", "c"), domain, torch.ones(K, dtype=torch.bool))
    mixer.refresh(Look(gradient), batch())
    return mixer.lambdas[batch().index]


def gradient(seed=0):
    return torch.randn(B, K, generator=torch.Generator().manual_seed(seed))


def pattern_means(values):
    out = values.clone()
    for rows in PATTERNS:
        out[rows] = values[rows].mean(0)
    return out


def sharers():
    """How many rows (B,) have the pattern of each."""
    return torch.tensor([sum(len(rows) for rows in PATTERNS if i in rows) for i in range(B)])


def test_steps_of_every_form_against_plain_means():
    g = gradient()
    wanted = {
        "row": g,
        "pattern": pattern_means(g),
        "pattern+row": g + pattern_means(g),
        "pooled": g + (pattern_means(g) - g) * sharers()[:, None] / (sharers()[:, None] + 10),
        "loss": g.mean(0).expand(B, K),
    }
    assert set(wanted) == set(SHARES)
    for share, step in wanted.items():
        torch.testing.assert_close(learnt(share, g), 1 + 0.01 * step)


def test_entries_outside_the_domain_do_not_count_and_do_not_move():
    domain = torch.ones(N, K, dtype=torch.bool)
    domain[4, 1] = False  # row 0 of the batch, which shares its pattern with row 1
    g = gradient(1)
    weights = learnt("pattern", g, domain)
    assert weights[0, 1] == 1.0
    torch.testing.assert_close(weights[1, 1], 1 + 0.01 * g[1, 1])
    torch.testing.assert_close(weights[0, 0], 1 + 0.01 * g[:2, 0].mean())


def test_a_row_leans_to_its_pattern_as_far_as_other_rows_of_the_loss_have_it():
    g = torch.zeros(B, K)
    g[0] = 12.0  # its pattern has two rows, of which one has the second loss
    domain = torch.ones(N, K, dtype=torch.bool)
    domain[0, 1] = False  # row 1 of the batch
    weights = learnt("pooled", g, domain)
    # 12 and a mean of 6, of which 2 / 12 counts: 11 for the row itself, 1 for its neighbour
    torch.testing.assert_close(weights[:2, 0], torch.tensor([1.11, 1.01]))
    torch.testing.assert_close(weights[:2, 1], torch.tensor([1.12, 1.0]))


def test_gold_rows_of_other_classes_are_other_patterns():
    weights = learnt("pattern", gradient(2))
    assert not torch.equal(weights[3], weights[4])  # no votes on both, gold 0 and 1
    assert torch.equal(weights[0], weights[1])


@given(st.integers(0, 23), st.integers(1, 5), st.integers(0, 99))
def test_group_means_against_a_loop(n, groups, seed):
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(n, K, generator=generator, dtype=torch.float64)
    on = torch.rand(n, K, generator=generator) < 0.6
    group = torch.randint(groups, (n,), generator=generator)
    found = GroupMeans(group, groups, on)(step)
    for i in range(n):
        for k in range(K):
            same = (group == group[i]) & on[:, k]
            wanted = step[same, k].mean() if same.any() else torch.tensor(0.0).double()
            torch.testing.assert_close(found[i, k], wanted)


def test_an_unknown_form_is_refused():
    with pytest.raises(InputError, match="weight_sharing must be one of"):
        Amal(weight_sharing="column")
