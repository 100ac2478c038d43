"""Commands for a start: ``demo``, ``init`` and ``corpora``. Heavy imports wait for the call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spear_amal.cli.commands.options import CacheDir, DataDir, Force, Lfs

corpora_app = typer.Typer(no_args_is_help=True, help="The corpora: list them, fetch one.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(demo)
    app.command()(init)
    app.add_typer(corpora_app, name="corpora")


def demo(
    output: Annotated[Path | None, typer.Option(help="HTML report. [default: report.html]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the split and starts training.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch nothing.")] = False,
    lfs: Lfs = None,
    data_dir: DataDir = None,
    cache_dir: CacheDir = None,
    max_epochs: Annotated[int, typer.Option(min=1, help="Longest training.")] = 100,
    force: Force = False,
) -> None:
    """Run the main job on real movie plots: methods compared on one split, and an HTML report.

    Without a network it runs on made-up plots, and says so. An earlier report.html of this command
    is replaced; a report named by --output is not, without --force.
    """
    from spear_amal.cli.demo import Options
    from spear_amal.cli.demo import demo as run

    run(Options(output, seed, offline, force, lfs, data_dir, cache_dir, max_epochs))


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder.")]) -> None:
    """Write a small project (labelling functions, data, settings) that runs as it is."""
    from spear_amal.cli.init_project import create_project

    create_project(folder)


@corpora_app.command("list")
def corpora_list(data_dir: DataDir = None, cache_dir: CacheDir = None) -> None:
    """List the corpora and where each stands on this machine."""
    from spear_amal.cli.corpora import list_corpora

    list_corpora(data_dir, cache_dir)


@corpora_app.command("fetch")
def corpora_fetch(
    name: Annotated[str, typer.Argument(help="A name that `corpora list` shows.")],
    data_dir: DataDir = None,
    cache_dir: CacheDir = None,
) -> None:
    """Fetch a corpus into the cache, checked by its checksums."""
    from spear_amal.cli.corpora import fetch

    fetch(name, data_dir, cache_dir)
