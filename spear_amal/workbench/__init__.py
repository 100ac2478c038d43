"""The workbench: rules, rows and their effect in the browser; needs the extra ``workbench``."""

from spear_amal.workbench.project import Project
from spear_amal.workbench.server import serve
from spear_amal.workbench.workspace import Workspace

__all__ = ["Project", "Workspace", "serve"]
