"""Sphinx extension: pages of the site that are made from files outside of ``docs``.

Scripts become a page each (docstring as text, code as a block), and so do the cards of data sets,
CONTRIBUTING and CHANGELOG. They are written into ``docs/generated`` before Sphinx reads its
sources, and are not committed.
Links between files of the repository become links between pages, in every Markdown page.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = DOCS / "generated"
# Folder of scripts or cards -> title of its page, and what stands above the list.
FOLDERS = {
    "examples": (
        "Examples",
        "Short scripts, from the first labelling function to studies. Run them from the root of a "
        "clone; `--small` makes each of them quick.",
    ),
    "labeling_functions": (
        "Labelling functions of the corpora",
        "The files that the demo and the studies use.",
    ),
    "datasets": (
        "Data set cards",
        "What each corpus holds, where it comes from and under which licence.",
    ),
}
WRITTEN: set[Path] = set()
PROJECT = ("CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def page_of(path: Path) -> Path:
    """Return the file under ``docs`` that shows a file of the repository, or the file itself."""
    name = path.relative_to(ROOT)
    if str(name) in FOLDERS:
        return GENERATED / name / "index.md"
    if name.parts[0] in FOLDERS:
        return GENERATED / name.with_suffix(".md")
    if path.parent == ROOT and path.name in PROJECT:
        return GENERATED / path.name.lower()
    return DOCS / "index.md" if path == ROOT / "README.md" else path


def relink(text: str, source: Path, page: Path) -> str:
    """Return Markdown of the file `source` with its links as they have to be on `page`.

    A link to a folder that has no page is left out, its text stays. A link that shows the name of
    its file shows the title of the page instead.
    """

    def relinked(match: re.Match[str]) -> str:
        label, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target:
            return match[0]
        path = page_of((source.parent / target).resolve())
        if path.is_dir():
            return label
        if label.endswith(Path(target).name):
            label = ""
        return f"[{label}]({os.path.relpath(path, page.parent)}{anchor})"

    return LINK.sub(relinked, text)


def script_page(script: Path) -> str:
    """Return the page of a Python file: its docstring, then its code."""
    code = script.read_text(encoding="utf-8")
    title, _, text = (ast.get_docstring(ast.parse(code)) or script.stem).partition("\n")
    body = code.split('"""', 2)[2].strip()
    return f"# {title.rstrip('.')}\n\n{text.strip()}\n\n```python\n{body}\n```\n"


def folder_page(title: str, text: str, names: list[str]) -> str:
    """Return the page that lists the pages of a folder."""
    listed = "\n".join(names)
    return f"# {title}\n\n{text}\n\n```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"


def write_if_changed(path: Path, text: str) -> None:
    """Write a page, unless it is there already: Sphinx reads again what is newer."""
    WRITTEN.add(path)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_pages(app: Any) -> None:
    """Write all pages that come from outside of ``docs``."""
    for folder, (title, text) in FOLDERS.items():
        sources = sorted(p for p in (ROOT / folder).iterdir() if p.suffix in (".py", ".md"))
        names = [path.stem for path in sources]
        write_if_changed(GENERATED / folder / "index.md", folder_page(title, text, names))
        for path in sources:
            page = script_page(path) if path.suffix == ".py" else path.read_text(encoding="utf-8")
            write_if_changed(page_of(path), relink(page, path, page_of(path)))
    for name in PROJECT:
        path = ROOT / name
        page = relink(path.read_text(encoding="utf-8"), path, page_of(path))
        write_if_changed(page_of(path), page)


def remove_stale_pages(app: Any) -> None:
    """Remove pages of earlier builds whose source is gone."""
    for path in GENERATED.rglob("*.*"):
        if path not in WRITTEN:
            path.unlink()


def relink_source(app: Any, docname: str, content: list[str]) -> None:
    """Mend the links of a page that lies in ``docs`` itself."""
    page = DOCS / f"{docname}.md"
    if page.exists():
        content[0] = relink(content[0], page, page)


def relink_included(app: Any, path: Path, docname: str, content: list[str]) -> None:
    """Mend the links of a file that a page includes."""
    content[0] = relink(content[0], (DOCS / path).resolve(), DOCS / f"{docname}.md")


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("builder-inited", remove_stale_pages, priority=900)
    app.connect("source-read", relink_source)
    app.connect("include-read", relink_included)
    return {"parallel_read_safe": True}
