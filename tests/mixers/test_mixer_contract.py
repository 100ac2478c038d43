"""What every mixer must keep, and what AMAL does with what the look-ahead says."""

import pytest
import torch

from spear_amal.errors import InputError
from spear_amal.mixers import PRESETS, Amal, Fixed, Mixer, build_mixer
from spear_amal.mixers.frozen import Frozen
from spear_amal.types import Batch

N, K, B = 13, 3, 5
NAMES = ("one", "two", "three")
MAKERS = {
    "base": Mixer,
    "fixed": Fixed,
    "amal": lambda: Amal(normalise="none"),
    "frozen": lambda: Frozen(torch.ones(N, K)),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def batch(rows=(7, 2, 11, 0, 5)):
    index = torch.tensor(rows)
    none = torch.zeros(len(rows), 0)
    return Batch(index, none, torch.zeros(len(rows)).long(), none, none, none)


def domain():
    return torch.rand(N, K, generator=torch.Generator().manual_seed(0)) < 0.7


def attached(mixer, mixable=(True, True, True)):
    mixer.attach(N, NAMES, domain(), torch.tensor(mixable))
    return mixer


class Told:
    """A look-ahead that says what a test wants."""

    def __init__(self, alignment, n=4.0, eta=0.5):
        self.value, self.n, self.eta, self.seen = alignment, n, eta, []

    def alignment(self, weights):
        self.seen.append(weights.clone())
        return self.value

    def hypergradient(self, weights):
        return -self.eta / self.n * self.alignment(weights)

    def feature_scale(self):
        return 8.0


@EVERY
def test_weights_start_at_one_carry_no_gradient_and_match_the_losses(make):
    losses = torch.rand(B, K, dtype=torch.float64, requires_grad=True)
    weights = attached(make()).weights(batch(), losses)
    assert weights.shape == (B, K)
    assert weights.dtype == torch.float64
    assert not weights.requires_grad
    assert (weights == 1).all()


@EVERY
def test_one_row_and_empty_domain(make):
    mixer = attached(make())
    assert mixer.weights(batch([3]), torch.rand(1, K)).shape == (1, K)


@EVERY
def test_state_goes_out_and_comes_back(make):
    first, second = attached(make()), attached(make())
    first.refresh(Told(torch.randn(B, K)), batch())
    second.load_state_dict(first.state_dict())
    losses = torch.rand(B, K)
    assert torch.equal(first.weights(batch(), losses), second.weights(batch(), losses))


def test_amal_moves_by_rho_times_alignment_within_domain_and_clamp():
    alignment = torch.tensor([[0.05, -0.02, 9.0]] * B)
    mixer = attached(Amal(rho=2.0, clamp=(0.0, 2.0), inner_repeats=1, normalise="none"))
    told = Told(alignment)
    mixer.refresh(told, batch())
    rows = batch().index
    expected = torch.where(domain()[rows], (1 + 2.0 * alignment).clamp(0, 2), torch.ones(B, K))
    assert torch.allclose(mixer.table()[rows], expected)
    others = [i for i in range(N) if i not in rows.tolist()]
    assert (mixer.table()[others] == 1).all()


def test_repeats_see_the_updated_weights():
    mixer = attached(Amal(rho=1.0, clamp=(0, 2), inner_repeats=3, normalise="none"))
    told = Told(torch.full((B, K), -0.1))
    mixer.refresh(told, batch())
    assert [w.min().item() for w in told.seen] == pytest.approx([1.0, 0.9, 0.8])


def test_eta_lambda_is_the_papers_parameter():
    """rho = eta_lambda eta / n_k."""
    alignment = torch.randn(B, K, generator=torch.Generator().manual_seed(1)) * 0.05
    by_rho = attached(Amal(rho=3.0 * 0.5 / 4, clamp=(0, 2), inner_repeats=1, normalise="none"))
    by_eta = attached(Amal(eta_lambda=3.0, clamp=(0, 2), inner_repeats=1, normalise="none"))
    by_rho.refresh(Told(alignment), batch())
    by_eta.refresh(Told(alignment), batch())
    assert torch.allclose(by_rho.table(), by_eta.table())


def test_unmixable_components_keep_their_weight():
    mixer = attached(Amal(normalise="none"), mixable=(True, False, True))
    mixer.refresh(Told(torch.full((B, K), -1.0)), batch())
    assert (mixer.table()[:, 1] == 1).all()
    assert (mixer.table()[:, 0] < 1).any()


@pytest.mark.parametrize(
    ("normalise", "expected"),
    [
        ("none", lambda g: g),
        ("features", lambda g: g / 8.0),
        ("max-abs", lambda g: g / g.abs().amax(0)),
        ("l2", lambda g: g / g.norm(dim=0)),
    ],
)
def test_normalisation(normalise, expected):
    alignment = torch.randn(B, K, generator=torch.Generator().manual_seed(2))
    mixer = attached(Amal(rho=0.1, clamp=(0, 2), inner_repeats=1, normalise=normalise))
    mixer.refresh(Told(alignment), batch())
    rows = batch().index
    found = mixer.table()[rows]
    target = torch.where(domain()[rows], 1 + 0.1 * expected(alignment), torch.ones(B, K))
    assert torch.allclose(found, target, atol=1e-6)


def test_a_zero_gradient_stays_put_under_every_normalisation():
    for normalise in ("none", "features", "max-abs", "l2"):
        mixer = attached(Amal(normalise=normalise))
        mixer.refresh(Told(torch.zeros(B, K)), batch())
        assert (mixer.table() == 1).all()


def test_refresh_schedule():
    mixer = Amal(refresh_every=3, warmup=2)
    assert [e for e in range(12) if mixer.should_refresh(e)] == [2, 5, 8, 11]


def test_fixed_weights_by_name():
    mixer = attached(Fixed({"two": 0.5}))
    assert mixer.weights(batch(), torch.rand(B, K))[0].tolist() == [1.0, 0.5, 1.0]
    with pytest.raises(InputError, match="four"):
        attached(Fixed({"four": 1.0}))


@pytest.mark.parametrize(
    "options",
    [
        {"clamp": (1.0, 0.0)},
        {"clamp": (-1.0, 1.0)},
        {"start": 3.0},
        {"refresh_every": 0},
        {"warmup": -1},
        {"inner_repeats": 0},
        {"eta_look": 0.0},
        {"group_size": 0},
        {"normalise": "loud"},
        {"outer": "rules"},
        {"look_ahead": "two-layers"},
    ],
)
def test_amal_refuses_nonsense_and_names_it(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Amal(**options)


def test_building_by_name():
    assert isinstance(build_mixer("spear"), Fixed)
    assert build_mixer("amal", {"rho": 2.0}).rho == 2.0
    assert build_mixer("amal-paper").clamp == PRESETS["paper"]["clamp"]
    with pytest.raises(InputError, match="choose from"):
        build_mixer("amall")
    with pytest.raises(InputError, match="cannot take"):
        build_mixer("amal", {"rhoo": 1})
    with pytest.raises(InputError, match="mixer object"):
        build_mixer(Amal(), {"rho": 1.0})


def test_frozen_weights_must_fit():
    with pytest.raises(InputError, match="shape"):
        attached(Frozen(torch.ones(N, K + 1)))


def test_summary_names_the_settings():
    assert Amal(rho=2.5).summary()["rho"] == 2.5
    assert Fixed({"one": 0.5}).summary() == {"mixer": "Fixed", "per_loss": {"one": 0.5}}
