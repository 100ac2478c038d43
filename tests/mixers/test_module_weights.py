"""MAOAL: the step of each module, its hypergradient against two witnesses, costs, learning."""

from dataclasses import replace

import pytest
import torch
from bilevel_problem import (
    MAIN,
    NAMES,
    SIZES,
    B,
    Problem,
    TugOfWar,
    attach,
    by_matrices,
    close,
    gradient,
    through_steps,
    unflat,
)
from every_mixer import K, Run, attached

from spear_amal.errors import InputError
from spear_amal.mixers import MAOAL, AuxiLearn, Mixer

ALPHA = torch.tensor([[0.7, 1.3, 0.4, 0.9], [0.2, 1.9, 1.1, 0.6]], dtype=torch.float64)
# One upper step then moves alpha by minus the gradient.
PLAIN = {"optimiser": "sgd", "lr": 1.0, "momentum": 0.0, "clip": 1e9, "eta": 0.05}
MODULES = ("trunk.0", "trunk.1", "heads.label", "heads.turn")
POSITIVE = pytest.mark.parametrize("positive", ["relu", "projection"])


def made(alpha=ALPHA, **options):
    """A mixer that has seen the problem, with weights that are not all alike."""
    problem, mixer = Problem(), attach(MAOAL(**{**PLAIN, **options}))
    mixer.combine(problem.step(separate=True))
    with torch.no_grad():
        mixer.alpha.copy_(alpha)
    return problem, mixer


def combined(problem, w, alpha):
    """The field that the model follows, written out; w flat, alpha (2, 4)."""
    used = alpha.clamp(min=0)
    g = [gradient(lambda at, k=k: problem.values_at(at)[k], w) for k in range(3)]
    penalty = gradient(problem.penalty_at, w)
    turn, main, norm = (list(x.split([*SIZES.values()])) for x in g)
    modules = [main[m] + used[0, m] * turn[m] + used[1, m] * norm[m] for m in range(2)]
    modules += [main[2], turn[3]]  # own heads: the plain sum of the losses that reach them
    return torch.cat(modules) + penalty


def learnt(mixer, problem):
    before = mixer.alpha.detach().clone()
    mixer.learn(problem)
    return mixer.eta * (before - mixer.alpha.detach())


# -- the model's step -----------------------------------------------------------------------------


def test_each_module_follows_its_own_weights():
    problem, mixer = made()
    assert mixer.modules == MODULES
    mixer.combine(problem.step(separate=True)).backward()
    found = torch.cat([p.grad.reshape(-1) for p in problem.parameters.values()])
    expected = combined(problem, problem.at, ALPHA) - 0.1 * problem.at  # the penalty is not its own
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-14)


def test_the_value_and_the_told_weights_are_means_over_shared_modules():
    problem, mixer = made()
    weights = mixer.mean_weights(torch.arange(B))
    assert weights == pytest.approx({"turn": 1.0, "label": 1.0, "norm": 0.2})
    values = dict(zip(NAMES, problem.values_at(problem.parameters), strict=True))
    expected = sum(weights[name] * value for name, value in values.items())
    torch.testing.assert_close(mixer.combine(problem.step(separate=True)), expected.detach())
    assert mixer.module_weights() == {
        ("turn", "trunk.0"): 0.7,
        ("turn", "trunk.1"): 1.3,
        ("norm", "trunk.0"): 0.2,
    }


def test_before_the_first_step_nothing_is_known_of_modules():
    mixer = attach(MAOAL())
    assert mixer.module_weights() == {}
    assert mixer.mean_weights(torch.arange(B)) == dict.fromkeys(NAMES, 1.0)


def test_parameters_that_nothing_reaches_get_no_gradient():
    problem, mixer = made(partition="parameter")
    problem.parameters["unused"] = torch.ones(3, dtype=torch.float64, requires_grad=True)
    mixer = attach(MAOAL("parameter", **PLAIN))
    mixer.combine(problem.step(separate=True)).backward()
    mixer.learn(problem)
    assert problem.parameters["unused"].grad is None
    assert torch.isfinite(mixer.alpha).all()
    assert mixer.modules == (*SIZES, "unused")


def test_losses_that_are_not_mixable_have_weight_1_everywhere():
    problem, mixer = Problem(), attach(MAOAL(every=1), mixable=(True, True, False))
    for _ in range(3):
        mixer.combine(problem.step(separate=True))
        mixer.learn(problem)
    assert mixer.mean_weights(torch.arange(B))["norm"] == 1
    assert mixer.mean_weights(torch.arange(B))["turn"] != 1
    assert {loss for loss, _ in mixer.module_weights()} == {"turn"}


# -- the hypergradient ----------------------------------------------------------------------------


@POSITIVE
@pytest.mark.parametrize("products", [1, 3])
def test_the_hypergradient_is_that_of_as_many_real_steps_at_the_optimum(positive, products):
    """Per module, with own heads in the field; the series has one term more than products."""
    problem, mixer = made(neumann=products, positive=positive)
    problem.settle(lambda w: combined(problem, w, ALPHA))
    expected = through_steps(
        problem, lambda w, a: combined(problem, w, a), ALPHA, mixer.eta, products + 1
    )
    close(learnt(mixer, problem), expected)
    assert (expected[:, :2] != 0).sum() == 3  # "norm" does not reach the second half


def test_the_hypergradient_is_the_truncated_series_anywhere():
    problem, mixer = made(neumann=3)
    expected = by_matrices(problem, lambda w, a: combined(problem, w, a), ALPHA, mixer.eta, 4)
    close(learnt(mixer, problem), expected)


