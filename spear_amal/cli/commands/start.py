"""Commands for a start: ``demo``, ``init``, ``workbench``, ``corpora``; heavy imports wait."""

from __future__ import annotations

import typer

from spear_amal.cli.commands.command import add_command
from spear_amal.cli.options.start import (
    CorporaFetchOptions,
    CorporaListOptions,
    DemoOptions,
    InitOptions,
    WorkbenchOptions,
)

corpora_app = typer.Typer(no_args_is_help=True, help="The corpora: list them, fetch one.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (demo, init, workbench):
        add_command(app, command, rich_help_panel="Start here")
    add_command(corpora_app, corpora_list, "list")
    add_command(corpora_app, corpora_fetch, "fetch")
    app.add_typer(corpora_app, name="corpora", rich_help_panel="Start here")


def demo(options: DemoOptions) -> None:
    """Run the main job on real movie plots: methods compared on one split, and an HTML report.

    Without a network it runs on made-up plots, and says so. An earlier report.html of this command
    is replaced; a report named by --output is not, without --force.
    """
    from spear_amal.cli.demo import demo as run

    run(options)


def init(options: InitOptions) -> None:
    """Write a small project (labelling functions, settings) that runs as it is.

    With --data it is about a table of your own, without about made-up rows.
    """
    from spear_amal.cli.init_project import create_project

    create_project(options)


def workbench(options: WorkbenchOptions) -> None:
    """Open a project in the browser: rules, rows and their effect at once.

    It listens on this machine alone, by an address with a token. Needs: pip install
    'spear-amal[workbench]'.
    """
    from spear_amal.cli.workbench import open_workbench

    open_workbench(options)


def corpora_list(options: CorporaListOptions) -> None:
    """List the corpora and where each stands on this machine."""
    from spear_amal.cli.console import show_rows
    from spear_amal.data import CORPORA, corpus_status

    states = [corpus_status(name, options.data_dir, options.cache_dir) for name in CORPORA]
    rows = [(item.name, item.title, item.state, item.folder or "", item.licence) for item in states]
    show_rows("Corpora", ("name", "what", "state", "folder", "licence"), rows)


def corpora_fetch(options: CorporaFetchOptions) -> None:
    """Fetch a corpus into the cache, checked by its checksums."""
    from spear_amal.cli.console import print_result
    from spear_amal.data import corpus_status, fetch_corpus

    name = options.name
    status = corpus_status(name, options.data_dir, options.cache_dir)
    if status.state == "data directory":
        print_result(f"{name} is in the data directory: {status.folder}")
    else:
        folder = fetch_corpus(name, options.cache_dir, progress=True)
        print_result(f"{name} is in {folder}")
