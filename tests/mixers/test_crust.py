"""CRUST: which rows of each class are chosen, how they count, and that rows stay rows."""

import numpy as np
import pytest
import torch

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet, GoldCrossEntropy
from spear_amal.maths.facility_location import Distances, cluster_sizes, facility_location
from spear_amal.mixers.crust import Crust
from spear_amal.models import JointModel, LinearModel
from spear_amal.training.look_ahead import LookAhead

N, D, H, C, K = 61, 7, 5, 3, 2
NAMES = ("label", "teacher")


class Told:
    """A look-ahead on some rows whose gradients are given."""

    def __init__(self, gradients):
        self.gradients, self.asked = gradients, []

    def hidden_gradients(self, weights):
        self.asked.append(weights)
        return self.gradients


def setting(seed=0):
    rng = np.random.default_rng(seed)
    y = torch.from_numpy(rng.integers(-1, C, N))
    return y, torch.from_numpy(rng.normal(size=(N, H))).float()


def batch(rows, y):
    none = torch.zeros(len(rows), 0)
    return Batch(rows, none, y[rows], none, none, none)


def attached(mixer, n=N):
    mixer.attach(n, NAMES, torch.ones(n, K, dtype=torch.bool), torch.ones(K, dtype=torch.bool))
    return mixer


def chosen_by(mixer, y, gradients, order=None, group=17):
    """Show the mixer all rows in groups."""
    order = torch.arange(len(y)) if order is None else order
    for rows in order.split(group):
        mixer.refresh(Told(gradients[rows]), batch(rows, y))
    mixer.end_refresh()
    return mixer


@pytest.mark.parametrize("radius", [None, 2.0])
def test_each_class_is_chosen_for_itself(radius):
    y, gradients = setting()
    mixer = chosen_by(attached(Crust(0.25, radius=radius)), y, gradients)
    expected = torch.zeros(N)
    for label in range(-1, C):
        rows = torch.nonzero(y == label).squeeze(1)
        distances = Distances(gradients[rows].numpy())
        chosen = facility_location(distances, round(len(rows) / 4))
        sizes = torch.from_numpy(cluster_sizes(distances, chosen, radius)).float()
        expected[rows[chosen]] = sizes
    assert torch.equal(mixer.counts, expected)
    assert mixer.visits(torch.arange(N), 6).tolist() == torch.nonzero(expected).squeeze(1).tolist()
    if radius is None:
        assert mixer.counts.sum() == N  # every row stands behind one


def test_the_order_in_which_rows_are_seen_does_not_matter():
    y, gradients = setting()
    gradients = gradients.round()  # with ties
    first = chosen_by(attached(Crust()), y, gradients)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    second = chosen_by(attached(Crust()), y, gradients, order, group=11)
    assert torch.equal(first.counts, second.counts)


def test_only_the_rows_that_train_are_chosen_and_visited():
    y, gradients = setting()
    rows = torch.arange(0, N, 2)
    mixer = chosen_by(attached(Crust()), y, gradients, rows)
    visited = mixer.visits(rows, 5)
    assert set(visited.tolist()) <= set(rows.tolist())
    assert len(visited) < len(rows)
    again = chosen_by(mixer, y, gradients + 1, rows)  # a new choice replaces the old one
    assert (again.counts[1::2] == 0).all()


