"""The command line ``spear-amal``; what a command needs is imported when the command runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from io import TextIOWrapper

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Notes
    -----
    Exit codes: 0 done, 1 something unexpected, 2 bad input, 3 data unavailable, 130 interrupted.
    """
    # Imports make a million objects that stay: going through them again and again costs a tenth.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, TextIOWrapper
        ):  # a name that the terminal cannot show ends no command
            stream.reconfigure(errors="backslashreplace")
    try:
        from spear_amal.cli.app import app
    except KeyboardInterrupt:  # the imports take a second; from here on commands see to it
        sys.stderr.write("Error: interrupted; nothing was begun\n")
        sys.exit(130)
    app(args=None if arguments is None else list(arguments), prog_name="spear-amal")
