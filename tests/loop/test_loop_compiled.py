"""A model under torch.compile; a backend that traces and needs no C++ compiler."""

import pytest
import torch
from torch._functorch import config

BACKEND = "aot_eager"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


SLOW = ("uncertainty", "l2r", "mwn", "auxilearn")


@pytest.mark.parametrize(
    "name", ["fixed", "amal", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_it_trains_as_without(new_loop, name):
    options = {"amal": {"warmup": 1, "refresh_every": 1}, "auxilearn": {"every": 2}}
    options["mwn"] = {"seed": 3}
    found = []
    for compiled in (False, True):
        loop = new_loop()
        loop.net.trunk[2].p = 0.0
        if compiled:
            torch.compiler.reset()
            loop.model = torch.compile(loop.net, backend=BACKEND)
        found.append(loop.run(loop.mixer(name, **options.get(name, {})), epochs=2))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", ["gcs", "maoal"])
def test_gradients_are_compared_where_the_trunk_is_compiled(new_loop, name):
    """Heads outside of the compiled part are told apart as ever."""
    found = []
    for compiled in (False, True):
        loop = new_loop()
        loop.net.trunk[2].p = 0.0
        if compiled:
            torch.compiler.reset()
            loop.net.trunk.compile(backend=BACKEND)
        mixer = loop.mixer(name, **({"every": 2} if name == "maoal" else {}))
        with config.patch(donated_buffer=False):
            found.append(loop.run(mixer, epochs=2))
    torch.testing.assert_close(*found)
