"""LossMixer: the scalar, its state, and what it says when what it is given cannot be used."""

import copy
import io

import pytest
import torch
from torch import nn

from spear_amal import LossMixer
from spear_amal.errors import InputError
from spear_amal.mixers import Amal, Fixed

N, B = 53, 13
EVERY = {
    "fixed": {"per_loss": {"code": 0.3}},
    "single": {},
    "random-search": {"trial": 1},
    "uncertainty": {},
    "gcs": {},
    "auxilearn": {"every": 2},
    "maoal": {"every": 2},
    "superloss": {"tau": "mean"},
    "amal": {"warmup": 1, "refresh_every": 1, "group_size": 17},
    "alm-kd": {"warmup": 1, "refresh_every": 1, "group_size": 17},
    "crust": {"start_epoch": 1},
    "dgkd": {"seed": 3},
    "l2r": {},
    "mwn": {"seed": 3},
}
each = pytest.mark.parametrize("name", EVERY)


def matrix(losses):
    return torch.stack(list(losses.values()), dim=1)


# -- a run ----------------------------------------------------------------------------------------


@each
def test_every_mixer_trains_and_continues_bit_for_bit(new_loop, name):
    """Three epochs at once are two, a state through torch.save, and one more."""
    whole = new_loop()
    torch.manual_seed(7)
    at_once = whole.run(whole.mixer(name, **EVERY[name]))
    parts = new_loop()
    torch.manual_seed(7)
    mixer = parts.mixer(name, **EVERY[name])
    before = parts.run(mixer, epochs=0)
    parts.run(mixer, epochs=2)
    file = io.BytesIO()
    torch.save(mixer.state_dict(), file)
    file.seek(0)
    with torch.random.fork_rng(devices=[]):  # making a mixer may draw; this run goes on
        continued = parts.mixer(name, **EVERY[name])
    continued.load_state_dict(torch.load(file, weights_only=True))
    found = parts.run(continued, epochs=1, first=2)
    assert torch.isfinite(found).all()
    assert torch.equal(found, at_once)
    assert not torch.equal(found, before)
    assert parts.model.training


@each
def test_a_copy_goes_its_own_way_and_shares_the_model(new_loop, name):
    loop = new_loop()
    mixer = loop.mixer(name, **EVERY[name])
    loop.run(mixer, epochs=1)
    before = copy.deepcopy(mixer.state_dict()["state"])
    other = copy.deepcopy(mixer)
    assert other.model is loop.model
    loop.run(other, epochs=1, first=1)
    after = mixer.state_dict()["state"]
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_copy_of_a_module_that_holds_both_is_whole():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, 2)
            self.mixer = LossMixer("gcs", ["label", "aux"], model=self)

    made = copy.deepcopy(Holder())
    assert made.mixer.model is made
    assert "mixer" not in dict(made.named_modules())


def test_names_and_columns_say_the_same(new_loop):
    loop = new_loop()
    rows, mixer = torch.arange(B), loop.mixer("fixed", per_loss={"code": 0.3})
    loop.model.eval()
    by_name = loop.losses(rows)
    backwards = dict(reversed(by_name.items()))
    values = mixer(by_name, rows), mixer(matrix(by_name), rows), mixer(backwards, rows)
    expected = (matrix(by_name) * torch.tensor([1.0, 1.0, 0.3])).mean(0).sum()
    for value in values:
        assert value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_losses_count_where_they_are_defined():
    """By the mean over those rows; nothing outside reaches value or gradient, nor does a NaN."""
    mixer = LossMixer("fixed", ["label", "aux"])
    losses = torch.tensor([[1.0, 2.0], [3.0, torch.nan], [5.0, 4.0]], requires_grad=True)
    applies = torch.tensor([[True, True], [True, False], [False, True]])
    value = mixer(losses, applies=applies)
    value.backward()
    assert value.item() == 2.0 + 3.0
    assert losses.grad.tolist() == [[0.5, 0.5], [0.5, 0.0], [0.0, 0.5]]
    table = torch.ones(7, 2, dtype=torch.bool)
    table[[4, 2, 6]] = applies
    same = LossMixer("fixed", ["label", "aux"], n_rows=7, domain=table)
    assert same(losses, torch.tensor([4, 2, 6])).item() == 5.0
    nowhere = mixer(losses, applies=torch.zeros(3, 2, dtype=torch.bool))
    assert nowhere.item() == 0.0