def test_with_many_products_it_is_that_of_the_implicit_function_theorem():
    problem, mixer = made(neumann=699, eta=0.1)
    problem.settle(lambda w: combined(problem, w, ALPHA))
    expected = by_matrices(problem, lambda w, a: combined(problem, w, a), ALPHA, mixer.eta, None)
    torch.testing.assert_close(learnt(mixer, problem), expected, rtol=1e-4, atol=1e-9)


def test_the_field_is_no_gradient():
    """So that products with J in place of its transposed would be seen above."""
    problem, _ = made()
    j = torch.autograd.functional.jacobian(lambda w: combined(problem, w, ALPHA), problem.at)
    assert (j - j.T).abs().max() > 0.1
    assert unflat(problem.at).keys() == SIZES.keys()


# -- weights at 0 ---------------------------------------------------------------------------------


def test_under_relu_a_weight_that_has_reached_0_has_no_gradient_and_stays():
    problem, mixer = made(torch.tensor([[0.0, 1.3, 1, 1], [-0.2, 1, 1, 1]], dtype=torch.float64))
    found = learnt(mixer, problem)
    assert found[0, 0] == found[1, 0] == 0
    assert found[0, 1] != 0
    assert mixer.module_weights()["norm", "trunk.0"] == 0


def test_under_projection_a_weight_at_0_may_come_back_and_none_falls_below():
    at = torch.tensor([[0.0, 0.0, 1, 1], [0.0, 1, 1, 1]], dtype=torch.float64)
    back = []
    for sign in (1, -1):
        _, mixer = made(at, positive="projection")
        mixer.learn(Problem(sign))
        assert (mixer.alpha >= 0).all()
        back.append(mixer.alpha[:, 0] > 0)
    assert (back[0] ^ back[1]).all()  # whatever pulls down in one pulls up in the other


# -- costs ----------------------------------------------------------------------------------------


def passes(mixer, monkeypatch, every):
    """Backward passes through the network from one upper step to the next."""
    count, plain = [0], torch.autograd.grad

    def counted(*arguments, **options):
        count[0] += 1
        return plain(*arguments, **options)

    run = Run(attached(mixer))
    for _ in range(every):
        run.step()
    with monkeypatch.context() as patched:
        patched.setattr(torch.autograd, "grad", counted)
        for _ in range(every):
            run.step()
    # The backward pass of gradients that are handed over does not go through the network.
    return count[0] + (0 if mixer.separates else every)


@pytest.mark.parametrize("t", [2, 5])
@pytest.mark.parametrize("m", [1, 3])
def test_backward_passes_are_those_of_the_formulas(monkeypatch, t, m):
    assert passes(Mixer(), monkeypatch, t) == t
    for combiner in ("linear", "non-linear"):
        mixer = AuxiLearn(combiner, every=t, neumann=m)
        assert passes(mixer, monkeypatch, t) == t + m + 2
    assert passes(MAOAL(every=t, neumann=m), monkeypatch, t) == t * K + K + m + 1


# -- what is learnt -------------------------------------------------------------------------------


@POSITIVE
def test_it_tells_losses_apart_module_by_module(positive):
    problem = TugOfWar()
    mixer = MAOAL("parameter", every=5, lr=0.05, eta=0.1, positive=positive)
    problem.train(mixer)
    weights, by_module = mixer.mean_weights(torch.arange(41)), mixer.module_weights()
    assert weights["against"] < 0.1
    assert weights["with"] > 1
    assert by_module["half", "low.weight"] > 0.6 > 0.2 > by_module["half", "high.weight"]
    assert problem.validation_loss() < 0.05


# -- state and options ----------------------------------------------------------------------------


def test_a_state_tells_its_modules_before_a_step_is_made():
    """And in the run that it is loaded into."""
    problem, mixer = made()
    other = attach(MAOAL(**PLAIN))
    other.load_state_dict(mixer.state_dict())
    assert other.modules == MODULES
    assert other.module_weights() == mixer.module_weights() != {}
    other.learn(problem)  # nothing was seen of the losses in this run yet
    mixer.learn(problem)
    assert torch.equal(other.alpha, mixer.alpha)


def test_a_state_of_other_modules_is_refused_when_they_are_seen():
    _, mixer = made()
    for how in ("parameter", lambda name: "ABCD"[list(SIZES).index(name)]):  # as many, other names
        other = attach(MAOAL(how, **PLAIN))
        other.load_state_dict(mixer.state_dict())
        with pytest.raises(InputError, match=r"but weights were learnt for \['trunk.0', 'trunk.1'"):
            other.combine(Problem().step(separate=True))


def test_where_the_main_loss_has_no_graph_in_a_batch_weights_stay_those_of_their_modules():
    """As where a loop gives zeros for a loss that has no rows in a batch."""
    problem, mixer = made()
    step = problem.step(separate=True)
    columns = [c.detach() if k == MAIN else c for k, c in enumerate(step.columns)]
    mixer.combine(replace(step, columns=columns)).backward()
    turn = gradient(lambda at: problem.values_at(at)[0], problem.at).split([*SIZES.values()])
    found = problem.parameters["trunk.1.weight"].grad[0]
    torch.testing.assert_close(found, ALPHA[0, 1] * turn[1].detach())


@pytest.mark.parametrize(
    "options",
    [
        {"partition": "layer"},
        {"partition": 3},
        {"optimiser": "lbfgs"},
        {"positive": "softplus"},
        {"neumann": 0},
        {"every": 1.5},
        {"eta": -1.0},
        {"meta_size": 0},
        {"main": ""},
    ],
    ids=str,
)
def test_it_refuses_nonsense_and_names_it(options):
    with pytest.raises(InputError, match=next(iter(options))):
        MAOAL(**options)


def test_a_main_loss_that_is_not_trained_is_named():
    with pytest.raises(InputError, match="colour"):
        attach(MAOAL(main="colour"))
    assert attach(MAOAL()).place == MAIN
