"""Pictures of every page of the workbench, on movie plots: docs/figures/workbench-*.png.

    python benchmarks/workbench_pictures.py              # those of the docs, into docs/figures
    python benchmarks/workbench_pictures.py --all DIR    # every page, 380 and 1600 px, light and dark

Needs the corpus `plots` (spear-amal corpora fetch plots), Playwright and a Chromium. Nothing is
typed that a user would not type; the project is made anew each time.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench_project import plots_project, served_workbench

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
PAGES = ("rules", "rows", "label", "suggestions", "training", "report")


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a headless Chromium of the system."""
    from playwright.sync_api import sync_playwright

    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def settle(page: Any) -> None:
    """Wait until nothing is asked for any more and animations have ended."""
    page.wait_for_load_state("load")
    page.wait_for_function("!document.querySelector('.htmx-request')")


def take_all(address: str, folder: Path) -> None:
    """Write a picture of every page, in both widths and themes."""
    folder.mkdir(parents=True, exist_ok=True)
    base = address.partition("/?")[0]
    with browser() as chromium:
        for theme in ("light", "dark"):
            for width, height in ((380, 800), (1600, 1000)):
                context = chromium.new_context(
                    color_scheme=theme, viewport={"width": width, "height": height}
                )
                page = context.new_page()
                page.goto(address)
                for name in PAGES:
                    page.goto(f"{base}/{name}")
                    if name == "rules":
                        page.locator("#keywords").fill("kiss, marries, falls in love")
                        page.locator("#preview .figures").wait_for()
                    settle(page)
                    page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
                context.close()


def main() -> None:
    """Make the project, serve it, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", type=Path, help="folder for pictures of every page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = plots_project(Path(folder) / "plots", n_gold=60)
        with served_workbench(project) as address:
            take_all(address, arguments.all)


if __name__ == "__main__":
    main()
