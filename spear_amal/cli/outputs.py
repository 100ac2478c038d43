"""Files that a command is about to write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spear_amal.errors import InputError
from spear_amal.io.atomic import check_writable, refuse_existing
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.report import (
    require_report_extra,
)

_ROOM = 1 << 20  # bytes that any output may take


def check_outputs(
    force: bool,
    *outputs: Path | None,
    report: Path | None = None,
    continued: Path | None = None,
    inputs: Iterable[Path] = (),
) -> None:
    """Check that outputs can be written: before minutes of work, not after.

    Parameters
    ----------
    force : bool
        Files that are there already may be replaced.
    *outputs : path or None
        Files to write.
    report : path, optional
        An HTML report to write.
    continued : path, optional
        A file that may be there already, and is then gone on with: a checkpoint, a study file.
    inputs : iterable of path
        Files that are read. An output is expected to need about as much room as all of them.

    Raises
    ------
    OutputExistsError
        If an output is there already, or is a folder, a link, a pipe or a device.
    InputError
        If two outputs have one path.
    OSError
        If an output cannot be written where it should be; names it.
    """
    files = [path for path in (*outputs, report) if path is not None]
    for path in files:  # what a killed command left first: an output may be part of it
        remove_leftovers(path.parent)
    for path in files:
        refuse_existing(path, force)
    files += [] if continued is None else [continued]
    places = [path.resolve() for path in files]
    for path, place in zip(files, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"two outputs of this command have the path {path}: name another one")
    room = _ROOM + sum(path.stat().st_size for path in inputs if path.is_file())
    for path in files:
        check_writable(path, room)
    if report is not None:
        require_report_extra()
