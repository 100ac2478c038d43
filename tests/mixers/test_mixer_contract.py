"""What every mixer must keep, and what AMAL does with what the look-ahead says."""

import pytest
import torch
from every_mixer import MAKERS, B, K, N, Told, attached, batch, domain
from sklearn.base import clone

from spear_amal.errors import InputError
from spear_amal.mixers import (
    MIXERS,
    PRESETS,
    Amal,
    Fixed,
    LearningToReweight,
    MetaWeightNet,
    build_mixer,
    mixer_parameters,
)
from spear_amal.mixers.fixed import Frozen
from spear_amal.testing import ContractError, check_mixer

STARTS_AT_ONE = ["base", "fixed", "amal", "frozen", "l2r", "gcs", "random-search"]
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def test_every_mixer_with_a_name_is_covered():
    made = {type(make()) for make in MAKERS.values()}
    assert {entry.mixer for entry in MIXERS.values()} <= made


@EVERY
def test_every_mixer_keeps_the_contract(make):
    check_mixer(make)


class Forgetful(Amal):
    """Its state lacks the weights."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Eager(Fixed):
    """It moves what may not be moved."""

    def weights(self, batch, losses):
        return torch.full_like(losses, 0.5)


class Renaming(Fixed):
    """Its constructor stores something else."""

    def __init__(self, per_loss=None, factor=1.0):
        super().__init__(per_loss)
        self.factor = factor + 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Forgetful(normalise="none"), "after load_state_dict"),
        (Eager, "not mixable"),
        (Renaming, "store its arguments|constructor"),
    ],
)
def test_the_contract_finds_what_breaks_it(make, said):
    with pytest.raises((ContractError, RuntimeError), match=said):
        check_mixer(make)


@pytest.mark.parametrize("name", STARTS_AT_ONE)
def test_weights_start_at_one(name):
    weights = attached(MAKERS[name]()).weights(batch(), torch.rand(B, K))
    assert (weights == 1).all()


@EVERY
@pytest.mark.parametrize("name", ["label", "teacher", "entropy"])
@pytest.mark.parametrize("applies", [True, False])
def test_one_loss_that_may_apply_nowhere(make, name, applies):
    mixer = make()
    if isinstance(mixer, Frozen) or getattr(mixer, "drop", None):
        pytest.skip("made for several losses")
    mixer.attach(N, [name], torch.full((N, 1), applies), torch.ones(1, dtype=torch.bool))
    told = Told(torch.full((B, 1), -0.5 if applies else 0.0))
    told.losses = lambda: torch.rand(B, 1)
    mixer.refresh(told, batch())
    mixer.end_refresh()
    weights = mixer.weights(batch(), told.losses())
    assert weights.shape == (B, 1)
    assert torch.isfinite(weights).all()
    assert len(mixer.visits(torch.arange(N), 7)) <= N


# -- L2R and MWN ----------------------------------------------------------------------------------


def test_l2r_weighs_by_the_positive_part_of_the_alignment():
    """Each loss' mean over its n_k rows then is a sum over rows: shares of the whole batch."""
    u = torch.randn(B, K, generator=torch.Generator().manual_seed(1))
    on = domain()[batch().index]
    u = torch.where(on, u, torch.zeros_like(u))  # as a look-ahead gives it
    mixer = attached(LearningToReweight())
    told = Told(u)
    mixer.refresh(told, batch())
    assert (told.seen[0] == 0).all()  # asked at weight zero
    shares = mixer.weights(batch(), torch.rand(B, K)) / on.sum(0).clamp(min=1)
    torch.testing.assert_close(shares, u.clamp(min=0) / u.clamp(min=0).sum())


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_l2r_gives_a_batch_that_does_not_help_no_weight(value):
    mixer = attached(LearningToReweight())
    mixer.refresh(Told(torch.full((B, K), value)), batch())
    assert (mixer.weights(batch(), torch.rand(B, K)) == 0).all()


def test_l2r_forgets_the_last_run():
    mixer = attached(LearningToReweight())
    mixer.refresh(Told(torch.full((B, K), -1.0)), batch())
    assert (attached(mixer).weights(batch(), torch.rand(B, K)) == 1).all()


