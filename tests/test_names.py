"""One name, one meaning; names that are loaded lazily; first words of docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import spear_amal

PACKAGE = Path(spear_amal.__file__).parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

# Modules of one face: a command of the shell and the function that does its work share a name; each
# corpus has its `build`; each study has its `cells`, its `run` and its `teachers`.
FACES = {
    "commands": ("cli/",),
    "corpora": ("data/corpora/",),
    "studies": ("studies/distillation/", "studies/mixers/"),
}
SHARED = {
    "run": "the shell's command `study run`, and what one cell of a study does",
    "register": "until the studies are rebuilt: `register_method`",
    "Progress": "until the studies are rebuilt",
    "Row": "until the studies are rebuilt",
}


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
    return next((face for face, begins in FACES.items() if module.startswith(begins)), module)


def test_no_public_name_has_two_meanings() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for module, tree in TREES.items():
        for name in public_names(tree):
            places[name].add(place(module))
    twice = {name: sorted(where) for name, where in places.items() if len(where) > 1}
    assert twice.keys() <= SHARED.keys(), twice


def test_lazy_names_are_what_checkers_see() -> None:
    blocks = [node for node in TREES["__init__.py"].body if isinstance(node, ast.If)]
    imports = next(b.body for b in blocks if ast.unparse(b.test) == "TYPE_CHECKING")
    seen = {
        alias.name: node.module
        for node in imports
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == spear_amal._HOME
    assert set(spear_amal.__all__) == seen.keys()
    for name in seen:
        assert getattr(spear_amal, name) is not None


# A docstring says what is returned, computed, checked or written, or names the object.
RIDDLES = {"Ask", "Give", "Hand", "Let", "Look", "Put", "Say", "Take", "Tell"}
# Folders that are rebuilt right now.
LATER = ("cli/", "estimators/", "report/", "studies/")


def docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a module's classes and functions, inner ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, ast.get_docstring(node) or ""


def test_first_words_of_docstrings_name_the_deed_or_the_object() -> None:
    first = {
        f"{module} {name}: {text.splitlines()[0]}": text.split()[0].strip(",.:").removesuffix("s")
        for module, tree in TREES.items()
        if not module.startswith(LATER)
        for name, text in docstrings(tree)
        if text
    }
    assert [line for line, word in first.items() if word in RIDDLES] == []
