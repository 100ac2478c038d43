"""CAGE's derivatives in closed form, of one model and of several at once, against autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.losses import ComponentSet, GoldCrossEntropy, Penalty, QualityGuide
from spear_amal.models.cage import Beliefs, RulePass

MEMBERS, B, C, M, M_C = 3, 11, 5, 7, 2
F64 = torch.float64
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


class Drawn:
    """Parameters, beliefs and votes of several models."""

    def __init__(self, seed=0, scale=1.0, scored=True, members=MEMBERS, equal=False):
        generator = torch.Generator().manual_seed(seed)

        def uniform(*shape):
            return torch.rand(members, *shape, generator=generator, dtype=F64)

        n_scored = M_C if scored else 0
        self.theta = torch.full((members, C, M), scale, dtype=F64)
        if not equal:
            self.theta = scale * (2 * uniform(C, M) - 1)
        self.pi = 2 * uniform(C, n_scored) - 1
        k = (C * uniform(M)).long()
        columns = torch.tensor([4, 1][:n_scored], dtype=torch.long)
        self.beliefs = Beliefs(C, k, uniform(M), columns, uniform(n_scored))
        self.fired = (uniform(B, M) < 0.4).double()
        self.scores = torch.where(self.fired > 0, uniform(B, M), torch.nan)
        self.slope = 2 * uniform(B, C) - 1

    def one(self, i):
        """Model i alone."""
        alone = object.__new__(Drawn)
        for name in ("theta", "pi", "fired", "scores", "slope"):
            setattr(alone, name, getattr(self, name)[i])
        b = self.beliefs
        alone.beliefs = Beliefs(C, b.k[i], b.q_t[i], b.continuous, b.q_c[i])
        return alone

    def taken(self, theta=None, pi=None):
        theta = self.theta if theta is None else theta
        pi = self.pi if pi is None else pi
        log_scores = self.beliefs.log_scores(self.fired, self.scores)
        return RulePass(theta, pi, self.beliefs, self.fired, log_scores)

    def by_autograd(self, value):
        """Derive `value` of a pass by theta and pi."""
        leaves = [self.theta.clone().requires_grad_(), self.pi.clone().requires_grad_()]
        total = value(self.taken(*leaves)).sum()
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
        zero = (torch.zeros_like(leaf) for leaf in leaves)
        return [z if g is None else g for g, z in zip(gradients, zero, strict=True)]


CASES = {
    "seed": st.integers(0, 2**31),
    "scale": st.sampled_from([0.0, 1.0, 10.0, 60.0]),
    "scored": st.booleans(),
    "equal": st.booleans(),
}


@given(**CASES)
@settings(max_examples=30, deadline=None)
def test_slopes_and_directions_are_those_of_autograd(**case):
    drawn = Drawn(**case)
    expected = drawn.by_autograd(lambda seen: seen.log_joint * drawn.slope)
    for ours, witness in zip(drawn.taken().slopes(drawn.slope), expected, strict=True):
        torch.testing.assert_close(ours, witness, **CLOSE)
    tangent = (drawn.theta.cos(), drawn.pi.cos())
    _, along = torch.func.jvp(
        lambda theta, pi: drawn.taken(theta, pi).log_joint, (drawn.theta, drawn.pi), tangent
    )
    torch.testing.assert_close(drawn.taken().along(*tangent), along, rtol=1e-12, atol=1e-11)


@given(**CASES)
@settings(max_examples=30, deadline=None)
def test_the_penalty_has_the_slope_of_autograd(**case):
    drawn = Drawn(**case)
    guides = drawn.beliefs.guides
    expected, _ = drawn.by_autograd(lambda seen: seen.potentials.quality_penalty(guides))
    found = ComponentSet([GoldCrossEntropy()], [QualityGuide()]).theta_slope(
        drawn.taken().potentials, guides
    )
    torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("scored", [False, True])
def test_several_models_are_each_what_they_are_alone(scored):
    drawn = Drawn(scored=scored)
    together = drawn.taken()
    for i in range(MEMBERS):
        alone = drawn.one(i)
        single = alone.taken()
        guides = alone.beliefs.guides
        pairs = [
            (together.log_joint[i], single.log_joint),
            *zip(
                (g[i] for g in together.slopes(drawn.slope)),
                single.slopes(alone.slope),
                strict=True,
            ),
            (together.along(drawn.theta, drawn.pi)[i], single.along(alone.theta, alone.pi)),
            (together.potentials.log_partition[i], single.potentials.log_partition),
            (
                together.potentials.quality_penalty(drawn.beliefs.guides)[i],
                single.potentials.quality_penalty(guides),
            ),
            (
                together.potentials.quality_slope(drawn.beliefs.guides)[i],
                single.potentials.quality_slope(guides),
            ),
        ]
        for ours, expected in pairs:
            torch.testing.assert_close(ours, expected, **CLOSE)


def test_stacked_beliefs_are_those_of_the_models():
    drawn = Drawn()
    again = Beliefs.stack([drawn.one(i).beliefs for i in range(MEMBERS)])
    for name in ("k", "q_t", "continuous", "q_c"):
        assert torch.equal(getattr(again, name), getattr(drawn.beliefs, name))
    assert torch.equal(again.guides.declared, drawn.beliefs.guides.declared)


def test_float32_is_float64_rounded():
    drawn = Drawn(scored=False)
    exact = drawn.taken().slopes(drawn.slope)[0]
    rounded = RulePass(
        *(drawn.theta.float(), drawn.pi.float(), drawn.beliefs), drawn.fired.float(), None
    ).slopes(drawn.slope.float())[0]
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.double(), exact, rtol=1e-4, atol=1e-5)


def test_a_penalty_without_a_closed_form_is_left_to_autograd():
    class Squared(Penalty):
        def value(self, model):
            return model.rules.theta.square().sum()

    class Doubled(QualityGuide):
        def value(self, model):
            return 2 * super().value(model)

    drawn = Drawn(members=1).one(0)
    for unknown in (Squared(), Doubled()):
        members = ComponentSet([GoldCrossEntropy()], [QualityGuide(), unknown])
        assert members.theta_slope(drawn.taken().potentials, drawn.beliefs.guides) is None
    none = ComponentSet([GoldCrossEntropy()])
    assert (none.theta_slope(drawn.taken().potentials, drawn.beliefs.guides) == 0).all()
