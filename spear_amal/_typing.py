"""Types of what users hand over: vectors, matrices, tables, votes and paths.

They are protocols where an array of any package will do, so that nothing has to be imported: a
pandas column, a torch tensor and a NumPy array are all a :class:`SupportsArray`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Concatenate, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from typing_extensions import TypeVar  # one with a default, for checkers; never imported

    from spear_amal.votes.label_matrix import LabelMatrix
    from spear_amal.votes.parquet import VoteFiles

    # What a labelling function or preprocessor reads: a row, or a batch if it is vectorised.
    PointT = TypeVar("PointT", contravariant=True, default=Any)
    # What a preprocessor makes of a row.
    PreparedT = TypeVar("PreparedT", covariant=True, default=Any)
else:
    from typing import TypeVar

    PointT = TypeVar("PointT", contravariant=True)
    PreparedT = TypeVar("PreparedT", covariant=True)


class SupportsArray(Protocol):
    """Anything that NumPy can make an array of: arrays, tensors, pandas and Polars columns."""

    def __array__(self) -> np.ndarray: ...

    def __len__(self) -> int: ...


class NamedFunction(Protocol):
    """A labelling function or preprocessor, of this package or another such as Snorkel."""

    name: str

    def __call__(self, x: Any, /) -> Any:
        """Return a class or abstain, or the row preprocessed."""


class TableLike(Protocol):
    """Columns by name: a DataFrame of pandas or Polars, a table of Arrow, a mapping of columns."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Any: ...


class ArrowStream(Protocol):
    """What hands out a stream of Arrow's C interface, such as a relation of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: Any = None, /) -> Any: ...


class LazyTable(Protocol):
    """A LazyFrame of Polars."""

    def collect_schema(self) -> Any:
        """Return names and types of its columns."""


class ScannedTable(Protocol):
    """A Dataset or Scanner of Arrow."""

    def to_table(self) -> Any:
        """Return all of it as one table."""


class SparseMatrix(Protocol):
    """A matrix or array of ``scipy.sparse``."""

    def tocsr(self) -> Any:
        """Return the matrix in compressed rows."""


class SupportsPredict(Protocol):
    """A classifier with scikit-learn's face."""

    def predict(self, X: Any, /) -> Any:
        """Return one class for each row of `X`."""


# A function from a data point, and resources by name, to an answer or to a row.
PointFunction: TypeAlias = "Callable[Concatenate[PointT, ...], PreparedT]"
PathLike: TypeAlias = str | os.PathLike[str]
# Values (n,), one a row: gold labels, row ids.
VectorLike: TypeAlias = SupportsArray | Sequence[Any]
# A table that is read block by block.
StreamLike: TypeAlias = PathLike | ArrowStream | LazyTable | ScannedTable
# Features (n, D), or images (n, channels, height, width).
MatrixLike: TypeAlias = SupportsArray | SparseMatrix | Sequence[Sequence[float]]
# Features (n, D) as the package holds them.
Features: TypeAlias = "np.ndarray | sp.csr_array"
# Votes (n, m), -1 for abstain.
VotesLike: TypeAlias = "LabelMatrix | MatrixLike"
# The same, or votes on disk: the folder or its path.
StoredVotesLike: TypeAlias = "VotesLike | VoteFiles | PathLike"
# A class: its code, its name or a member of an Enum.
ClassLike: TypeAlias = int | str | Enum
# Shares of the classes: by name, in the order of the codes (C,), or "balanced", all equal.
ClassBalanceLike: TypeAlias = VectorLike | Mapping[Any, float] | str
