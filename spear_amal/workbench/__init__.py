"""The workbench: rules, rows and their effect in the browser; needs the extra ``workbench``.

Names are loaded when first used: processes that only try patterns start quickly.
"""

from typing import TYPE_CHECKING

from spear_amal._lazy import lazy_names

if TYPE_CHECKING:  # for editors and type checkers; _LAZY says the same while the program runs
    from spear_amal.workbench.project import Project
    from spear_amal.workbench.server import serve
    from spear_amal.workbench.workspace import Workspace

_LAZY = {"project": ("Project",), "server": ("serve",), "workspace": ("Workspace",)}
__all__ = ["Project", "Workspace", "serve"]

if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _LAZY)
