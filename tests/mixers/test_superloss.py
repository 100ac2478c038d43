"""SuperLoss: the published values, what it minimises, and its running mean."""

import math

import pytest
import torch

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers.superloss import SuperLoss

N, B, C = 13, 5, 7
NAMES = ("label", "teacher0", "teacher1", "entropy")
K = len(NAMES)
PER_LOSS = {"label": 0.1, "teacher": 0.45, "entropy": 0.25}
VECTOR = torch.tensor([0.1, 0.45, 0.45, 0.25], dtype=torch.float64)


def batch(n=B, n_teachers=2):
    none = torch.zeros(n, 0)
    teachers = torch.zeros(n, n_teachers, C)
    return Batch(torch.arange(n), none, torch.zeros(n).long(), none, none, teachers)


def attached(mixer, names=NAMES, domain=None, mixable=None):
    domain = torch.ones(N, len(names), dtype=torch.bool) if domain is None else domain
    mixable = torch.ones(len(names), dtype=torch.bool) if mixable is None else mixable
    mixer.attach(N, names, domain, mixable)
    return mixer


def drawn(seed=0):
    return 4 * torch.rand(B, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_published_values_for_a_hundred_classes(dtype):
    mixer = attached(SuperLoss({}, tau=math.log(100), lam=0.25), ("label",))
    losses = torch.tensor([math.log(100), 5.0, 8.0, 4.42, 0.0], dtype=dtype).unsqueeze(1)
    weights = mixer.weights(batch(), losses).squeeze(1)
    assert weights.dtype == dtype
    expected = torch.tensor([1.0, 0.615204, 0.221803, math.e, math.e], dtype=dtype)
    # 4.42 stands at the corner, where sigma changes like a square root
    torch.testing.assert_close(weights[[0, 1, 2, 4]], expected[[0, 1, 2, 4]], rtol=0, atol=2e-6)
    assert weights[3].item() == pytest.approx(math.e, rel=0.03)


def test_confidence_minimises_its_objective():
    mixer = attached(SuperLoss(PER_LOSS, tau=2.0, lam=0.5))
    losses = drawn()
    own = (losses * VECTOR).sum(1)
    sigma = (mixer.weights(batch(), losses) / VECTOR)[:, 0]
    free = sigma < math.e - 1e-6
    assert free.any()

    def objective(s):
        return (own - 2.0) * s + 0.5 * s.log().square()

    for factor in (0.99, 1.01):
        assert (objective(sigma)[free] < objective(factor * sigma)[free]).all()


def test_the_gradient_of_the_weighted_losses_is_superlosss():
    """sigma is constant, and so is lam (log sigma)^2."""
    losses = drawn().requires_grad_()
    own = (losses * VECTOR).sum(1)
    mixer = attached(SuperLoss(PER_LOSS, tau=1.0, lam=0.25))
    weights = mixer.weights(batch(), losses)
    sigma = (weights / VECTOR)[:, 0]
    whole = ((own - 1.0) * sigma + 0.25 * sigma.log().square()).mean()
    value = weighted_objective(losses, weights, torch.ones(B, K, dtype=torch.bool))
    gradients = [torch.autograd.grad(v, losses, retain_graph=True)[0] for v in (whole, value)]
    torch.testing.assert_close(*gradients)


def test_larger_losses_weigh_less_and_other_rows_do_not_matter():
    mixer = attached(SuperLoss(tau=1.0))
    losses = drawn().sort(0).values
    weights = mixer.weights(batch(), losses)
    assert (weights.diff(dim=0) <= 0).all()
    one = mixer.weights(batch(1), losses[:1])
    assert torch.equal(one, weights[:1])


def test_what_is_undefined_or_not_mixable_does_not_count():
    domain = torch.ones(N, K, dtype=torch.bool)
    domain[1, 1:] = False
    mixable = torch.tensor([True, True, False, True])
    mixer = attached(SuperLoss(PER_LOSS, tau=1.0), domain=domain, mixable=mixable)
    losses = drawn()
    weights = mixer.weights(batch(), losses)
    assert (weights[:, 2] == 1).all()
    changed = losses.clone()
    changed[:, 2], changed[1, 1:] = 99.0, 99.0
    assert torch.equal(mixer.weights(batch(), changed), weights)


def test_the_number_of_classes_is_read_from_the_teachers():
    losses = drawn()
    by_itself = attached(SuperLoss()).weights(batch(), losses)
    assert torch.equal(by_itself, attached(SuperLoss(tau=math.log(C))).weights(batch(), losses))
    without = batch(n_teachers=0)  # their shape still says C
    assert torch.equal(by_itself, attached(SuperLoss()).weights(without, losses))
    flat = Batch(*(torch.zeros(B, 0) if i else torch.arange(B) for i in range(6)))
    with pytest.raises(InputError, match="give tau as a number"):
        attached(SuperLoss()).weights(flat, losses)


def test_the_running_mean():
    mixer = attached(SuperLoss(PER_LOSS, tau="mean", decay=0.75))
    means = []
    for seed in range(3):
        losses = drawn(seed)
        now = (losses * VECTOR).sum(1).mean().item()
        means.append(now if seed == 0 else 0.75 * means[-1] + 0.25 * now)
        weights = mixer.weights(batch(), losses)
        fixed = attached(SuperLoss(PER_LOSS, tau=means[-1])).weights(batch(), losses)
        torch.testing.assert_close(weights, fixed, rtol=0, atol=1e-6)
    assert mixer.state_dict()["mean"].item() == pytest.approx(means[-1])
    assert attached(mixer).state_dict()["mean"] == 0  # another run starts anew


def test_rows_on_which_nothing_is_defined_leave_the_mean_alone():
    domain = torch.zeros(N, K, dtype=torch.bool)
    domain[1] = True
    mixer = attached(SuperLoss(PER_LOSS, tau="mean"), domain=domain)
    assert torch.isfinite(mixer.weights(batch(1), torch.zeros(1, K))).all()
    assert mixer.state_dict()["batches"] == 0
    losses = drawn()
    mixer.weights(batch(), losses)
    assert mixer.state_dict()["mean"].item() == pytest.approx((losses[1] * VECTOR).sum().item())


def test_a_run_goes_on_from_its_mean():
    first, second = (attached(SuperLoss(tau="mean")) for _ in range(2))
    first.weights(batch(), drawn(1))
    second.load_state_dict(first.state_dict())
    losses = drawn(2)
    assert torch.equal(first.weights(batch(), losses), second.weights(batch(), losses))
    assert torch.equal(first.weights(batch(), losses), second.weights(batch(), losses))


@pytest.mark.parametrize(
    "options",
    [
        {"tau": "median"},
        {"tau": math.inf},
        {"lam": 0.0},
        {"decay": 1.0},
        {"per_loss": {"label": math.nan}},
        {"per_loss": 0.1},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        SuperLoss(**options)
