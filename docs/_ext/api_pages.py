"""Sphinx extension: the API reference, one page for each module that has an ``__all__``.

A name that several modules hand out is described once, on the page of the module nearest to its
definition; the other pages name it and lead there. Cross references in docstrings may use short
names, and public names in the prose of any page lead to the reference.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import pydoc
import re
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from site_pages import GENERATED, write_if_changed
from sphinx.addnodes import pending_xref
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

import spear_amal

LOGGER = logging.getLogger(__name__)
PAGES = GENERATED / "reference"
CODE = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?")
LIKE_A_NAME = re.compile(r"spear_amal\..+|[A-Z]\w*[a-z]\w*|[a-z]+_\w+")
INTRODUCTION = """\
API reference
=============

Every public name, module by module. Most of what a project needs is in :mod:`spear_amal`,
:mod:`spear_amal.labeling` and :mod:`spear_amal.data`.
"""


def public_modules() -> list[str]:
    """Return the names of all modules that say what is public, the package itself first."""
    package = Path(spear_amal.__file__).parent
    names = ["spear_amal", *(m.name for m in pkgutil.walk_packages([str(package)], "spear_amal."))]
    return [name for name in sorted(names) if "\n__all__ = " in source_of(name)]


def source_of(module: str) -> str:
    """Return the source of a module without running it."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def public_names() -> dict[str, str]:
    """Return for each public name, as ``module.name``, the one under which it is described."""
    same = defaultdict(list)
    for module in public_modules():
        for name in importlib.import_module(module).__all__:
            same[name, id(value_of(f"{module}.{name}"))].append(f"{module}.{name}")
    return {name: max(names, key=nearness) for names in same.values() for name in names}


def value_of(name: str) -> Any:
    """Return what a public name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def nearness(name: str) -> tuple[int, int]:
    """Return how near a name is to its definition (larger is nearer), then how short it is."""
    defined = getattr(value_of(name), "__module__", "").split(".")
    shared = [a == b for a, b in zip(name.split("."), defined, strict=False)]
    near = [*shared, False].index(False) or len(comment_of(*name.rpartition(".")[::2]))
    return near, -name.count(".")


def comment_of(module: str, name: str) -> list[str]:
    """Return the ``#:`` lines above a constant, from the module that defines it."""
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.analyze()
    if ("", name) in analyzer.attr_docs:
        return analyzer.attr_docs["", name]
    for node in ast.walk(ast.parse(analyzer.code)):
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            return comment_of(node.module or "", name)
    return []


