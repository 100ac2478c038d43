"""What people see: results, remarks and tables. Results go to stdout, everything else to stderr.

With ``--json`` results are kept, and become one JSON document on stdout at the end; with
``--quiet`` there are no remarks and no progress bars. Warnings and errors are always printed.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spear_amal.printable import on_one_line, printable
from spear_amal.progress import hidden_progress
from spear_amal.report.formatting import are_numbers
from spear_amal.warn_once import each_warning_once

if TYPE_CHECKING:
    import pandas as pd

# Wide enough that no cell is cut where the output goes into a file or a pipe.
_WIDE = 240


@dataclass(frozen=True)
class _Manner:
    """How a command prints.

    Attributes
    ----------
    quiet : bool
    document : dict or None
        What ``--json`` prints in the end; None without it.
    """

    quiet: bool = False
    document: dict[str, Any] | None = None


_AS_TEXT = _Manner()
_manner: ContextVar[_Manner] = ContextVar("_manner", default=_AS_TEXT)


@contextmanager
def printing(quiet: bool = False, as_json: bool = False) -> Iterator[None]:
    """Print what the block prints in the manner that the command was asked for.

    With `as_json` stdout holds one document when the block ends, also by an error that comes after
    results, and nothing if there were none.
    """
    manner = _Manner(quiet, {} if as_json else None)
    token = _manner.set(manner)
    try:
        with hidden_progress(quiet):
            yield
    finally:
        print_json_now()
        _manner.reset(token)


def print_json_now() -> None:
    """Print the document of ``--json`` so far and begin another: for a command that goes on.

    Without ``--json``, or without results, nothing is printed.
    """
    document = _manner.get().document
    if document:
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()
        document.clear()


def wants_json() -> bool:
    """Return whether the command was asked for JSON."""
    return _manner.get().document is not None


def add_to_json(**values: Any) -> None:
    """Add to the document of ``--json`` what no table or line says; without it do nothing.

    Parameters
    ----------
    **values
        Numbers, texts, lists, dicts, arrays and DataFrames (lists of rows); not-a-number is null.
    """
    document = _manner.get().document
    if document is not None:
        document.update({name: _plain(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    """Return a value in types of JSON."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        columns = [str(name) for name in value.columns]
        rows = value.itertuples(index=False, name=None)
        return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, str | int | bool | None):
        return value
    import pandas as pd

    return None if value is pd.NA or value is pd.NaT else str(value)


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def print_result(text: str = "") -> None:
    """Print a result line; in JSON it is one of the ``lines``."""
    document = _manner.get().document
    if document is None:
        _console(stderr=False).print(printable(text))
    else:
        document.setdefault("lines", []).append(text)


def print_status(text: str) -> None:
    """Print a remark on what is being done."""
    if not _manner.get().quiet:
        _console(stderr=True).print(printable(text))


def print_warning(text: str) -> None:
    """Print a remark that is not to be missed."""
    _console(stderr=True).print(printable(text))


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print each UserWarning of the block as a remark: its text, without a place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        shown = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], *where: Any, **further: Any
        ) -> None:
            if issubclass(category, UserWarning):
                print_warning(f"Warning: {message}")
            else:
                shown(message, category, *where, **further)

        warnings.showwarning = cast(Any, show)
        with each_warning_once():
            yield


def show_table(frame: pd.DataFrame, title: str, values: pd.DataFrame | None = None) -> None:
    """Print a table of strings; the first column is left-aligned, numbers are right-aligned.

    Parameters
    ----------
    frame : DataFrame of str
    title : str
    values : DataFrame, optional
        The same in numbers, for ``--json``.
    """
    if wants_json():
        _keep_table(title, frame if values is None else values)
        return
    show_rows(title, [str(name) for name in frame.columns], frame.itertuples(index=False))


def show_rows(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print rows of cells under column heads."""
    if wants_json():
        import pandas as pd

        _keep_table(title, pd.DataFrame([tuple(row) for row in rows], columns=list(columns)))
        return
    texts = [[on_one_line(str(cell)) for cell in row] for row in rows]
    table = Table(title=Text(on_one_line(title)), title_justify="left", header_style="bold")
    for j, name in enumerate(map(on_one_line, columns)):
        numeric = j > 0 and are_numbers([row[j] for row in texts])
        # Narrow heads over numbers leave room for the words of other columns.
        head = Text(name.replace(" ", "\n") if numeric else name)
        table.add_column(head, justify="right" if numeric else "left", overflow="fold")
    for row in texts:
        table.add_row(*(Text(cell) for cell in row))
    _console(stderr=False).print(table)


def _keep_table(title: str, table: pd.DataFrame) -> None:
    document = _manner.get().document
    if document is not None:
        document.setdefault("tables", []).append({"title": title, "rows": _plain(table)})
