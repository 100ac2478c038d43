"""The shape of the package: imports go one way, light halves stay light, names are documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import spear_amal

PACKAGE = Path(spear_amal.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))

# Folder (or top-level module) -> layer. Those on one layer do not see each other, except on the
# lowest, whose modules are single files. What is not named here is a module of the lowest layer.
LAYERS = {
    "io": 0,
    "votes": 0,
    "tensors": 0,
    "distributed": 0,
    "llm": 0,
    "maths": 1,
    "labeling": 2,
    "label_models": 2,
    "data": 2,
    "models": 2,
    "declared_lfs": 4,
    "prompted_lfs": 3,
    "model_lfs": 3,
    "utils": 3,
    "slicing": 3,
    "preprocess": 3,
    "map": 3,
    "analysis": 4,
    "suggest": 5,
    "snorkel_models": 5,
    "losses": 3,
    "mixers": 3,
    "training": 4,
    "teachers": 4,
    "loop": 4,
    "estimators": 5,
    "studies": 6,
    "explanation": 6,
    "text_model_file": 6,
    "testing": 6,
    "row_outputs": 3,
    "training_rows": 3,
    "training_record": 4,
    "explain_row": 7,
    "report": 7,
    "export": 7,
    "text_classifier": 8,
    "comparison": 9,
    "streamed_predictions": 9,
    "workbench": 10,
    "cli": 11,
    "__main__": 12,
}
# Names that the package itself hands out lazily -> where they live.
HOME = {name: module for module, names in spear_amal._LAZY.items() for name in names}
NO_TORCH = (
    "labeling",
    "data",
    "declared_lfs",
    "prompted_lfs",
    "model_lfs",
    "llm",
    "suggest",
    "utils",
    "slicing",
    "preprocess",
    "map",
    "analysis",
)


def part_of(path: Path) -> str:
    """Folder or module name directly under the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def only_for_types(node: ast.AST) -> bool:
    """Tell ``if TYPE_CHECKING:``, whose imports never run."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(node: ast.AST) -> Iterator[str]:
    """Dotted names that code imports, in functions too; a.b for ``from a import b``."""
    for child in ast.iter_child_nodes(node):
        if only_for_types(child):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute in this package"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from imports(child)


def wrong_imports(part: str, code: str) -> list[str]:
    """Imports of the package in `code` that the layer of `part` must not make."""
    level = LAYERS.get(part, 0)
    wrong = []
    for name in imports(ast.parse(code)):
        package, _, rest = name.partition(".")
        target = HOME.get(rest, rest).split(".")[0]
        if package != "spear_amal" or target in ("", part):
            continue
        above = LAYERS.get(target, 0)
        if above > level or (above == level and level > 0):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize(
    ("part", "code", "wrong"),
    [
        ("labeling", "from spear_amal.data import Corpus", 1),
        ("data", "import spear_amal.training", 1),
        ("maths", "def f():\n    from spear_amal.models import MLP", 1),
        ("maths", "from spear_amal import models", 1),
        ("training", "from spear_amal import SpearClassifier", 1),
        ("mixers", "if TYPE_CHECKING:\n    from spear_amal.training import Trainer", 0),
        ("studies", "from spear_amal.estimators import SpearClassifier", 0),
        ("errors", "from spear_amal.io.atomic import write_aside", 0),
    ],
)
def test_checker_sees_what_it_should(part: str, code: str, wrong: int) -> None:
    assert len(wrong_imports(part, code)) == wrong


def test_imports_go_one_way() -> None:
    wrong = {
        str(path.relative_to(PACKAGE)): names
        for path in FILES
        if (names := wrong_imports(part_of(path), path.read_text(encoding="utf-8")))
    }
    assert wrong == {}


def dotted(path: Path) -> str:
    """Dotted name of the module in a file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(codes: dict[str, str]) -> dict[str, set[str]]:
    """Modules that each module imports, inside functions too; `codes` by name of the module.

    An imported name stands for its module, and one that the package hands out for its home.
    """
    graph: dict[str, set[str]] = {module: set() for module in codes}
    for module, code in codes.items():
        for name in imports(ast.parse(code)):
            rest = name.partition(".")[2]
            target = f"spear_amal.{HOME[rest]}" if rest in HOME else name
            graph[module].add(target if target in codes else target.rpartition(".")[0])
        graph[module] &= codes.keys() - {module}
    return graph


def test_checker_sees_circles() -> None:
    code = "from spear_amal import {}"
    in_function = "def f():\n    from spear_amal.io.b import g"
    codes = {"spear_amal.a": code.format("io"), "spear_amal.io": "", "spear_amal.io.b": ""}
    TopologicalSorter(import_graph(codes)).prepare()
    with pytest.raises(CycleError, match="cycle"):
        circle = {"spear_amal.a": in_function, "spear_amal.io.b": code.format("a")}
        TopologicalSorter(import_graph(codes | circle)).prepare()


def test_no_import_circle() -> None:
    codes = {dotted(path): path.read_text(encoding="utf-8") for path in FILES}
    TopologicalSorter(import_graph(codes)).prepare()  # raises a CycleError that names the circle


@pytest.mark.parametrize("estimator", ["SpearClassifier", "GoldClassifier"])
def test_a_fit_enters_no_more_files_than_the_design_says(estimator: str) -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    [stated] = re.findall(rf"\| `{estimator}\.fit` \| (\d+) \|", design)
    walk = runpy.run_path(str(ROOT / "tests" / "walk.py"))
    entered = walk["functions_entered"](walk["fits"]()[estimator])
    assert len(entered) <= int(stated), f"fewer is fine, more is not: {sorted(entered)}"


def test_every_folder_has_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders <= set(LAYERS)


@pytest.mark.parametrize("module", ["spear_amal", *(f"spear_amal.{part}" for part in NO_TORCH)])
def test_imports_without_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("part", NO_TORCH)
def test_no_torch_inside_functions_either(part: str) -> None:
    for path in (PACKAGE / part).rglob("*.py"):
        names = {name.split(".")[0] for name in imports(ast.parse(path.read_text("utf-8")))}
        assert "torch" not in names, path


MODULES = [
    "spear_amal",
    *(m.name for m in pkgutil.walk_packages(spear_amal.__path__, "spear_amal.")),
]


def undocumented(name: str) -> Iterator[str]:
    """A module, and names that it makes public, without a docstring."""
    module = importlib.import_module(name)
    if not module.__doc__:
        yield name
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if (inspect.isclass(value) or inspect.isroutine(value)) and not value.__doc__:
            yield f"{name}.{public}"


def test_public_names_exist_and_are_documented() -> None:
    assert [missing for name in MODULES for missing in undocumented(name)] == []