def summary(name: str) -> str:
    """Return the first line of what is said about a public name."""
    value = value_of(name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return re.sub(r" \[\d+\]_", "", (inspect.getdoc(value) or "").partition("\n")[0])
    return " ".join(comment_of(*name.rpartition(".")[::2])).partition(". ")[0]


def entry(name: str) -> str:
    """Return the directive that describes one public name."""
    value, (module, _, short) = value_of(name), name.rpartition(".")
    kind = "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"
    if kind == "data":
        return directive("py:data", short, text=comment_of(module, short))
    if kind == "function":
        return directive("autofunction", name)
    kind = "exception" if issubclass(value, BaseException) else "class"
    return directive(f"auto{kind}", name, options=["members:", "inherited-members: object"])


def directive(kind: str, name: str, options: list[str] | None = None, text: Any = ()) -> str:
    """Return one reStructuredText directive."""
    lines = [f".. {kind}:: {name}", *(f"   :{option}" for option in options or []), ""]
    return "\n".join([*lines, *(f"   {line}" for line in text), ""])


def table(rows: list[tuple[str, str]]) -> str:
    """Return a table of two columns."""
    cells = "".join(f"   * - {name}\n     - {text}\n" for name, text in rows)
    return f".. list-table::\n   :widths: auto\n\n{cells}\n"


def module_page(module: str) -> str:
    """Return the reference page of one module."""
    homes = public_names()
    names = [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    listed = table([(f":py:obj:`~{homes[name]}`", summary(homes[name])) for name in names])
    text = inspect.getdoc(importlib.import_module(module)) or ""
    top = f"{module}\n{'=' * len(module)}\n\n.. py:module:: {module}\n\n{text}\n\n{listed}"
    for name in names:
        if not summary(homes[name]):
            LOGGER.warning("%s does not say what it is: it has no docstring or #: comment", name)
    return top + "\n".join(entry(name) for name in names if homes[name] == name)


def write_reference(app: Any) -> None:
    """Write a page for each public module, and the page that lists them."""
    modules = public_modules()
    for module in modules:
        write_if_changed(PAGES / f"{module}.rst", module_page(module))
    says = {name: inspect.getdoc(importlib.import_module(name)) or "" for name in modules}
    listed = table([(f":mod:`{name}`", text.partition("\n")[0]) for name, text in says.items()])
    pages = "".join(f"   {name}\n" for name in modules)
    tree = f".. toctree::\n   :hidden:\n\n{pages}"
    write_if_changed(PAGES / "index.rst", f"{INTRODUCTION}\n{listed}\n{tree}")


def note_other_names(app: Any, env: Any) -> None:
    """Let every further name of an object lead to where it is described, in the inventory too."""
    objects = env.domains["py"].objects
    for name, home in public_names().items():
        if name != home:
            objects[name] = objects[home]._replace(aliased=True)


def number_footnotes(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Give the references of each docstring labels of their own, as many stand on one page."""
    label = re.compile(r"(?<=\[)(\d+)(?=\](?:_| ))")
    lines[:] = [label.sub(rf"#{name}-\1", line) for line in lines]


def skip_foreign(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out members that a class has from another package."""
    function = getattr(obj, "fget", None) or getattr(obj, "__func__", obj)
    module = getattr(function, "__module__", None) or "spear_amal"
    return None if module.startswith("spear_amal") and not name.endswith("_request") else True


def resolve_reference(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """Find a Python name that a docstring gives without its module.

    What the package has but does not hand out stays plain code, and so do types of others.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].lstrip(".")
    objects = env.domains["py"].objects
    ends = [name for name in objects if name == target or name.endswith(f".{target}")]
    places = {objects[name].node_id: objects[name] for name in ends}
    if len(places) == 1:
        (place,) = places.values()
        docname = node.get("refdoc", env.docname)
        return make_refnode(app.builder, docname, place.docname, place.node_id, shown)
    return None if isinstance(shown, nodes.literal) and not is_private(target) else shown


def is_private(target: str) -> bool:
    """Check whether some module of the package has a thing of this name, public or not."""
    ours = [f"{name}." for name in sys.modules if name.startswith("spear_amal")]
    return any(pydoc.locate(f"{module}{target}") is not None for module in ["", *ours])


class LinkPublicNames(SphinxTransform):
    """Make a link of each public name that stands as code in a text."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Replace the code by a cross reference around it."""
        homes = public_names()
        short = defaultdict(set)
        for home in homes.values():
            short[home.rpartition(".")[2]].add(home)
        names = homes | {name: min(places) for name, places in short.items() if len(places) == 1}
        for literal in list(self.document.findall(nodes.literal)):
            code = CODE.fullmatch(literal.astext())
            in_link = isinstance(literal.parent, nodes.reference | pending_xref | nodes.title)
            if code and code[1] in names and LIKE_A_NAME.fullmatch(code[1]) and not in_link:
                link = pending_xref(
                    "",
                    literal.deepcopy(),
                    refdomain="py",
                    reftype="obj",
                    reftarget=names[code[1]],
                    refdoc=self.env.docname,
                    refexplicit=True,
                )
                literal.replace_self(link)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", write_reference)
    app.connect("env-updated", note_other_names)
    app.connect("autodoc-process-docstring", number_footnotes)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("missing-reference", resolve_reference)
    app.add_transform(LinkPublicNames)
    return {"parallel_read_safe": True}
