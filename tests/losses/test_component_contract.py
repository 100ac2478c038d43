"""What every component must keep: row separability, exact zeros outside its rows, edge sizes."""

from dataclasses import replace

import pytest
import torch

from spear_amal.batch import Batch, Outputs, TaskAnswer, Views
from spear_amal.errors import InputError
from spear_amal.losses import (
    Agreement,
    Component,
    ComponentSet,
    GoldCrossEntropy,
    Implication,
    LabelCrossEntropy,
    NoisyCrossEntropy,
    OnCovered,
    PosteriorRegularisation,
    PredictionEntropy,
    RuleConsensus,
    RuleGold,
    RuleLikelihood,
    RuleReliability,
    SquaredNorm,
    TaskCrossEntropy,
    TaskSquaredError,
    TeacherCrossEntropy,
    TeacherDivergence,
    resolve,
    spear_components,
    teacher_components,
)
from spear_amal.losses.self_supervised import (
    RotatedDivergence,
    SimilarityDivergence,
    UprightDivergence,
    ViewMatching,
)
from spear_amal.maths.hypergradient import score_gradients

B, C, M, D = 7, 5, 3, 2
RULE_CLASSES = torch.tensor([0, 4, 1])
EXEMPLARS = torch.rand(B, M, generator=torch.Generator().manual_seed(7)) < 0.5
MEMBERS = {
    "gold": GoldCrossEntropy(),
    "gold-weighted": GoldCrossEntropy([0.5, 2.0, 1.0, 1.0, 0.25]),
    "noisy": NoisyCrossEntropy(),
    "noisy-weighted": NoisyCrossEntropy(1, [0.5, 2.0, 1.0, 1.0, 0.25]),
    "reliability": RuleReliability(RULE_CLASSES),
    "reliability-exemplars": RuleReliability(RULE_CLASSES, EXEMPLARS.numpy()),
    "implication": Implication(RULE_CLASSES),
    "posterior": PosteriorRegularisation(RULE_CLASSES, strength=0.5),
    "entropy": PredictionEntropy(),
    "consensus": RuleConsensus(),
    "consensus-soft": RuleConsensus("soft"),
    "rule-gold": RuleGold(),
    "rule-gold-joint": RuleGold("joint"),
    "rule-likelihood": RuleLikelihood(),
    "agreement": Agreement(),
    "agreement-reversed": Agreement("rules-feature"),
    "teacher": TeacherCrossEntropy(),
    "teacher-all": TeacherCrossEntropy(1, unlabelled_only=False),
    "label": LabelCrossEntropy(),
    "covered": OnCovered(Agreement()),
    "distilled": TeacherDivergence(),
    "distilled-reversed": TeacherDivergence(0, 2.5, "student-teacher"),
    "upright": UprightDivergence(),
    "rotated": RotatedDivergence(),
    "rotated-half": RotatedDivergence(2.5, 0.5),
    "task": TaskCrossEntropy("colour"),
    "task-number": TaskSquaredError("weight"),
    "task-made": TaskCrossEntropy("rotation"),
}
# It sees no row at all.
ROWLESS = {"l2": SquaredNorm()}
# They compare the images of a batch with each other.
BATCHWISE = {
    "similarity": SimilarityDivergence(),
    "similarity-all": SimilarityDivergence(2.0, 1.0),
    "matching": ViewMatching(),
}
ROWWISE = pytest.mark.parametrize("component", MEMBERS.values(), ids=MEMBERS)
ALL = MEMBERS | BATCHWISE | ROWLESS
EVERY = pytest.mark.parametrize("component", ALL.values(), ids=ALL)


def make(n=B, labelled=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, C, (n,), generator=generator)
    y[labelled:] = -1
    fired = (torch.rand(n, M, generator=generator) < 0.6).double()
    if n > 4:
        fired[4] = 0
    teachers = torch.randn(n, 2, C, generator=generator, dtype=torch.float64)
    teachers[-1, 0, 1] = torch.nan
    known = {"colour": y, "weight": torch.where(y < 0, torch.nan, y.double())}
    batch = Batch(torch.arange(n), torch.zeros(n, D), y, fired, fired, teachers, known)
    logits = torch.randn(n, C, generator=generator, dtype=torch.float64).requires_grad_()
    rules = (torch.randn(n, C, generator=generator, dtype=torch.float64) - 9).requires_grad_()
    odds = 2 * torch.randn(n, M, generator=generator, dtype=torch.float64)
    told, self_supervised = of_views(n, generator), of_views(n, generator)
    for tensor in (self_supervised.logits, self_supervised.projected):
        tensor.requires_grad_()
    odds = (odds * fired).requires_grad_()
    shapes = {"colour": (n, C), "weight": (n,), "rotation": (n, 4)}
    tasks = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, shape in shapes.items()
    }
    answers = {name: TaskAnswer(values) for name, values in tasks.items()}
    answers["rotation"] = TaskAnswer(tasks["rotation"], torch.arange(n) % 4)
    norm = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    return Outputs(logits, batch.x, rules, odds, self_supervised, told, answers, norm), batch


def of_views(n, generator):
    shapes = ((n, 4, C), (n, 4, D))
    return Views(*(torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes))


def parts(outputs):
    """What a loss may depend on."""
    self_supervised, tasks = outputs.views, [answer.values for answer in outputs.tasks.values()]
    rules = (outputs.rule_logits, outputs.reliability)
    return (outputs.logits, *rules, self_supervised.logits, self_supervised.projected, *tasks)


