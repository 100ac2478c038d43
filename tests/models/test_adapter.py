"""Modules of all manners as feature models: logits, hidden values, and heads that are found."""

import copy
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp

from spear_amal.errors import InputError
from spear_amal.models import FeatureAdapter, LinearModel, build_network
from spear_amal.models.adapter import find_head

B, D, H, C = 3, 11, 7, 5


class Net(nn.Module):
    """Registers its head first, and answers as it is told to."""

    def __init__(self, answer="logits", by_keyword=False):
        super().__init__()
        self.out = nn.Linear(H, C)
        self.body = nn.Linear(D, H)
        self.answer, self.by_keyword = answer, by_keyword

    def forward(self, x):
        hidden = torch.tanh(self.body(x))
        logits = self.out(input=hidden) if self.by_keyword else self.out(hidden)
        return {
            "logits": logits,
            "pair": (logits, hidden),
            "list": [logits, hidden],
            "object": Answer(logits),
            "named": Named(logits, logits + 1),
            "outputs": WithHidden(logits, hidden),
            "none": None,
            "dict": {"logits": logits},
            "triple": (logits, hidden, hidden),
            "strange": (logits, (hidden,)),
            "empty": Answer(None),
            "classes": logits.argmax(1),
            "integers": logits.long(),
            "short": logits[1:],
            "narrow": logits[:, :2],
        }[self.answer]


Named = namedtuple("Named", "logits aux_logits")
WithHidden = namedtuple("WithHidden", "logits hidden")


@dataclass
class Answer:
    logits: torch.Tensor | None