def test_domains_of_a_batch_are_forgotten_with_it():
    """L2R's weights are shares of the batch times its rows of each domain."""
    mixer = LossMixer("superloss", ["label", "aux"], tau=0.5, per_loss={})
    losses = torch.rand(5, 2, requires_grad=True)
    first = mixer(losses).item()
    mixer(losses, applies=torch.zeros(5, 2, dtype=torch.bool))
    assert mixer(losses).item() == first


def test_nothing_is_learnt_outside_a_domain(new_loop):
    loop = new_loop()
    domain = torch.ones(N, 3, dtype=torch.bool)
    domain[:29, 0] = False
    mixer = loop.mixer("amal", warmup=0, domain=domain, start={"label": 0.5})
    mixer.refresh(loop.train(), loop.validation())
    assert (mixer.table()[:29, 0] == 0.5).all()
    assert (mixer.table()[29:, 0] != 0.5).any()


def test_classes_of_rows_move_together(new_loop):
    loop = new_loop()
    mixer = loop.mixer("amal", warmup=0, weight_sharing="pattern", y=loop.y, clamp=(0, 2))
    mixer.refresh(loop.train(), loop.validation())
    for c in range(3):
        assert len(mixer.table()[loop.y == c, 0].unique()) == 1
    assert len(mixer.table()[:, 0].unique()) == 3


def test_candidates_are_one_mixer_a_trial(new_loop):
    loop = new_loop()
    made = loop.mixer("random-search", trials=3, seed=5).candidates()
    vectors = {tuple(one.mean_weights().values()) for one in made}
    assert len(made) == len(vectors) == 3
    assert (1.0, 1.0, 1.0) in vectors
    assert len(loop.mixer("fixed").candidates()) == 1


def test_rows_of_a_table_on_another_device(new_loop):
    """The meta device stands for any other."""
    mixer = LossMixer("amal", ["label"], n_rows=N)
    mixer.mixer.load_state_dict({"lambdas": torch.rand(N, 1)})
    kept = mixer.state_dict()["state"]["lambdas"]
    assert mixer.to("cpu") is mixer
    assert torch.equal(mixer.table(), kept)
    assert mixer.to("meta").table().device.type == "meta"


# -- precision, scaling, accumulation -------------------------------------------------------------


@pytest.mark.parametrize("name", ["amal", "gcs", "l2r"])
def test_under_autocast(new_loop, name):
    loop = new_loop()
    mixer = loop.mixer(name, **EVERY[name])
    with torch.autocast("cpu", torch.bfloat16):
        found = loop.run(mixer)
    assert torch.isfinite(found).all()
    if name == "amal":
        exact, rough = [], []
        for kind, cast in ((exact, False), (rough, True)):
            one = new_loop()
            other = one.mixer(
                "amal", weight_sharing="row", weight_lr=0.5, normalise="none", warmup=0
            )
            with torch.autocast("cpu", torch.bfloat16, enabled=cast):
                other.refresh(one.train(), one.validation())
            kind.append(other.table())
        torch.testing.assert_close(exact[0], rough[0], rtol=0, atol=0.02)
        assert len(rough[0][:, 0].unique()) > 5


def test_half_precision_is_summed_in_single():
    losses = torch.full((4099, 1), 0.1, dtype=torch.bfloat16, requires_grad=True)
    value = LossMixer("fixed", ["label"])(losses)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(losses[0, 0].item(), rel=1e-5)


