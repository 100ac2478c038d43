"""The documentation site builds without a warning and holds every public name; notebooks run."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbclient import NotebookClient

import spear_amal

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MODULES = [
    "spear_amal",
    *(m.name for m in pkgutil.walk_packages(spear_amal.__path__, "spear_amal.")),
]


def public_names() -> set[str]:
    """Names in the ``__all__`` of every module, as ``module.name``."""
    return {
        f"{module}.{name}"
        for module in MODULES
        for name in getattr(importlib.import_module(module), "__all__", ())
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as ``make docs`` does, without running the notebooks once more."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-d", str(folder / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, "-D", "nb_execution_mode=off"]
    ran = subprocess.run(
        [*command, str(ROOT / "docs"), str(folder / "html")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "html"


@pytest.mark.slow
def test_every_public_name_has_an_entry(site: Path) -> None:
    _, entries = (site / "objects.inv").read_bytes().split(b"zlib.\n", 1)
    described = {line.split(" ")[0] for line in zlib.decompress(entries).decode().splitlines()}
    assert public_names() - described == set()


@pytest.mark.slow
def test_search_finds_words_of_pages_and_of_docstrings(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    pages = found["docnames"]
    for word, page in [("placebo", "glossary"), ("callback", "loop")]:
        at = found["terms"][word]
        assert page in [pages[i] for i in (at if isinstance(at, list) else [at])]
    assert "SpearClassifier" in str(found["objects"])


@pytest.mark.slow
def test_scripts_are_pages(site: Path) -> None:
    for script in (ROOT / "examples").glob("[0-9]*.py"):
        page = (site / "generated" / "examples" / f"{script.stem}.html").read_text("utf-8")
        assert "You learn" in page


class Links(HTMLParser):
    """Collects what a page links to, and what may be linked to on it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src"):
                self.targets.add(value or "")
            elif name == "id":
                self.anchors.add(value or "")


def broken_links(site: Path) -> Iterator[str]:
    """Links between the files of a site that lead nowhere."""
    pages: dict[Path, Links] = {}
    for path in site.rglob("*.html"):
        pages[path] = Links()
        pages[path].feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        for target in page.targets:
            link = urlsplit(target)
            if link.scheme or link.netloc:
                continue
            leads_to = (path.parent / unquote(link.path)).resolve() if link.path else path
            known = pages.get(leads_to)
            if not leads_to.exists():
                yield f"{path.relative_to(site)} -> {target}"
            elif link.fragment and known and unquote(link.fragment) not in known.anchors:
                yield f"{path.relative_to(site)} -> {target}, which has no such place"


def test_broken_links_are_seen(tmp_path: Path) -> None:
    tmp_path.joinpath("a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<a href="https://example.org/x">4</a>'
    )
    tmp_path.joinpath("b.html").write_text('<p id="there"><img src="d.png">')
    assert sorted(broken_links(tmp_path)) == [
        "a.html -> b.html#gone, which has no such place",
        "a.html -> c.html",
        "b.html -> d.png",
    ]


@pytest.mark.slow
def test_links_of_the_site_lead_somewhere(site: Path) -> None:
    assert list(broken_links(site)) == []


def test_terms_of_the_glossary_are_those_of_the_code() -> None:
    """Class names and dotted names in the glossary exist; no term stands there twice."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    public = public_names()
    short = {name.rpartition(".")[2] for name in public}
    code = re.findall(r"(?<!\})`([A-Za-z_.]+)`", text)
    named = {name for name in code if re.match(r"[A-Z]\w+[a-z]|spear_amal\.|[a-z]+_", name)}
    assert named - short - public == set()
    terms = re.findall(r"^(?=\w)(?!#)(.+)$", "\n".join(glossary_blocks(text)), re.MULTILINE)
    assert len(terms) == len(set(terms)) > 50


def glossary_blocks(text: str) -> list[str]:
    return re.findall(r"^```\{glossary\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
