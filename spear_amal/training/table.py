"""The training table: features, gold, votes and teachers of all rows; batches by row number."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from spear_amal._typing import Features, VectorLike
from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.models import JointModel
from spear_amal.models.feature_model import batch_norms, eval_mode
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.votes.label_matrix import LabelMatrix

# Wider sparse features stay sparse; below this a dense product is faster than a gather.
DENSE_WIDTH = 2048
# Largest matrix, in entries, that is held dense as a whole (64 MB in float32).
DENSE_ENTRIES = 16_000_000


class TrainingRows(Protocol):
    """What training asks of its rows, wherever they lie."""

    device: torch.device

    @property
    def x(self) -> Any:
        """Some of the features, for their kind: those of rows or images."""

    def __len__(self) -> int: ...

    def batch(self, index: Tensor, augmented: bool = False) -> Batch:
        """Rows `index` (B,) in that order; `augmented` if there is an augmentation."""

    def shuffled(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Rows, given sorted, in a random order to go through them in."""


def check_range(values: np.ndarray, dtype: torch.dtype, what: str) -> None:
    """Raise InputError for finite numbers that are infinite in the type they are computed in."""
    largest = torch.finfo(dtype).max
    wide = values.dtype.kind == "f" and float(np.finfo(values.dtype).max) > largest
    if not wide or not values.size:
        return
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    for extreme in (float(low), float(high)):
        if largest < abs(extreme) < np.inf:
            raise InputError(
                f"{what} hold {extreme:g}, which {dtype} cannot hold (it ends at {largest:.3g}); "
                "scale them, or compute in TrainerConfig(dtype='float64')"
            )


