"""The whole loop in a real browser: a rule, an LF, labels by keys, training, a crash."""

from __future__ import annotations

import csv
import importlib.util
import re
from pathlib import Path

import pandas as pd
import pytest

from spear_amal.declared_lfs import read_rules_file
from spear_amal.errors import DataUnavailableError

pytestmark = pytest.mark.slow

PATIENCE = 120_000  # ms; machines that do much else are slow, and nothing here is about time
QUICK = 'method = "spear"\nmax_epochs = 4\nmetric = "f1"\n'
PROJECTS = Path(__file__).parents[2] / "benchmarks" / "workbench_project.py"


@pytest.fixture(params=["made up", "plots"])
def project(request, tmp_path, made_up_rows, write_project):
    """A project with few labels, a keyword list that is worth an LF, and its class."""
    if request.param == "made up":
        folder = write_project(tmp_path / "messages", made_up_rows(200, 30))
        words = ("claim now, cash", "spam")
    else:
        spec = importlib.util.spec_from_file_location("workbench_project", PROJECTS)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            folder = module.plots_project(tmp_path / "plots", n_gold=60)
        except DataUnavailableError as error:
            pytest.skip(f"the corpus plots is not at hand: {error}")
        words = ("falls in love, kiss, romantic", "romance")
    settings = (folder / "spear.toml").read_text(encoding="utf-8")
    kept = [line for line in settings.splitlines() if not line.startswith(("method", "m"))]
    (folder / "spear.toml").write_text("\n".join([*kept, QUICK]), encoding="utf-8")
    return folder, *words


def labels_of(folder):
    """Return the rows of the gold file."""
    path = folder / "gold.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rule(page, keywords, label):
    """Type a rule and see its matches; return how many there are."""
    page.keyboard.press("n")  # to the editor
    page.locator("#keywords").press_sequentially(keywords)
    page.get_by_role("group", name="votes for").get_by_text(label, exact=True).click()
    page.locator("#preview mark").first.wait_for()
    page.locator(".htmx-request").first.wait_for(state="detached")
    shown = page.locator("#preview .figures dd").first.inner_text()
    return int(re.match(r"[\d,]+", shown)[0].replace(",", ""))


def label_by_key(page, key):
    """Answer the row that is shown, and wait for the next one; return its number."""
    row = page.locator("#label").get_attribute("data-row")
    given = int(page.locator("#n-given").inner_text())
    page.locator("#label[data-ready]:not([aria-busy])").wait_for()
    page.keyboard.press(key)
    page.locator(f"#label[data-row]:not([data-row='{row}'])").wait_for()
    assert int(page.locator("#n-given").inner_text()) == given + 1
    return int(row)


def train(page):
    """Train, wait for the end, and return the score that is shown, in points."""
    page.locator("#go").click()
    page.locator("#job .tag", has_text=re.compile("^(done|failed|killed)$")).wait_for()
    assert page.locator("#job .tag").first.inner_text() == "done", page.locator("#job").inner_text()
    shown = page.locator("#history tr.present td.number").last
    shown.filter(has_text=re.compile(r"\d")).wait_for()
    return float(shown.inner_text())


def test_the_whole_loop(project, serve, open_tab):
    folder, keywords, label = project
    served = serve(folder)
    tab = open_tab(served, "/training")
    page = tab.page
    page.set_default_timeout(PATIENCE)
    before = train(page)
    assert 0 <= before <= 100 and str(folder) not in page.locator("main").inner_text()

    tab.go("/rules")
    make_lf(page, folder, keywords, label)

    tab.go("/label?queue=next")
    rows = [label_by_key(page, str(1 + i % 2)) for i in range(10)]
    assert len(set(rows)) == len(labels_of(folder)) == 10

    tab.go("/training")
    page.get_by_text("were not trained with yet").wait_for()
    after = train(page)
    assert page.locator("#history tbody tr").count() == 2
    # The rules differ by one LF, and what is said of the score is the difference of both.
    moved = page.locator("#job p", has_text="Since the rules last changed").inner_text()
    points = re.search(r"changed: ([+-]?[\d.]+) points", moved)
    assert points, moved
    if "both were scored on" not in moved:
        assert float(points[1]) == pytest.approx(after - before, abs=0.11)
    page.reload()
    assert page.locator("#history tbody tr").count() == 2
    page.get_by_role("link", name="What was changed").click()
    page.locator("main", has_text="my_rule").wait_for()

    # The server is killed in the middle of labelling: everything is there.
    tab.go("/label?queue=next")
    row = label_by_key(page, "1")
    assert tab.problems == []
    served.end(kill=True)
    assert len(labels_of(folder)) == 11
    again = open_tab(serve(folder), "/rules")
    again.page.set_default_timeout(PATIENCE)
    again.page.locator("#lf-list").get_by_role("link", name="my_rule", exact=True).wait_for()
    again.go(f"/rows/{row}")
    assert "label: " in again.page.locator("main .says .chip").first.inner_text()
    again.go("/training")
    assert again.page.locator("#history tbody tr").count() == 2
    assert again.problems == []


def make_lf(page, folder, keywords, label):
    """Type a rule, look at its matches, and make it an LF by a key."""
    n_matches = write_rule(page, keywords, label)
    assert n_matches > 0
    page.locator("#rule-name").fill("my_rule")
    page.keyboard.press("Control+Enter")
    page.locator("#lf-list").get_by_role("link", name="my_rule", exact=True).wait_for()
    rule = read_rules_file(folder / "rules.toml").named("my_rule")
    assert rule.label == label and sorted(rule.keywords) == sorted(keywords.split(", "))
    n_rows = len(pd.read_csv(next(folder.glob("[pr]*s.csv"))))
    line = page.locator("#lf-list tr", has=page.get_by_role("link", name="my_rule", exact=True))
    line.get_by_text(f"{100 * n_matches / n_rows:.1f}").first.wait_for()
