"""Pages in a browser, where there is one: figures are drawn, tables sort, nothing goes wrong."""

import re
import shutil
import subprocess

import pytest

from spear_amal.report import write_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,  # a browser starts
    pytest.mark.skipif(BROWSER is None, reason="no chromium"),
]
SORT = """
const button = [...document.querySelectorAll("th button")].find((b) => b.innerText == "coverage");
button.click(); button.click();
button.dispatchEvent(new Event("focus"));
"""


def opened(path, tmp_path):
    """The page after its scripts ran, and what they complained of."""
    command = [
        *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", "--dump-dom"),
        path.as_uri(),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


def test_figures_are_drawn_under_the_page_s_own_policy(content, tmp_path):
    write_report(tmp_path / "r.html", content)
    page, complaints = opened(tmp_path / "r.html", tmp_path)
    assert complaints == []
    charts = page.split('<div class="chart vega-embed')[1:]
    assert len(charts) == 12 and all("<svg" in chart for chart in charts)
    body = re.sub(r'="[^"]*"', "", page[: page.index("</main>")])
    assert "<script>alert" not in body and "could not be drawn" not in body


def test_a_click_sorts_and_a_focus_explains(content, tmp_path):
    path = tmp_path / "r.html"
    write_report(path, content)
    text = re.sub(r"<meta http-equiv.*?>", "", path.read_text(encoding="utf-8"))
    before, _, after = text.rpartition("</body>")
    path.write_text(f"{before}<script>{SORT}</script></body>{after}", encoding="utf-8")
    page, complaints = opened(path, tmp_path)
    assert complaints == []
    table = next(t for t in re.findall(r"<table>.*?</table>", page, re.DOTALL) if "coverage" in t)
    cells = re.findall(r'<td class="number">([\d.]+)%</td>', table)[::3]
    assert len(cells) == 7 and cells == sorted(cells, key=float, reverse=True)
    assert 'aria-sort="descending"' in table
    assert re.search(r'<div id="tip"[^>]*role="tooltip"[^>]*>Share of all rows on which', page)
