"""The command ``workbench``: a project in the browser."""

from __future__ import annotations

import importlib.util
import webbrowser
from pathlib import Path
from threading import Thread

import pandas as pd

from spear_amal.cli.console import add_to_json, print_json_now, print_result, print_status
from spear_amal.cli.init_project import write_project
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import CliConfig
from spear_amal.cli.options.start import InitOptions, WorkbenchOptions
from spear_amal.cli.votes import CACHE_FOLDER
from spear_amal.data.table_kinds import bare_name, is_table_file
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.workbench.project import GOLD, Project

_SHOWN = ("method", "features", "metric", "test")


def open_workbench(options: WorkbenchOptions) -> None:
    """Serve the workbench of a project, or of a table around which one is made."""
    require_extra()
    from spear_amal.workbench import Workspace, serve
    from spear_amal.workbench.jobs import TrainingJobs

    project = project_of(_folder(options))
    print_status(f"Reading {', '.join(map(str, project.data))} ..")
    workspace = Workspace(project, first_look=0.0)  # pages are made ready meanwhile

    def on_ready(address: str) -> None:
        print_result(f"The workbench of {project.folder} is open at {address}")
        add_to_json(address=address, folder=str(project.folder))
        print_json_now()  # who waits for the address does not wait for the end
        print_status("Whoever has this address can run the project's code. Ctrl+C ends it.")
        if not options.no_browser:
            # A browser of the terminal returns when it is left: nothing waits for it.
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    try:
        serve(workspace, options.port, on_ready)
    finally:
        workspace.close()
    print_status("The workbench has ended; all labels and rules are in their files.")
    if TrainingJobs(workspace).running is not None:
        print_status("The run that is under way goes on; the next workbench shows its result.")


def require_extra() -> None:
    """Raise MissingExtraError unless what the workbench needs is installed."""
    for package in (
        "starlette",
        "uvicorn",
        "sse_starlette",
        "jinja2",
        "python_multipart",
        "tomlkit",
    ):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "workbench", "the workbench")


def _folder(options: WorkbenchOptions) -> Path:
    """Return the folder of the project; of a table that of the project made around it."""
    place = options.place
    if not place.exists():
        raise InputError(f"{place} does not exist: give the folder of a project, or a table")
    if place.name == CliConfig.FILE:
        place = place.parent
    if place.is_dir():
        options.refuse_reading(
            f"goes with a table; how the project's own is read stands in {place / CliConfig.FILE}"
        )
        return place
    folder = place.with_name(f"{bare_name(place)}_project")
    if (folder / CliConfig.FILE).is_file():
        _check_project(folder, options)
    else:
        write_project(
            InitOptions.model_validate({"folder": folder, "data": (place,), **options.reading()})
        )
        print_result(f"Made a project around {place} in {folder}; the table stays where it is.")
    return folder


def _check_project(folder: Path, options: WorkbenchOptions) -> None:
    """Raise InputError if a project is about another table, or reads it otherwise."""
    settings = folder / CliConfig.FILE
    config = CliConfig.load(settings)
    if options.place.resolve() not in [path.resolve() for path in config.data]:
        tables = ", ".join(map(str, config.data)) or "no table"
        raise InputError(
            f"{folder} is a project about {tables}, not about {options.place}: give that folder, "
            f"or make another project with spear-amal init DIR --data {options.place}"
        )
    for name, value in options.reading().items():
        present = getattr(config, name)
        if present != value:
            raise InputError(
                f"--{name.replace('_', '-')} is {value!r}, but the project that was made around "
                f"the table has {present!r} for it; change that in {settings}"
            )


def project_of(folder: Path) -> Project:
    """Return the project of a folder.

    Raises
    ------
    InputError
        If there is no ``spear.toml``, or it names no table.
    """
    settings = folder / CliConfig.FILE
    if not settings.is_file():
        tables = sorted(path for path in folder.iterdir() if is_table_file(path))
        example = f" (as {tables[0]})" if tables else ""
        raise InputError(
            f"{folder} holds no {CliConfig.FILE}: make a project with spear-amal init, or give the "
            f"table itself{example}"
        )
    config = CliConfig.load(settings)
    if not config.data:
        raise InputError(f"{settings} names no table: give it the key 'data'")
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
