"""AuxiLearn: its objective, its hypergradient against two witnesses, and what it learns."""

import pytest
import torch
import torch.nn.functional as F
from bilevel_problem import (
    MAIN,
    NAMES,
    B,
    Problem,
    TugOfWar,
    attach,
    by_matrices,
    close,
    gradient,
    through_steps,
)

from spear_amal.errors import InputError
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import AuxiLearn
from spear_amal.mixers.auxilearn import Linear, NonLinear

# One upper step then moves phi by minus the gradient.
PLAIN = {"lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "clip": 1e9, "eta": 0.05, "seed": 3}
KINDS = pytest.mark.parametrize(
    "options",
    [
        {"combiner": "linear"},
        {"combiner": "linear", "skip": False},
        {"combiner": "non-linear", "hidden": (5, 3)},
        {"combiner": "non-linear", "hidden": [7], "skip": False},
    ],
    ids=["linear", "linear-alone", "non-linear", "non-linear-alone"],
)


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def objective(problem, mixer, at, upper):
    """The training loss, written out."""
    columns = torch.stack(problem.columns_at(at), 1)
    x = columns * (B / problem.applies.sum(0).double())
    skipped = x[:, MAIN] if mixer.skip else 0.0
    pieces = upper.split([tensor.numel() for tensor in mixer.upper])
    phi = [p.view_as(q) for p, q in zip(pieces, mixer.upper, strict=True)]
    if mixer.combiner == "linear":
        x = x[:, [0, 2]] if mixer.skip else x
        rows = (x * phi[0]).sum(1)
    else:
        *hidden, last = phi
        for i in range(0, len(hidden), 2):
            x = F.softplus(x @ hidden[i].T + hidden[i + 1], threshold=40)
        rows = x @ last[0]
    return (rows + skipped).mean() + problem.penalty_at(at)


def made(options, **more):
    problem, mixer = Problem(), attach(AuxiLearn(**{**PLAIN, **options, **more}))
    with torch.no_grad():  # not all alike, and biases that matter
        generator = torch.Generator().manual_seed(5)
        for tensor in mixer.upper:
            tensor += 0.3 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64)

    def field(w, upper):
        return gradient(lambda at: objective(problem, mixer, at, upper), w)

    return problem, mixer, field


def learnt(mixer, problem):
    """The hypergradient that an upper step follows; the mixer leaves the factor eta out."""
    before = flat(mixer.upper)
    mixer.learn(problem)
    return mixer.eta * (before - flat(mixer.upper))


# -- the hypergradient ----------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("terms", [1, 2, 4])
def test_the_hypergradient_is_that_of_as_many_real_steps_at_the_optimum(options, terms):
    problem, mixer, field = made(options, neumann=terms)
    upper = flat(mixer.upper)
    problem.settle(lambda w: field(w, upper))
    expected = through_steps(problem, field, upper, mixer.eta, terms)
    close(learnt(mixer, problem), expected)


@KINDS
def test_the_hypergradient_is_the_truncated_series_anywhere(options):
    problem, mixer, field = made(options, neumann=4)
    expected = by_matrices(problem, field, flat(mixer.upper), mixer.eta, 4)
    close(learnt(mixer, problem), expected)


@KINDS
def test_with_many_terms_it_is_that_of_the_implicit_function_theorem(options):
    problem, mixer, field = made(options, neumann=499, eta=0.15)
    upper = flat(mixer.upper)
    problem.settle(lambda w: field(w, upper))
    expected = by_matrices(problem, field, upper, mixer.eta, None)
    torch.testing.assert_close(learnt(mixer, problem), expected, rtol=1e-4, atol=1e-9)


def test_a_parameter_that_nothing_reaches_does_no_harm():
    problem, mixer, _ = made({})
    problem.parameters["unused"] = torch.ones(3, dtype=torch.float64, requires_grad=True)
    before = flat(mixer.upper)
    mixer.learn(problem)
    assert torch.isfinite(flat(mixer.upper)).all()
    assert not torch.equal(before, flat(mixer.upper))


def test_long_gradients_are_cut_and_weights_stay_at_0_or_above():
    problem, mixer, _ = made({"combiner": "non-linear"}, clip=1e-7)
    before = flat(mixer.upper)
    mixer.learn(problem)
    assert (before - flat(mixer.upper)).norm().item() == pytest.approx(1e-7)
    lowest = []
    for sign in (1, -1):  # one of them pulls down
        _, mixer, _ = made({"combiner": "non-linear"}, lr=1e6)
        mixer.learn(Problem(sign))
        lowest += [weight.min().item() for weight in mixer.function.weights(mixer.upper)]
        assert all(w >= 0 for w in mixer.mean_weights(torch.arange(B)).values())
    assert min(lowest) == 0


# -- the objective --------------------------------------------------------------------------------


