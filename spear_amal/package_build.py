"""Which build of the package this is: its version and, in a checkout, the commit."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

import spear_amal

# Set in a hook of Git, where they would lead to the repository of the hook.
_OF_A_HOOK = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
)


@functools.cache
def package_build() -> str:
    """Return the version, and behind a plus the commit where the package lies in its own checkout.

    A commit with further changes ends in "-dirty"; without git the version stands alone.
    """
    root = Path(spear_amal.__file__).parents[1]
    if not (root / ".git").exists():
        return spear_amal.__version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    surroundings = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, env=surroundings
        )
    except (OSError, subprocess.SubprocessError):
        return spear_amal.__version__
    return f"{spear_amal.__version__}+{found.stdout.strip()}"
