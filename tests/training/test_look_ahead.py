"""The meta-gradient: closed form = forward mode = double backward = autograd through the step."""

import pytest
import scipy.sparse as sp
import torch

from spear_amal.batch import Batch, Outputs
from spear_amal.errors import InputError
from spear_amal.losses import (
    Component,
    ComponentSet,
    LabelCrossEntropy,
    TeacherCrossEntropy,
    spear_components,
    teacher_components,
)
from spear_amal.maths import hypergradient
from spear_amal.maths.losses import domain_counts, weighted_objective
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training import LookAhead, ValidationLoss

B, C, D, M, N_VAL = 7, 3, 11, 5, 13
ETA = 0.7


def make_batch(n, generator, labelled=None, sparse=False):
    x = torch.randn(n, D, generator=generator, dtype=torch.float64)
    x = x * (torch.rand(n, D, generator=generator) < 0.6)
    y = torch.randint(0, C, (n,), generator=generator)
    if labelled is not None:
        y[labelled:] = -1
    fired = (torch.rand(n, M, generator=generator) < 0.4).double()
    fired[0] = 0  # one row that no rule covers
    scores = fired * torch.rand(n, M, generator=generator, dtype=torch.float64)
    teachers = torch.randn(n, 2, C, generator=generator, dtype=torch.float64)
    teachers[1, 0] = torch.nan
    if sparse:
        x = SparseRows.from_csr(sp.csr_array(x.numpy()), torch.float64)
    return Batch(torch.arange(n), x, y, fired, scores, teachers)


def make_model(feature, generator):
    make = {"linear": LinearModel, "mlp": lambda d, c, g: MLP(d, c, (17,), g)}[feature]
    net = make(D, C, generator).double()
    with torch.no_grad():
        net.head.weight.normal_(generator=generator)
    k = torch.tensor([0, 1, 2, 1, 0])
    continuous = torch.tensor([False, True, False, False, True])
    rules = RuleModel(C, k, torch.full((M,), 0.8, dtype=torch.float64), continuous).double()
    return JointModel(net, rules)


def component_sets():
    yield "spear", spear_components()
    yield (
        "options",
        spear_components(consensus="soft", rule_gold="joint", agreement="rules-feature"),
    )
    yield "teachers", ComponentSet([TeacherCrossEntropy(0), TeacherCrossEntropy(1, False, "t1")])
    yield "distillation", ComponentSet([LabelCrossEntropy(), *teacher_components(2, 4.0)])
    reverse = teacher_components(2, 1.7, "student-teacher")
    yield "reverse", ComponentSet([*spear_components().components, *reverse])


def through_the_step(model, components, batch, validation, outer, names):
    """Reference: autograd of the validation loss by Lambda, through the real SGD step."""
    weights = torch.rand(B, len(components), dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        weights[:] = torch.linspace(0.2, 1.9, weights.numel(), dtype=torch.float64).view_as(weights)
    at = {n: p for n, p in model.named_parameters() if n in names}
    losses = components.losses(model(batch), batch)
    value = weighted_objective(losses, weights, components.applies(batch))
    value = value + components.penalty(model)
    steps = torch.autograd.grad(value, list(at.values()), create_graph=True, allow_unused=True)
    ahead = {
        n: p if g is None else p - ETA * g for (n, p), g in zip(at.items(), steps, strict=True)
    }
    outputs = torch.func.functional_call(model, ahead, (validation,))
    after = outer.loss(outputs, validation)
    if outer.sees_group:
        own = torch.func.functional_call(model, ahead, (batch,))
        after = after + outer.beta * outer.loss(own, batch)
    (gradient,) = torch.autograd.grad(after, weights)
    return weights.detach(), gradient


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    "outer",
    [
        ValidationLoss(),
        ValidationLoss(rules=True, gamma=0.6),
        ValidationLoss(teacher=True),
        ValidationLoss(teacher=True, beta=0.0),
    ],
    ids=["A", "B", "teacher", "teacher-beta0"],
)
@pytest.mark.parametrize("feature", ["linear", "mlp"])
@pytest.mark.parametrize("kind", ["spear", "options", "teachers"])
def test_all_forms_agree(kind, feature, outer, sparse):
    generator = torch.Generator().manual_seed(5)
    model = make_model(feature, generator)
    components = dict(component_sets())[kind]
    batch = make_batch(B, generator, labelled=3, sparse=sparse)
    validation = make_batch(N_VAL, generator, sparse=sparse)

    def witness(parameters, method):
        return LookAhead(
            model,
            components,
            batch,
            validation,
            eta=ETA,
            outer=outer,
            parameters=parameters,
            method=method,
        )

    last = set(witness("last-layer", "closed").at)
    weights, expected = through_the_step(model, components, batch, validation, outer, last)
    assert expected.abs().max() > 1e-4
    for method in ("closed", "forward", "double-backward"):
        found = witness("last-layer", method).hypergradient(weights)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10, msg=method)

    every = {n for n, _ in model.named_parameters()}
    weights, expected = through_the_step(model, components, batch, validation, outer, every)
    for method in ("forward", "double-backward"):
        found = witness("network", method).hypergradient(weights)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10, msg=method)