def test_a_row_of_its_own_direction_is_left_out():
    """Clean rows lie in two clusters; wrong ones lie apart, each for itself."""
    rng = np.random.default_rng(0)
    clean = np.repeat(np.eye(2, H), 20, axis=0) + 0.01 * rng.normal(size=(40, H))
    wrong = 3 * rng.normal(size=(3, H)) * 0.3
    gradients = torch.from_numpy(np.concatenate([clean, wrong])).float()
    y = torch.zeros(43).long()
    mixer = chosen_by(attached(Crust(2 / 43, radius=0.5), 43), y, gradients)
    assert sorted(i // 20 for i in mixer.visits(torch.arange(43), 5).tolist()) == [0, 1]
    assert mixer.counts[mixer.counts > 0].tolist() == [20, 20]


def test_weights_have_mean_one_over_a_batch():
    y, gradients = setting()
    mixer = chosen_by(attached(Crust(per_loss={"label": 1.0, "teacher": 0.5})), y, gradients)
    rows = mixer.visits(torch.arange(N), 5)[:13]
    weights = mixer.weights(batch(rows, y), torch.rand(13, K))
    counts = mixer.counts[rows]
    assert len(counts.unique()) > 1
    torch.testing.assert_close(weights[:, 0], counts / counts.mean())
    torch.testing.assert_close(weights[:, 1], 0.5 * weights[:, 0])


def test_before_the_first_choice_all_rows_train_alike():
    y, _ = setting()
    mixer = attached(Crust())
    rows = torch.arange(N)
    assert torch.equal(mixer.visits(rows, 0), rows)
    weights = mixer.weights(batch(rows, y), torch.rand(N, K))
    torch.testing.assert_close(weights, torch.tensor([0.1, 0.9]).expand(N, K))
    assert [e for e in range(8) if mixer.should_refresh(e)] == [5, 6, 7]


def test_gradients_are_those_of_the_weighted_losses():
    mixer = attached(Crust(per_loss={"label": 0.25}))
    y, gradients = setting()
    told = Told(gradients[:3])
    mixer.refresh(told, batch(torch.arange(3), y))
    assert torch.equal(told.asked[0], torch.tensor([0.25, 1.0]).expand(3, K))


def test_with_a_real_look_ahead():
    """Rows of a linear model: the gradient by the features is (p - e_y) W, whole batch or not."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(13, D, generator=generator, dtype=torch.float64)
    y = torch.randint(0, C, (13,), generator=generator)
    none = torch.zeros(13, 0, dtype=torch.float64)
    whole = Batch(torch.arange(13), x, y, none, none, torch.zeros(13, 0, C).double())
    model = JointModel(LinearModel(D, C).double())
    model.feature.head.weight.data.normal_(generator=generator)
    components = ComponentSet([GoldCrossEntropy()])
    mixer = Crust(0.5, per_loss={})
    mixer.attach(13, components.names, components.applies(whole), components.mixable())
    look = LookAhead.from_options(model, components, whole, whole, mixer.look_ahead_options())
    mixer.refresh(look, whole)
    p = model(whole).logits.softmax(1)
    expected = (p - torch.eye(C).double()[y]) @ model.feature.head.weight
    np.testing.assert_allclose(mixer._seen[0][2], expected.detach().numpy(), atol=1e-12)
    mixer.end_refresh()
    assert len(mixer.visits(torch.arange(13), 5)) == sum(
        max(1, round((y == c).sum().item() / 2)) for c in y.unique()
    )


def test_state_goes_on():
    y, gradients = setting()
    first, second = attached(Crust()), attached(Crust())
    chosen_by(first, y, gradients)
    second.load_state_dict(first.state_dict())
    rows = torch.arange(N)
    assert torch.equal(first.visits(rows, 6), second.visits(rows, 6))
    losses = torch.rand(N, K)
    assert torch.equal(
        first.weights(batch(rows, y), losses), second.weights(batch(rows, y), losses)
    )
    assert torch.equal(attached(first).visits(rows, 0), rows)  # another run starts anew


def test_no_row_and_one_row():
    mixer = attached(Crust())
    mixer.end_refresh()  # nothing was seen
    assert len(mixer.visits(torch.arange(N), 5)) == N
    y, gradients = setting()
    mixer = chosen_by(attached(Crust(0.01)), y, gradients, torch.tensor([7]))
    assert mixer.visits(torch.arange(N), 5).tolist() == [7]


def test_gradients_that_are_not_numbers_are_refused():
    y, gradients = setting()
    with pytest.raises(InputError, match="not finite"):
        chosen_by(attached(Crust()), y, gradients * torch.nan)


@pytest.mark.parametrize(
    "options",
    [
        {"fraction": 0.0},
        {"fraction": 1.5},
        {"radius": -1.0},
        {"start_epoch": -1},
        {"group_size": 0},
        {"per_loss": {"label": "much"}},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Crust(**options)
