"""Loading labelling functions from a Python file that the user names."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from spear_amal._typing import NamedFunction, PathLike
from spear_amal.errors import InputError
from spear_amal.labeling.functions import is_labeling_function
from spear_amal.votes.class_set import ClassesLike


class LoadedLFs(NamedTuple):
    """What a file of labelling functions holds.

    Attributes
    ----------
    lfs : list of LabelingFunction
    classes : tuple of names, Enum class, int or None
        ``CLASSES`` of the file, ready for an applier.
    """

    lfs: list[NamedFunction]
    classes: ClassesLike


def load_lfs(path: PathLike, may_be_empty: bool = False) -> LoadedLFs:
    """Run a Python file and take its labelling functions.

    Takes the list ``LFS`` if the file defines one; else all public labelling functions, and those
    in public lists and tuples, in the order of definition. The file may import modules that lie
    beside it.

    Parameters
    ----------
    path : path of a Python file
    may_be_empty : bool
        Whether it may hold no labelling function.

    Raises
    ------
    InputError
        If there is no such file, it holds no labelling function, or it raises; the message then
        names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such file of labelling functions: {path}")
    names = vars(_run(path))
    lfs = _declared(path, names["LFS"]) if "LFS" in names else _found(names)
    if not lfs and not may_be_empty:
        raise InputError(
            f"{path} holds no labelling function; decorate functions with @labeling_function "
            "or define a list LFS"
        )
    classes = names.get("CLASSES")
    return LoadedLFs(lfs, tuple(classes) if isinstance(classes, list) else classes)


class FreshLoader(importlib.machinery.SourceFileLoader):
    """Compiles the file every time: no stale byte code, nothing written beside the user's file."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        return self.source_to_code(self.get_data(self.path), self.path)


def _run(path: Path) -> ModuleType:
    # Registered while it runs, as dataclasses and pickle look their module up by name.
    name = f"labeling_functions_file_{path.stem}"
    loader = FreshLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    if spec is None:
        raise InputError(f"{path} cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _importable(path.resolve().parent):
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(
            f"{path}{_line(path, error)}: raised {type(error).__name__}: {error}"
        ) from error
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    # At the end, so that the user's folder shadows no installed module.
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _line(path: Path, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno else ""  # null bytes have no line
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _declared(path: Path, lfs: Any) -> list[Any]:
    if not isinstance(lfs, list | tuple):
        raise InputError(f"LFS in {path} must be a list of labelling functions, found {lfs!r}")
    wrong = [lf for lf in lfs if not is_labeling_function(lf)]
    if wrong:
        raise InputError(f"LFS in {path} holds {wrong[0]!r}, which is no labelling function")
    return list(lfs)


def _found(names: dict[str, Any]) -> list[Any]:
    lfs: dict[int, Any] = {}
    for name, value in names.items():
        if not name.startswith("_"):
            items = value if isinstance(value, list | tuple) else [value]
            lfs |= {id(item): item for item in items if is_labeling_function(item)}
    return list(lfs.values())
