"""What happens to the model while a mixer is refreshed, and what refresh refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spear_amal import LossMixer
from spear_amal.errors import InputError

N, B = 53, 13
ROWS = torch.arange(B)


def amal(loop, **options):
    return loop.mixer("amal", **{"warmup": 0, "refresh_every": 1, **options})


def test_the_model_is_left_as_it_was(new_loop):
    loop = new_loop()
    loop.net.trunk[2].eval()  # somebody's frozen part
    modes = [module.training for module in loop.net.modules()]
    before = [p.clone() for p in loop.net.parameters()]
    seen = []

    def watching():
        for item in loop.train():
            seen.append(loop.net.training)
            yield item

    amal(loop).refresh(watching(), loop.validation())
    assert not any(seen)
    assert [module.training for module in loop.net.modules()] == modes
    assert all(p.grad is None for p in loop.net.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, loop.net.parameters(), strict=True))
    assert not any(module._forward_hooks for module in loop.net.modules())


def test_the_model_is_put_back_after_an_error(new_loop):
    loop = new_loop()

    def broken():
        yield next(loop.train())
        raise KeyError("data")

    with pytest.raises(KeyError):
        amal(loop).refresh(broken(), loop.validation())
    assert loop.net.training
    assert not any(module._forward_hooks for module in loop.net.modules())


def test_each_row_goes_through_the_model_once(new_loop):
    loop = new_loop()
    rows = []
    loop.net.trunk.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    amal(loop, inner_repeats=5, group_size=17).refresh(loop.train(), loop.validation())
    assert sum(rows) == N + 19


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inside_of_no_grad(new_loop, mode):
    tables = []
    for around in (torch.enable_grad, mode):
        loop = new_loop()
        mixer = amal(loop)
        with around():
            mixer.refresh(loop.train(), loop.validation())
        tables.append(mixer.table())
    assert torch.equal(*tables)


@pytest.mark.parametrize("head", [None, "head", "module"])
def test_the_head_is_found_by_its_output(new_loop, head):
    loop = new_loop()
    mixer = amal(loop)
    given = loop.net.head if head == "module" else head
    mixer.refresh(loop.train(), loop.validation(), head=given)
    other = amal(loop)
    other.refresh(loop.train(), loop.validation())
    assert torch.equal(mixer.table(), other.table())
    assert (mixer.table()[:, :2] != 1).any()


def test_losses_beside_the_head_keep_their_weights(new_loop):
    """The look-ahead sees the last layer, to which a head of a task's own says nothing."""
    loop = new_loop()
    mixer = amal(loop)
    mixer.refresh(loop.train(), loop.validation())
    assert (mixer.table()[:, 2] == 1).all()


def test_l2r_gives_losses_beside_the_head_no_weight(new_loop):
    loop = new_loop()
    mixer = loop.mixer("l2r")
    mixer.refresh(loop.train([ROWS]), loop.validation())
    mixer(loop.losses(ROWS), ROWS).backward()
    assert (loop.net.other.weight.grad == 0).all()
    assert (loop.net.head.weight.grad != 0).any()


def test_validation_in_pieces_is_validation_as_a_whole(new_loop):
    tables = []
    for size in (3, 19):
        loop = new_loop(dtype=torch.float64)
        mixer = amal(loop)
        mixer.refresh(loop.train(), loop.validation(size))
        tables.append(mixer.table())
    torch.testing.assert_close(*tables)


def test_groups_do_not_depend_on_batches(new_loop):
    tables = []
    for size in (3, 53):
        loop = new_loop(dtype=torch.float64)
        mixer = amal(loop, group_size=17)
        mixer.refresh(loop.train(loop.batches(size=size)), loop.validation())
        tables.append(mixer.table())
    torch.testing.assert_close(*tables)


def test_applies_goes_with_a_batch(new_loop):
    loop = new_loop()
    mixer = amal(loop, weight_sharing="row")
    applies = torch.zeros(B, 3, dtype=torch.bool)
    applies[:, 1] = True
    mixer.refresh(((r, loss, applies) for r, loss in loop.train([ROWS])), loop.validation())
    assert (mixer.table()[:, 0] == 1).all()
    assert (mixer.table()[:B, 1] != 1).any()