def test_each_component_alone():
    """Closed form against autograd, one component at a time, so that none hides in a sum."""
    generator = torch.Generator().manual_seed(2)
    model = make_model("mlp", generator)
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    whole = spear_components()
    for component in whole.components:
        alone = ComponentSet([component], whole.penalties)
        look = LookAhead(model, alone, batch, validation, eta=ETA, outer=ValidationLoss(True))
        weights, expected = through_the_step(
            model, alone, batch, validation, ValidationLoss(True), set(look.at)
        )
        torch.testing.assert_close(look.hypergradient(weights), expected, rtol=0, atol=1e-10)


def test_rule_only_losses_have_exactly_zero_gradient_under_variant_a():
    generator = torch.Generator().manual_seed(3)
    model = make_model("mlp", generator)
    components = spear_components()
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    look = LookAhead(model, components, batch, validation, eta=ETA)
    gradient = look.hypergradient(torch.ones(B, len(components), dtype=torch.float64))
    for k, name in enumerate(components.names):
        expected_zero = name in ("rule-gold", "rule-likelihood")
        assert bool((gradient[:, k] == 0).all()) == expected_zero, name


def test_masked_entries_are_exact_zeros():
    generator = torch.Generator().manual_seed(4)
    model = make_model("linear", generator)
    components = spear_components()
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    look = LookAhead(model, components, batch, validation, eta=ETA, outer=ValidationLoss(True))
    gradient = look.hypergradient(torch.ones(B, len(components), dtype=torch.float64))
    assert (gradient[~components.applies(batch)] == 0).all()


def test_alignment_and_hypergradient_differ_by_the_divisor():
    generator = torch.Generator().manual_seed(6)
    model, components = make_model("linear", generator), spear_components()
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    look = LookAhead(model, components, batch, validation, eta=ETA)
    ones = torch.ones(B, len(components), dtype=torch.float64)
    n_k = domain_counts(components.applies(batch))
    torch.testing.assert_close(look.hypergradient(ones), -ETA / n_k * look.alignment(ones))


