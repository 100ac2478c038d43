"""Files that come with the package: labelling functions of the corpora, and cards of data sets."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_file(folder: str, name: str) -> Path:
    """Return the path at which a file comes with the package, be it there or not.

    A wheel has the folders inside the package. In a clone, and so in an editable installation,
    they stand at the top, beside it.

    Parameters
    ----------
    folder : {"labeling_functions", "datasets"}
    name : str
        File name, such as "plots.py".
    """
    package = Path(str(resources.files("spear_amal")))
    inside = package / folder
    return (inside if inside.is_dir() else package.parent / folder) / name