@pytest.mark.parametrize("name", ["amal", "maoal"])
def test_tables_go_where_the_values_are(new_loop, name, monkeypatch):
    asked = []
    monkeypatch.setattr(LossMixer, "to", lambda self, device: asked.append(device))
    loop = new_loop()
    loop.mixer(name).refresh(loop.train(), loop.validation())
    assert asked == [torch.device("cpu")]


def test_a_head_may_be_called_by_keyword_and_others_on_sequences(new_loop):
    class Named(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            # A layer on a third dimension, as attention has it, is not taken for the head.
            hidden = self.net.trunk[:2](x.unsqueeze(1)).squeeze(1)
            return self.net.head(input=hidden), self.net.other(hidden)

    tables = []
    for named in (False, True):
        loop = new_loop()
        loop.model = Named(loop.net) if named else loop.net
        mixer = amal(loop)
        mixer.refresh(loop.train(), loop.validation())
        tables.append(mixer.table())
    torch.testing.assert_close(*tables)


def test_no_graph_is_kept(new_loop):
    loop = new_loop()
    mixer = amal(loop)
    mixer.refresh(loop.train(), loop.validation())
    assert not mixer.table().requires_grad


@pytest.mark.parametrize("name", ["fixed", "gcs", "superloss"])
def test_mixers_that_learn_nothing_ask_for_nothing(new_loop, name):
    mixer = new_loop().mixer(name)
    assert not mixer.refresh_due(7)
    assert not mixer.step_refresh_due()


def test_schedules(new_loop):
    loop = new_loop()
    mixer = loop.mixer("amal", warmup=2, refresh_every=3)
    assert [epoch for epoch in range(9) if mixer.refresh_due(epoch)] == [2, 5, 8]
    mixer = loop.mixer("maoal", every=2)
    due = []
    for rows in loop.batches():
        due.append(mixer.step_refresh_due())
        if due[-1]:
            mixer.refresh(loop.train(), loop.validation())
            assert not mixer.step_refresh_due()
        mixer(loop.losses(rows), rows).backward()
    assert due == [False, False, True, False, True]


# -- what refresh refuses -------------------------------------------------------------------------


def refused(loop, match, train=None, validation=None, mixer=None, **options):
    mixer = mixer or amal(loop)
    with pytest.raises(InputError, match=match):
        mixer.refresh(
            loop.train() if train is None else train,
            loop.validation() if validation is None else validation,
            **options,
        )


def test_empty_iterables(new_loop):
    loop = new_loop()
    for name in ("amal", "maoal"):
        mixer = loop.mixer(name)
        refused(loop, "train is empty", train=[], mixer=mixer)
        refused(loop, "validation is empty", validation=[], mixer=mixer)


def test_no_model(new_loop):
    refused(new_loop(), "needs the model", mixer=LossMixer("amal", ["label"], n_rows=N))


def test_losses_that_were_made_before(new_loop):
    loop = new_loop()
    refused(loop, "head was called 0 times", train=list(loop.train()))
    refused(loop, "no linear head was called", validation=list(loop.validation()))


def test_two_calls_for_one_batch(new_loop):
    loop = new_loop()
    train = ((rows, [loop.losses(rows), loop.losses(rows)][0]) for rows in loop.batches())
    refused(loop, "head was called 2 times", train=train)


def test_losses_without_a_graph(new_loop):
    loop = new_loop()
    train = ((r, {k: v.detach() for k, v in loss.items()}) for r, loss in loop.train())
    refused(loop, "none of the losses depends", train=train)
    refused(
        loop,
        "loss 'label' has no gradient",
        train=((r, {k: v.detach() for k, v in loss.items()}) for r, loss in loop.train()),
        mixer=loop.mixer("maoal"),
    )


def test_a_loss_that_is_no_number(new_loop):
    loop = new_loop()
    loop.teacher[29] = torch.nan
    for name in ("amal", "auxilearn"):
        train = loop.train([torch.tensor([5, 29, 7])])
        refused(loop, r"'teacher' is nan on 1 of 3 rows.*\[29\]", train, mixer=loop.mixer(name))


def test_rows_that_are_none(new_loop):
    loop = new_loop()
    for name in ("amal", "maoal"):
        train = ((rows + 47, loss) for rows, loss in loop.train([ROWS]))
        refused(loop, r"\[0, 53\)", train=train, mixer=loop.mixer(name))


@pytest.mark.parametrize("item", [3, (1, 2, 3, 4), torch.ones(2)])
def test_items_that_are_no_pairs(new_loop, item):
    loop = new_loop()
    refused(loop, r"train must go through tuples \(rows, losses\)", train=[item])
    refused(loop, r"validation must go through tuples \(logits, y\)", validation=[item])


def test_heads_that_are_none(new_loop):
    loop = new_loop()
    linear = r"\['head', 'other', 'trunk.0'\]"
    refused(loop, rf"found a Tanh; the model's linear modules are {linear}", head=loop.net.trunk[1])
    refused(loop, rf"no module 'top'; its linear modules are {linear}", head="top")
    refused(loop, rf"found a Sequential.*{linear}", head="trunk")
    refused(loop, "logits.*are not what a linear head gave out", head="other")
    doubled = ((2 * z, y) for z, y in loop.validation())
    refused(loop, rf"are not what a linear head gave out.*{linear}", validation=doubled)


def test_a_network_without_a_linear_layer():
    net = nn.Sequential(nn.Conv1d(1, 3, 7), nn.Flatten())
    mixer = LossMixer("amal", ["label"], n_rows=N, model=net)
    with pytest.raises(InputError, match=r"a Sequential, has no nn\.Linear"):
        mixer.refresh([], ((net(torch.ones(2, 1, 7)), torch.zeros(2)) for _ in range(1)))


def test_a_head_on_a_sequence():
    net = nn.Linear(7, 3)
    mixer = LossMixer("amal", ["label"], n_rows=N, model=net)
    x, y = torch.randn(5, 2, 7), torch.zeros(5, dtype=torch.int64)
    train = ((ROWS[:5], net(x).square().sum((1, 2)).unsqueeze(1)) for _ in range(1))
    with pytest.raises(InputError, match=r"head's input has the shape \(5, 2, 7\)"):
        mixer.refresh(train, ((net(x[:, 0]), y) for _ in range(1)))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(4, dtype=torch.int64), r"each of 5 rows, found the shape \(4,\)"),
        (torch.tensor(1), r"shape \(\)"),
        (torch.zeros(5), "torch.float32"),
        (torch.full((5,), 3), "from 0 to 2"),
        (torch.full((5,), -1), "from 0 to 2"),
    ],
)
def test_targets_that_are_none(new_loop, y, message):
    loop = new_loop()
    for name in ("amal", "maoal"):
        validation = ((loop.model(loop.x_val[:5])[0], y) for _ in range(1))
        refused(loop, message, validation=validation, mixer=loop.mixer(name))


def test_logits_that_are_none(new_loop):
    loop = new_loop()
    refused(loop, "found tuple", validation=((loop.model(loop.x_val), 1) for _ in range(1)))
    with torch.no_grad():
        loop.net.head.weight[1, 1] = torch.nan
    refused(loop, "validation logits are NaN")


def test_logits_may_change_their_dtype(new_loop):
    loop = new_loop()
    validation = ((z.double(), y) for z, y in loop.validation())
    amal(loop).refresh(loop.train(), validation)


def test_alm_kd_follows_the_criterion(new_loop):
    """Its own outer loss needs teachers of validation rows, which a loop does not hand over."""
    tables = []
    for beta, criterion in ((0.0, F.cross_entropy), (9.0, F.cross_entropy), (0.0, opposite)):
        loop = new_loop()
        mixer = loop.mixer("alm-kd", beta=beta)
        mixer.refresh(loop.train(), loop.validation(), criterion=criterion)
        tables.append(mixer.table())
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def opposite(logits, y):
    return -F.cross_entropy(logits, y)
