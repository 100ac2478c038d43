"""Any torch module as a feature model: its logits, and what goes into its last linear layer."""

from __future__ import annotations

import threading
from typing import Any

from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.tensors.sparse_rows import SparseRows

WHOLE_NETWORK = (
    "pass head=None and train with mixer_options={'look_ahead': 'network'} to differentiate the "
    "whole network"
)


class FeatureAdapter(nn.Module):
    """Makes any module fit that gives logits.

    The module may return logits (B, C), a pair (logits, hidden), or an object with ``logits`` (as
    Hugging Face models do); or it has a method ``logits_and_hidden``, which is then called. Where
    it does not give the hidden values, they are taken from the input of its head as it runs.

    Parameters
    ----------
    module : nn.Module
    head : str or None
        Dotted name of its last linear layer, e.g. ``"classifier.out"``. ``"auto"`` finds it where
        it is beyond doubt. None for a module without one: then only the
        whole network can be differentiated (``look_ahead="network"``), and a module that gives
        logits alone has them as hidden values too.
    n_classes : int, optional
        C, to be held against the module's logits.

    Raises
    ------
    InputError
        If there is no such layer, or it is not linear; on a batch, if the module returns anything
        else, its logits are not (B, C) or its head was not used.
    """

    def __init__(
        self, module: nn.Module, head: str | None = "auto", n_classes: int | None = None
    ) -> None:
        super().__init__()
        self.module = module
        self.n_classes = n_classes
        self.head_name = find_head(module, n_classes) if head == "auto" else head
        if self.head_name is not None:
            _check_head(module, self.head_name)

    @property
    def head(self) -> nn.Linear | None:
        """The last linear layer, if there is one."""
        if self.head_name is None:
            return None
        return self.module.get_submodule(self.head_name)  # type: ignore[return-value]

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H); the module gets dense rows, one batch at a time."""
        rows = x.to_dense() if isinstance(x, SparseRows) else x
        both = getattr(self.module, "logits_and_hidden", None)
        out, seen = self._watched(rows) if both is None else (both(rows), None)
        logits, hidden = _logits_and_hidden(out)
        self._check_logits(logits, len(rows))
        hidden = seen if hidden is None else hidden
        if self.head is None:
            return logits, logits if hidden is None else hidden
        return logits, self._checked_hidden(hidden, len(rows))

    def logits_and_hidden(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H), as :meth:`forward`."""
        return self(x)

    def _watched(self, x: Tensor) -> tuple[Any, Tensor | None]:
        """Answer of the module, and the last input of its head meanwhile.

        The hook lives for this call only: it would otherwise be copied with the module, and stay
        with the user's. Calls of other threads are not ours.
        """
        head = self.head
        if head is None:
            return self.module(x), None
        seen: list[Tensor] = []
        thread = threading.get_ident()

        def keep(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
            if threading.get_ident() == thread:
                seen[:] = [args[0] if args else next(iter(kwargs.values()))]

        hook = head.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            out = self.module(x)
        finally:
            hook.remove()
        return out, seen[0] if seen else None

    def _check_logits(self, logits: Tensor, n: int) -> None:
        classes = self.n_classes
        if classes is None and self.head is not None:
            classes = self.head.out_features
        fits = logits.ndim == 2 and len(logits) == n and classes in (None, logits.shape[1])
        if not fits or not logits.is_floating_point():
            raise InputError(
                f"the module's logits must be floats of shape ({n}, {classes or 'C'}), one row for "
                "each row of the batch and one column for each class (two for two classes); found "
                f"{logits.dtype} of shape {tuple(logits.shape)}"
            )

    def _checked_hidden(self, hidden: Tensor | None, n: int) -> Tensor:
        if hidden is None:
            raise InputError(
                f"the module does not call its head {self.head_name!r}: name the linear layer that "
                f"makes the logits, let the module return (logits, hidden), or {WHOLE_NETWORK}"
            )
        width = self.head.in_features  # type: ignore[union-attr]
        if tuple(hidden.shape) != (n, width):
            raise InputError(
                f"the input of the head {self.head_name!r} must have shape ({n}, {width}), one row "
                f"for each row of the batch, found {tuple(hidden.shape)}; {WHOLE_NETWORK}"
            )
        return hidden


def find_head(module: nn.Module, n_classes: int | None = None) -> str:
    """Return the name of the linear layer that makes the logits.

    It is the module's ``head``; or the only linear layer (with `n_classes` outputs, where they
    are known); or what one finds going down from the module, at every step into the last part of
    an ``nn.Sequential`` or into the only part that holds linear layers.

    Raises
    ------
    InputError
        If none of these says which.
    """
    if isinstance(getattr(module, "head", None), nn.Linear):
        return "head"
    linear = _linear_layers(module)
    fitting = [name for name, n_out in linear.items() if n_classes in (None, n_out)]
    last = _last_linear(module)
    if len(fitting) == 1 or last in fitting:
        return fitting[0] if len(fitting) == 1 else str(last)
    raise InputError(
        f"it is not clear which of the module's linear layers {linear or '[]'} (name: outputs) "
        f"makes the logits{'' if n_classes is None else f' of {n_classes} classes'}; wrap it as "
        "FeatureAdapter(module, head='name of the last one'). Without a linear head "
        f"{WHOLE_NETWORK}"
    )


def _check_head(module: nn.Module, head: str) -> None:
    try:
        layer = module.get_submodule(head)
    except AttributeError as error:
        raise InputError(
            f"the module has no part {head!r}; its linear layers are "
            f"{list(_linear_layers(module))}: name the last one as head="
        ) from error
    if not isinstance(layer, nn.Linear):
        raise InputError(
            f"head={head!r} is a {type(layer).__name__}; last-layer meta-gradients need a "
            f"linear layer; {WHOLE_NETWORK}"
        )


def _linear_layers(module: nn.Module) -> dict[str, int]:
    """Dotted names of the linear layers, and their numbers of outputs."""
    return {n: p.out_features for n, p in module.named_modules() if isinstance(p, nn.Linear)}


def _last_linear(module: nn.Module) -> str | None:
    """Return the linear layer that must be the last; None where it could be another."""
    path: list[str] = []
    while not isinstance(module, nn.Linear):
        parts = dict(module.named_children())
        if isinstance(module, nn.Sequential):
            name = next(reversed(parts), None)
        else:
            holders = [name for name, part in parts.items() if _linear_layers(part)]
            name = holders[0] if len(holders) == 1 else None
        if name is None:
            return None
        path.append(name)
        module = parts[name]
    return ".".join(path)


def _logits_and_hidden(out: Any) -> tuple[Tensor, Tensor | None]:
    """Logits, and hidden values where they are given, of whatever a module returned."""
    pair = out
    if hasattr(out, "logits"):  # before pairs: some named tuples hold (logits, other logits)
        pair = (out.logits, getattr(out, "hidden", None))
    elif isinstance(out, Tensor):
        pair = (out, None)
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    if not (is_pair and isinstance(pair[0], Tensor) and isinstance(pair[1], Tensor | None)):
        raise InputError(
            "a feature model must return logits, (logits, hidden) or an object with .logits; found "
            f"{type(out).__name__}"
        )
    return pair[0], pair[1]