def test_the_model_is_left_as_it_was():
    generator = torch.Generator().manual_seed(7)
    model, components = make_model("mlp", generator), spear_components()
    before = {n: p.clone() for n, p in model.state_dict().items()}
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    LookAhead(model, components, batch, validation, eta=ETA).alignment(torch.ones(B, 6).double())
    assert all(torch.equal(before[n], p) for n, p in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_closed_form_refuses_the_whole_network():
    generator = torch.Generator().manual_seed(8)
    model, batch = make_model("mlp", generator), make_batch(B, generator)
    with pytest.raises(InputError, match="closed"):
        LookAhead(model, spear_components(), batch, batch, eta=1.0, parameters="network")


def test_forward_mode_and_closed_form_serve_a_component_of_the_users_own():
    class Margin(Component):
        name = "margin"

        def loss(self, outputs: Outputs, batch: Batch):
            return torch.relu(1 - outputs.logits[:, 0] + outputs.logits[:, 1]) ** 2

        def applies(self, batch: Batch):
            return batch.y != 2

    generator = torch.Generator().manual_seed(9)
    model, components = make_model("mlp", generator), ComponentSet([Margin()])
    batch, validation = make_batch(B, generator), make_batch(N_VAL, generator)
    look = LookAhead(model, components, batch, validation, eta=ETA)
    weights, expected = through_the_step(
        model, components, batch, validation, ValidationLoss(), set(look.at)
    )
    torch.testing.assert_close(look.hypergradient(weights), expected, rtol=0, atol=1e-10)


def _network_look_ahead():
    generator = torch.Generator().manual_seed(4)
    model, components = make_model("mlp", generator), spear_components()
    batch, validation = make_batch(B, generator, labelled=3), make_batch(N_VAL, generator)
    return LookAhead(
        model, components, batch, validation, eta=ETA, parameters="network", method="forward"
    )


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError(
            "Trying to use forward AD with _cdist_forward that does not support it"
        ),
        RuntimeError("In order to use an autograd.Function with functorch transforms (vmap, jvp)"),
    ],
)
def test_without_a_forward_mode_it_goes_backwards_twice(error, monkeypatch):
    weights = torch.ones(B, len(spear_components()), dtype=torch.float64)
    expected = _network_look_ahead().alignment(weights)
    tries = []

    def fail(*given):
        tries.append(given)
        raise error

    monkeypatch.setattr(hypergradient, "tangent_forward", fail)
    look = _network_look_ahead()
    with pytest.warns(UserWarning, match="backwards twice"):  # it says so, and once
        look.alignment(weights)
    torch.testing.assert_close(look.alignment(weights), expected, rtol=1e-9, atol=1e-12)
    assert len(tries) == 1 and look.method == "double-backward"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        torch.OutOfMemoryError("out of memory in torch.func.jvp, forward AD"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: forward mode of functorch"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (7x3 and 5x2)"),
    ],
)
def test_want_of_memory_is_no_want_of_a_forward_mode(error, monkeypatch):
    def fail(*given):
        raise error

    monkeypatch.setattr(hypergradient, "tangent_forward", fail)
    look = _network_look_ahead()
    with pytest.raises(type(error), match=r"memory|shapes"):
        look.alignment(torch.ones(B, len(spear_components()), dtype=torch.float64))
    assert look.method == "forward"


def test_what_torch_says_of_a_function_without_forward_mode_is_known():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, slope):
            return 2 * slope

    x = torch.ones(3, 2)
    for function in (Doubled.apply, lambda x: torch.cdist(x, x)):
        with pytest.raises(RuntimeError) as caught:
            hypergradient.tangent_forward(lambda at, f=function: f(at["x"]), {"x": x}, {"x": x})
        assert hypergradient.lacks_forward_mode(caught.value), (
            f"torch {torch.__version__} words it anew: {caught.value}"
        )


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("feature", ["linear", "mlp"])
@pytest.mark.parametrize("kind", ["spear", "options", "teachers"])
def test_inner_products_are_all_that_is_needed(kind, feature, sparse):
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
def test_products_are_left_alone_where_more_than_the_head_counts(outer):
    generator = torch.Generator().manual_seed(3)
    model, components = make_model("linear", generator), dict(component_sets())["spear"]
    batch, validation = make_batch(9, generator, labelled=4), make_batch(N_VAL, generator)
    weights = torch.rand(9, len(components), generator=generator, dtype=torch.float64)
    options = {"eta": ETA, "outer": outer}
    plain = LookAhead(model, components, batch, validation, **options)
    wrong = torch.full((9, N_VAL), torch.nan, dtype=torch.float64)
    quick = LookAhead(model, components, batch, validation, **options, products=wrong)
    assert torch.equal(quick.alignment(weights), plain.alignment(weights))
