"""Pictures of every page of the workbench, on movie plots: docs/figures/workbench-*.png.

    python benchmarks/workbench_pictures.py              # those of the docs
    python benchmarks/workbench_pictures.py --all DIR    # all pages, in two widths and themes

Needs the corpus `plots` (spear-amal corpora fetch plots), Playwright and a Chromium. Nothing is
typed that a user would not type; the project is made anew each time.
"""

from __future__ import annotations

import argparse
import os
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
    page.locator(".htmx-request").first.wait_for(state="detached")


def open_page(page: Any, base: str, name: str) -> None:
    """Open a page in the state in which it is shown."""
    page.goto(f"{base}/{name}")
    if name == "rules":
        page.locator("#keywords").fill("kiss, marries, falls in love")
        page.locator("#preview mark").first.wait_for()
    if name == "suggestions":
        page.locator("#suggestions [data-signature]").first.wait_for(timeout=120_000)
    settle(page)


def take_all(address: str, folder: Path) -> None:
    """Write a picture of every page, in both widths and themes."""
    folder.mkdir(parents=True, exist_ok=True)
    base = address.partition("/?")[0]
    with browser() as chromium:
        for theme in ("light", "dark"):
            for width, height in ((380, 800), (1600, 1000)):
                size = {"width": width, "height": height}
                context = chromium.new_context(color_scheme=theme, viewport=size)
                page = context.new_page()
                page.goto(address)
                for name in PAGES:
                    open_page(page, base, name)
                    page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
                context.close()


def take_those_of_the_docs(address: str) -> None:
    """Write the pictures that the docs and README show."""
    base = address.partition("/?")[0]
    size = {"width": 1180, "height": 760}
    with browser() as chromium:
        page = chromium.new_context(color_scheme="light", viewport=size).new_page()
        page.goto(address)
        train(page, base)
        for name in PAGES:
            open_page(page, base, name)
            page.screenshot(path=FIGURES / f"workbench-{name}.png")


def train(page: Any, base: str) -> None:
    """Train once, as the button does, and wait for the end."""
    page.goto(f"{base}/training")
    page.locator("#go").click()
    page.locator("#job .tag", has_text="done").wait_for(timeout=600_000)


def main() -> None:
    """Make the project, serve it, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", type=Path, help="folder for pictures of every page")
    arguments = parser.parse_args()
    every = arguments.all and arguments.all.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # pages show paths as the command was given them
        with served_workbench(plots_project(Path("plots"), n_gold=200)) as served:
            if every is None:
                take_those_of_the_docs(served.address)
            else:
                take_all(served.address, every)


if __name__ == "__main__":
    main()
