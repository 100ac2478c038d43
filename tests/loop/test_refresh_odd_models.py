"""Models and criteria that somebody else's loop may well bring along to a refresh."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spear_amal import LossMixer
from spear_amal.errors import InputError

N, D, C = 29, 7, 3
DRAW = torch.Generator().manual_seed(0)
X, Y = torch.randn(N, 5, D, generator=DRAW), torch.randint(C, (N,), generator=DRAW)
TEACHER = torch.randint(C, (N,), generator=DRAW)
ROWS = torch.arange(N)


class Net(nn.Module):
    """Sequences in, a head of any kind on their mean."""

    def __init__(self, head, body=None):
        super().__init__()
        self.body, self.lm_head = body or nn.Identity(), head

    def forward(self, x):
        out = self.body(x)
        return self.lm_head((out[0] if isinstance(out, tuple) else out).mean(1))


class Scaled(nn.Linear):
    def forward(self, x):
        return 5 * F.linear(F.normalize(x), F.normalize(self.weight))


@pytest.fixture
def make():
    """Make networks, always the same ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield Net


def losses(logits, rows=ROWS):
    pairs = {"label": Y[rows], "teacher": TEACHER[rows]}
    return {k: F.cross_entropy(logits, y, reduction="none") for k, y in pairs.items()}


def mixer_of(name, model, **options):
    return LossMixer(name, ["label", "teacher"], n_rows=N, model=model, **options)


def refresh(mixer, network, **options):
    train = ((rows, losses(network(X[rows]), rows)) for rows in ROWS.split(11))
    mixer.refresh(train, ((network(X), Y) for _ in range(1)), **options)
    return mixer


@pytest.mark.parametrize("name", ["auxilearn", "maoal"])
@pytest.mark.parametrize("kind", ["transformer", "lstm"])
def test_attention_and_recurrence_have_second_derivatives(make, name, kind):
    layer = nn.TransformerEncoderLayer(D, 1, 11, batch_first=True)
    body = layer if kind == "transformer" else nn.LSTM(D, D, batch_first=True)
    model = make(nn.Linear(D, C), body)
    mixer = mixer_of(name, model, every=1)
    fused = torch.backends.cudnn.enabled, torch.backends.cuda.flash_sdp_enabled()
    before = {key: value.clone() for key, value in mixer.state_dict()["state"].items()}
    for _ in range(2):
        if mixer.step_refresh_due():
            refresh(mixer, model)
        mixer(losses(model(X)), ROWS).backward()
    after = mixer.state_dict()["state"]
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert fused == (torch.backends.cudnn.enabled, torch.backends.cuda.flash_sdp_enabled())


def test_what_follows_the_head_may_write_into_its_output(make):
    model, tables = make(nn.Linear(D, C)), []
    for cool in (lambda z: z.div_(3.0), lambda z: z / 3.0):
        mixer = mixer_of("amal", model, warmup=0)
        train = ((rows, losses(cool(model(X[rows])), rows)) for rows in ROWS.split(11))
        mixer.refresh(train, ((model(X), Y) for _ in range(1)))
        tables.append(mixer.table())
    torch.testing.assert_close(*tables)


def test_logits_that_were_changed_in_place_are_not_taken_for_the_heads(make):
    model = make(nn.Linear(D, C))
    validation = ((model(X).mul_(3.0), Y) for _ in range(1))
    with pytest.raises(InputError, match="not what a linear head gave out"):
        mixer_of("amal", model).refresh([], validation)


def test_a_frozen_head_is_looked_ahead_from_all_the_same(make):
    model = make(nn.Linear(D, C))
    mixer = refresh(mixer_of("amal", model, warmup=0), model)
    frozen = make(nn.Linear(D, C))
    frozen.load_state_dict(model.state_dict())
    frozen.lm_head.requires_grad_(False)
    torch.testing.assert_close(
        refresh(mixer_of("amal", frozen, warmup=0), frozen).table(), mixer.table()
    )


def test_a_linear_layer_that_does_more_than_its_name_says(make):
    model = make(Scaled(D, C, bias=False))
    with pytest.raises(InputError, match="a Scaled, does not give out weight @ input"):
        refresh(mixer_of("amal", model), model)


@pytest.mark.parametrize("name", ["amal", "auxilearn"])
@pytest.mark.parametrize(
    ("criterion", "found"),
    [
        (lambda z, y: F.cross_entropy(z, y, reduction="none"), r"the shape \(29,\)"),
        (lambda z, y: (z.argmax(1) == y).float().mean(), "without a gradient"),
        (lambda z, y: z.sum() * float("nan"), "nan"),
        (lambda z, y: 3.0, "float"),
    ],
)
def test_criteria_that_are_none(make, name, criterion, found):
    model = make(nn.Linear(D, C))
    mixer = mixer_of(name, model)
    with pytest.raises(InputError, match=f"criterion must give one finite number.*{found}"):
        refresh(mixer, model, criterion=criterion)


def test_an_error_leaves_the_mixer_as_it_was(make):
    model = make(nn.Linear(D, C))
    mixer = refresh(mixer_of("amal", model, warmup=0, group_size=5), model)
    before = mixer.table().clone()

    def broken():
        yield ROWS[:17], losses(model(X[:17]), ROWS[:17])
        raise KeyError("data")

    with pytest.raises(KeyError):
        mixer.refresh(broken(), ((model(X), Y) for _ in range(1)))
    assert torch.equal(mixer.table(), before)


def test_data_instead_of_what_the_model_makes_of_it(make):
    model = make(nn.Linear(D, C))
    with pytest.raises(InputError, match="no linear head was called on rows"):
        mixer_of("amal", model).refresh([(X, Y)], [(X[:, 0], Y)])
    with pytest.raises(InputError, match=r"called 0 times .* compute the losses inside refresh"):
        mixer_of("amal", model).refresh([(X, Y)], ((model(X), Y) for _ in range(1)))


def test_a_head_on_tokens_says_to_flatten_before_it(make):
    model = nn.Sequential(nn.Linear(D, C))
    with pytest.raises(InputError, match="flatten what goes into the head"):
        mixer_of("amal", model).refresh([], ((model(X).flatten(0, 1), Y) for _ in range(1)))


@pytest.mark.parametrize("rows", [["a"], [None], {3}, [[1, 2], [3]]])
def test_rows_that_cannot_be_numbers(make, rows):
    model = make(nn.Linear(D, C))
    with pytest.raises(InputError, match="rows must be whole numbers, one a row, found"):
        mixer_of("amal", model)(losses(model(X[:1]), ROWS[:1]), rows)


@pytest.mark.parametrize("name", ["gcs", "maoal"])
def test_a_model_that_the_losses_do_not_come_from(make, name):
    model, other = make(nn.Linear(D, C)), make(nn.Linear(D, C))
    mixer = mixer_of(name, other)
    with pytest.raises(InputError, match=r"none of the losses .* the very model"):
        if mixer.step_refresh_due():
            refresh(mixer, model, model=other)
        mixer(losses(model(X)), ROWS)


def test_a_list_of_losses(make):
    made = losses(make(nn.Linear(D, C))(X))
    with pytest.raises(InputError, match=r"mapping of \['label', 'teacher'\] .* found list"):
        mixer_of("fixed", None)(list(made.values()), ROWS)
