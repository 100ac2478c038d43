"""Writing without loss: into a file beside the target, flushed to disk, then renamed over it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spear_amal._typing import PathLike
from spear_amal.errors import OutputExistsError


def refuse_existing(path: PathLike, overwrite: bool = False) -> Path:
    """Return `path`, or raise if it exists and `overwrite` was not asked for.

    Raises
    ------
    OutputExistsError
        If the path exists and `overwrite` is False.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} already exists; choose another name or ask for overwriting (--force)"
        )
    return path


@contextmanager
def write_aside(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block ends well.

    If the block raises (a full disk, an interrupt), the temporary file is removed and whatever
    stood at `path` before stays as it was.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with write_aside(target) as tmp:
    ...     _ = tmp.write_text("kept")
    >>> target.read_text()
    'kept'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        # mkstemp makes private files; a result should have the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
