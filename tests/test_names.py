"""One name, one meaning; names that are loaded lazily; first words of docstrings."""

from __future__ import annotations

import ast
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import spear_amal
from spear_amal import data, report, studies

PACKAGE = Path(spear_amal.__file__).parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Folders of one face: a command of the shell and the function that does its work share a name, and
# each corpus has its `build`.
FACES = ("cli/", "data/corpora/")


def public_names(tree: ast.Module) -> Iterator[str]:
    """Classes, functions and type aliases that a module defines."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            names = [name for name in names if name[0].isupper() and not name.isupper()]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def place(module: str) -> str:
    """Module that defines a name, or the face that it shares with others."""
    return next((face for face in FACES if module.startswith(face)), module)


def test_no_public_name_has_two_meanings() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for module, tree in TREES.items():
        for name in public_names(tree):
            places[name].add(place(module))
    twice = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert not twice


def seen_by_checkers(tree: ast.Module) -> dict[str, set[str]]:
    """Module -> names that a package imports for type checkers only."""
    blocks = (node for node in tree.body if isinstance(node, ast.If))
    block = next(node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING")
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    return {node.module or "": {alias.name for alias in node.names} for node in imports}


@pytest.mark.parametrize(
    "package", [spear_amal, data, report, studies], ids=lambda package: package.__name__
)
def test_lazy_names_are_what_checkers_see(package: ModuleType) -> None:
    init = Path(package.__file__ or "").relative_to(PACKAGE).as_posix()
    lazy = {f"{package.__name__}.{module}": set(names) for module, names in package._LAZY.items()}
    assert seen_by_checkers(TREES[init]) == lazy
    assert set().union(*lazy.values()) <= set(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert not modules & set().union(*lazy.values()), "importing the module would hide the name"
    with pytest.raises(AttributeError, match="has no attribute 'SpearClassifer'"):
        _ = package.SpearClassifer


# A docstring says what is returned, computed, checked or written, or names the object.
RIDDLES = {"Ask", "Give", "Hand", "Let", "Look", "Put", "Say", "Take", "Tell"}


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a module's classes and functions, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def test_first_words_of_docstrings_name_the_deed_or_the_object() -> None:
    first = {
        f"{module} {name}: {text.splitlines()[0]}": text.split()[0].strip(",.:").removesuffix("s")
        for module, tree in TREES.items()
        for name, text in docstrings(tree)
        if text
    }
    assert [line for line, word in first.items() if word in RIDDLES] == []