def test_every_component_of_the_package_is_covered():
    from spear_amal import losses
    from spear_amal.losses import self_supervised

    named = {**vars(losses), **vars(self_supervised)}
    kinds = [k for k in named.values() if isinstance(k, type)]
    losses = {k for k in kinds if issubclass(k, Component)} - {Component}
    assert losses == {type(member) for member in ALL.values()}


@ROWWISE
def test_row_i_sees_row_i_only(component):
    outputs, batch = make()
    losses = ComponentSet([component]).losses(outputs, batch)[:, 0]
    for i in range(B):
        gradients = torch.autograd.grad(
            losses[i], parts(outputs), retain_graph=True, allow_unused=True
        )
        for gradient in gradients:
            if gradient is not None:
                others = torch.arange(B) != i
                assert (gradient[others] == 0).all()


@EVERY
def test_exact_zeros_outside_the_domain(component):
    outputs, batch = make()
    members = ComponentSet([component])
    losses, applies = members.losses(outputs, batch)[:, 0], members.applies(batch)[:, 0]
    assert applies.any()
    assert (losses[~applies] == 0).all()
    if component in ROWLESS.values():
        assert applies.all()
        return
    gradients = torch.autograd.grad(losses.sum(), parts(outputs), allow_unused=True)
    touched = [g for g in gradients if g is not None]
    assert touched
    for gradient in touched:
        assert torch.isfinite(gradient).all()
        assert (gradient[~applies] == 0).all()


@EVERY
def test_inputs_are_not_changed(component):
    outputs, batch = make()
    given = (*parts(outputs), batch.teachers, batch.fired, batch.y)
    before = [t.detach().clone() for t in given]
    component.loss(outputs, batch)
    for old, new in zip(before, given, strict=True):
        torch.testing.assert_close(old, new.detach(), equal_nan=True, rtol=0, atol=0)


@EVERY
@pytest.mark.parametrize(("n", "labelled"), [(1, 1), (1, 0), (B, 0), (B, B)])
def test_edge_batches_give_finite_values(component, n, labelled):
    outputs, batch = make(n, labelled)
    values = ComponentSet([component]).losses(outputs, batch)
    assert values.shape == (n, 1)
    assert torch.isfinite(values).all()


def test_domains_are_those_of_the_specification():
    _, batch = make()
    applies = spear_components().applies(batch)
    labelled, covered = batch.y >= 0, batch.fired.sum(1) > 0
    expected = {
        "gold": labelled,
        "entropy": ~labelled,
        "consensus": ~labelled & covered,
        "rule-gold": labelled,
        "rule-likelihood": ~labelled,
        "agreement": torch.ones(B, dtype=torch.bool),
    }
    for k, name in enumerate(spear_components().names):
        assert torch.equal(applies[:, k], expected[name]), name


def test_consensus_sends_no_gradient_to_the_rules():
    outputs, batch = make()
    value = RuleConsensus().loss(outputs, batch).sum()
    (gradient,) = torch.autograd.grad(value, outputs.rule_logits, allow_unused=True)
    assert gradient is None


def test_losses_are_chosen_by_number_and_by_name():
    by_number = spear_components([1, 3, 4, 7])
    by_name = spear_components(["quality-guide", "gold", "rule-gold", "consensus"])
    assert by_number.names == by_name.names == ("gold", "consensus", "rule-gold")
    assert len(by_number.penalties) == len(by_name.penalties) == 1
    assert spear_components(with_rules=False).names == ("gold", "entropy")
    assert spear_components([1]).penalties == ()


@pytest.mark.parametrize("wrong", [0, 8, "gould", None])
def test_unknown_losses_are_refused(wrong):
    with pytest.raises(InputError, match="unknown loss"):
        resolve([1, wrong])


def test_a_set_refuses_repeated_names_and_emptiness():
    with pytest.raises(InputError, match="unique"):
        ComponentSet([GoldCrossEntropy(), GoldCrossEntropy()])
    with pytest.raises(InputError, match="at least one"):
        ComponentSet([])


@pytest.mark.parametrize("member", [RuleConsensus, RuleGold, Agreement])
def test_unknown_options_are_refused(member):
    with pytest.raises(InputError, match="must be"):
        member("sideways")


def test_mixable_is_reported_per_component():
    class Fixed(Component):
        name, mixable = "held", False

    assert ComponentSet([GoldCrossEntropy(), Fixed()]).mixable().tolist() == [True, False]


@ROWWISE
@pytest.mark.parametrize("extreme", [1.0, 40.0])
def test_slopes_in_closed_form_are_those_of_autograd(component, extreme):
    outputs, batch = make(seed=3)
    logits = (extreme * outputs.logits).detach().requires_grad_()
    outputs = replace(outputs, logits=logits)
    chosen = ComponentSet([component])
    applies = chosen.applies(batch)
    losses = chosen.losses(outputs, batch, applies)
    expected = score_gradients(losses, logits)
    torch.testing.assert_close(chosen.slopes(outputs, batch, applies), expected)


def test_losses_of_the_training_tables_know_their_slopes():
    closed = [*spear_components("1234567").components, *teacher_components(2), LabelCrossEntropy()]
    outputs, batch = make()
    for component in closed:
        assert component.slope(outputs, batch) is not None


def test_an_overridden_loss_does_not_inherit_a_slope():
    class Doubled(GoldCrossEntropy):
        name = "doubled"

        def loss(self, outputs, batch):
            return 2 * super().loss(outputs, batch)

    outputs, batch = make()
    both = ComponentSet([GoldCrossEntropy(), Doubled()])
    slopes = both.slopes(outputs, batch, both.applies(batch))
    torch.testing.assert_close(slopes[:, 1], 2 * slopes[:, 0])
    assert slopes[:, 1].abs().sum() > 0
