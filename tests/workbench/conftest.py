"""A small project, its workbench without a server, a server of its own, and a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("sse_starlette")

from starlette.testclient import TestClient

from spear_amal.cli.workbench import project_of
from spear_amal.workbench import Workspace
from spear_amal.workbench.app import create_app
from spear_amal.workbench.security import Guard
from spear_amal.workbench.server import hosts_of

PORT, TOKEN = 8765, "a-token-of-tests"

LFS = """
from spear_amal.labeling import keyword_lf, labeling_function

CLASSES = ("ham", "spam")

prize = keyword_lf("prize", ["prize", "free"], label="spam")
lunch = keyword_lf("lunch", ["lunch", "home"], label="ham")


@labeling_function(label="spam")
def shouts(x):
    return "!" in x.text
"""
SETTINGS = 'data = "rows.csv"\ntext_column = "text"\nlabel_column = "label"\nlfs = "lfs.py"\n'
WORDS = {
    "spam": ("free prize", "win cash!", "claim now"),
    "ham": ("lunch at", "home by", "see you"),
}


def _made_up_rows(n: int = 120, n_gold: int = 20) -> pd.DataFrame:
    """Return short messages of two classes by turns; the first ones have a label."""
    names = [("ham", "spam")[i % 2] for i in range(n)]
    texts = [f"{WORDS[name][i % 3]} {i}" for i, name in enumerate(names)]
    labels = [name if i < n_gold else None for i, name in enumerate(names)]
    return pd.DataFrame({"id": range(n), "text": texts, "length": map(len, texts), "label": labels})


def _write_project(folder: Path, frame: pd.DataFrame | None = None, lfs: str = LFS) -> Path:
    """Write a project as `init` does, without its remarks; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (_made_up_rows() if frame is None else frame).to_csv(folder / "rows.csv", index=False)
    (folder / "lfs.py").write_text(lfs, encoding="utf-8")
    (folder / "spear.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


@pytest.fixture
def made_up_rows():
    """Makes the table of `project_folder` in another size: ``made_up_rows(n, n_gold)``."""
    return _made_up_rows


@pytest.fixture
def write_project():
    """Writes a project: ``write_project(folder, frame, lfs)``."""
    return _write_project


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """Folder of a project of 120 rows, 20 of them with a label."""
    return _write_project(tmp_path / "messages")


@pytest.fixture
def open_workspace() -> Iterator[object]:
    """Opens the workbench of a folder, without a server; closed in the end."""
    opened: list[Workspace] = []

    def open_it(folder: Path) -> Workspace:
        opened.append(Workspace(project_of(folder)))
        return opened[-1]

    yield open_it
    for workspace in opened:
        workspace.close()


def _client_of(workspace: Workspace, token: str | None = TOKEN) -> TestClient:
    """Return a client that talks to a workbench as a browser would that has the token."""
    hosts = hosts_of(PORT)
    app = create_app(workspace, TOKEN, hosts)
    client = TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=False)
    if token is not None:
        client.cookies.set(Guard(app, TOKEN, hosts).cookie, token, domain="127.0.0.1")
    return client


@pytest.fixture
def workspace(open_workspace, project_folder: Path) -> Workspace:
    """The workbench of `project_folder`, without a server."""
    return open_workspace(project_folder)


@pytest.fixture
def client(workspace: Workspace) -> TestClient:
    """A client of `workspace` that has the token."""
    return _client_of(workspace)


@pytest.fixture
def client_of():
    """Makes a client of a workspace: ``client_of(workspace, token)``; None has no cookie."""
    return _client_of


class Served:
    """A workbench in a process of its own, as the command starts it.

    Attributes
    ----------
    folder : Path
    address : str
        With the token.
    process : subprocess.Popen
    log : Path
        What the process writes to stderr.
    """

    def __init__(self, folder: Path, log: Path, *flags: str) -> None:
        self.folder, self.log = folder, log
        command = [sys.executable, "-m", "spear_amal", "workbench", str(folder), "--no-browser"]
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, *flags],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:  # ends when the process does
            self.said += line
            if match := re.search(r"http://\S+", line):
                self.address = match[0].strip('",')
                return
        raise AssertionError(f"the workbench did not start: {log.read_text(encoding='utf-8')}")

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.address.partition("/?")[0]

    def end(self, kill: bool = False) -> int:
        """End the process, and return its exit code."""
        if self.process.poll() is None:
            (self.process.kill if kill else self.process.terminate)()
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[object]:
    """Starts workbenches in processes of their own; ended in the end."""
    started: list[Served] = []

    def start(folder: Path, *flags: str) -> Served:
        started.append(Served(folder, tmp_path / f"server-{len(started)}.log", *flags))
        return started[-1]

    yield start
    for served in started:
        served.end(kill=True)


@pytest.fixture(scope="session")
def chromium():
    """A headless browser; skips with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page of the browser, and what went wrong in it.

    Attributes
    ----------
    page : playwright Page
    problems : list of str
        Errors of scripts, of the content policy, and failed requests.
    """

    def __init__(self, page, base: str) -> None:
        self.page, self.base, self.problems = page, base, []
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("console", self._hear)

    def _hear(self, message) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def go(self, path: str) -> None:
        """Open a page of the workbench."""
        self.page.goto(self.base + path)


@pytest.fixture
def open_tab(chromium) -> Iterator[object]:
    """Opens tabs on a served workbench, each browser context with its own cookies."""
    contexts = []

    def open_it(served: Served, path: str = "/rules", context=None, **options) -> Tab:
        if context is None:
            context = chromium.new_context(**options)
            contexts.append(context)
        tab = Tab(context.new_page(), served.base)
        tab.page.goto(served.address)
        tab.go(path)
        return tab

    yield open_it
    for context in contexts:
        context.close()
