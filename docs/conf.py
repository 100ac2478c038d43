"""Sphinx configuration of the documentation site; ``make docs`` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import spear_amal

project = "spear_amal"
author = "the authors of spear_amal"
copyright = author
release = version = spear_amal.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "myst_nb",
    "site_pages",
    "api_pages",
]
exclude_patterns = ["_ext", "_static", "results"]
nitpicky = True  # a cross reference that leads nowhere is a warning, and warnings fail the build

html_theme = "furo"
html_title = f"spear_amal {release}"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_heading_anchors = 3

# Notebooks are run when they change; what they printed is kept in the build folder.
nb_execution_mode = "cache"
nb_execution_show_tb = True
nb_execution_timeout = 300

# Types in docstrings are prose ("array of shape (n,)"): they stay text. Signatures hold real ones.
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style"), "Override points"]
autodoc_typehints_format = "short"
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
