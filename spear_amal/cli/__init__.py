"""The command line ``spear-amal``; what a command needs is imported when the command runs."""

from __future__ import annotations

from collections.abc import Sequence

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
    from spear_amal.cli.app import app

    app(args=None if arguments is None else list(arguments), prog_name="spear-amal")
