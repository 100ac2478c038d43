"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(help="TOML file with settings; default: spear.toml here, if there is one."),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(help="Table: .csv, .jsonl or .parquet. Give it again to add further files."),
]
Lfs = Annotated[Path | None, typer.Option(help="Python file with the labelling functions.")]
TextColumn = Annotated[str | None, typer.Option(help="Column with the text. [default: text]")]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="Column with gold labels, empty where there is none. [default: label]"),
]
FaultTolerant = Annotated[
    bool, typer.Option("--fault-tolerant", help="Let an LF that fails on a row abstain there.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that are there.")]
Model = Annotated[
    Path | None, typer.Option(help="Model file that train wrote. [default: model.safetensors]")
]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder with corpora; default: $SPEAR_AMAL_DATA.")
]
CacheDir = Annotated[
    Path | None, typer.Option(help="Where fetched corpora are kept; default: $SPEAR_AMAL_CACHE.")
]
