"""How far a study or a comparison is, and what is kept of one that was stopped.

Apart from :mod:`spear_amal.cli.study`, whose pages and figures a comparison need not import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spear_amal.cli.console import print_status
from spear_amal.progress import Progress

Advance = Callable[[int, int, str], None]


@contextmanager
def study_progress(output: Path, further: str = "") -> Iterator[Advance]:
    """Yield a function that shows how far a study is; after Ctrl-C, print what is kept.

    `further` says what is kept besides the runs.
    """
    with Progress("loading", unit="", log_every=0) as bar:
        try:
            yield bar.follow
        except KeyboardInterrupt:
            print_status(
                f"Finished runs are kept in {output}{further}; the same command goes on from there"
            )
            raise