@each
def test_the_gradient_scales_with_what_comes_in(new_loop, name):
    """As GradScaler and the division by accumulated batches need it."""
    found = []
    for scale in (1.0, 128.0):
        loop = new_loop()
        loop.model.eval()
        mixer = loop.mixer(name, **{**EVERY[name], "check": False})
        rows = torch.arange(B)
        if mixer.step_refresh_due():
            mixer.refresh(loop.train([rows]), loop.validation())
        torch.manual_seed(1)
        (mixer(loop.losses(rows), rows) * scale).backward()
        found.append([p.grad / scale for p in loop.net.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["fixed", "gcs"])
def test_with_torchs_gradient_scaler(new_loop, name):
    found = []
    for enabled in (False, True):
        loop = new_loop()
        loop.model.eval()
        mixer = loop.mixer(name)
        scaler = torch.amp.GradScaler("cpu", init_scale=128.0, enabled=enabled)
        optimiser = torch.optim.SGD(loop.net.parameters(), lr=0.1)
        for rows in loop.batches():
            optimiser.zero_grad()
            scaler.scale(mixer(loop.losses(rows), rows)).backward()
            scaler.step(optimiser)
            scaler.update()
        found.append(torch.cat([p.detach().flatten() for p in loop.net.parameters()]))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", ["l2r", "mwn", "uncertainty", "superloss", "maoal", "dgkd"])
def test_rows_need_no_ids_where_they_have_no_weight_of_their_own(new_loop, name):
    found = []
    for ids in (False, True):
        loop = new_loop()
        loop.model.eval()
        mixer = loop.mixer(name, **EVERY[name], n_rows=N if ids else None)
        for rows in loop.batches():
            if mixer.step_refresh_due():
                mixer.refresh(loop.train([rows]), loop.validation())
            found.append(mixer(loop.losses(rows), *([rows] if ids else [])).detach())
    half = len(found) // 2
    torch.testing.assert_close(found[:half], found[half:])


@pytest.mark.parametrize("name", ["fixed", "gcs", "amal"])
def test_gradients_accumulate(new_loop, name):
    loop = new_loop()
    loop.model.eval()
    mixer = loop.mixer(name, **EVERY[name])
    parts = []
    for rows in loop.batches()[:2]:
        loop.net.zero_grad()
        mixer(loop.losses(rows), rows).backward()
        parts.append([p.grad.clone() for p in loop.net.parameters()])
    loop.net.zero_grad()
    for rows in loop.batches()[:2]:
        mixer(loop.losses(rows), rows).backward()
    for p, one, other in zip(loop.net.parameters(), *parts, strict=True):
        torch.testing.assert_close(p.grad, one + other)


# -- input that cannot be used --------------------------------------------------------------------


def refused(match, *arguments, mixer=None, **named):
    mixer = mixer or LossMixer("fixed", ["label", "aux"], n_rows=N)
    with pytest.raises(InputError, match=match):
        mixer(*arguments, **named)


def pair(**changes):
    losses = {name: torch.rand(B, requires_grad=True) for name in ("label", "aux")}
    return {**losses, **changes}


ROWS = torch.arange(B)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (pair(aux=torch.rand((), requires_grad=True)), "'aux' needs one value a row.*a scalar"),
        (pair(aux=torch.rand(B, 3)), r"'aux' needs one value a row.*\(13, 3\)"),
        (pair(aux=torch.rand(B - 1)), "'aux' has 12 rows, 'label' has 13"),
        (pair(aux=torch.rand(B)), "loss 'aux' has no gradient"),
        (pair(aux=1.5), "loss 'aux' must be a tensor of floating-point numbers, found float"),
        (pair(aux=torch.ones(B, dtype=torch.int64)), "loss 'aux'.*int64"),
        (pair(third=torch.rand(B)), r"named \['label', 'aux'\], found .*'third'"),
        ({"label": torch.rand(B)}, r"found \['label'\]"),
        (torch.rand((), requires_grad=True), "label.*aux.*one value a row.*a scalar"),
        (torch.rand(B, 3, requires_grad=True), r"\(rows, 2\).*found the shape \(13, 3\)"),
        (torch.rand(B, requires_grad=True), r"found the shape \(13,\)"),
        (torch.rand(B, 2), "loss 'label' has no gradient"),
        (matrix(pair(aux=torch.rand(B))), "loss 'aux' has no gradient"),
        (None, "found NoneType"),
    ],
)
def test_losses_that_are_none(losses, message):
    refused(message, losses, ROWS)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_loss_that_is_no_number_is_named_with_its_rows(bad):
    broken = torch.rand(B)
    broken[[3, 7]] = bad
    losses = pair(aux=broken.requires_grad_())
    refused(rf"'aux' is {bad} on 2 of 13 rows, first on rows \[31, 35\]", losses, ROWS + 28)
    quiet = LossMixer("fixed", ["label", "aux"], n_rows=N, check=False)
    assert not torch.isfinite(quiet(losses, ROWS))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "rows is missing.*0 to 52"),
        (ROWS + 45, r"\[0, 53\), found \[53, 54"),
        (ROWS - 2, r"found \[-2, -1\]"),
        (ROWS.float(), "whole numbers, found torch.float32"),
        (ROWS > 3, "whole numbers, found torch.bool"),
        (ROWS[:-1], r"each of the 13 rows.*\(12,\)"),
        (torch.tensor(3), "shape"),
    ],
)
def test_rows_that_are_none(rows, message):
    refused(message, pair(), rows)


