"""When LFs became what they are; kept with the project from one day to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from spear_amal.io.atomic import write_aside
from spear_amal.workbench.project import ignore_in_git
from spear_amal.workbench.snapshot import LFState


class LFTimes:
    """A file with the key of each LF, and when it was first seen.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times = self._read()

    def dated(self, lfs: Iterable[LFState]) -> tuple[LFState, ...]:
        """Return LFs with the time of their last change; what was not seen before changed now."""
        now = datetime.now().astimezone()
        dated, is_new = [], False
        for lf in lfs:
            key, time = self._times.get(lf.name, ("", now))
            if key != lf.key:
                self._times[lf.name], time, is_new = (lf.key, now), now, True
            dated.append(replace(lf, changed=time))
        if is_new:
            self._write()
        return tuple(dated)

    def _read(self) -> dict[str, tuple[str, datetime]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                str(name): (str(key), datetime.fromisoformat(time))
                for name, (key, time) in content.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # of a former version, or damaged: no more than these times is lost

    def _write(self) -> None:
        times = {name: (key, time.isoformat()) for name, (key, time) in self._times.items()}
        try:
            ignore_in_git(self._path.parent)
            with write_aside(self._path, durable=False) as temporary:
                temporary.write_text(json.dumps(times), encoding="utf-8")
        except OSError:
            return  # a folder that cannot be written
