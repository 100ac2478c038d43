"""Tables of Arrow and Polars, told from other objects without importing either package."""

from __future__ import annotations

import sys
from typing import Any

_TABLES = {"pyarrow": ("Table", "RecordBatch"), "polars": ("DataFrame",)}
# What becomes a table by a call that only the user can make: it may take all memory.
_NOT_YET = {"LazyFrame": ".collect()", "RecordBatchReader": ".read_all()"}


def is_table(x: Any) -> bool:
    """Tell a pyarrow Table or RecordBatch and a polars DataFrame."""
    for package, names in _TABLES.items():
        # Whoever has such a table has imported its package.
        module = sys.modules.get(package)
        if module is not None and isinstance(x, tuple(getattr(module, name) for name in names)):
            return True
    return False


def names_of(table: Any) -> list[str]:
    """Names of the columns of a table, in order."""
    return list(table.column_names if hasattr(table, "column_names") else table.columns)


def is_not_yet_table(x: Any) -> bool:
    """Tell what would become a table by a call."""
    return type(x).__name__ in _NOT_YET


def kind_of(x: Any) -> str:
    """Name the type of what should have been rows, with the call that makes a table of it.

    Examples
    --------
    >>> kind_of(3)
    'int'
    """
    name = type(x).__name__
    return f"{name} (call {_NOT_YET[name]} first)" if is_not_yet_table(x) else name