def test_the_linear_objective_is_the_weighted_sum_over_domains():
    problem, mixer = Problem(), attach(AuxiLearn())
    mixer.upper[0].data = torch.tensor([0.3, 1.7], dtype=torch.float64)
    step = problem.step(separate=False)
    weights = mixer.weights(None, step.losses.detach())
    assert weights[4].tolist() == [0.3, 1.0, 1.7]
    expected = weighted_objective(step.losses, weights, step.applies)
    torch.testing.assert_close(mixer.combine(step), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("skip", [True, False])
def test_the_linear_combiner_starts_at_the_plain_sum(skip):
    mixer = attach(AuxiLearn(skip=skip))
    assert mixer.mean_weights(torch.arange(B)) == dict.fromkeys(NAMES, 1.0)


def test_losses_that_are_not_mixable_stay_outside():
    mixer = attach(AuxiLearn("non-linear", every=1), mixable=(False, True, True))
    problem = Problem()
    for _ in range(3):
        mixer.combine(problem.step(separate=False))
        mixer.learn(problem)
    assert mixer.mean_weights(torch.arange(B))["turn"] == 1
    assert mixer.upper[0].shape == (10, 2)


@KINDS
def test_the_gradient_goes_by_the_slopes_and_leaves_phi_alone(options):
    """The step is that of the weighted losses with weights ``dg/dx_ik``."""
    problem, mixer, _ = made(options)
    step = problem.step(separate=False)
    named = list(problem.parameters.values())
    found = torch.autograd.grad(mixer.combine(step), named, retain_graph=True)
    assert all(tensor.grad is None for tensor in mixer.upper)
    x = step.losses.detach() * (B / step.applies.sum(0).double())
    weights = mixer.alone.double().expand(B, -1).clone()
    slopes = mixer.function.slopes(x[:, mixer.inputs], mixer.upper).detach()
    weights[:, mixer.inputs] += slopes
    expected = torch.autograd.grad(weighted_objective(step.losses, weights, step.applies), named)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("combiner", [Linear(), NonLinear((5, 3))])
def test_slopes_are_the_derivative_and_never_negative(combiner):
    generator = torch.Generator().manual_seed(2)
    phi = combiner.start(3, generator)
    x = torch.rand(7, 3, generator=generator, dtype=torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(combiner.value(x, phi).sum(), x)
    torch.testing.assert_close(combiner.slopes(x.detach(), phi), expected)
    assert (expected >= 0).all()


def test_told_weights_are_the_slopes_at_the_running_mean_of_the_losses():
    problem, mixer, _ = made({"combiner": "non-linear"})
    mixer.learn(problem)
    mean = (torch.stack(problem.columns(), 1) * (B / problem.applies.sum(0).double())).mean(0)
    torch.testing.assert_close(mixer.typical, mean.detach())
    problem.targets *= 2
    mixer.learn(problem)
    later = (torch.stack(problem.columns(), 1) * (B / problem.applies.sum(0).double())).mean(0)
    torch.testing.assert_close(mixer.typical, 0.9 * mean.detach() + 0.1 * later.detach())
    told = mixer.mean_weights(torch.arange(B))
    slope = mixer.function.slopes(mixer.typical.unsqueeze(0), mixer.upper)[0]
    assert told["turn"] == pytest.approx(slope[0].item())
    assert told["label"] == pytest.approx(1 + slope[MAIN].item())


def test_a_state_of_other_options_is_refused():
    """Shapes that would spread over each other without an error among them."""
    _, mixer, _ = made({"combiner": "non-linear", "hidden": (1,)})
    for options in ({"combiner": "non-linear", "hidden": (5,)}, {"combiner": "linear"}):
        other = attach(AuxiLearn(**{**PLAIN, **options}))
        before = flat(other.upper)
        with pytest.raises(InputError, match="with the options of the mixer that was saved"):
            other.load_state_dict(mixer.state_dict())
        assert torch.equal(flat(other.upper), before)


def test_a_state_may_come_back_in_any_order():
    deep = {"combiner": "non-linear", "hidden": (2, 3, 2, 3, 2)}  # eleven tensors
    _, mixer, _ = made(deep)
    other = attach(AuxiLearn(**{**PLAIN, **deep}))
    other.load_state_dict(dict(sorted(mixer.state_dict().items())))
    assert torch.equal(flat(other.upper), flat(mixer.upper))


# -- when and from what ---------------------------------------------------------------------------


def test_it_learns_after_as_many_steps_as_told_and_asks_for_validation_rows():
    mixer, problem, due = attach(AuxiLearn(every=3, meta_size=5)), Problem(), []
    for _ in range(9):
        due.append(mixer.due())
        assert mixer.due() == due[-1]  # asking changes nothing
        if due[-1]:
            mixer.learn(problem)
        mixer.combine(problem.step(separate=False))
    assert due == [False] * 3 + [True, False, False] * 2
    assert mixer.look_ahead_options().meta_size == 5
    assert mixer.learns_from_validation


def test_a_useless_loss_loses_its_weight_and_a_helpful_one_keeps_it():
    mixer = AuxiLearn(every=5, lr=1.0, momentum=0.0, weight_decay=0.0, eta=0.1, clip=0.1)
    problem = TugOfWar()
    problem.train(mixer)
    weights = mixer.mean_weights(torch.arange(41))
    assert weights["against"] < 0.05
    assert weights["with"] > 0.95
    assert problem.validation_loss() < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"combiner": "cubic"},
        {"hidden": ()},
        {"hidden": 5},
        {"hidden": (5, 0)},
        {"every": 0},
        {"neumann": 0},
        {"eta": 0.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"momentum": -0.1},
        {"weight_decay": -1.0},
        {"clip": "much"},
        {"meta_size": 0},
        {"main": 3},
    ],
    ids=str,
)
def test_it_refuses_nonsense_and_names_it(options):
    with pytest.raises(InputError, match=next(iter(options))):
        AuxiLearn(**options)
