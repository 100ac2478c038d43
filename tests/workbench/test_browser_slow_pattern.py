"""A pattern that never comes to an end, in a browser: the page says so, and all else goes on.

No such pattern is here: in place of what tries one pattern stands a function that waits for ever.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

PATIENCE = 60_000  # ms; nothing here is about time
BEYOND_RE2 = "(?=free)free"
# Takes the place of what tries patterns, in the processes that are killed.
ENDLESS = f"""
from threading import Event
from spear_amal.workbench.pattern_worker import pattern_answers


def answers(*request):
    if {BEYOND_RE2!r} in request:
        Event().wait()
    yield from pattern_answers(*request)
"""
# The workbench, but for that and the time limit of previews.
SERVER = """
import functools, sys
from spear_amal.cli import main
from spear_amal.workbench import app, pattern_search

pattern_search._WORKER = "endless:answers"
app.Previewer = functools.partial(app.Previewer, seconds={seconds})
main(sys.argv[1:])
"""


@pytest.fixture
def serve_slow(serve, project_folder, tmp_path, monkeypatch):
    """Serves the project with a time limit of so many seconds."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "endless.py").write_text(ENDLESS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(modules))

    def start(seconds):
        script = tmp_path / "server.py"
        script.write_text(SERVER.format(seconds=seconds), encoding="utf-8")
        return serve(project_folder, program=(str(script),))

    return start


def type_pattern(page, pattern):
    page.set_default_timeout(PATIENCE)
    page.get_by_text("Regular expression", exact=False).first.click()
    page.locator("#pattern").fill(pattern)


def test_other_tabs_go_on_and_a_newer_rule_is_shown(serve_slow, open_tab, project_folder):
    served = serve_slow(3600)
    tab = open_tab(served, "/rules")
    type_pattern(tab.page, BEYOND_RE2)
    tab.page.locator("#editor.htmx-request").wait_for()
    other = open_tab(served, "/rules")
    other.page.set_default_timeout(PATIENCE)
    for path in ("/rows?words=free", "/label?queue=search&gold=none", "/training", "/rules"):
        other.go(path)
        assert other.page.locator("h1").is_visible()
    other.page.locator("#keywords").fill("lunch")
    other.page.locator("#preview mark").first.wait_for()
    other.page.keyboard.press("Control+Enter")
    other.page.locator("#messages .done").wait_for()
    assert tab.page.locator("#editor.htmx-request").count() == 1  # it is tried still
    tab.page.locator("#pattern").fill("free prize")
    tab.page.locator("#preview mark").first.wait_for()
    assert tab.problems == other.problems == []


def test_the_page_says_that_a_pattern_is_too_slow(serve_slow, open_tab, project_folder):
    tab = open_tab(serve_slow(0.5), "/rules")
    type_pattern(tab.page, BEYOND_RE2)
    said = tab.page.locator("#preview .message")
    said.wait_for()
    assert "Stopped at the time limit after 100 of 120 rows" in said.inner_text()
    tab.page.locator("#pattern").fill("free prize")
    tab.page.locator("#preview mark").first.wait_for()
    assert said.count() == 0 and tab.problems == []
