"""What every component must keep: row separability, exact zeros outside its rows, edge sizes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.losses import (
    Agreement,
    AnchorContrast,
    ClosedForm,
    Component,
    ComponentSet,
    GoldCrossEntropy,
    Implication,
    LabelCrossEntropy,
    NoisyCrossEntropy,
    OnCovered,
    PosteriorRegularisation,
    PredictionEntropy,
    PseudoLabelDivergence,
    PseudoLabels,
    RuleConsensus,
    RuleGold,
    RuleLikelihood,
    RuleReliability,
    SquaredNorm,
    TaskCrossEntropy,
    TaskSquaredError,
    TeacherCrossEntropy,
    TeacherDivergence,
    UniformDivergence,
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
from spear_amal.testing import B, ContractError, M, check_loss, example_batch

RULE_CLASSES = torch.tensor([0, 4, 1])
EXEMPLARS = torch.rand(B, M, generator=torch.Generator().manual_seed(7)) < 0.5


def pseudo_labels():
    labels, outputs = PseudoLabels(threshold=0.4), example_batch(seed=1)[0]
    labels.begin(B)
    gold = torch.tensor([0, -1, -1, -1, 4, -1, -1])
    labels.refresh(torch.arange(B), gold, outputs.logits.detach())
    anchors = labels.anchor_rows(torch.arange(B))
    labels.keep_anchors(anchors, outputs.hidden[anchors])
    return labels


LABELS = pseudo_labels()
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
    "pseudo-label": PseudoLabelDivergence(LABELS),
    "uniform": UniformDivergence(LABELS),
    "contrast": AnchorContrast(LABELS),
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


def test_every_component_of_the_package_is_covered():
    from spear_amal import losses
    from spear_amal.losses import self_supervised

    named = {**vars(losses), **vars(self_supervised)}
    kinds = [k for k in named.values() if isinstance(k, type)]
    losses = {k for k in kinds if issubclass(k, Component)} - {Component, ClosedForm}
    assert losses == {type(member) for member in ALL.values()}


@pytest.mark.parametrize("name", MEMBERS | BATCHWISE)
def test_every_loss_keeps_the_contract(name):
    check_loss(ALL[name], by_row=name in MEMBERS)


def test_the_size_of_the_parameters_sees_no_row():
    outputs, batch = example_batch()
    members = ComponentSet(list(ROWLESS.values()))
    losses, applies = members.losses(outputs, batch), members.applies(batch)
    assert applies.all() and losses.unique().numel() == 1
    assert members.losses(*example_batch(1, 0)).shape == (1, 1)


def of_the_batch(self, outputs, batch):
    return GoldCrossEntropy.loss(self, outputs, batch).sum().expand(len(batch.y))


def in_place(self, outputs, batch):
    batch.fired.zero_()
    return GoldCrossEntropy.loss(self, outputs, batch)


def nan_behind_the_mask(self, outputs, batch):
    return torch.log(outputs.logits[:, 0] * 0 + (batch.y >= 0)).nan_to_num(neginf=0.0)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (of_the_batch, "depends on other rows|gradient outside its rows"),
        (in_place, "changes what it is given"),
        (nan_behind_the_mask, "not finite"),
    ],
)
def test_the_contract_finds_what_breaks_it(loss, said):
    broken = type("Broken", (GoldCrossEntropy,), {"name": "broken", "loss": loss})
    with pytest.raises(ContractError, match=said):
        check_loss(broken())


def test_the_contract_finds_a_wrong_slope():
    class Wrong(GoldCrossEntropy):
        name = "wrong"

        def loss(self, outputs, batch):
            return super().loss(outputs, batch)

        def slope(self, outputs, batch):
            return outputs.logits.detach().clone()

    with pytest.raises(ContractError, match="wrong slope"):
        check_loss(Wrong())


def test_domains_are_those_of_the_specification():
    _, batch = example_batch()
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
    outputs, batch = example_batch()
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
@pytest.mark.parametrize("extreme", [1.0, 60.0])
def test_slopes_in_closed_form_are_those_of_autograd(component, extreme):
    outputs, batch = example_batch(seed=3)
    logits = (extreme * outputs.logits).detach().requires_grad_()
    rules = (extreme * outputs.rule_logits).detach().requires_grad_()
    outputs = replace(outputs, logits=logits, rule_logits=rules)
    chosen = ComponentSet([component])
    applies = chosen.applies(batch)
    losses = chosen.losses(outputs, batch, applies)
    slopes = chosen.slopes(outputs, batch, applies)
    for scores, found in zip((logits, rules), slopes, strict=True):
        torch.testing.assert_close(found, score_gradients(losses, scores), rtol=1e-12, atol=1e-11)


def every_loss(**options):
    """SPEAR's, a distillation's and a loss without a closed form, in one set."""

    class Curved(Component):
        name, needs_rules = "curved", True

        def loss(self, outputs, batch):
            return (outputs.logits[:, 0] * outputs.rule_logits[:, 1]).tanh()

        def applies(self, batch):
            return batch.index % 2 == 0

    return ComponentSet(
        [
            *spear_components("123456", **options).components,
            *teacher_components(2),
            NoisyCrossEntropy(1),
            TeacherCrossEntropy(1, name="soft"),
            Curved(),
        ]
    )


def by_autograd(members, outputs, batch, weights):
    """Gradients of the weighted sum by the logits and the rules' logits, from its definition."""
    leaves = [outputs.logits.detach().requires_grad_()]
    if outputs.rule_logits is not None:
        leaves.append(outputs.rule_logits.detach().requires_grad_())
    seen = replace(outputs, logits=leaves[0], rule_logits=None if len(leaves) == 1 else leaves[1])
    total = (members.losses(seen, batch) * weights).sum()
    gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    return [torch.zeros_like(a) if g is None else g for g, a in zip(gradients, leaves, strict=True)]


