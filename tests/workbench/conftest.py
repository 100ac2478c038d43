"""A small project, its workbench without a server, a server of its own, and a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("sse_starlette")

from starlette.applications import Starlette
from starlette.testclient import TestClient

from spear_amal.cli.workbench import project_of
from spear_amal.workbench import Workspace
from spear_amal.workbench.app import create_app
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.server import hosts_of

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PORT, TOKEN = 8765, "a-token-of-tests"
COMMAND_LINE = ("-m", "spear_amal")

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


@pytest.fixture(scope="session")
def made_up_rows():
    """Makes the table of `project_folder` in another size: ``made_up_rows(n, n_gold)``."""
    return _made_up_rows


@pytest.fixture(scope="session")
def write_project():
    """Writes a project: ``write_project(folder, frame, lfs)``."""
    return _write_project


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """Folder of a project of 120 rows, 20 of them with a label."""
    return _write_project(tmp_path / "messages")


def _opened() -> Iterator[Callable[[Path], Starlette]]:
    apps: list[Starlette] = []

    def open_it(folder: Path) -> Starlette:
        apps.append(create_app(Workspace(project_of(folder)), TOKEN, hosts_of(PORT)))
        return apps[-1]

    yield open_it
    for app in apps:
        app.state.jobs.close()
        app.state.previewer.close()
        app.state.workspace.close()


@pytest.fixture
def open_app() -> Iterator[Callable[[Path], Starlette]]:
    """Opens the application on a folder, without a server; closed after the test."""
    yield from _opened()


@pytest.fixture(scope="module")
def open_app_once() -> Iterator[Callable[[Path], Starlette]]:
    """As `open_app`, for all tests of a file."""
    yield from _opened()


class QuietWorkspace:
    """A workspace that nobody changes: the snapshot of a project, and a copy of its files.

    Attributes
    ----------
    project, snapshot, hub
    taken : list of Path
        Outputs that were to be shown.
    published : list of (str, dict)
        What the hub was told.
    """

    def __init__(self, project, snapshot) -> None:
        self.project, self.snapshot = project, snapshot
        self.taken, self.published, self.hub = [], [], Hub()
        self.hub.publish = lambda topic, **values: self.published.append((topic, values))

    def wait(self, wanted, seconds) -> bool:
        """Return at once."""
        return True

    def take_outputs(self, path: Path) -> None:
        """Keep the path."""
        self.taken.append(path)


@pytest.fixture(scope="module")
def voted(open_app_once, tmp_path_factory):
    """The snapshot of a project on which all LFs have voted."""
    workspace = open_app_once(_write_project(tmp_path_factory.mktemp("voted") / "messages"))
    workspace = workspace.state.workspace
    assert workspace.wait(lambda snapshot: snapshot.is_idle, 60)
    return workspace.snapshot


@pytest.fixture
def quiet_workspace(voted, project_folder: Path) -> QuietWorkspace:
    """A workspace for what reads and writes files beside it."""
    return QuietWorkspace(project_of(project_folder), voted)


@pytest.fixture
def client_of() -> Callable[..., TestClient]:
    """Makes a client of an application: ``client_of(app, token)``; None has no cookie."""

    def make(app: Starlette, token: str | None = TOKEN) -> TestClient:
        here = f"http://127.0.0.1:{PORT}"
        client = TestClient(app, base_url=here, raise_server_exceptions=False)
        if token is not None:
            client.cookies.set(f"spear_amal_{PORT}", token, domain="127.0.0.1")
        return client

    return make


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

    def __init__(
        self, folder: Path, log: Path, *flags: str, program: tuple[str, ...] = COMMAND_LINE
    ) -> None:
        self.folder, self.log = folder, log
        command = [sys.executable, *program, "workbench", str(folder), "--no-browser"]
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


def _serving(logs: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(folder: Path, *flags: str, program: tuple[str, ...] = COMMAND_LINE) -> Served:
        log = logs / f"server-{len(started)}.log"
        started.append(Served(folder, log, *flags, program=program))
        return started[-1]

    yield start
    for served in started:
        served.end(kill=True)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts workbenches in processes of their own: ``serve(folder)``; ended after the test."""
    yield from _serving(tmp_path)


@pytest.fixture(scope="module")
def serve_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """As `serve`, for all tests of a file."""
    yield from _serving(tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="session")
def chromium():
    """A headless browser; skips with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def other_site() -> Iterator[str]:
    """Address of a page that another program serves on another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _OtherSite)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


class _OtherSite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another site</title>")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def serious_findings():
    """Checks a page with axe: returns its serious and critical findings, each in a line."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def find(page: Any) -> list[str]:
        found = axe.run(page).response["violations"]
        return [
            f"{item['id']} ({item['impact']}): {item['help']}: {node['html'][:120]}"
            for item in found
            if item["impact"] in ("serious", "critical")
            for node in item["nodes"]
        ]

    return find


class Tab:
    """A page of the browser, and what went wrong in it.

    Attributes
    ----------
    page : playwright Page
    problems : list of str
        Errors of scripts, of the content policy, and failed requests; not those that were called
        off because newer ones took their place, of which htmx writes too.
    """

    def __init__(self, page, base: str) -> None:
        self.page, self.base, self.problems = page, base, []
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("console", self._hear)

    def _hear(self, message) -> None:
        is_called_off = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))
        if message.type == "error" and not is_called_off:
            self.problems.append(f"console: {message.text}")

    def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(wide))

    def go(self, path: str) -> None:
        """Open a page of the workbench."""
        self.page.goto(self.base + path)


@pytest.fixture
def open_tab(chromium) -> Iterator[Callable[..., Any]]:
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
