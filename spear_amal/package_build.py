"""Which build of the package this is: its version and, in a checkout, the commit."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import spear_amal


@functools.cache
def package_build() -> str:
    """Return the version, and behind a plus the commit where the package lies in its own checkout.

    A commit with further changes ends in "-dirty"; without git the version stands alone.
    """
    root = Path(spear_amal.__file__).parents[1]
    if not (root / ".git").exists():
        return spear_amal.__version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return spear_amal.__version__
    return f"{spear_amal.__version__}+{found.stdout.strip()}"