class Both(nn.Module):
    """Gives logits, and both where it is asked."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(D, H), nn.Linear(H, C)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))

    def logits_and_hidden(self, x):
        hidden = torch.relu(self.body(x))
        return self.head(hidden), hidden


@pytest.fixture(autouse=True)
def _same_start():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def rows(n=B):
    return torch.randn(n, D)


def is_consistent(adapter, x):
    logits, hidden = adapter(x)
    assert logits.shape == (len(x), C)
    assert hidden.shape == (len(x), H)
    assert torch.equal(adapter.head(hidden), logits)
    return True


@pytest.mark.parametrize("answer", ["logits", "pair", "list", "object", "named", "outputs"])
@pytest.mark.parametrize("n", [0, 1, B])
def test_every_kind_of_answer(answer, n):
    net = Net(answer)
    assert is_consistent(FeatureAdapter(net, head="out"), rows(n))
    assert not net.out._forward_pre_hooks  # the user's module is left as it was


def test_a_head_that_is_called_by_keyword():
    assert is_consistent(FeatureAdapter(Net(by_keyword=True), head="out"), rows())


def test_a_network_that_gives_both_is_asked_for_both():
    adapter = FeatureAdapter(Both())
    assert adapter.head_name == "head"
    assert is_consistent(adapter, rows())
    nested = FeatureAdapter(adapter)
    assert nested.head is adapter.head
    assert is_consistent(nested, rows())


def test_modules_that_were_made_here():
    network = build_network("mlp:7", C, input_shape=(D,))
    assert is_consistent(FeatureAdapter(network), rows())
    linear = FeatureAdapter(LinearModel(D, C))
    x = rows()
    assert torch.equal(linear(x)[1], x)


def test_captured_values_are_part_of_the_graph():
    net = Net().double()
    x = rows().double()
    adapter = FeatureAdapter(net, head="out")
    adapter(x)[1].sum().backward()
    found = net.body.weight.grad.clone()
    net.zero_grad()
    torch.tanh(net.body(x)).sum().backward()
    assert torch.equal(found, net.body.weight.grad)


@pytest.mark.parametrize("answer", ["logits", "object"])
def test_forward_mode_through_a_functional_call(answer):
    adapter = FeatureAdapter(Net(answer), head="out").double()
    plain = FeatureAdapter(copy.deepcopy(adapter.module), head="out")
    plain.module.answer = "pair"
    x = rows().double()
    at = {n: p.detach() for n, p in adapter.named_parameters()}
    way = {n: torch.randn_like(p) for n, p in at.items()}

    def derivative(module):
        return jvp(lambda p: functional_call(module, p, (x,)), (at,), (way,))[1]

    for found, expected in zip(derivative(adapter), derivative(plain), strict=True):
        assert found.abs().max() > 0.1
        assert torch.equal(found, expected)


def test_copies_and_stored_states_stand_alone():
    adapter = FeatureAdapter(Net(), head="out")
    x = rows()
    adapter(x)
    twin = copy.deepcopy(adapter)
    assert twin.head is twin.module.out
    other = FeatureAdapter(Net(), head="out")
    other.load_state_dict(adapter.state_dict())
    with torch.no_grad():
        adapter.module.body.weight.zero_()
    for one, two in zip(twin(x), other(x), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(adapter(x)[1], twin(x)[1])


def test_a_module_that_asks_itself_again():
    class Twice(Net):
        def forward(self, x):
            if len(x) > 1:
                held.append(adapter(x[:1])[1])
            return super().forward(x)

    held = []
    adapter = FeatureAdapter(Twice(), head="out")
    x = rows()
    _, hidden = adapter(x)
    torch.testing.assert_close(hidden, torch.tanh(adapter.module.body(x)))
    torch.testing.assert_close(held[0], hidden[:1])


def test_a_failing_forward_leaves_no_hook():
    net = Net()
    adapter = FeatureAdapter(net, head="out")
    with pytest.raises(RuntimeError):
        adapter(torch.zeros(B, D + 1))
    assert not net.out._forward_pre_hooks


def test_without_a_head_the_logits_stand_in():
    adapter = FeatureAdapter(Net(), head=None)
    assert adapter.head is None
    logits, hidden = adapter(rows())
    assert torch.equal(logits, hidden)
    pair = FeatureAdapter(Net("pair"), head=None)(rows())
    assert pair[1].shape == (B, H)


# -- finding the head ---------------------------------------------------------------------------


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, C))
        self.features = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.classifier(x)


@pytest.mark.parametrize(
    ("module", "n_classes", "name"),
    [
        (nn.Linear(D, C), None, ""),
        (nn.Sequential(nn.Linear(D, C), nn.ReLU(), nn.Linear(C, C)), None, "2"),
        (nn.Sequential(nn.Linear(D, C), nn.ReLU(), nn.Linear(C, C)), C, "2"),
        (nn.Sequential(nn.Linear(D, C), nn.Softmax(1)), None, "0"),
        (Vgg(), None, "classifier.2"),
        (Net(), C, "out"),
        (Both(), None, "head"),
        (FeatureAdapter(Vgg()), None, "head"),
        (build_network("mlp:7", C, input_shape=(D,)), None, "head"),
    ],
)
def test_heads_that_are_found(module, n_classes, name):
    assert find_head(module, n_classes) == name
    assert FeatureAdapter(module, n_classes=n_classes).head.out_features == C


def test_a_found_head_is_used():
    assert is_consistent(FeatureAdapter(Vgg()), rows())
    assert is_consistent(FeatureAdapter(Net(), n_classes=C), rows())
    x = rows()
    assert torch.equal(FeatureAdapter(nn.Linear(D, C))(x)[1], x)


@pytest.mark.parametrize(
    ("module", "n_classes", "named"),
    [
        (Net(), None, "'out': 5"),
        (nn.Sequential(nn.Linear(D, C), nn.Linear(C, C), nn.Tanh()), None, "'1': 5"),
        (Vgg(), 2, "of 2 classes"),
        (nn.Conv2d(3, C, 1), None, r"layers \[\]"),
        (nn.Sequential(), None, r"layers \[\]"),
    ],
)
def test_doubtful_heads_are_not_guessed(module, n_classes, named):
    with pytest.raises(InputError, match=f"{named}.*head=None.*look_ahead") as error:
        FeatureAdapter(module, n_classes=n_classes)
    assert "FeatureAdapter(module, head=" in str(error.value)


def test_heads_that_are_none():
    with pytest.raises(InputError, match=r"no part 'last'.*\['out', 'body'\]"):
        FeatureAdapter(Net(), head="last")
    with pytest.raises(InputError, match=r"is a Sequential.*head=None"):
        FeatureAdapter(Vgg(), head="classifier")


# -- answers that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("none", "found NoneType"),
        ("dict", "found dict"),
        ("triple", "found tuple"),
        ("strange", "found tuple"),
        ("empty", "found Answer"),
        ("classes", r"floats of shape \(3, 5\).*int64 of shape \(3,\)"),
        ("integers", "int64"),
        ("short", r"\(2, 5\)"),
        ("narrow", r"\(3, 2\)"),
    ],
)
def test_answers_that_do_not_fit(answer, found):
    with pytest.raises(InputError, match=found):
        FeatureAdapter(Net(answer), head="out")(rows())


def test_another_number_of_classes_is_noticed():
    with pytest.raises(InputError, match=r"\(3, 2\)"):
        FeatureAdapter(Net(), head=None, n_classes=2)(rows())


def test_a_head_that_is_not_called():
    class Bare(Net):
        def forward(self, x):
            return torch.tanh(self.body(x)) @ self.out.weight.t()

    with pytest.raises(InputError, match="does not call its head 'out'"):
        FeatureAdapter(Bare(), head="out")(rows())


def test_a_head_on_every_word_is_not_a_head_on_rows():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Linear(D, C)

        def forward(self, x):
            return self.score(x[:, None].expand(-1, 2, -1)).mean(1)

    with pytest.raises(InputError, match=r"\(3, 11\).*found \(3, 2, 11\).*head=None"):
        FeatureAdapter(Words())(rows())


def test_an_ordered_output_with_logits():
    class ModelOutput(OrderedDict):
        @property
        def logits(self):
            return self["logits"]

    class Face(Net):
        def forward(self, x):
            return ModelOutput(loss=None, logits=super().forward(x))

    assert is_consistent(FeatureAdapter(Face(), head="out"), rows())
