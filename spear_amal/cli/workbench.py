"""The command ``workbench``: a project in the browser."""

from __future__ import annotations

import importlib.util
import webbrowser
from pathlib import Path

import pandas as pd

from spear_amal.cli.console import print_result, print_status
from spear_amal.cli.init_project import create_project
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options import CliConfig, InitOptions, WorkbenchOptions
from spear_amal.cli.votes import CACHE_FOLDER
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.workbench.project import GOLD, Project

_SHOWN = ("method", "features", "metric", "test")


def open_workbench(options: WorkbenchOptions) -> None:
    """Serve the workbench of a project, or of a table around which one is made."""
    require_extra()
    from spear_amal.workbench import Workspace, serve

    project = project_of(_folder(options))
    print_status(f"Reading {', '.join(map(str, project.data))} ..")
    workspace = Workspace(project)

    def on_ready(address: str) -> None:
        print_result(f"The workbench is open at {address}")
        print_status("Whoever has this address can run the project's code. Ctrl+C ends it.")
        if not options.no_browser:
            webbrowser.open(address)

    try:
        serve(workspace, options.port, on_ready)
    finally:
        workspace.close()


def require_extra() -> None:
    """Raise MissingExtraError unless what the workbench needs is installed."""
    for package in ("starlette", "uvicorn", "sse_starlette", "jinja2", "tomlkit"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "workbench", "the workbench")


def _folder(options: WorkbenchOptions) -> Path:
    """Return the folder of the project; of a table that of the project made around it."""
    place = options.place
    if place.is_dir() or not place.exists():
        return place
    folder = place.with_name(f"{place.stem}_project")
    if not (folder / CliConfig.FILE).is_file():
        create_project(InitOptions(folder=folder, data=(place,)))
    return folder


def project_of(folder: Path) -> Project:
    """Return the project of a folder.

    Raises
    ------
    InputError
        If there is no ``spear.toml``, or it names no table.
    """
    settings = folder / CliConfig.FILE
    if not settings.is_file():
        raise InputError(
            f"{folder} holds no {CliConfig.FILE}: make a project with spear-amal init, or give the "
            "table itself"
        )
    config = CliConfig.load(settings)
    config.require("data")
    own = (folder / GOLD).resolve()
    others = tuple(path for path in config.gold if path.resolve() != own)
    reading = config.model_copy(update={"gold": others})

    def read_table() -> pd.DataFrame:
        return read_data(reading)

    texts = config.as_text()
    rules: Path | None = getattr(config, "rules", None)
    return Project(
        folder=folder,
        data=config.data,
        text_column=config.text_column,
        label_column=config.label_column,
        id_column=config.id_column,
        lfs=config.lfs,
        cache=config.cache or folder / CACHE_FOLDER,
        read_table=read_table,
        settings={name: texts[name] for name in _SHOWN if name in texts},
        gold_files=others,
        named=frozenset(["gold"] * (len(others) < len(config.gold)) + ["rules"] * bool(rules)),
        rules_file=rules,
        reopen=lambda: project_of(folder),
    )