class Table:
    """n rows addressed by number.

    Parameters
    ----------
    x : ndarray or scipy sparse, shape (n, D), or images (n, c, h, w)
        Images of type uint8 stay so; the model makes numbers of them.
    y : ndarray of int, shape (n,), optional
        Class codes, -1 where unlabelled (default everywhere).
    votes : LabelMatrix of shape (n, m), optional
        Unipolar votes.
    teachers : ndarray of shape (n, T, C), optional
        Teacher logits, NaN where a teacher is silent.
    tasks : mapping of str to ndarray (n,), optional
        Targets of auxiliary tasks: class codes, -1 where unknown, or floats, NaN where unknown.
    n_classes : int
        C; used to shape empty teachers.
    weights : ndarray of shape (n,), optional
        What the losses of each row are multiplied by.

    Attributes
    ----------
    augment : function of x, or None
        Applied to batches that are asked for with ``augmented=True``: training batches.
    online_teachers : sequence of functions of x, or None
        For each teacher what it says about an augmented batch; None, or a function that gives
        None, takes what is stored.
    """

    augment: Callable[[Tensor], Tensor] | None = None
    online_teachers: Sequence[Callable[[Tensor], Tensor | None] | None] = ()

    def __init__(
        self,
        x: Features,
        y: VectorLike | None = None,
        votes: LabelMatrix | None = None,
        teachers: np.ndarray | None = None,
        *,
        tasks: Mapping[str, np.ndarray] | None = None,
        n_classes: int = 2,
        weights: np.ndarray | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        n = x.shape[0]
        self.dtype, self.device = dtype, torch.device(device)
        self.y = torch.as_tensor(np.full(n, -1) if y is None else np.asarray(y)).long().to(device)
        # Kept beside a dense copy: rows of few entries are better trained on as they are.
        self.csr = sp.csr_array(x) if sp.issparse(x) else None
        self.x = self._features(x)
        self._sparse = self._entries()
        self.teachers = self._logits(np.zeros((n, 0, n_classes)) if teachers is None else teachers)
        self.tasks = {name: self._targets(values) for name, values in (tasks or {}).items()}
        self.weights = None if weights is None else torch.as_tensor(weights).to(device, dtype)
        empty = sp.csr_array((n, 0), dtype=np.float32)
        self.fired = self._votes(empty if votes is None else (votes.codes > 0))
        scored = votes is not None and votes.scores is not None
        self.scores = self._votes(votes.scores) if scored else None  # type: ignore[union-attr]

    def __len__(self) -> int:
        return len(self.y)

    def with_teachers(self, teachers: np.ndarray | None) -> Table:
        """Make a table of the same rows, sharing their storage, with other teachers."""
        if teachers is None:
            return self
        other = copy.copy(self)
        other.teachers = self._logits(teachers)
        return other

    def subset(self, rows: np.ndarray) -> Table:
        """Make a table of some rows, in that order, without augmentation."""
        other = copy.copy(self)
        index = torch.as_tensor(rows).to(self.device)
        for name in ("x", "y", "teachers", "fired", "scores", "weights"):
            values = getattr(self, name)
            if values is not None:
                setattr(other, name, values[index if isinstance(values, Tensor) else rows])
        other.tasks = {name: values[index] for name, values in self.tasks.items()}
        other.augment, other.online_teachers = None, ()
        other.csr = None if isinstance(other.x, Tensor) else other.x
        other._sparse = other._entries()
        return other

    @property
    def n_features(self) -> int:
        """Number of features D."""
        return int(self.x.shape[1])

    def _logits(self, teachers: np.ndarray) -> Tensor:
        check_range(teachers, self.dtype, "logits of a teacher")
        return torch.as_tensor(teachers).to(device=self.device, dtype=self.dtype)

    def _targets(self, values: np.ndarray) -> Tensor:
        check_range(values, self.dtype, "targets of a task")
        targets = torch.as_tensor(_tensor_ready(values)).to(self.device)
        return targets.to(self.dtype) if targets.is_floating_point() else targets.long()

    def _features(self, x: Any) -> Tensor | sp.csr_array:
        check_range(x.data if sp.issparse(x) else x, self.dtype, "features")
        if x.ndim > 2:
            images = torch.as_tensor(_tensor_ready(x)).to(self.device)
            return images if images.dtype == torch.uint8 else images.to(self.dtype)
        narrow = x.shape[1] <= DENSE_WIDTH and x.shape[0] * x.shape[1] <= DENSE_ENTRIES
        if self.csr is not None and not narrow:
            return self.csr
        dense = x.toarray() if sp.issparse(x) else _tensor_ready(x)
        return torch.as_tensor(dense).to(device=self.device, dtype=self.dtype)

    def _entries(self) -> SparseRows | None:
        """All sparse rows as tensors, where that fits: cutting rows of a CSR is slow per batch."""
        on_host = self.device.type == "cpu"  # elsewhere each batch would be waited for
        if isinstance(self.x, Tensor) or self.x.nnz > DENSE_ENTRIES or not on_host:
            return None
        return SparseRows.from_csr(self.x, self.dtype)

    def _sparse_rows(self, host_index: Tensor, index: Tensor) -> SparseRows:
        if self._sparse is not None:
            return self._sparse[index]
        rows = self.x[host_index.cpu().numpy()]
        return SparseRows.from_csr(rows, self.dtype, self.device)

    def _votes(self, matrix: sp.csr_array) -> Tensor | sp.csr_array:
        if matrix.shape[0] * matrix.shape[1] > DENSE_ENTRIES:
            return matrix
        return torch.as_tensor(matrix.toarray()).to(device=self.device, dtype=self.dtype)

    def dense_rows(
        self, matrix: Tensor | sp.csr_array, host_index: Tensor, index: Tensor
    ) -> Tensor:
        """Rows (B, m) of a matrix of this table, by an index in main memory and one here."""
        if isinstance(matrix, Tensor):
            return matrix[index]
        rows = matrix[host_index.cpu().numpy()].toarray()
        return torch.as_tensor(rows).to(device=self.device, dtype=self.dtype)

    def batch(self, index: Tensor, augmented: bool = False) -> Batch:
        """Rows `index` (B,) in that order; `augmented` if there is an augmentation."""
        # What lies in main memory is looked up by the index as it came, mostly from there as well:
        # an index on a GPU would have to be waited for.
        host_index, index = index, index.to(self.device)
        fired = self.dense_rows(self.fired, host_index, index)
        x = self.x[index] if isinstance(self.x, Tensor) else self._sparse_rows(host_index, index)
        teachers = self.teachers[index]
        if augmented and self.augment is not None and isinstance(x, Tensor):
            x = self.augment(x)
            for t, ask in enumerate(self.online_teachers):
                answer = None if ask is None else ask(x)
                if answer is not None:
                    teachers[:, t] = answer.to(teachers)
        return Batch(
            index=index,
            x=x,
            y=self.y[index],
            fired=fired,
            scores=torch.zeros_like(fired)
            if self.scores is None
            else self.dense_rows(self.scores, host_index, index),
            teachers=teachers,
            tasks={name: values[index] for name, values in self.tasks.items()},
            weights=None if self.weights is None else self.weights[index],
        )

    def shuffled(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Rows in a random order to go through them in."""
        return shuffle(rows, generator)

    def feature_chunks(self) -> Iterator[Tensor | SparseRows]:
        """Yield the features of all rows in order, as many at a time as a network takes."""
        size = chunk_size(self.x)
        for first in range(0, len(self), size):
            rows = slice(first, first + size)
            if isinstance(self.x, Tensor):
                yield self.x[rows]
            elif self._sparse is not None:
                yield self._sparse if size >= len(self) else self._sparse[rows]
            else:
                yield SparseRows.from_csr(self.x[rows], self.dtype, self.device)

    def whole(self) -> Batch:
        """All rows as one batch."""
        return self.batch(torch.arange(len(self)))


def _tensor_ready(x: np.ndarray) -> np.ndarray:
    """Copy read-only and reversed arrays: tensors are writable and have positive strides."""
    ready = x.flags["C_CONTIGUOUS"] and x.flags["WRITEABLE"] and min(x.strides, default=0) >= 0
    return x if ready else np.array(x, order="C")


def shuffle(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Return rows in a random order."""
    return rows[torch.randperm(len(rows), generator=generator)]


def batches(order: Tensor, size: int, model: torch.nn.Module) -> list[Tensor]:
    """Cut row numbers into batches; batch statistics need two rows, so a lone last one joins in."""
    parts = list(order.split(size))
    lone = len(parts) > 1 and len(parts[-1]) == 1
    if lone and batch_norms(model):
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


CHUNK = 2048
IMAGES = 256  # rows of images at once: a wide network holds megabytes for each


def chunk_size(x: object) -> int:
    """Rows that go through a network at once."""
    return IMAGES if len(getattr(x, "shape", ())) > 2 else CHUNK


@torch.no_grad()
def predict_logits(model: JointModel, table: Table) -> tuple[Tensor, Tensor | None]:
    """Logits (n, C) of the feature model and joint log-probabilities (n, C) of the rule model.

    Evaluation mode, on the table's device; the model's mode is restored.
    """
    logits, rules = [], []
    with eval_mode(model):
        for index in torch.arange(len(table)).split(chunk_size(table.x)):
            outputs = model(table.batch(index))
            logits.append(outputs.logits)
            if outputs.rule_logits is not None:
                rules.append(outputs.rule_logits)
    return torch.cat(logits), torch.cat(rules) if rules else None
