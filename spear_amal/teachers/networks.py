"""Torch networks as teachers: asked in chunks, left exactly as they were."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError, is_out_of_memory
from spear_amal.models.feature_model import eval_mode
from spear_amal.models.image_model import check_pixels
from spear_amal.teachers.base import Teacher, n_rows_of
from spear_amal.teachers.class_columns import arrange, column_order
from spear_amal.tensors.sparse_rows import SparseRows

CHUNK = 512
# Most numbers asked about at once: 16 MB in float32, which hidden layers multiply.
ENTRIES = 2**22


class NetworkTeacher(Teacher):
    """One torch network, or the mean probability of several.

    Parameters
    ----------
    modules : nn.Module or sequence of nn.Module
        Each maps rows to logits (B, C), to a tuple with logits first, or to an object with
        ``logits``. They stay on their device.
    name, classes, missing
        As for :class:`Teacher`.
    chunk : int
        Most rows asked at once; fewer where rows are wide.
    takes_sparse : bool
        The modules take sparse rows as they are; others get dense ones, a chunk at a time.
    n_features : int, optional
        Number of features that rows must have, where it is known.
    pixels : {"bytes", "numbers"}, optional
        What images must consist of, where it is known.
    """

    def __init__(
        self,
        modules: nn.Module | Sequence[nn.Module],
        name: str = "network",
        classes: VectorLike | None = None,
        missing: str = "error",
        *,
        chunk: int = CHUNK,
        takes_sparse: bool = False,
        n_features: int | None = None,
        pixels: str | None = None,
    ) -> None:
        super().__init__(name, classes, missing)
        if chunk < 1:
            raise InputError(f"chunk must be 1 row or more, found {chunk}")
        self.modules = [modules] if isinstance(modules, nn.Module) else list(modules)
        self.chunk = chunk
        self.takes_sparse = takes_sparse
        self.n_features = n_features
        self.pixels = pixels
        self.n_parameters = sum(p.numel() for m in self.modules for p in m.parameters())

    def _ask(self, X: Any, row_ids: VectorLike | None, n: int) -> np.ndarray:
        if X is None:
            raise InputError("a network needs the features X")
        if sp.issparse(X):
            X = sp.csr_array(X)
        elif not isinstance(X, Tensor):
            X = np.asarray(X)
            if X.dtype.kind not in "biuf":
                raise InputError(f"a network needs numbers, X has type {X.dtype}")
        # An empty chunk of no rows still tells the width.
        step = max(1, min(self.chunk, ENTRIES // max(math.prod(X.shape[1:]), 1)))
        return np.concatenate([self._chunk(X[i : i + step]) for i in range(0, max(n, 1), step)])

    def _chunk(self, rows: Any) -> np.ndarray:
        x: Tensor | SparseRows
        if sp.issparse(rows):
            x = SparseRows.from_csr(rows, torch.float64)
        elif isinstance(rows, Tensor):
            x = rows
        else:  # a copy: tensors cannot be made of rows that are read-only or reversed
            x = torch.as_tensor(np.array(rows, order="C"))
        return self._mean(x).float().cpu().numpy()

    def online_logits(self, x: Tensor | SparseRows, classes: VectorLike | None = None) -> Tensor:
        """Logits (B, C) for a batch as it is now, on its device."""
        logits = self._mean(x)
        order = column_order(logits.shape[1], self.classes, classes, self.missing)
        device = x.entries.device if isinstance(x, SparseRows) else x.device
        return arrange(logits, order).to(device)

    def _mean(self, x: Tensor | SparseRows) -> Tensor:
        """Logits (B, C) of one network, log of the mean probability of several."""
        self._check_rows(x)
        answers = [self._forward(module, x) for module in self.modules]
        if len(answers) == 1:
            return answers[0]
        stacked = torch.stack([a.to(answers[0].device).log_softmax(-1) for a in answers])
        return stacked.logsumexp(0) - math.log(len(answers))

    def _check_rows(self, x: Tensor | SparseRows) -> None:
        """Check what torch would not: sparse rows that are too narrow, pixels of another kind."""
        if isinstance(x, Tensor) and x.ndim > 2:
            check_pixels(x, self.pixels)
            return
        width = x.width if isinstance(x, SparseRows) else x.shape[-1]
        if self.n_features not in (None, width):
            raise InputError(f"it was trained on {self.n_features} features, X has {width}")

    def _forward(self, module: nn.Module, x: Tensor | SparseRows) -> Tensor:
        rows = self._for_module(module, x)
        try:
            with eval_mode(module), torch.no_grad():
                out = module(rows)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            if is_out_of_memory(error):
                raise
            what = "sparse" if isinstance(rows, SparseRows) else f"{rows.dtype}"
            shape = () if isinstance(rows, SparseRows) else tuple(rows.shape[1:])
            raise InputError(
                f"the network cannot be asked about rows of shape {shape} ({what}): {error}. It "
                "gets the student's features as they are, images as raw pixels: put what it needs "
                "(scaling, normalising, flattening) in front of it with nn.Sequential"
            ) from error
        return logits_of(out, n_rows_of(rows) if isinstance(rows, Tensor) else len(rows))

    def _for_module(self, module: nn.Module, x: Tensor | SparseRows) -> Tensor | SparseRows:
        """Rows on the module's device and of its type; pixels (uint8) stay pixels."""
        tensors = (t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point())
        first = next(tensors, torch.empty(0))
        if isinstance(x, SparseRows):
            moved = x.to(first.device, first.dtype)
            return moved if self.takes_sparse else moved.to_dense()
        return x.to(first.device) if x.dtype == torch.uint8 else x.to(first.device, first.dtype)

    def _content(self) -> str:
        """Hash of the networks' layout, parameters and buffers."""
        made = hashlib.sha256()
        for module in self.modules:
            made.update(f"{type(module).__qualname__} {module}".encode())
            for name, tensor in module.state_dict().items():
                if not isinstance(tensor, Tensor):
                    continue
                values = tensor.detach().cpu().contiguous()
                made.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
                made.update(values.flatten().view(torch.uint8).numpy().tobytes())
        return made.hexdigest()


def logits_of(out: Any, n: int) -> Tensor:
    """Find the logits (n, C) in what a network returned.

    Raises
    ------
    InputError
        If there are none.
    """
    logits = out
    if not isinstance(out, Tensor):
        logits = getattr(out, "logits", None)
        if logits is None and isinstance(out, tuple | list) and out:
            logits = out[0]
    if not isinstance(logits, Tensor):
        raise InputError(
            f"the network returns {type(out).__name__}; a teacher must return logits (B, C), a "
            "tuple with logits first, or an object with .logits"
        )
    if logits.ndim != 2 or len(logits) != n:
        raise InputError(
            f"the network returns a tensor of shape {tuple(logits.shape)} for {n} rows; logits "
            "must be (B, C), one column for each class (two for two classes)"
        )
    return logits.detach()
