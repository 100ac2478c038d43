"""Files that a command is about to write."""

from __future__ import annotations

from pathlib import Path

from spear_amal.io.atomic import refuse_existing
from spear_amal.report import (
    require_report_extra,
)


def check_outputs(force: bool, *outputs: Path | None, report: Path | None = None) -> None:
    """Raise an error for an output that is there already: before minutes of work, not after."""
    for path in outputs:
        if path is not None:
            refuse_existing(path, force)
    if report is not None:
        require_report_extra()
        refuse_existing(report, force)