def test_mwn_starts_the_same_for_a_seed_and_leaves_the_global_state_alone():
    losses = torch.rand(B, K)
    before = torch.get_rng_state()
    one, two, three = (
        attached(MetaWeightNet(seed=seed)).weights(batch(), losses) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


@pytest.mark.parametrize("kind", [LearningToReweight, MetaWeightNet])
@pytest.mark.parametrize("options", [{"meta_size": 0}, {"look_ahead": "two-layers"}])
def test_per_step_mixers_refuse_nonsense_and_name_it(kind, options):
    with pytest.raises(InputError, match=next(iter(options))):
        kind(**options)


@pytest.mark.parametrize("name", ["hidden", "lr", "lookahead_lr"])
def test_mwn_refuses_nonsense_and_names_it(name):
    with pytest.raises(InputError, match=name):
        MetaWeightNet(**{name: 0})


@EVERY
def test_settings_can_be_set(make):
    mixer = make()
    assert mixer.set_params(**mixer.get_params()) is mixer
    assert len(repr(mixer)) < 400


def test_a_clone_has_learnt_nothing():
    mixer = attached(Amal(normalise="none"))
    mixer.refresh(Told(-torch.ones(B, K)), batch())
    assert not (mixer.table() == 1).all()
    assert (attached(clone(mixer)).table() == 1).all()


@pytest.mark.parametrize(
    ("mixer", "wrong"),
    [
        (Amal(), {"weight_lr": -1.0}),
        (Amal(), {"clamp": (2, 1)}),
        (Fixed(), {"per_losses": {}}),
        (MetaWeightNet(), {"hidden": 0}),
    ],
)
def test_settings_that_are_changed_are_checked(mixer, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mixer.set_params(**wrong)


def test_a_setting_that_was_overwritten_is_checked_before_training():
    mixer = Amal()
    mixer.clamp = (1.0, 0.0)
    with pytest.raises(InputError, match="clamp"):
        attached(mixer)


def test_defaults_of_a_name_are_not_shared():
    build_mixer("kd").per_loss["label"] = 9.0
    assert build_mixer("kd").per_loss == {"label": 0.1, "teacher": 0.9}


@pytest.mark.parametrize("name", MIXERS)
def test_the_options_of_a_name_are_those_that_it_takes(name):
    options = mixer_parameters(name)
    made = build_mixer(name)
    summary = build_mixer(name, {o: getattr(made, o) for o in options}).summary()
    assert summary == made.summary()
    assert mixer_parameters(made) == mixer_parameters(None) == ()


# -- AMAL -----------------------------------------------------------------------------------------


def test_amal_moves_by_rho_times_alignment_within_domain_and_clamp():
    alignment = torch.tensor([[0.05, -0.02, 9.0]] * B)
    mixer = attached(
        Amal(
            weight_lr=2.0, clamp=(0.0, 2.0), inner_repeats=1, normalise="none", weight_sharing="row"
        )
    )
    told = Told(alignment)
    mixer.refresh(told, batch())
    rows = batch().index
    expected = torch.where(domain()[rows], (1 + 2.0 * alignment).clamp(0, 2), torch.ones(B, K))
    assert torch.allclose(mixer.table()[rows], expected)
    others = [i for i in range(N) if i not in rows.tolist()]
    assert (mixer.table()[others] == 1).all()


def test_repeats_see_the_updated_weights():
    mixer = attached(
        Amal(weight_lr=1.0, clamp=(0, 2), inner_repeats=3, normalise="none", weight_sharing="row")
    )
    told = Told(torch.full((B, K), -0.1))
    mixer.refresh(told, batch())
    assert [w.min().item() for w in told.seen] == pytest.approx([1.0, 0.9, 0.8])


def test_eta_lambda_is_the_papers_parameter():
    """weight_lr = eta_lambda eta / n_k."""
    alignment = torch.randn(B, K, generator=torch.Generator().manual_seed(1)) * 0.05
    by_rho = attached(
        Amal(weight_lr=3.0 * 0.5 / 4, clamp=(0, 2), inner_repeats=1, normalise="none")
    )
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
    mixer = attached(
        Amal(
            weight_lr=0.1, clamp=(0, 2), inner_repeats=1, normalise=normalise, weight_sharing="row"
        )
    )
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
    mixer = attached(Fixed({"teacher0": 0.5}))
    assert mixer.weights(batch(), torch.rand(B, K))[0].tolist() == [1.0, 0.5, 1.0]
    with pytest.raises(InputError, match="four"):
        attached(Fixed({"four": 1.0}))


@pytest.mark.parametrize(
    "options",
    [
        {"clamp": (1.0, 0.0)},
        {"clamp": (-1.0, 1.0)},
        {"start": 3.0},
        {"start": {"teacher": 3.0}},
        {"start": {"teacher": "much"}},
        {"start": "teacher"},
        {"refresh_every": 0},
        {"warmup": -1},
        {"inner_repeats": 0},
        {"lookahead_lr": 0.0},
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
    assert build_mixer("amal", {"weight_lr": 2.0}).weight_lr == 2.0
    assert build_mixer("amal-paper").clamp == PRESETS["paper"]["clamp"]
    with pytest.raises(InputError, match="choose from"):
        build_mixer("amall")
    with pytest.raises(InputError, match="cannot take"):
        build_mixer("amal", {"rhoo": 1})
    with pytest.raises(InputError, match="mixer object"):
        build_mixer(Amal(), {"weight_lr": 1.0})


def test_frozen_weights_must_fit():
    with pytest.raises(InputError, match="shape"):
        attached(Frozen(torch.ones(N, K + 1)))


def test_summary_names_the_settings():
    assert Amal(weight_lr=2.5).summary()["weight_lr"] == 2.5
    assert Fixed({"label": 0.5}).summary() == {"mixer": "Fixed", "per_loss": {"label": 0.5}}