OPTIONS = [
    {},
    {"consensus": "soft", "rule_gold": "joint", "agreement": "rules-feature"},
    {"consensus": "joint", "class_weights": [0.5, 2.0, 1.0, 0.0, 0.25]},
]


@given(
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.0, 1.0, 60.0]),
    labelled=st.integers(0, B),
    options=st.sampled_from(OPTIONS),
    row_weights=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_weighted_slopes_are_those_of_the_weighted_sum(seed, scale, labelled, options, row_weights):
    members = every_loss(**options)
    outputs, batch = example_batch(B, labelled, seed)
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    sides = {n: scale * getattr(outputs, n).detach() for n in ("logits", "rule_logits")}
    outputs = replace(outputs, **sides)
    if row_weights:
        batch = replace(batch, weights=drawn(B))
    weights = drawn(B, len(members)) * members.applies(batch)
    weights[drawn(B, len(members)) < 0.3] = 0
    found = members.weighted_slopes(outputs, batch, weights)
    for ours, expected in zip(found, by_autograd(members, outputs, batch, weights), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-11)


def test_weighted_slopes_without_rules():
    members = ComponentSet([GoldCrossEntropy(), PredictionEntropy()])
    outputs, batch = example_batch()
    outputs = replace(outputs, rule_logits=None)
    weights = members.applies(batch) * 0.5
    by_logits, by_rules = members.weighted_slopes(outputs, batch, weights)
    (expected,) = by_autograd(members, outputs, batch, weights)
    torch.testing.assert_close(by_logits, expected, rtol=1e-12, atol=1e-12)
    assert by_rules is None


def test_slopes_leave_what_they_are_given_and_its_graph_alone():
    outputs, batch = example_batch()
    members = every_loss()
    with torch.no_grad():  # what is shared here has no graph, and must not serve what follows
        members.losses(outputs, batch)
    members.weighted_slopes(outputs, batch, members.applies(batch).double())
    members.losses(outputs, batch).sum().backward()
    alone, _ = example_batch()
    members.losses(alone, batch).sum().backward()
    torch.testing.assert_close(outputs.logits.grad, alone.logits.grad)
    torch.testing.assert_close(outputs.rule_logits.grad, alone.rule_logits.grad)


def test_losses_of_the_training_tables_know_their_slopes():
    closed = [*spear_components("1234567").components, *teacher_components(2), LabelCrossEntropy()]
    outputs, batch = example_batch()
    for component in closed:
        assert component.slope(outputs, batch) is not None
        assert component.rule_slope(outputs, batch) is not None


@pytest.mark.parametrize("inner", [GoldCrossEntropy, Agreement])
def test_an_overridden_loss_does_not_inherit_a_slope(inner):
    class Doubled(inner):
        name = "doubled"

        def loss(self, outputs, batch):
            return 2 * super().loss(outputs, batch)

    class HalfWritten(Doubled):
        """Its slope by the rules is still that of the other loss, and must not be used."""

        name = "half-written"

        def loss(self, outputs, batch):
            return 2 * inner.loss(self, outputs, batch)

        def slope(self, outputs, batch):
            return 2 * inner().slope(outputs, batch)

    outputs, batch = example_batch()
    covered = OnCovered(Doubled())
    covered.name = "covered"
    members = ComponentSet([inner(), Doubled(), HalfWritten(), covered])
    factors = members.applies(batch) * torch.tensor([1, 2, 2, 2])
    slopes = members.slopes(outputs, batch, members.applies(batch))
    weighted = members.weighted_slopes(outputs, batch, members.applies(batch))
    expected = inner().slope(outputs, batch), inner().rule_slope(outputs, batch)
    for alone, apart, total in zip(expected, slopes, weighted, strict=True):
        torch.testing.assert_close(apart, factors.t().unsqueeze(2) * alone)
        torch.testing.assert_close(total, factors.sum(1, keepdim=True) * alone)
