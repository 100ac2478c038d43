"""A model that stands still while a mixer learns: evaluation mode, no compiled code, no syncing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from spear_amal.models.feature_model import eval_mode


def unwrapped(model: nn.Module) -> nn.Module:
    """Unpack what torch.compile and parallel wrappers hold; its names are the user's."""
    while True:
        if isinstance(model, DistributedDataParallel | DataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod  # type: ignore[assignment]
        else:
            return model


@contextmanager
def frozen_model(model: nn.Module) -> Iterator[None]:
    """Switch a model to evaluation mode and back; it runs uncompiled and builds graphs.

    Hooks on a submodule are not seen by code that was compiled without them. A
    DistributedDataParallel model would wait for a backward pass that does not come.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # From torch 2.6 on. Nothing is compiled where the compiler, slow to import, is not there.
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for module in model.modules():
            if isinstance(module, DistributedDataParallel):
                stack.enter_context(module.no_sync())
        stack.enter_context(eval_mode(model))
        yield