def test_rows_may_be_a_list_or_an_array():
    mixer = LossMixer("fixed", ["label", "aux"], n_rows=N)
    losses = pair()
    assert mixer(losses, list(range(B))).item() == mixer(losses, ROWS.numpy()).item()


@pytest.mark.parametrize("applies", [torch.ones(B, 2), torch.ones(B, 3).bool(), [True]])
def test_applies_that_is_none(applies):
    refused("applies must be a bool tensor", pair(), ROWS, applies)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mixer": "amall"}, "choose from"),
        ({"rhoo": 1.0, "n_rows": 5}, "cannot take.*rhoo"),
        ({"weight_lr": -1.0, "n_rows": 5}, "weight_lr"),
        ({}, "n_rows, the count of the training rows, is missing"),
        ({"n_rows": 0}, "n_rows must be a whole number of at least 1"),
        ({"losses": "label"}, "losses must be names"),
        ({"losses": []}, "at least one name"),
        ({"losses": ["label", "label"]}, "each once"),
        ({"n_rows": 5, "main": "label"}, "cannot take.*main"),
        ({"mixer": Amal(), "n_rows": 5, "main": "label"}, "give it to the mixer object"),
        ({"mixer": Fixed(), "per_loss": {}}, "mixer object"),
        ({"n_rows": 5, "look_ahead": "network"}, "last linear layer"),
        ({"n_rows": 5, "outer": "feature+rules"}, "rule model"),
        ({"n_rows": 5, "reuse_states": True}, "leave reuse_states=False"),
        ({"mixer": "fixed", "y": ROWS}, "n_rows"),
        ({"n_rows": 5, "y": ROWS}, r"y must be of torch.int64 and shape \(5,\)"),
        ({"n_rows": 5, "domain": torch.ones(5, 2)}, "domain must be of torch.bool"),
        ({"mixer": "fixed", "per_loss": {"four": 1.0}}, "four"),
    ],
)
def test_arguments_that_are_none(arguments, message):
    with pytest.raises(InputError, match=message):
        LossMixer(**{"losses": ["label", "aux"], **arguments})


@pytest.mark.parametrize("name", ["gcs", "maoal"])
def test_mixers_that_compare_gradients_need_the_model(name):
    refused("needs the model", pair(), mixer=LossMixer(name, ["label", "aux"]))


def test_superloss_says_that_classes_are_unknown():
    refused("give tau as a number", pair(), mixer=LossMixer("superloss", ["label", "aux"]))


def test_own_parameters_that_a_stacked_tensor_hides(new_loop):
    loop = new_loop()
    mixer = loop.mixer("gcs", n_rows=None)
    refused("'label' and 'code' reach different.*by name", matrix(loop.losses(ROWS)), mixer=mixer)


def test_a_step_before_its_refresh(new_loop):
    loop = new_loop()
    mixer = loop.mixer("l2r")
    refused("learns before this step", loop.losses(ROWS), ROWS, mixer=mixer)
    mixer.refresh(loop.train([ROWS]), loop.validation())
    refused("other rows", loop.losses(ROWS + 1), ROWS + 1, mixer=mixer)
    mixer(loop.losses(ROWS), ROWS)
    assert mixer.step_refresh_due()


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"losses": ["label", "teacher"]}, r"state's losses is \['label', 'aux'\], this"),
        ({"n_rows": 7}, "state's n_rows is 53"),
        ({"mixer": "fixed"}, "state's mixer is 'Amal'"),
    ],
)
def test_a_state_of_something_else(made, message):
    state = LossMixer("amal", ["label", "aux"], n_rows=N).state_dict()
    other = LossMixer(**{"mixer": "amal", "losses": ["label", "aux"], "n_rows": N, **made})
    with pytest.raises(InputError, match=message):
        other.load_state_dict(state)
    with pytest.raises(InputError, match="format is 'missing'"):
        other.load_state_dict({"lambdas": torch.ones(N, 2)})


def test_it_says_what_it_is():
    assert repr(LossMixer("fixed", ["a"], n_rows=3)) == "LossMixer(Fixed, ['a'], n_rows=3)"
