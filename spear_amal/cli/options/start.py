"""Options of the commands that one begins with: a demo, a project, a page, corpora."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from spear_amal.cli.options.shared import (
    CacheDir,
    DataDir,
    Encoding,
    Force,
    IdColumn,
    Lfs,
    Sep,
    Sheet,
    Text,
)
from spear_amal.cli.schema import Options, option
from spear_amal.errors import InputError


class DemoOptions(Options):
    """Options of ``demo``."""

    output: Path | None = option(None, "HTML report to write; default: report.html.")
    seed: int = option(0, "Draws the split and starts the training.", ge=0)
    offline: bool = option(False, "Fetch nothing.")
    force: Force = False
    lfs: Lfs = None
    data_dir: DataDir = None
    cache_dir: CacheDir = None
    max_epochs: int = option(100, "Number of epochs at most.", ge=1)


class OwnTableOptions(Options):
    """How a table is read around which a project is made."""

    text_column: Text | None = option(None, "Column with the text; default: it is looked for.")
    label_column: Text | None = option(None, "Column with gold labels; default: it is looked for.")
    id_column: IdColumn = None
    sep: Sep = None
    encoding: Encoding = None
    sheet: Sheet = None

    def reading(self) -> dict[str, str]:
        """Return the options that were given about how to read the table."""
        given = {name: getattr(self, name) for name in OwnTableOptions.model_fields}
        return {name: value for name, value in given.items() if value is not None}

    def refuse_reading(self, reason: str) -> None:
        """Raise InputError if options about a table were given where none is read."""
        if given := self.reading():
            flags = ", ".join("--" + name.replace("_", "-") for name in given)
            raise InputError(f"{flags}: {reason}")


class InitOptions(OwnTableOptions):
    """Options of ``init``."""

    SHOWN: ClassVar = {
        "Options": "folder data llm",
        "Rows": "text_column label_column id_column sep encoding sheet",
    }

    folder: Path = option(..., "New folder.", metavar="DIR")
    llm: bool = option(
        False,
        "Also write a labelling function that asks a language model, on this machine unless you "
        "name another place.",
    )
    data: tuple[Path, ...] = option(
        (), "A table of your own, which stays where it is; default: made-up rows are written."
    )


class WorkbenchOptions(OwnTableOptions):
    """Options of ``workbench``."""

    SHOWN: ClassVar = {
        "Options": "place port no_browser",
        "Rows of a table": "text_column label_column id_column sep encoding sheet",
    }

    place: Path = option(
        Path("."),
        "Folder of a project, or a table, around which a project is made beside it; default: here.",
        metavar="DIR",
    )
    port: int = option(
        0, "Port of this machine to listen on; default: a free one.", ge=0, le=65_535
    )
    no_browser: bool = option(False, "Print the address, and open no browser.")


class CorporaListOptions(Options):
    """Options of ``corpora list``."""

    data_dir: DataDir = None
    cache_dir: CacheDir = None


class CorporaFetchOptions(CorporaListOptions):
    """Options of ``corpora fetch``."""

    name: str = option(..., "A name that `corpora list` shows.", metavar="NAME")
