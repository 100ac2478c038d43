"""What people see: results, remarks and tables. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spear_amal.printable import on_one_line, printable
from spear_amal.report.formatting import are_numbers

if TYPE_CHECKING:
    import pandas as pd

# Wide enough that no cell is cut where the output goes into a file or a pipe.
_WIDE = 240


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def print_result(text: str = "") -> None:
    """Print a result line."""
    _console(stderr=False).print(printable(text))


def print_status(text: str) -> None:
    """Print a remark on what is being done."""
    _console(stderr=True).print(printable(text))


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print every UserWarning of the block as a remark: its text, without a place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        shown = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], *where: Any, **further: Any
        ) -> None:
            if issubclass(category, UserWarning):
                print_status(f"Warning: {message}")
            else:
                shown(message, category, *where, **further)

        warnings.showwarning = cast(Any, show)
        yield


def show_table(frame: pd.DataFrame, title: str) -> None:
    """Print a table of strings; the first column is left-aligned, numbers are right-aligned."""
    show_rows(title, [str(name) for name in frame.columns], frame.itertuples(index=False))


def show_rows(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print rows of cells under column heads."""
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
