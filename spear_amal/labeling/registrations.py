"""What a user's script registers in installed packages, which other processes import without it.

spaCy keeps the extensions of documents (``Doc.set_extension``), pandas and Polars the accessors of
their classes (``register_dataframe_accessor``), and each in its own module: a function that travels
to another process leaves them behind, so they are sent beside it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from spear_amal.labeling.installed import is_installed

_EXTENSIONS = ("doc_extensions", "span_extensions", "token_extensions")
_WITH_ACCESSORS = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
}


class Accessor(NamedTuple):
    """An accessor of a class of pandas or Polars.

    Attributes
    ----------
    package, class_name, name : str
        ``package.class_name.name`` is the accessor.
    descriptor : object
        What the class holds under that name.
    made_of : type
        The class that the user wrote.
    """

    package: str
    class_name: str
    name: str
    descriptor: Any
    made_of: type


def accessors() -> Iterator[Accessor]:
    """Accessors that users registered in this process, not those of installed packages."""
    for package, class_names in _WITH_ACCESSORS.items():
        module = sys.modules.get(package)
        for class_name in class_names if module is not None else ():
            kind = getattr(module, class_name)
            for name in sorted(getattr(kind, "_accessors", ())):
                descriptor = vars(kind).get(name)
                state = getattr(descriptor, "__dict__", {})
                made_of = state.get("_ns", state.get("_accessor"))  # Polars, pandas
                if isinstance(made_of, type) and not is_installed(made_of.__module__):
                    yield Accessor(package, class_name, name, descriptor, made_of)


class Registrations(NamedTuple):
    """What users registered in the packages that are loaded in one process.

    Attributes
    ----------
    process : int
        Number of that process.
    extensions : dict of str to dict
        Extensions of spaCy by kind and name.
    accessors : list of Accessor
    """

    process: int
    extensions: dict[str, dict[str, Any]]
    accessors: list[Accessor]

    @classmethod
    def of_this_process(cls) -> Registrations:
        """Collect what is registered here and was not by an installed package."""
        underscore = getattr(sys.modules.get("spacy.tokens.underscore"), "Underscore", None)
        kinds = () if underscore is None else _EXTENSIONS
        extensions = {kind: dict(getattr(underscore, kind)) for kind in kinds}
        return cls(os.getpid(), extensions, list(accessors()))

    def restore(self) -> None:
        """Register all of it in this process, if it is another one."""
        if self.process == os.getpid():
            return
        if any(self.extensions.values()):
            underscore = importlib.import_module("spacy.tokens.underscore").Underscore
            for kind, extensions in self.extensions.items():
                getattr(underscore, kind).update(extensions)
        for accessor in self.accessors:
            kind = getattr(importlib.import_module(accessor.package), accessor.class_name)
            setattr(kind, accessor.name, accessor.descriptor)
            kind._accessors.add(accessor.name)
